"""Integration of copied gradients: makes patches from differently lit places meet without seams.

The hole's colours are the ones whose differences between neighbours are those of the copied patches, and which meet the
photo at the hole's border; a weak pull keeps them near the voted colours. Solved by multigrid.

Source: Perez, Gangnet and Blake 2003 (guided interpolation); Briggs, Henson and McCormick 2000 (V cycles).
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32
from numba import njit
from numpy import ndarray

PULL = 0.002
"""Weight of the voted colour against one gradient."""

DISTRUST_LIGHT, DISTRUST_TINT = 16.0, 4.0
"""Mean disagreement with the copies, in grey levels, from which a border of the hole is taken for a rest of the person:
light changes along a wall, its colour hardly ever."""

STEP_LEVELS = np.float32(14.0)
"""Where two patches meet, a step of more grey levels than this is an edge of the scene and stays."""

CYCLES = 6


class _Ties(NamedTuple):
    """The equations: the unknown pixels, the weight of voted colours, the weight of each pixel for its neighbours."""

    hole: Bool[ndarray, "H W"]
    pull: Float32[ndarray, "H W"]
    tie: Float32[ndarray, "H W"]


def integrate_gradients(
    image: Float32[ndarray, "H W 3"], hole: Bool[ndarray, "H W"], source: Int32[ndarray, "H W 2"]
) -> Float32[ndarray, "H W 3"]:
    """Make the hole's colours agree with the photo round it and with the gradients at the places they were copied from.

    Args:
        image: the picture with the hole filled, 0 to 255.
        hole: True where colours may change.
        source: for each pixel of the hole the pixel (row, column) it copies, not at the rim of the picture.

    Returns:
        A new picture, equal to `image` outside the hole.

    Source: Perez et al. 2003, eq. 4, with the mean of both copies' gradients where two patches meet, and with weak
        ties where the photo disagrees with the copies, so that a fringe of hair or shoe does not bleed into the hole.
    """
    image = np.ascontiguousarray(image, dtype=np.float32)
    tie = np.where(hole, np.float32(1), _agreement(image, hole, source))
    ties = _Ties(hole, np.where(hole, np.float32(PULL), np.float32(0)), tie)
    out = image.copy()
    for _ in range(CYCLES):
        out += _cycle(_residual(out, image, source, ties), ties)
    return out


def smooth_fill(image: Float32[ndarray, "H W 3"], hole: Bool[ndarray, "H W"]) -> Float32[ndarray, "H W 3"]:
    """Fill a hole with smooth colours only: means of ever larger squares of what is known; all hole becomes black.

    Source: Gortler et al. 1996, pull and push.
    """
    if not hole.any() or max(hole.shape) == 1:
        return np.where(hole[..., None], np.float32(0), image)
    known = (~hole).astype(np.float32)
    weight = sum_quads(known)
    means = sum_quads(image * known[..., None]) / np.maximum(weight, 1)[..., None]
    coarse = smooth_fill(means, weight == 0)
    finer = cv2.resize(coarse, hole.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.where(hole[..., None], finer, image)


def _agreement(image: ndarray, hole: ndarray, source: ndarray) -> Float32[ndarray, "H W"]:
    """1 where the photo next to the hole continues the copies, towards 0 where it differs over several pixels."""
    difference, count = _border_difference(image, hole, source)
    box = (13, 13)
    count = cv2.boxFilter(count, -1, box, normalize=False)
    mean = cv2.boxFilter(difference, -1, box, normalize=False) / np.maximum(count, 1)[..., None]
    light = mean.mean(axis=2)
    tint = np.abs(mean - light[..., None]).max(axis=2)
    return (1 / (1 + (light / DISTRUST_LIGHT) ** 4 + (tint / DISTRUST_TINT) ** 4)).astype(np.float32)


def _cycle(rest: ndarray, ties: _Ties) -> ndarray:
    """One V cycle: the correction that answers a residual, zero outside the hole."""
    change = np.zeros_like(rest)
    _relax(change, rest, ties, 3)
    if min(ties.hole.shape) >= 4:
        coarse = _cycle(sum_quads(_left_over(change, rest, ties)), _halved(ties))
        height, width = ties.hole.shape
        finer = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)[:height, :width]
        change += np.where(ties.hole[..., None], finer, 0)
        _relax(change, rest, ties, 3)
    return change


def _halved(ties: _Ties) -> _Ties:
    known = (~ties.hole).astype(np.float32)
    hole = sum_quads(ties.hole.astype(np.float32)) >= 2
    tie = sum_quads(ties.tie * known) / np.maximum(sum_quads(known), 1)
    return _Ties(hole, sum_quads(ties.pull), np.where(hole, np.float32(1), tie))


def sum_quads(array: ndarray) -> ndarray:
    """Sum over squares of two by two pixels; an odd last row or column stands alone."""
    padded = np.pad(array, [(0, n % 2) for n in array.shape[:2]] + [(0, 0)] * (array.ndim - 2))
    rows = padded[0::2] + padded[1::2]
    return np.ascontiguousarray(rows[:, 0::2] + rows[:, 1::2])


@njit(cache=True)
def _border_difference(image, hole, source):
    """At known pixels next to the hole: photo minus what the neighbouring copies go on with, summed, and how many."""
    height, width = hole.shape
    difference = np.zeros_like(image)
    count = np.zeros((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            if not hole[y, x]:
                continue
            sy, sx = source[y, x]
            for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                ny, nx = y + dy, x + dx
                if ny >= 0 and nx >= 0 and ny < height and nx < width and not hole[ny, nx]:
                    count[ny, nx] += 1
                    for c in range(3):
                        difference[ny, nx, c] += image[ny, nx, c] - image[sy + dy, sx + dx, c]
    return difference, count


@njit(cache=True)
def _residual(now, image, source, ties):
    """How far each pixel is from what its neighbours ask; where patches meet, both copies' gradients count."""
    height, width = ties.hole.shape
    rest = np.zeros_like(now)
    for y in range(height):
        for x in range(width):
            if not ties.hole[y, x]:
                continue
            sy, sx = source[y, x]
            for c in range(3):
                rest[y, x, c] = ties.pull[y, x] * (image[y, x, c] - now[y, x, c])
            for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                ny, nx = y + dy, x + dx
                if ny < 0 or nx < 0 or ny >= height or nx >= width:
                    continue
                for c in range(3):
                    gradient = image[sy + dy, sx + dx, c] - image[sy, sx, c]
                    if ties.hole[ny, nx]:
                        qy, qx = source[ny, nx]
                        gradient = np.float32(0.5) * (gradient + image[qy, qx, c] - image[qy - dy, qx - dx, c])
                        step = image[qy, qx, c] - image[sy, sx, c]
                        keep = np.float32(1) - np.float32(1) / (np.float32(1) + ((step - gradient) / STEP_LEVELS) ** 4)
                        gradient += keep * (step - gradient)
                    rest[y, x, c] += ties.tie[ny, nx] * (now[ny, nx, c] - now[y, x, c] - gradient)
    return rest


