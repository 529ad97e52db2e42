"""Frames in which the locator takes left for right, found by what it says before and after.

For single frames or short runs a locator calls the left leg the right one, or turns the whole person round. Such a
frame makes both limbs jump there and back; exchanging the names makes them run smoothly. Of the four readings of every
frame (as it is, legs exchanged, arms exchanged, both) the sequence with the shortest way in all is taken, by dynamic
programming, with a small charge for every frame that is read otherwise than it is.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

__all__ = ["find_swaps", "mirrored_names"]

_LEGS = ("hip", "knee", "ankle", "heel", "big_toe", "small_toe")
_READINGS = np.array([[False, False], [True, False], [False, True], [True, True]])  # legs, arms
_CHARGE = 0.01  # of a frame that is read otherwise, in body sizes a keypoint
_FARTHEST = 0.3  # body sizes beyond which a jump is a mistake of another kind


def mirrored_names(names: tuple[str, ...], *, legs: bool, arms: bool) -> ndarray:
    """Return for each keypoint the one that takes its place when the legs, or the arms and the face, change sides."""
    order = []
    for n, name in enumerate(names):
        side, _, part = name.partition("_")
        swapped = side in ("left", "right") and (legs if part.endswith(_LEGS) else arms)
        partner = ("right_" if side == "left" else "left_") + part
        order.append(names.index(partner) if swapped and partner in names else n)
    return np.array(order)


def find_swaps(
    xy: Float[ndarray, "T K 2"],
    confidence: Float[ndarray, "T K"],
    names: tuple[str, ...],
    world: Float[ndarray, "T K 3"] | None = None,
) -> Bool[ndarray, "T 2"]:
    """Return which frames have the sides of the legs, and of the arms, mixed up.

    Args:
        xy: keypoints in any unit.
        confidence: 0 to 1; frames without any are passed over.
        names: of the keypoints.
        world: metres; adds what the picture does not show.
    """
    swaps = np.zeros((len(xy), 2), dtype=bool)
    frames = np.flatnonzero((confidence > 0).any(1))
    if len(frames) < 3:
        return swaps
    sided = [n for n, name in enumerate(names) if name.startswith(("left_", "right_"))]
    orders = [mirrored_names(names, legs=legs, arms=arms)[sided] for legs, arms in _READINGS]
    size = np.median([np.ptp(xy[t][confidence[t] > 0], axis=0).max() for t in frames])
    points = xy[frames] / max(size, 1e-9)
    if world is not None:
        points = np.concatenate([points, world[frames] / 1.7], axis=-1)
    sure = confidence[frames]
    charge = _CHARGE * _READINGS.sum(1) * len(sided) / 2
    best, came = charge.copy(), np.zeros((len(frames), len(orders)), dtype=int)
    for t in range(1, len(frames)):
        way = np.array([[_way(points, sure, t, before, now) for before in orders] for now in orders])
        total = best + way
        came[t] = total.argmin(1)
        best = total.min(1) + charge
    state = int(best.argmin())
    for t in range(len(frames) - 1, -1, -1):
        swaps[frames[t]] = _READINGS[state]
        state = came[t, state]
    return swaps


def _way(points: ndarray, sure: ndarray, frame: int, before: ndarray, now: ndarray) -> float:
    """Return how far the keypoints travel to `frame` when both frames are read in the given orders."""
    gap = np.linalg.norm(points[frame, now] - points[frame - 1, before], axis=-1)
    return float((np.minimum(gap, _FARTHEST) * sure[frame, now] * sure[frame - 1, before]).sum())
