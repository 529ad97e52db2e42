"""Hair that a photo does not show: where it grows, what colour it has, and strands instead of one flat tone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32
from numpy import ndarray

from limner.body import BodyData

TRUSTED = 0.3
"""Trust from which a colour of the photo is taken for the place's own."""
HAIRLINE_M = 0.025
"""How far above the face list (brows) the forehead ends."""
NAPE = 0.35
"""Where hair ends at the back, from the chin (0) to the brows (1): at the height of the mouth. Longer hair is seen
beside the neck, and the neck takes after its sides."""
BEHIND_FACE_M = 0.05
HAIR_LIKE = 0.45
"""A colour is hair when it is so much nearer to the hair's than to the skin's: ears cast shadows."""
STRANDS = (48, 160)
"""Strands round the head, coarse and fine."""
WAVE = (0.12, 25.0)
"""How far strands swing to the side (radians round the head) and how often on their way down (radians a metre)."""
MOST_LEVELS = 12.0


class Scalp(NamedTuple):
    """Where hair is to be expected, where skin shows among it (ears, forehead), the face, and the hair's colour."""

    hair: Bool[ndarray, "V"]
    bare: Bool[ndarray, "V"]
    face: Bool[ndarray, "V"]
    colour: Float32[ndarray, "3"] | None


def find_scalp(
    body: BodyData, own: Float32[ndarray, "V 3"], trust: Float32[ndarray, "V"], rest: Float32[ndarray, "V 3"]
) -> Scalp:
    """Find the hair of a person.

    Args:
        body: the body model.
        own: the photo's colour at each vertex.
        trust: how far it is to be believed there.
        rest: the shaped T pose.
    """
    hair, bare, in_face = (np.zeros(body.num_vertices, bool) for _ in range(3))
    if "head" not in body.face_lists or "face" not in body.face_lists:
        return Scalp(hair, bare, in_face, None)
    head, face = (np.unique(body.faces[body.face_lists[name]]) for name in ("head", "face"))
    in_face[face] = True
    scalp = np.setdiff1d(head, face)
    chin, brows = rest[face, 1].min(), rest[face, 1].max()
    hairline = brows + HAIRLINE_M
    behind = rest[scalp, 2] < np.median(rest[face, 2]) - BEHIND_FACE_M
    region = scalp[(rest[scalp, 1] > hairline) | (behind & (rest[scalp, 1] > chin + NAPE * (brows - chin)))]
    hair[region] = True
    top, skin = region[(rest[region, 1] > hairline) & (trust[region] > TRUSTED)], face[trust[face] > 0.5]
    if len(top) == 0 or len(skin) == 0:
        return Scalp(hair, bare, in_face, None)
    hair_colour, skin_colour = np.median(own[top], axis=0), np.median(own[skin], axis=0)
    off_hair, off_skin = (np.linalg.norm(own[region] - c, axis=1) for c in (hair_colour, skin_colour))
    bare[region] = off_hair > HAIR_LIKE * off_skin
    return Scalp(hair, bare, in_face, hair_colour.astype(np.float32))


def strand_levels(scalp: Scalp, fine: Float32[ndarray, "V 3"], trust: Float32[ndarray, "V"]) -> Float32[ndarray, "V"]:
    """How strongly strands show at each vertex, in levels: as uneven as the hair that is seen, where none is seen.

    Args:
        scalp: of `find_scalp`.
        fine: the photo's fine structure at each vertex, see `limner.motion.unseen.fine_structure`.
        trust: how far the photo is to be believed there.
    """
    seen = scalp.hair & ~scalp.bare & (trust > TRUSTED)
    if scalp.colour is None or not seen.any():
        return np.zeros(len(trust), np.float32)
    return (scalp.hair * (1 - trust) * min(float(fine[seen].mean(axis=1).std()), MOST_LEVELS)).astype(np.float32)


def strands(place: Float32[ndarray, "N 3"], middle: Float32[ndarray, "3"]) -> Float32[ndarray, "N"]:
    """Lighter and darker strands that fall from the crown: of mean 0 and about unit size.

    Args:
        place: rest places, metres.
        middle: of the head.
    """
    x, down, z = (place - middle).T
    angle = np.arctan2(x, z) + WAVE[0] * np.sin(WAVE[1] * down)
    numbers = np.random.default_rng(0)
    found = np.zeros(len(place))
    for count in STRANDS:
        tone = numbers.normal(size=count)
        found += np.interp(angle / (2 * np.pi) * count, np.arange(count), tone, period=count)
    return (found / np.sqrt(len(STRANDS))).astype(np.float32)
