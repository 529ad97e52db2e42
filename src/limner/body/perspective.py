"""From the scaled orthographic camera to others: one with perspective and depth, and HMR's over a crop.

Notation: f focal length in pixels, L the longer side of the picture in pixels, (s, tx, ty) the weak camera over the
whole picture. A perspective camera whose middle is the picture's shows the plane z = 0 of the body at the same scale
when the body stands at depth 2 f / (s L).

Source: Kanazawa et al. 2018, `demo.py` (the same depth over a crop of 224 pixels); Li et al. 2022 (CLIFF) for the
diagonal as a focal length where none is known.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from limner.body.crop import CROP_SIZE, PERSON_PX
from limner.body.lie import exp
from limner.checks import InputError, check_shape

__all__ = ["crop_cameras", "default_focal_px", "perspective_translation", "turn_to_ray"]


def default_focal_px(size_hw: tuple[int, int]) -> float:
    """Return the focal length to assume where none is known: the picture's diagonal, about 53 degrees across it."""
    return float(np.hypot(*size_hw))


def perspective_translation(
    weak_camera: Float[ndarray, "N 3"], size_hw: tuple[int, int], focal_px: float
) -> Float[ndarray, "N 3"]:
    """Return where bodies stand before a perspective camera, to be added to their vertices: metres in camera axes.

    Args:
        weak_camera: over the whole picture.
        size_hw: of the picture.
        focal_px: focal length in pixels.

    Raises:
        InputError: the focal length or a scale is not positive.
    """
    check_shape(weak_camera, "weak_camera", ("N", 3))
    if not 0 < focal_px < float("inf"):
        raise InputError(f"the focal length must be a positive number of pixels, got {focal_px}")
    camera = np.asarray(weak_camera, np.float64)
    if (camera[:, 0] <= 0).any():
        raise InputError("a camera's scale must be positive to tell a depth")
    depth = 2 * focal_px / (camera[:, :1] * max(size_hw))
    return np.concatenate([camera[:, 1:], depth], axis=1)


def turn_to_ray(translation: Float[ndarray, "N 3"]) -> Float[ndarray, "N 3 3"]:
    """Return the smallest rotations that bring the camera's axis onto the lines of sight to the given places.

    The orthographic camera sees everybody straight on; before a perspective one a person at the side of the picture is
    seen from the side, and turns by this to look the same.
    """
    along = translation / np.linalg.norm(translation, axis=-1, keepdims=True)
    axis = np.stack([-along[:, 1], along[:, 0], np.zeros(len(along))], axis=-1)  # z x along
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, along[:, 2:])
    return exp(axis / np.maximum(sine, 1e-12) * angle)


def crop_cameras(
    weak_camera: Float[ndarray, "N 3"],
    joints: Float[ndarray, "N 24 3"],
    size_hw: tuple[int, int],
) -> tuple[Float[ndarray, "N 3"], Float[ndarray, "N 2"], Float[ndarray, "N"]]:
    """Take cameras from the whole picture to HMR's crops round each body.

    Args:
        weak_camera: over the whole picture.
        joints: of the bodies, metres in camera axes.
        size_hw: of the picture.

    Returns:
        (s, tx, ty) over the crop, whose frame spans [-1, 1] from border to border; the crop's middle and its side in
        pixels of the picture. The box of the joints has a diagonal of 150 in a crop of 224 pixels, as HMR has it.
    """
    camera = np.asarray(weak_camera, np.float64)
    check_shape(camera, "weak_camera", ("N", 3))
    check_shape(joints, "joints", (len(camera), "J", 3))
    longer = max(size_hw)
    middle = (np.array(size_hw[::-1], np.float64) - 1) / 2
    pixels_per_metre = camera[:, :1] * longer / 2
    points = pixels_per_metre[:, None] * (joints[..., :2] + camera[:, None, 1:]) + middle
    low, high = points.min(axis=1), points.max(axis=1)
    centre = (low + high) / 2
    side = np.maximum(np.linalg.norm(high - low, axis=-1), 1e-6) * CROP_SIZE / PERSON_PX
    scale = 2 * pixels_per_metre / side[:, None]
    shift = camera[:, 1:] + (middle - centre) / pixels_per_metre
    return np.concatenate([scale, shift], axis=1), centre, side
