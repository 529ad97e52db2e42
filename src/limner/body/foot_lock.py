"""Feet nailed down while they stand: the legs bend so that each step keeps its place, and the feet keep their turn.

The knee opens or closes until the ankle is as far from the hip as it has to be, then the hip turns it there. Between
two steps the correction passes from one to the next. Notation: H hip, K knee, A ankle in the world.

Source: the two-bone case of inverse kinematics by the law of cosines, as in Kovar, Schreiner and Gleicher 2002.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from limner.body import lie
from limner.body.feet import body_places, runs_of
from limner.body.ground import Grounded
from limner.body.smoothing import fill_gaps
from limner.body.smpl import PARENTS, BodyData
from limner.checks import check_shape

__all__ = ["lock_feet"]

_LEGS = ((1, 4, 7), (2, 5, 8))
_BLEND_S = 0.04
_LONGEST = 0.9995  # of the leg's length; a leg as straight as that has no plane to bend in
_SHORTEST = 0.2


def lock_feet(data: BodyData, betas: Float[ndarray, "S"], grounded: Grounded, frame_rate: float) -> Grounded:
    """Return the motion with every step in one place and on the floor.

    Args:
        data: the body.
        betas: the person's shape.
        grounded: as `ground_bodies` gives it.
        frame_rate: frames a second.
    """
    check_shape(betas, "betas", ("S",))
    rotvec = grounded.rotvec.astype(np.float32)
    shape = np.repeat(np.asarray(betas, np.float32)[None], len(rotvec), axis=0)
    joints, soles = body_places(data, shape, rotvec)
    joints, soles = joints + grounded.pelvis[:, None], soles + grounded.pelvis[:, None, None]
    world = _world_rotmats(grounded.rotvec)
    for foot, leg in enumerate(_LEGS):
        shift = _corrections(soles[:, foot], grounded.contact[:, foot], frame_rate)
        if shift is not None:
            _bend(world, joints, leg, joints[:, leg[2]] + shift)
    local = world[:, np.maximum(PARENTS, 0)].swapaxes(-1, -2) @ world
    local[:, 0] = world[:, 0]
    return replace(grounded, rotvec=lie.log(local))


def _world_rotmats(rotvec: Float[ndarray, "T 24 3"]) -> Float[ndarray, "T 24 3 3"]:
    world = lie.exp(rotvec)
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            world[:, joint] = world[:, parent] @ world[:, joint]
    return world


def _corrections(
    points: Float[ndarray, "T 2 3"], standing: Bool[ndarray, "T 2"], frame_rate: float
) -> Float[ndarray, "T 3"] | None:
    """Return how far to move the foot in every frame, or None where it never stands."""
    steps = runs_of(standing.any(axis=1))
    if not steps:
        return None
    shift = np.zeros((len(points), 3))
    for first, last in steps:
        shift[first:last] = _nailed(points[first:last], standing[first:last])
    shift = fill_gaps(shift, standing.any(axis=1))
    if len(shift) > 2:
        # Along the floor any smoothing would be sliding; a millimetre of height is not seen.
        shift[:, 1] = gaussian_filter1d(shift[:, 1], _BLEND_S * frame_rate, mode="nearest")
    return shift


def _nailed(points: Float[ndarray, "T 2 3"], standing: Bool[ndarray, "T 2"]) -> Float[ndarray, "T 3"]:
    """Return the shift of one step: what stands keeps its place, and hands over to the other point where that is."""
    shift = np.zeros((len(points), 3))
    nail = int(standing[0].argmax())
    place = points[0, nail]
    for frame, (own, stands) in enumerate(zip(points, standing, strict=True)):
        if not stands[nail]:
            other = 1 - nail
            place, nail = own[other] + shift[frame - 1], other
        shift[frame] = place - own[nail]
    shift -= np.median(shift, axis=0)  # the whole step stays where it was seen
    height = np.where(standing, points[..., 1], np.inf).min(axis=1)
    return np.stack([shift[:, 0], -height, shift[:, 2]], axis=1)


def _bend(
    world: Float[ndarray, "T 24 3 3"],
    joints: Float[ndarray, "T 24 3"],
    leg: tuple[int, int, int],
    goal: Float[ndarray, "T 3"],
) -> None:
    """Turn hip and knee, in place, so that the ankle comes to its goal; the ankle's own turn in the world stays."""
    hip, knee, ankle = leg
    thigh, shin = joints[:, knee] - joints[:, hip], joints[:, ankle] - joints[:, knee]
    upper, lower = np.linalg.norm(thigh, axis=-1), np.linalg.norm(shin, axis=-1)
    way = goal - joints[:, hip]
    reach = np.linalg.norm(way, axis=-1)
    far = np.clip(reach, _SHORTEST * (upper + lower), _LONGEST * (upper + lower))
    opening = _bend_angle(upper, lower, np.linalg.norm(thigh + shin, axis=-1)) - _bend_angle(upper, lower, far)
    # A nearly straight knee bends about the thigh's own axis, the shin to the back.
    across = np.cross(thigh, shin) + 1e-3 * world[:, hip, :, 0] * (upper * lower)[:, None]
    axis = across / np.linalg.norm(across, axis=-1, keepdims=True)
    close = lie.exp(-axis * opening[:, None])
    turn = _smallest_turn(thigh + (close @ shin[..., None])[..., 0], way)
    world[:, hip] = turn @ world[:, hip]
    world[:, knee] = turn @ close @ world[:, knee]


def _bend_angle(upper: ndarray, lower: ndarray, far: ndarray) -> Float[ndarray, "T"]:
    """Return how far a knee is bent, 0 for a straight leg, whose ankle is `far` from the hip."""
    return np.arccos(np.clip((far**2 - upper**2 - lower**2) / (2 * upper * lower), -1, 1))


def _smallest_turn(start: Float[ndarray, "T 3"], end: Float[ndarray, "T 3"]) -> Float[ndarray, "T 3 3"]:
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (start * end).sum(axis=-1, keepdims=True))
    return lie.exp(axis / np.maximum(sine, 1e-12) * angle)
