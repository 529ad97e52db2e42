"""Integration of copied gradients: makes patches from differently lit places meet without seams.

The hole's colours are the ones whose differences between neighbours are those of the copied patches, and which meet the
photo at the hole's border; a weak pull keeps them near the voted colours. Solved by multigrid.

Source: Perez, Gangnet and Blake 2003 (guided interpolation); Briggs, Henson and McCormick 2000 (V cycles).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Int32
from numba import njit
from numpy import ndarray

PULL = 0.002
"""Weight of the voted colour against one gradient."""

CYCLES = 6


def integrate_gradients(
    image: Float32[ndarray, "H W 3"], hole: Bool[ndarray, "H W"], source: Int32[ndarray, "H W 2"]
) -> Float32[ndarray, "H W 3"]:
    """Make the hole's colours agree with the photo round it and with the gradients at the places they were copied from.

    Args:
        image: the picture with the hole filled, 0 to 255.
        hole: True where colours may change.
        source: for each pixel of the hole the pixel (row, column) it copies, which lies in the picture and not at its rim.

    Returns:
        A new picture, equal to `image` outside the hole.

    Source: Perez et al. 2003, eq. 4, with the mean of both copies' gradients where two patches meet.
    """
    image = np.ascontiguousarray(image, dtype=np.float32)
    pull = np.where(hole, np.float32(PULL), np.float32(0))
    out = image.copy()
    for _ in range(CYCLES):
        out += _cycle(_residual(out, image, hole, pull, source), hole, pull)
    return out


def _cycle(rest: ndarray, hole: ndarray, pull: ndarray) -> ndarray:
    """One V cycle: the correction that answers a residual, zero outside the hole."""
    change = np.zeros_like(rest)
    _relax(change, rest, hole, pull, 3)
    if min(hole.shape) >= 4:
        left = _left_over(change, rest, hole, pull)
        height, width = hole.shape
        coarse = _cycle(_quads(left), _quads(hole.astype(np.float32)) >= 2, _quads(pull))
        finer = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)[:height, :width]
        change += np.where(hole[..., None], finer, 0)
        _relax(change, rest, hole, pull, 3)
    return change


def _quads(array: ndarray) -> ndarray:
    """Sum over squares of two by two pixels; an odd last row or column stands alone."""
    padded = np.pad(array, [(0, n % 2) for n in array.shape[:2]] + [(0, 0)] * (array.ndim - 2))
    rows = padded[0::2] + padded[1::2]
    return np.ascontiguousarray(rows[:, 0::2] + rows[:, 1::2])


@njit(cache=True)
def _residual(now, image, hole, pull, source):  # noqa: ANN001, ANN202
    """How far each pixel of the hole is from its neighbours' wishes; gradients across a seam are the mean of both copies."""
    height, width = hole.shape
    rest = np.zeros_like(now)
    for y in range(height):
        for x in range(width):
            if not hole[y, x]:
                continue
            sy, sx = source[y, x]
            for c in range(3):
                rest[y, x, c] = pull[y, x] * (image[y, x, c] - now[y, x, c])
            for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                ny, nx = y + dy, x + dx
                if ny < 0 or nx < 0 or ny >= height or nx >= width:
                    continue
                for c in range(3):
                    gradient = image[sy + dy, sx + dx, c] - image[sy, sx, c]
                    if hole[ny, nx]:
                        qy, qx = source[ny, nx]
                        gradient = np.float32(0.5) * (gradient + image[qy, qx, c] - image[qy - dy, qx - dx, c])
                    rest[y, x, c] += now[ny, nx, c] - now[y, x, c] - gradient
    return rest


@njit(cache=True)
def _relax(change, rest, hole, pull, sweeps):  # noqa: ANN001, ANN202
    """Gauss-Seidel sweeps, forth and back in turn, in place."""
    height, width = hole.shape
    for sweep in range(sweeps):
        for k in range(height * width):
            i = k if sweep % 2 == 0 else height * width - 1 - k
            y, x = i // width, i % width
            if not hole[y, x]:
                continue
            count = (y > 0) + (x > 0) + (y < height - 1) + (x < width - 1)
            for c in range(3):
                total = rest[y, x, c]
                if y > 0:
                    total += change[y - 1, x, c]
                if x > 0:
                    total += change[y, x - 1, c]
                if y < height - 1:
                    total += change[y + 1, x, c]
                if x < width - 1:
                    total += change[y, x + 1, c]
                change[y, x, c] = total / (count + pull[y, x])


@njit(cache=True)
def _left_over(change, rest, hole, pull):  # noqa: ANN001, ANN202
    """What is left of a residual after a correction."""
    height, width = hole.shape
    left = np.zeros_like(rest)
    for y in range(height):
        for x in range(width):
            if not hole[y, x]:
                continue
            for c in range(3):
                total = rest[y, x, c] - pull[y, x] * change[y, x, c]
                for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                    ny, nx = y + dy, x + dx
                    if ny >= 0 and nx >= 0 and ny < height and nx < width:
                        total += change[ny, nx, c] - change[y, x, c]
                left[y, x, c] = total
    return left
