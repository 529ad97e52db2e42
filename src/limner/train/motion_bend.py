"""Bend a picture at random, so that a single photo teaches how to come back from another pose.

Notation: b bends points of the bent picture to points of the photo; its inverse, found by a few fixed-point steps, is
the flow from the photo's pixels to the bent picture. Points are in [-1, 1] over the picture's outer borders.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float32
from numpy import ndarray

from limner.checks import check_shape

NOWHERE = np.float32(-2)
_TURN_RAD, _STRETCH, _SHIFT = 0.2, 0.15, 0.1
_WAVES = 4  # cells of the random field each way
_WAVE = 0.08
_STEPS = 6


def random_field(size_hw: tuple[int, int], numbers: np.random.Generator) -> Float32[ndarray, "H W 2"]:
    """Draw b(p) - p for every pixel: a turn, a stretch, a shift, and smooth waves."""
    angle, stretch = numbers.normal(0, _TURN_RAD / 2), 1 + numbers.normal(0, _STRETCH / 2, 2)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]]) * stretch
    grid = pixel_grid(size_hw)
    waves = numbers.normal(0, _WAVE / 2, (_WAVES, _WAVES, 2)).astype(np.float32)
    smooth = cv2.resize(waves, size_hw[::-1], interpolation=cv2.INTER_CUBIC)
    shift = numbers.normal(0, _SHIFT / 2, 2)
    return (grid @ matrix.T + shift - grid + smooth).astype(np.float32)


def pixel_grid(size_hw: tuple[int, int]) -> Float32[ndarray, "H W 2"]:
    """Return every pixel's centre (x, y) in [-1, 1] over the outer borders."""
    height, width = size_hw
    x, y = (np.arange(width) + 0.5) / width * 2 - 1, (np.arange(height) + 0.5) / height * 2 - 1
    return np.stack(np.meshgrid(x, y), axis=-1).astype(np.float32)


def sample(image: Float32[ndarray, "C H W"], points: Float32[ndarray, "h w 2"]) -> Float32[ndarray, "C h w"]:
    """Read a picture bilinearly at points in [-1, 1]; beyond the border it goes on as at the border."""
    height, width = image.shape[1:]
    pixels = (points + 1) * np.float32([width, height]) / 2 - np.float32(0.5)
    maps = np.ascontiguousarray(pixels, np.float32)
    channels = [cv2.remap(one, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for one in image]
    return np.stack(channels)


def unbend(field: Float32[ndarray, "H W 2"], points: Float32[ndarray, "h w 2"]) -> Float32[ndarray, "h w 2"]:
    """Return where the bent picture shows points of the photo: q with q + field(q) = p."""
    channels = np.ascontiguousarray(field.transpose(2, 0, 1))
    found = points
    for _ in range(_STEPS):
        found = points - sample(channels, found).transpose(1, 2, 0)
    return found.astype(np.float32)


def bend_source(
    image: Float32[ndarray, "3 H W"],
    condition: Float32[ndarray, "C H W"],
    person: Bool[ndarray, "H W"],
    numbers: np.random.Generator,
) -> tuple[Float32[ndarray, "3 H W"], Float32[ndarray, "C H W"], Float32[ndarray, "H W 2"]]:
    """Bend a photo with its condition map; give both, and the flow from the photo's pixels on the person to them.

    Raises:
        ShapeError: the sizes differ.
    """
    size_hw = (image.shape[1], image.shape[2])
    check_shape(condition, "condition", ("C", *size_hw))
    check_shape(person, "person", size_hw)
    field = random_field(size_hw, numbers)
    grid = pixel_grid(size_hw)
    flow = np.where(person[..., None], unbend(field, grid), NOWHERE)
    return sample(image, grid + field), sample(condition, grid + field), flow.astype(np.float32)
