"""One person in several photos: each place of the body is taken from the photo that shows it best.

Between photos the choice changes over a few centimetres of skin. Colours stay each photo's own: light that falls on a
back is not that which falls on a front, and bringing one to the other cost 0.4 dB on made-up people. Photos whose
clothes differ too much to be one person's give a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from limner.body import BodyData
from limner.checks import InputError
from limner.motion.actor import Actor
from limner.motion.painter import Layer
from limner.motion.surface import mesh_edges, sample_points, spread_on_mesh
from limner.motion.texture import Appearance
from limner.motion.unseen import part_kinds

EASE_M = 0.03
"""Over about this much skin one photo takes over from another."""
FIRST_FAVOUR = 0.08
"""What the first photo is given ahead: where two show a place about as well, it is the first one's."""
SHARPNESS = 0.025
"""Of the choice: a photo that shows a place so much better takes e times the share."""
TRUSTED = 0.5
FEWEST_PLACES = 60
"""Places of trunk or legs that a photo must show before its clothes are compared."""
CLOTHES_DISTANCE = 34.0
"""Lab distance between the median colours of trunk or legs, in two photos, that one outfit hardly reaches."""
_CLOTHES = ("torso", "leg")


@dataclass(frozen=True, eq=False)
class Sight:
    """What a photo shows of a person.

    Attributes:
        colour: the photo.
        points: for each vertex the pixel that shows it.
        trust: (V,) 0 to 1, how well it does.
    """

    colour: UInt8[ndarray, "H W 3"]
    points: Float32[ndarray, "V 2"]
    trust: Float32[ndarray, "V"]

    @classmethod
    def of_look(cls, look: Appearance) -> Sight:
        """Return what the photo of an appearance shows."""
        return cls(look.colour, look.figure.points, look.seen * look.facing)


def photo_shares(body: BodyData, shown: Float32[ndarray, "N V"]) -> Float32[ndarray, "N V"]:
    """Choose the photo for each vertex.

    Args:
        body: the body model.
        shown: how well each photo shows each vertex, 0 to 1.

    Returns:
        The share of each photo; they add up to 1.
    """
    edges = mesh_edges(body.faces)
    length = np.linalg.norm(body.v_template[edges[:, 0]] - body.v_template[edges[:, 1]], axis=1)
    stiffness = (EASE_M / np.maximum(length, 0.1 * EASE_M)) ** 2
    eased = spread_on_mesh(shown.T, np.ones(shown.shape[1]), edges, stiffness, rest=0.0).T
    eased[0] += FIRST_FAVOUR
    weight = np.exp((eased - eased.max(axis=0)) / SHARPNESS)
    return (weight / weight.sum(axis=0)).astype(np.float32)


def join_photos(actors: Sequence[Actor]) -> Actor:
    """Make one actor of several photos of a person; body, place and background are the first one's.

    Args:
        actors: one for each photo, prepared with the same body model, none of them swapped or joined before.

    Raises:
        InputError: no photos, body models that differ, or an actor of several photos.
    """
    if not actors or len({actor.body.name for actor in actors}) != 1:
        raise InputError("several photos of a person need one body model, and at least one photo")
    if any(len(actor.layers) != 1 for actor in actors):
        raise InputError("an actor of several photos cannot be joined with others")
    looks = [actor.layers[0].appearance for actor in actors]
    shown = np.stack([look.seen * np.clip(look.facing, 0, 1) for look in looks])
    shares = photo_shares(actors[0].body, shown)
    layers = tuple(Layer(look, share) for look, share in zip(looks, shares, strict=True))
    warnings = [warning for actor in actors for warning in actor.warnings]
    warnings += different_clothes(actors[0].body, [Sight.of_look(look) for look in looks])
    return replace(actors[0], layers=layers, warnings=tuple(dict.fromkeys(warnings)))


def different_clothes(body: BodyData, sights: Sequence[Sight]) -> Iterator[str]:
    """Say which photos seem to show somebody in other clothes than the first: the trunk's and legs' colours."""
    kinds = part_kinds(body)
    first = [_colour_of(sights[0], kinds == kind) for kind in _CLOTHES]
    for number, sight in enumerate(sights[1:], start=2):
        others = [_colour_of(sight, kinds == kind) for kind in _CLOTHES]
        pairs = [(a, b) for a, b in zip(first, others, strict=True) if a is not None and b is not None]
        if pairs and max(np.linalg.norm(a - b) for a, b in pairs) > CLOTHES_DISTANCE:
            yield (
                f"photo {number} seems to show another person or other clothes than the first: "
                "give photos of one person in one outfit"
            )


def _colour_of(sight: Sight, members: ndarray) -> Float32[ndarray, "3"] | None:
    """Median Lab colour of the places that a photo shows."""
    places = members & (sight.trust > TRUSTED)
    if places.sum() < FEWEST_PLACES:
        return None
    colours = sample_points(sight.colour, sight.points[places]).astype(np.float32) / 255
    return np.median(cv2.cvtColor(colours[None], cv2.COLOR_RGB2LAB)[0], axis=0)