@njit(cache=True)
def _relax(change, rest, ties, sweeps):
    """Gauss-Seidel sweeps, forth and back in turn, in place."""
    height, width = ties.hole.shape
    for sweep in range(sweeps):
        for k in range(height * width):
            i = k if sweep % 2 == 0 else height * width - 1 - k
            y, x = i // width, i % width
            if not ties.hole[y, x]:
                continue
            share = ties.pull[y, x]
            a = b = c = np.float32(0.0)
            for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                ny, nx = y + dy, x + dx
                if ny >= 0 and nx >= 0 and ny < height and nx < width:
                    tie = ties.tie[ny, nx]
                    share += tie
                    a += tie * change[ny, nx, 0]
                    b += tie * change[ny, nx, 1]
                    c += tie * change[ny, nx, 2]
            change[y, x, 0] = (rest[y, x, 0] + a) / share
            change[y, x, 1] = (rest[y, x, 1] + b) / share
            change[y, x, 2] = (rest[y, x, 2] + c) / share


@njit(cache=True)
def _left_over(change, rest, ties):
    """What is left of a residual after a correction."""
    height, width = ties.hole.shape
    left = np.zeros_like(rest)
    for y in range(height):
        for x in range(width):
            if not ties.hole[y, x]:
                continue
            for c in range(3):
                left[y, x, c] = rest[y, x, c] - ties.pull[y, x] * change[y, x, c]
            for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                ny, nx = y + dy, x + dx
                if ny >= 0 and nx >= 0 and ny < height and nx < width:
                    for c in range(3):
                        left[y, x, c] += ties.tie[ny, nx] * (change[ny, nx, c] - change[y, x, c])
    return left
