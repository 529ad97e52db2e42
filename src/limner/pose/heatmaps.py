"""Heatmaps: targets made from joints, joints read from heatmaps, and the two sides of a flip test.

Notation: heatmaps (N, J, h, w) in cells (x, y); sizes are (h, w). A peak of one is a joint at its cell.
Sources: Sun et al. 2019; leoxiaobin/deep-high-resolution-net.pytorch `lib/core/inference.py`, `lib/core/evaluate.py`,
`lib/dataset/JointsDataset.py`; Zhang et al. 2020, "Distribution-Aware Coordinate Representation" (DARK).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from limner.checks import InputError, ShapeError, check_shape
from limner.pose.crop import Points, Visible, crop_matrix, mirror_order, move_points

Heatmaps = Float32[ndarray, "N J h w"]
DecodingName: TypeAlias = Literal["quarter", "plain", "dark"]

REACH = 3.0  # sigmas from a target's peak to its border


def make_targets(
    joints: Points,
    visible: Visible,
    input_hw: tuple[int, int],
    heatmap_hw: tuple[int, int],
    *,
    sigma: float = 2.0,
    joint_weights: Sequence[float] | None = None,
) -> tuple[Float32[ndarray, "*rows J h w"], Float32[ndarray, "*rows J"]]:
    """Return the heatmaps that a network is to learn, and their weights.

    Args:
        joints: pixels of the network's input.
        visible: the weight of each joint; above 0.5 it is drawn.
        input_hw: size of the input in pixels.
        heatmap_hw: size of the heatmaps in cells.
        sigma: width of the peak in cells.
        joint_weights: factors of the weights, one a joint.

    Returns:
        Gaussians with peak 1, cut off three sigmas from their cell and at the border; weight 0 where a joint's patch
        lies outside.

    Raises:
        ShapeError: joints and visibility do not fit one another.
        InputError: a joint that is to be drawn lies at no finite place.

    Source: `generate_target`. Parity: the cell is truncated towards zero, and a patch that ends exactly before cell 0
        is empty but keeps its weight.
    """
    visible = np.asarray(visible, np.float32)
    check_shape(joints, "joints", (*visible.shape, 2))
    drawn = visible > 0.5
    if not np.isfinite(joints[drawn]).all():
        raise InputError("a visible joint lies at no finite place")
    size_wh = np.array(heatmap_hw[::-1])
    stride = np.array(input_hw[::-1]) / size_wh
    cell = np.trunc(np.where(drawn[..., None], joints, 0) / stride + 0.5)
    reach = REACH * sigma
    is_out = ((cell - reach >= size_wh) | (cell + reach + 1 < 0)).any(axis=-1)
    weight = np.where(is_out, np.float32(0), visible)
    across = _bump(cell[..., 0], size_wh[0], sigma)
    down = _bump(cell[..., 1], size_wh[1], sigma) * (weight > 0.5)[..., None]
    weight = weight if joint_weights is None else weight * np.asarray(joint_weights, np.float32)
    return down[..., :, None] * across[..., None, :], weight


def _bump(middle: Float[ndarray, "*rows J"], count: int, sigma: float) -> Float32[ndarray, "*rows J n"]:
    distance = np.arange(count) - middle[..., None]
    bump = np.exp(-(distance**2) / (2 * sigma**2))
    return np.where(np.abs(distance) <= REACH * sigma, bump, 0).astype(np.float32)


class Peaks(NamedTuple):
    """The highest cell of every heatmap.

    Attributes:
        xy: its place, (0, 0) where nothing is above zero.
        score: its value as it is, not clipped.
    """

    xy: Float32[ndarray, "N J 2"]
    score: Float32[ndarray, "N J"]


def find_peaks(heatmaps: Heatmaps) -> Peaks:
    """Return the highest cell of every heatmap; the first in reading order on ties.

    Raises:
        ShapeError: the heatmaps have no cells or not four axes.

    Source: `get_max_preds`.
    """
    _check_heatmaps(heatmaps)
    n, joints, h, w = heatmaps.shape
    flat = heatmaps.reshape(n, joints, h * w)
    index = flat.argmax(axis=2)
    score = np.take_along_axis(flat, index[..., None], axis=2)[..., 0]
    xy = np.stack([index % w, index // w], axis=-1).astype(np.float32)
    return Peaks(xy * (score > 0)[..., None], score)


def decode(
    heatmaps: Heatmaps,
    center: Float[ndarray, "N 2"],
    scale: Float[ndarray, "N 2"],
    *,
    method: DecodingName = "quarter",
    sigma: float = 2.0,
) -> Peaks:
    """Return the joints in pixels of the picture that the crops came from.

    Args:
        heatmaps: of N crops.
        center: of each crop in pixels.
        scale: of each crop over 200 pixels.
        method: "quarter" moves each peak a quarter cell towards its higher neighbours (the official POST_PROCESS),
            "plain" leaves it, "dark" finds the maximum of a Gaussian through it.
        sigma: of the targets in cells; only "dark" needs it.

    Raises:
        ShapeError: arrays do not fit one another.
        InputError: there is no such method, or a crop has no size.

    Source: `get_final_preds`. Parity: peaks at (0, 0) that stand for nothing are moved like all others.
    """
    if method not in get_args(DecodingName):
        raise InputError(f"no decoding is called {method!r}; there are {', '.join(get_args(DecodingName))}")
    peaks = find_peaks(heatmaps)
    check_shape(center, "center", (len(heatmaps), 2))
    xy = peaks.xy.astype(np.float64)
    if method == "quarter":
        xy += 0.25 * np.sign(_slope(heatmaps, peaks.xy))
    elif method == "dark":
        xy += _dark_offset(heatmaps, peaks, sigma)
    image_from_cell = crop_matrix(center, scale, heatmaps.shape[2:], inverse=True)
    return Peaks(move_points(xy, image_from_cell).astype(np.float32), peaks.score)


def _slope(heatmaps: Heatmaps, xy: Float32[ndarray, "N J 2"]) -> Float32[ndarray, "N J 2"]:
    """Differences across the peaks, zero where the published rule leaves a peak alone: cells 0 and 1, and the last."""
    h, w = heatmaps.shape[2:]
    x, y = np.moveaxis(xy.astype(np.int64), -1, 0)
    inside = (x > 1) & (x < w - 1) & (y > 1) & (y < h - 1)
    values = _around(heatmaps, np.where(inside, x, 1), np.where(inside, y, 1), 1) if min(h, w) > 2 else None
    if values is None:
        return np.zeros_like(xy)
    slope = np.stack([values[..., 1, 2] - values[..., 1, 0], values[..., 2, 1] - values[..., 0, 1]], axis=-1)
    return slope * inside[..., None]


def _around(heatmaps: Heatmaps, x: ndarray, y: ndarray, reach: int) -> Float32[ndarray, "N J k k"]:
    """The square of cells round (x, y), which must lie inside."""
    n, joints, h, w = heatmaps.shape
    steps = np.arange(-reach, reach + 1)
    index = (y[..., None, None] + steps[:, None]) * w + x[..., None, None] + steps
    flat = heatmaps.reshape(n, joints, h * w)
    return np.take_along_axis(flat, index.reshape(n, joints, steps.size**2), axis=2).reshape(index.shape)


def _dark_offset(heatmaps: Heatmaps, peaks: Peaks, sigma: float) -> Float[ndarray, "N J 2"]:
    """Newton's step from each peak on the logarithm of the smoothed map (Zhang et al. 2020, eq. 8 and 9).

    Peaks within two cells of the border, and those where the map is no hill, stay. A step is at most one cell: further
    off the map is no Gaussian.
    """
    n, joints, h, w = heatmaps.shape
    x, y = np.moveaxis(peaks.xy.astype(np.int64), -1, 0)
    inside = (x > 1) & (x < w - 2) & (y > 1) & (y < h - 2) & (peaks.score > 0)
    if not inside.any():
        return np.zeros((n, joints, 2))
    smooth = _smoother(h, sigma) @ heatmaps @ _smoother(w, sigma).T
    patch = _around(smooth, np.where(inside, x, 2), np.where(inside, y, 2), 2).astype(np.float64)
    log = np.log(np.maximum(patch, 1e-10))
    gx, gy = (log[..., 2, 3] - log[..., 2, 1]) / 2, (log[..., 3, 2] - log[..., 1, 2]) / 2
    gxx = (log[..., 2, 4] - 2 * log[..., 2, 2] + log[..., 2, 0]) / 4
    gyy = (log[..., 4, 2] - 2 * log[..., 2, 2] + log[..., 0, 2]) / 4
    gxy = (log[..., 3, 3] - log[..., 1, 3] - log[..., 3, 1] + log[..., 1, 1]) / 4
    curvature = gxx * gyy - gxy**2
    is_hill = inside & (gxx < 0) & (curvature > 1e-12)
    step = np.stack([gyy * gx - gxy * gy, gxx * gy - gxy * gx], axis=-1)
    return np.clip(np.where(is_hill[..., None], -step / np.where(is_hill, curvature, 1)[..., None], 0), -1, 1)


@cache
def _smoother(count: int, sigma: float) -> Float32[ndarray, "n n"]:
    """A Gaussian blur along an axis of `count` cells as a matrix, black outside; five sigmas wide as published."""
    reach = round(2.5 * sigma)
    distance = np.arange(count) - np.arange(count)[:, None]
    rows = np.where(np.abs(distance) <= reach, np.exp(-(distance**2) / (2 * sigma**2)), 0)
    return (rows / np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2)).sum()).astype(np.float32)


def flip_back(mirrored: Heatmaps, flip_pairs: Sequence[Sequence[int]]) -> Heatmaps:
    """Return the heatmaps of a mirrored picture as those of the picture itself: mirrored, left and right swapped."""
    return mirrored[..., mirror_order(mirrored.shape[-3], flip_pairs), :, ::-1]


def flip_average(
    heatmaps: Heatmaps, mirrored: Heatmaps, flip_pairs: Sequence[Sequence[int]], *, shift: bool = True
) -> Heatmaps:
    """Return the mean of a picture's heatmaps and its mirror image's.

    Args:
        heatmaps: of the picture.
        mirrored: of the mirrored picture, as the network gave them.
        flip_pairs: joints that change places.
        shift: the official SHIFT_HEATMAP: move the second by one cell to the right, its first column staying. An even
            stride puts cells a pixel and more off the mirror's axis.

    Raises:
        ShapeError: the two differ in shape.
    """
    check_shape(mirrored, "mirrored", heatmaps.shape)
    back = flip_back(mirrored, flip_pairs)
    mean = heatmaps + back
    if shift:
        np.add(heatmaps[..., 1:], back[..., :-1], out=mean[..., 1:])
    mean *= mean.dtype.type(0.5)
    return mean


class HeatmapAccuracy(NamedTuple):
    """How often predicted peaks lie near the targets'.

    Attributes:
        per_joint: share of samples, -1 where none counts.
        mean: over the joints that count, 0 where none does.
        num_joints: how many joints count.
        xy: the predicted peaks.
    """

    per_joint: Float[ndarray, "J"]
    mean: float
    num_joints: int
    xy: Float32[ndarray, "N J 2"]


def heatmap_accuracy(heatmaps: Heatmaps, targets: Heatmaps, *, threshold: float = 0.5) -> HeatmapAccuracy:
    """Return the share of peaks within `threshold` tenths of the map's size of the target's: a trainer's running score.

    Raises:
        ShapeError: the two differ in shape.

    Source: `accuracy`. Parity: a joint counts only where the target's peak has x > 1 and y > 1; x is measured by the
        map's HEIGHT and y by its width, so logs of maps that are not square equal the official ones.
    """
    check_shape(targets, "targets", heatmaps.shape)
    found, wanted = find_peaks(heatmaps).xy, find_peaks(targets).xy
    h, w = heatmaps.shape[2:]
    distance = np.linalg.norm((found - wanted) / (np.array([h, w]) / 10), axis=2)
    counts = (wanted > 1).all(axis=2)
    near = ((distance < threshold) & counts).sum(axis=0)
    total = counts.sum(axis=0)
    per_joint = np.where(total > 0, near / np.maximum(total, 1), -1.0)
    known = per_joint[total > 0]
    return HeatmapAccuracy(per_joint, float(known.mean()) if len(known) else 0.0, len(known), found)


def peaked(logits: Heatmaps, sigma: float) -> Heatmaps:
    """Return maps of a network taught by cross-entropy in the units of the others: a sure joint peaks at one.

    Args:
        logits: what such a network gives out.
        sigma: of the targets that it was taught with, in cells.
    """
    share = np.exp(logits - logits.max(axis=(2, 3), keepdims=True))
    area = np.float32(2 * np.pi * sigma**2)  # of a Gaussian that peaks at one
    share *= area / share.sum(axis=(2, 3), keepdims=True)
    return share


def _check_heatmaps(heatmaps: Heatmaps) -> None:
    if heatmaps.ndim != 4 or 0 in heatmaps.shape[2:]:
        raise ShapeError(f"heatmaps have four axes (N, J, h, w) and cells, got the shape {heatmaps.shape}")
