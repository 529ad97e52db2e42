"""Resizing and warping of 8-bit pictures, to the grey level as the published transforms do it.

The published pipelines resize with Pillow: filters whose support grows when a picture shrinks, one axis after the
other, with weights in fixed point and 8 bits in between. OpenCV has no filter that equals them, and a trained encoder
sees the difference; so the same arithmetic stands here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from limner.checks import InputError

Filter: TypeAlias = Literal["bilinear", "lanczos"]

_BITS = 22  # of the weights' fraction: 32 bits less 8 of the picture and 2 of room
_FINE, _PARTS = 1024, 32  # of a pixel: steps of an affine map's positions, and steps of its interpolation
_SUPPORT = {"bilinear": 1.0, "lanczos": 3.0}


def resize_8bit(image: UInt8[ndarray, "H W *C"], size_wh: tuple[int, int], filter: Filter = "bilinear") -> ndarray:
    """Return the picture at (width, height), antialiased, its aspect not kept.

    Args:
        image: 8 bits, with or without channels.
        size_wh: width and height wanted, in pixels.
        filter: kernel of the interpolation.

    Raises:
        InputError: a side is below one pixel, or there is no such filter.
    """
    if min(*size_wh, *image.shape[:2]) < 1 or filter not in _SUPPORT:
        raise InputError(f"cannot resize a picture of {image.shape[:2]} rows and columns to {size_wh} with {filter!r}")
    if image.shape[1] != size_wh[0]:
        image = _along_columns(image, size_wh[0], filter)
    if image.shape[0] != size_wh[1]:
        image = _along_columns(image.swapaxes(0, 1), size_wh[1], filter).swapaxes(0, 1)
    return np.ascontiguousarray(image)


def _along_columns(image: ndarray, width: int, filter: Filter) -> ndarray:
    indices, weights = _taps(image.shape[1], width, filter)
    total = np.full((image.shape[0], width, *image.shape[2:]), 1 << (_BITS - 1), np.int64)
    shape = (1, width) + (1,) * (image.ndim - 2)
    for index, weight in zip(indices, weights, strict=True):
        total += image[:, index].astype(np.int64) * weight.reshape(shape)
    return np.clip(total >> _BITS, 0, 255).astype(np.uint8)


@lru_cache(maxsize=32)
def _taps(old: int, new: int, filter: Filter) -> tuple[ndarray, ndarray]:
    """Where each of `new` samples takes its values from, and with which weights; both (taps, new)."""
    step = old / new
    stretch = max(step, 1.0)
    support = _SUPPORT[filter] * stretch
    centres = (np.arange(new) + 0.5) * step
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + support + 0.5).astype(np.int64), old)
    indices = first + np.arange((last - first).max())[:, None]
    distance = (indices - centres + 0.5) / stretch
    weights = np.where(indices < last, _kernel(distance, filter), 0.0)
    weights /= weights.sum(axis=0)
    fixed = np.trunc(weights * (1 << _BITS) + np.copysign(0.5, weights)).astype(np.int64)
    return np.minimum(indices, old - 1), fixed


def _kernel(distance: ndarray, filter: Filter) -> ndarray:
    if filter == "bilinear":
        return np.maximum(1.0 - np.abs(distance), 0.0)
    return np.where(np.abs(distance) < 3.0, np.sinc(distance) * np.sinc(distance / 3.0), 0.0)


def warp_quad(image: UInt8[ndarray, "H W C"], quad: Float[ndarray, "4 2"], side: int) -> UInt8[ndarray, "S S C"]:
    """Return what lies in a quadrilateral as a square picture, bilinear; nought outside the picture.

    Args:
        image: 8 bits.
        quad: corners top left, bottom left, bottom right, top right; (0, 0) is the corner of the first pixel.
        side: of the square, in pixels.
    """
    (x0, y0), (sw_x, sw_y), (se_x, se_y), (ne_x, ne_y) = quad
    u = (np.arange(side) + 0.5)[None, :] / side
    v = (np.arange(side) + 0.5)[:, None] / side
    x = x0 + (ne_x - x0) * u + (sw_x - x0) * v + (se_x - sw_x - ne_x + x0) * u * v
    y = y0 + (ne_y - y0) * u + (sw_y - y0) * v + (se_y - sw_y - ne_y + y0) * u * v
    height, width = image.shape[:2]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    left, top = np.floor(x - 0.5), np.floor(y - 0.5)
    across, down = (x - 0.5 - left)[..., None], (y - 0.5 - top)[..., None]
    columns = [np.clip(left + step, 0, width - 1).astype(np.intp) for step in (0, 1)]
    rows = [np.clip(top + step, 0, height - 1).astype(np.intp) for step in (0, 1)]
    grey = image.astype(np.float64)
    upper, lower = (grey[row, columns[0]] * (1 - across) + grey[row, columns[1]] * across for row in rows)
    warped = upper * (1 - down) + lower * down
    return np.where(inside[..., None], warped, 0.0).astype(np.uint8)


def warp_affine_8bit(
    image: UInt8[ndarray, "H W C"], matrix: Float[ndarray, "2 3"], size_wh: tuple[int, int]
) -> UInt8[ndarray, "h w C"]:
    """Return the picture under an affine map, bilinear, nought outside.

    Positions have five bits of fraction: so did OpenCV 4, with which the published crops were made; version 5 does not.

    Args:
        image: 8 bits.
        matrix: from pixels of `image` to pixels of the result.
        size_wh: width and height of the result.
    """
    inverse = np.linalg.inv(np.vstack([matrix, [0.0, 0.0, 1.0]]))[:2]
    along = np.rint(inverse[:, 0, None] * np.arange(size_wh[0]) * _FINE).astype(np.int64)
    across = np.rint((inverse[:, 1, None] * np.arange(size_wh[1]) + inverse[:, 2, None]) * _FINE).astype(np.int64)
    place = (across[:, :, None] + along[:, None, :] + _FINE // _PARTS // 2) // (_FINE // _PARTS)
    (left, top), (x, y) = place // _PARTS, place % _PARTS
    total = np.full((*x.shape, image.shape[2]), _PARTS**2 // 2, np.int64)
    for row, column, weight in (
        (top, left, (_PARTS - x) * (_PARTS - y)),
        (top, left + 1, x * (_PARTS - y)),
        (top + 1, left, (_PARTS - x) * y),
        (top + 1, left + 1, x * y),
    ):
        inside = (row >= 0) & (row < image.shape[0]) & (column >= 0) & (column < image.shape[1])
        values = image[np.where(inside, row, 0), np.where(inside, column, 0)].astype(np.int64)
        total += values * (weight * inside)[..., None]
    return (total // _PARTS**2).astype(np.uint8)
