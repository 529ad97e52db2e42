"""Colours for the skin that a photo does not show: from the mirrored side, then from near places of the same part.

Nearness is measured in the T pose with each limb stretched along its axis, so that hems, sleeves and belts end at the
same height all round. The back of the head takes the colour of the hair, not of the face.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from scipy.spatial import cKDTree

from limner.body import BodyData
from limner.motion.drawn import Figure
from limner.motion.hair import TRUSTED, Scalp, find_scalp
from limner.motion.surface import mesh_edges, sample_points, spread_on_mesh

STRETCH = 6.0
"""How much farther two places are along a limb than round it."""
NEIGHBOURS = 32
NEAR_M = 0.03
"""Places nearer than this count alike."""
KNOWN, GUESSED = 40.0, 1.0
SMOOTHING = 0.5
MIRROR_TRUST = 0.5
HAIR_EVENNESS = 0.7
"""How much the unseen hair takes of the colour on top of the head, rather than of the nearest hair seen."""
DETAIL_SHARE = 0.7
DETAIL_LEVELS = 25.0
DETAIL_M = 0.03
"""Structure finer than this is taken for the cloth's and repeated on its unseen side."""
LIMB_AXES = {"torso": 1, "leg": 1, "head": 1, "arm": 0, "hand": 0, "foot": 2}
"""The axis (x, y, z) along which each kind of part runs in the T pose."""


def part_kinds(body: BodyData) -> ndarray:
    """The kind of part each vertex lies in: "head", "torso", "arm", "hand", "leg", "foot"; "" where unknown."""
    kinds = np.full(body.num_vertices, "", dtype="<U8")
    for name, faces in body.face_parts.items():
        kinds[np.unique(body.faces[faces])] = name.split("_")[1]
    return kinds


def fill_colours(
    colour: UInt8[ndarray, "H W 3"],
    body: BodyData,
    figure: Figure,
    trust: Float32[ndarray, "V"],
    rest: Float32[ndarray, "V 3"],
) -> Float32[ndarray, "V 3"]:
    """Give every vertex a colour.

    Args:
        colour: the photo, the person's colours continued past the mask.
        body: the body model.
        figure: the body in the photo.
        trust: how far the photo is to be believed at each vertex, 0 to 1.
        rest: the shaped T pose.
    """
    own = sample_points(cv2.blur(colour, (3, 3)), figure.points).astype(np.float32)
    known, belief = own.copy(), trust.copy()
    if body.mirror_vertices is not None:
        other = MIRROR_TRUST * trust[body.mirror_vertices] * (1 - trust)
        known = (trust[:, None] * own + other[:, None] * own[body.mirror_vertices]) / np.maximum(trust + other, 1e-6)[
            :, None
        ]
        belief = trust + other
    filled, scalp = np.zeros_like(own), find_scalp(body, own, trust, rest)
    for members, sources in _groups(body, scalp, belief):
        filled[members] = _from_nearest(known, belief, sources, members, _stretched(body, rest))
    if scalp.colour is not None:
        filled[scalp.hair] += HAIR_EVENNESS * (scalp.colour - filled[scalp.hair])
    share = np.clip(belief, 0, 1)[:, None]
    values = filled + share * (known - filled)
    edges = mesh_edges(body.faces)
    confidence = GUESSED + KNOWN * np.clip(belief, 0, 1) ** 2
    return spread_on_mesh(values, confidence, edges, np.full(len(edges), SMOOTHING), rest=0.0)


def _stretched(body: BodyData, rest: Float32[ndarray, "V 3"]) -> Float32[ndarray, "V 3"]:
    places, kinds = rest.copy(), part_kinds(body)
    for kind, axis in LIMB_AXES.items():
        places[kinds == kind, axis] *= STRETCH
    return places


def _groups(body: BodyData, scalp: Scalp, belief: Float32[ndarray, "V"]) -> Iterator[tuple[ndarray, ndarray]]:
    """Who is filled, and from whom: a bare arm says nothing of a sleeveless back."""
    kinds, sure = part_kinds(body), belief > TRUSTED
    hair, bare, face, _ = scalp
    for group in (("torso", "leg"), ("arm",), ("hand",), ("foot",), ("head",), ("",)):
        members = np.isin(kinds, group)
        if group == ("head",):
            scalp_known = hair & ~bare & sure
            yield np.flatnonzero(hair), np.flatnonzero(scalp_known if scalp_known.any() else members & sure)
            yield np.flatnonzero(face), np.flatnonzero(face & sure)
            members &= ~hair & ~face
        yield np.flatnonzero(members), np.flatnonzero(members & sure)


def _from_nearest(
    known: Float32[ndarray, "V 3"],
    belief: Float32[ndarray, "V"],
    sources: ndarray,
    members: ndarray,
    places: Float32[ndarray, "V 3"],
) -> Float32[ndarray, "M 3"]:
    """Mean of the nearest known places, nearer and surer ones counting more; of all places where none is known."""
    if len(members) == 0:
        return np.zeros((0, 3), np.float32)
    if len(sources) == 0:
        mean = (belief @ known) / max(float(belief.sum()), 1e-6)
        return np.tile(mean.astype(np.float32), (len(members), 1))
    count = min(NEIGHBOURS, len(sources))
    distance, index = cKDTree(places[sources]).query(places[members], k=count)
    distance, index = distance.reshape(len(members), count), index.reshape(len(members), count)
    weight = belief[sources][index] / (distance + NEAR_M) ** 4
    weight /= weight.sum(axis=1, keepdims=True)
    return np.einsum("mk,mkc->mc", weight, known[sources][index]).astype(np.float32)


def same_garment(body: BodyData, figure: Figure) -> Float32[ndarray, "V"]:
    """1 where what the photo shows at a vertex's pixel is the same kind of part as the vertex's own, else 0."""
    codes = np.unique(part_kinds(body), return_inverse=True)[1].astype(np.float32)
    owner = np.full(figure.size_hw, -1, np.float32)
    owner[figure.covered] = codes[body.faces[figure.raster.face_index[figure.covered], 0]]
    column, row = (np.clip(np.rint(figure.points[:, k]).astype(int), 0, figure.size_hw[1 - k] - 1) for k in range(2))
    return (owner[row, column] == codes).astype(np.float32)


def echo_share(
    body: BodyData, figure: Figure, trust: Float32[ndarray, "V"], trust_in_front: Float32[ndarray, "V"]
) -> Float32[ndarray, "V"]:
    """How much of the cloth's structure in front is repeated behind it: on the trunk, the arms and the legs."""
    cloth = same_garment(body, figure) * np.isin(part_kinds(body), ("torso", "arm", "leg"))
    return (DETAIL_SHARE * cloth * trust_in_front * (1 - trust)).astype(np.float32)


def fine_structure(colour: UInt8[ndarray, "H W 3"], pixels_per_metre: float) -> Float32[ndarray, "H W 3"]:
    """What is finer than `DETAIL_M` in the photo, limited, so that a print does not show through."""
    fine = colour.astype(np.float32)
    fine -= cv2.GaussianBlur(fine, (0, 0), max(1.0, DETAIL_M * pixels_per_metre))
    return np.clip(fine, -DETAIL_LEVELS, DETAIL_LEVELS)
