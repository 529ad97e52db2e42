"""What the detectors of people and of faces share: where to look in a picture, their anchors, and boxes that overlap.

Both are networks for one large person or face, searched over the picture in squares.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64
from numpy import ndarray


def search_squares(
    size_hw: tuple[int, int], least: float, *, step: float, most: int
) -> list[tuple[float, float, float]]:
    """Return squares that together show everything in a picture at a fitting size.

    The first square holds the whole picture. Each further layer has squares at most `step` times smaller that overlap
    by half; a picture much wider than high is searched for large things first, as far as `most` goes.

    Args:
        size_hw: the picture's.
        least: side of the smallest squares in pixels.
        step: how much smaller the squares of the next layer may be.
        most: so many squares are enough.

    Returns:
        Left, top and side in pixels; they may reach beyond the picture.
    """
    height, width = size_hw
    longest = float(max(height, width))
    least = min(least, longest)
    squares = [((width - longest) / 2, (height - longest) / 2, longest)]
    num_layers = int(np.ceil(np.log(longest / least) / np.log(step) - 1e-9))
    for layer in range(1, num_layers + 1):
        side = longest * (least / longest) ** (layer / num_layers)
        squares += [(x, y, side) for y in _starts(height, side) for x in _starts(width, side)]
    return squares[:most]


def anchor_centres(side: int, layers: Sequence[tuple[int, int]]) -> Float32[ndarray, "N 2"]:
    """Return the middles of an SSD's anchors in pixels of its input, row by row, (x, y).

    Args:
        side: of the input in pixels.
        layers: the stride of each, and its anchors a cell.
    """
    parts = []
    for stride, copies in layers:
        cells = (np.arange(side // stride) + 0.5) * stride
        grid = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)
        parts.append(np.repeat(grid, copies, axis=0))
    return np.concatenate(parts).astype(np.float32)


def average_overlapping(
    score: Float[ndarray, "N"], boxes: Float[ndarray, "N 4"], points: Float[ndarray, "N K 2"], *, near: float = 0.3
) -> tuple[Float[ndarray, "M"], Float[ndarray, "M K 2"]]:
    """Join what overlaps by more than `near` into one each, averaged by score, best first.

    Args:
        score: the best of a group is the group's.
        boxes: left, top, right, bottom.
        points: what is averaged.
        near: an intersection over union.

    Source: Bazarevsky et al. 2019, "BlazeFace", section 3.3 (blending instead of suppression).
    """
    order = np.argsort(-score, kind="stable")
    scores, averaged = [], []
    while len(order):
        same = box_overlap(boxes[order[:1]], boxes[order])[0] > near
        same[0] = True
        group, order = order[same], order[~same]
        scores.append(score[group[0]])
        averaged.append(np.average(points[group], axis=0, weights=score[group]))
    return np.array(scores), np.array(averaged).reshape(-1, *points.shape[1:])


def box_overlap(first: Float[ndarray, "N 4"], second: Float[ndarray, "M 4"]) -> Float[ndarray, "N M"]:
    """Return intersection over union of every box of `first` with every box of `second` (left, top, right, bottom)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9)


def distinct(same: Bool[ndarray, "N N"]) -> Int64[ndarray, "M"]:
    """Return the indices, in order, of what repeats nothing kept before it; `same[i, j]` says that j repeats i."""
    still = np.ones(len(same), bool)
    for index in range(len(same)):
        if still[index]:
            still[index + 1 :] &= ~same[index, index + 1 :]
    return np.flatnonzero(still)


def _starts(length: int, side: float) -> list[float]:
    """Where squares begin along one axis: overlapping by half or more; one, centred, if it is longer than the axis."""
    if side >= length:
        return [(length - side) / 2]
    count = int(np.ceil((length - side) / (side / 2) - 1e-9)) + 1
    return [float(start) for start in np.linspace(0, length - side, count)]
