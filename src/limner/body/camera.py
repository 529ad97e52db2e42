"""The scaled orthographic camera, and the ways between the picture frame and pixels.

Notation: the picture frame has its origin in the middle of the picture, x right, y down, and half the LONGER side as
its unit, so that a square picture spans [-1, 1]. Pixels are (x, y) with centres at integers: with L = max(h, w),
x_frame = (2 x - (w - 1)) / L and y_frame = (2 y - (h - 1)) / L. `weak_camera` is (s, tx, ty).

Functions take numpy arrays or torch tensors and return the same kind.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from limner.checks import InputError, check_shape

__all__ = ["picture_from_pixels", "pixels_from_picture", "project_weak"]

Array = TypeVar("Array", ndarray, Tensor)


def project_weak(points: Float[Array, "... P D"], weak_camera: Float[Array, "... 3"]) -> Float[Array, "... P 2"]:
    """Project body points into the picture frame with a scaled orthographic camera.

    Args:
        points: metres in camera axes (x right, y down, z away); a third number is ignored.
        weak_camera: scale, then shift x and y in metres, one camera for each set of points.

    Returns:
        (x, y) in the picture frame; points outside it are kept, not clipped.

    Raises:
        ShapeError: the leading axes differ, or the last axes are not 2 or 3 and 3.

    Source: Kanazawa et al. 2018, eq. 1; akanazawa/hmr `src/tf_smpl/projection.py`. Parity: the code shifts before it
        scales, the paper writes the reverse; published weights need the code's order.
    """
    check_shape(weak_camera, "weak_camera", (*points.shape[:-2], 3))
    if points.shape[-1] not in (2, 3):
        check_shape(points, "points", (*points.shape[:-1], 3))
    camera = weak_camera[..., None, :]
    return camera[..., :1] * (points[..., :2] + camera[..., 1:])


def _size(size_hw: tuple[int, int]) -> tuple[int, int]:
    height, width = (int(n) for n in size_hw)
    if min(height, width) < 1:
        raise InputError(f"size_hw must be positive, got {tuple(size_hw)}")
    return height, width


def _constants(like: Array, size_hw: tuple[int, int]) -> tuple[Array, float]:
    height, width = _size(size_hw)
    check_shape(like, "points", (*like.shape[:-1], 2))
    if isinstance(like, Tensor):
        return torch.tensor([width - 1.0, height - 1.0], dtype=like.dtype, device=like.device), float(
            max(height, width)
        )
    return np.array([width - 1.0, height - 1.0], dtype=like.dtype), float(max(height, width))


def picture_from_pixels(points: Float[Array, "... 2"], size_hw: tuple[int, int]) -> Float[Array, "... 2"]:
    """Turn pixels of a picture of `size_hw` into the picture frame.

    Raises:
        ShapeError: the last axis of `points` is not 2.
        InputError: a side of `size_hw` is not positive.
    """
    last, longer = _constants(points, size_hw)
    return (2 * points - last) / longer


def pixels_from_picture(points: Float[Array, "... 2"], size_hw: tuple[int, int]) -> Float[Array, "... 2"]:
    """Turn points of the picture frame into pixels of a picture of `size_hw`; undoes `picture_from_pixels`.

    Raises:
        ShapeError: the last axis of `points` is not 2.
        InputError: a side of `size_hw` is not positive.
    """
    last, longer = _constants(points, size_hw)
    return (points * longer + last) / 2
