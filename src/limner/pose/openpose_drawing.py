"""Skeletons on black in OpenPose's colours, as picture generators that are steered by a pose (ControlNet) take them.

Source: Cao et al. 2017, "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields": 18 joints, and limbs,
take their colours from the circle of hues.
"""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy import ndarray

from limner.pose.skeletons import SKELETONS, convert
from limner.records import Keypoints
from limner.types import RgbImage

# The order gives the limbs their colours: shoulders, arms, legs, then the head.
_LIMBS = [(1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)]
_LIMBS += [(1, 0), (0, 14), (14, 16), (0, 15), (15, 17)]
_COLOURS = [
    tuple(int(255 * value) for value in colorsys.hsv_to_rgb(joint / 18, 1, 1))
    for joint in range(len(SKELETONS["openpose18"]))
]
_LIMB_LIGHT = 0.6
_HALF_WIDTH = 4 / 512  # of a limb, for each pixel of the picture's shorter side
_BITS = 4


def draw_openpose(size_hw: tuple[int, int], keypoints: Keypoints, *, min_score: float = 0.3) -> RgbImage:
    """Return the skeletons on black.

    Args:
        size_hw: of the picture that the keypoints belong to, and of the drawing.
        keypoints: of any number of people, in any skeleton; drawn are OpenPose's 18 joints.
        min_score: joints below it, and the limbs that end there, are left out.
    """
    canvas = np.zeros((*size_hw, 3), np.uint8)
    half_width = max(1.0, min(size_hw) * _HALF_WIDTH)
    joints = convert(keypoints, "openpose18")
    for xy, score in zip(joints.xy, joints.score, strict=True):
        _draw_person(canvas, xy, score >= min_score, half_width)
    return canvas


def _draw_person(canvas: RgbImage, xy: ndarray, seen: ndarray, half_width: float) -> None:
    limit = 4 * max(canvas.shape)  # joints may lie far outside
    xy = np.clip(xy, -limit, limit)
    for (a, b), colour in zip(_LIMBS, _COLOURS[: len(_LIMBS)], strict=True):
        if seen[a] and seen[b]:
            _draw_limb(canvas, xy[a], xy[b], half_width, tuple(int(value * _LIMB_LIGHT) for value in colour))
    for joint in np.flatnonzero(seen):
        x, y = np.round(xy[joint] * (1 << _BITS)).astype(int).tolist()
        cv2.circle(canvas, (x, y), round(half_width * (1 << _BITS)), _COLOURS[joint], -1, cv2.LINE_AA, _BITS)


def _draw_limb(canvas: RgbImage, start: ndarray, end: ndarray, half_width: float, colour: tuple[int, ...]) -> None:
    """A filled ellipse from joint to joint."""
    along = (end - start) / 2
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6) * half_width
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)[:, None]
    outline = (start + end) / 2 + np.cos(angle) * along + np.sin(angle) * across
    cv2.fillPoly(canvas, [np.round(outline * (1 << _BITS)).astype(np.int32)], colour, cv2.LINE_AA, _BITS)
