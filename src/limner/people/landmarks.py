"""The landmark network: 33 points, the same in metres, and a mask, for one region of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.people.regions import Region
from limner.records import Keypoints
from limner.runtime import load_network
from limner.types import RgbImage
from limner.weights import file_path

_SIZE = 256
_MAP = 64
_NUM_NAMED = 33  # points 33 and 34 span the next frame's region; 35 to 38 are aids of the network's training
_REACH = 3  # the 7 x 7 window round a point in its heatmap
_PEAK = 0.5
_OUTSIDE = 0.1  # what is left of the score of a point beyond the picture's border


@dataclass(frozen=True)
class Landmarks:
    """One skeleton.

    Attributes:
        xy: (33, 2) pixels of the picture.
        score: (33,) the network's probability that the point is visible.
        world: (33, 3) metres about the middle of the hips: x right, y down, z away from the viewer.
        presence: the network's probability that the region shows a person; near 1 on wrong skeletons too.
        region: where the network looked.
        next_region: where it should look next time, from the skeleton's own hips and circle.
        mask_logit: (256, 256) over `region`; None unless asked for.
    """

    xy: Float32[ndarray, "33 2"]
    score: Float32[ndarray, 33]
    world: Float32[ndarray, "33 3"]
    presence: float
    region: Region
    next_region: Region
    mask_logit: Float32[ndarray, "256 256"] | None = None

    def point_scores(self, size_hw: tuple[int, int]) -> Float32[ndarray, 33]:
        """Return the visibility of each point, a tenth of it beyond the border of a picture of `size_hw`."""
        x, y = self.xy.T
        inside = (x >= -0.5) & (y >= -0.5) & (x <= size_hw[1] - 0.5) & (y <= size_hw[0] - 0.5)
        return self.score * np.where(inside, np.float32(1), np.float32(_OUTSIDE))

    def keypoints(self, size_hw: tuple[int, int]) -> Keypoints:
        """Return the one row of joints, "blazepose33" with world points, in a picture of `size_hw`."""
        return Keypoints(self.xy[None], self.point_scores(size_hw)[None], "blazepose33", self.world[None])


class LandmarkNetwork:
    """BlazePose's landmark network."""

    def __init__(self, size: Literal["full", "heavy"] = "heavy", *, threads: int | None = None) -> None:
        self._network = load_network(file_path(f"blazepose-{size}"), threads=threads)

    def __call__(self, image: RgbImage, region: Region, *, with_mask: bool = False) -> Landmarks:
        """Return the skeleton that the network sees in `region`."""
        crop = region.crop(image, _SIZE)
        raw, presence, mask, heatmaps, world = self._network(crop[None].astype(np.float32) / np.float32(255))
        raw = raw.reshape(39, 5)
        points = _refine(raw[:, :2] / _SIZE, heatmaps[0])
        xy = region.to_picture(points.astype(np.float64))
        return Landmarks(
            xy=xy[:_NUM_NAMED].astype(np.float32),
            score=_sigmoid(raw[:_NUM_NAMED, 3]),
            world=_turn(world.reshape(39, 3)[:_NUM_NAMED], region.angle),
            presence=float(presence[0, 0]),
            region=region,
            next_region=Region.upright(xy[_NUM_NAMED], xy[_NUM_NAMED + 1]),
            mask_logit=mask[0, :, :, 0] if with_mask else None,
        )


def _sigmoid(logit: Float32[ndarray, ...]) -> Float32[ndarray, ...]:
    return (1.0 / (1.0 + np.exp(-np.clip(logit, -80, 80)))).astype(np.float32)


def _turn(world: Float32[ndarray, "33 3"], angle: float) -> Float32[ndarray, "33 3"]:
    """Turn points from the region's axes to the picture's, about the viewing direction."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float32)
    return world @ turn.T


def _refine(points: Float32[ndarray, "39 2"], heatmaps: Float32[ndarray, "64 64 39"]) -> Float32[ndarray, "39 2"]:
    """Move each point (0 to 1 across the region) to the weighted middle of its heatmap round it, where that has a peak.

    Source: MediaPipe's published setting for BlazePose: a window of 7 cells, used where its peak reaches one half. A
        point or window that reaches over the border keeps what lies inside.
    """
    cells = np.floor(points * _MAP).astype(int)
    refined = points.copy()
    for k, (column, row) in enumerate(cells):
        if not (0 <= column < _MAP and 0 <= row < _MAP):
            continue
        rows = np.arange(max(row - _REACH, 0), min(row + _REACH + 1, _MAP))
        columns = np.arange(max(column - _REACH, 0), min(column + _REACH + 1, _MAP))
        window = _sigmoid(heatmaps[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, k])
        if window.max() >= _PEAK:
            middle = np.array([window.sum(0) @ columns, window.sum(1) @ rows]) / window.sum()
            # A cell stands for its left top corner: with cell centres all points of mirrored pictures lie 2 px apart.
            refined[k] = middle / _MAP
    return refined
