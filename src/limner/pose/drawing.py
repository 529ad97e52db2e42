"""Overlays: keypoints drawn on a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy import ndarray

from limner.pose.skeletons import SKELETONS, Skeleton
from limner.records import Keypoints
from limner.types import RgbImage

_LEFT, _RIGHT, _MIDDLE = (66, 133, 244), (255, 138, 48), (74, 190, 110)  # RGB
_OUTLINE = (20, 20, 20)
_BITS = 4  # OpenCV draws with this many binary places below the pixel


def draw_keypoints(
    image: RgbImage, keypoints: Keypoints, *, min_score: float = 0.3, skeleton: Skeleton | None = None
) -> RgbImage:
    """Return a copy of the picture with the skeletons drawn on it.

    Args:
        image: RGB.
        keypoints: of any number of people; the person's left is blue, the right orange, the middle green.
        min_score: joints below it, and the limbs that end there, are left out.
        skeleton: the joints' names and limbs where the registry does not have them.

    Returns:
        The overlay; lines are as thick as suits the size of each person.
    """
    canvas = np.ascontiguousarray(image).copy()
    skeleton = SKELETONS[keypoints.skeleton] if skeleton is None else skeleton
    for xy, score in zip(keypoints.xy, keypoints.score, strict=True):
        seen = score >= min_score
        if seen.any():
            _draw_person(canvas, xy, seen, skeleton)
    return canvas


def _draw_person(canvas: RgbImage, xy: ndarray, seen: ndarray, skeleton: Skeleton) -> None:
    extent = min(float(np.ptp(xy[seen], axis=0).max()), max(canvas.shape))  # joints may lie far outside
    thickness = max(1, round(extent / 90))
    limbs = [(a, b) for a, b in skeleton.limbs if seen[a] and seen[b]]
    # The dark lines go first, all of them, so that no outline crosses a coloured limb.
    for colour_of, width in ((lambda *_: _OUTLINE, thickness + 2), (_colour, thickness)):
        for a, b in limbs:
            colour = colour_of(skeleton.joints[a], skeleton.joints[b])
            cv2.line(canvas, _fixed(xy[a]), _fixed(xy[b]), colour, width, cv2.LINE_AA, _BITS)
    # A face has many points close together, so its dots are smaller.
    dense = {i for i, joint in enumerate(skeleton.joints) if "eye" in joint or "mouth" in joint}
    for i in np.flatnonzero(seen):
        radius = thickness * (0.6 if i in dense else 1.1) + 0.5
        for extra, colour in ((0.8, _OUTLINE), (0.0, _colour(skeleton.joints[i], skeleton.joints[i]))):
            reach = round((radius + extra) * (1 << _BITS))
            cv2.circle(canvas, _fixed(xy[i]), reach, colour, -1, cv2.LINE_AA, _BITS)


def _colour(first: str, second: str) -> tuple[int, int, int]:
    for side, colour in (("left_", _LEFT), ("right_", _RIGHT)):
        other = "right_" if side == "left_" else "left_"
        sided = first.startswith(side) or second.startswith(side)
        if sided and not (first.startswith(other) or second.startswith(other)):
            return colour
    return _MIDDLE


def _fixed(point: ndarray) -> tuple[int, int]:
    limit = 1 << 20  # keeps far-off points inside OpenCV's integers
    x, y = np.clip(np.round(point * (1 << _BITS)), -limit, limit)
    return int(x), int(y)
