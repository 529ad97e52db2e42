"""The face detector: BlazeFace decoded by anchors, and a search in tiles that finds small and turned faces too."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from limner.face.squares import cut_square, picture_from_crop, to_picture, turned_square
from limner.runtime import load_network
from limner.types import RgbImage
from limner.weights import file_path

_SIDE = 128
_LAYERS = ((8, 2), (16, 6))  # (stride, anchors a cell)
_NEAR = 0.3  # overlap above which two boxes of one view are averaged into one
_LAYER_STEP = 2.0
_EASY = 0.2  # share of a view's side from which on a face is found
_LEAST_PIXELS = 16.0  # height of a face that the mesh network can still make out
_MOST_SQUARES = 600


@dataclass(frozen=True)
class Candidates:
    """What may be faces, in pixels of the whole picture, best first.

    Attributes:
        score: the detector's confidence, 0 to 1.
        quads: turned squares round each, brow to chin, the eyes level.
        points: the eye on the face's own right (left in the picture), the other, the nose, the mouth, the two ears.
    """

    score: Float32[ndarray, N]
    quads: Float32[ndarray, "N 4 2"]
    points: Float32[ndarray, "N 6 2"]

    def __len__(self) -> int:
        return len(self.score)

    def take(self, index: ndarray) -> Candidates:
        """Return the candidates at `index`."""
        return Candidates(self.score[index], self.quads[index], self.points[index])

    @classmethod
    def join(cls, parts: list[Candidates]) -> Candidates:
        """Return all candidates of `parts`, best first."""
        score, quads, points = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("score", "quads", "points")
        )
        return cls(score, quads, points).take(np.argsort(-score, kind="stable"))


class FaceDetector:
    """BlazeFace, the short-range network.

    Source: Bazarevsky et al. 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs"; the search in
        tiles and in turned views is limner's: the network was made for one large upright face.
    """

    def __init__(self, *, threads: int | None = None) -> None:
        self._network = load_network(file_path("blazeface-short-range"), threads=threads)
        self._anchors = _anchors()

    def look(self, image: RgbImage, view: Float[ndarray, "4 2"], min_score: float = 0.5) -> Candidates:
        """Return the candidates in one square view of the picture, which may be turned; black lies beyond it."""
        crop = cut_square(image, view, _SIDE)
        raw, logit = self._network(crop[None].astype(np.float32) / np.float32(127.5) - np.float32(1))
        score = 1.0 / (1.0 + np.exp(-np.clip(logit[0, :, 0], -80, 80)))
        keep = np.flatnonzero(score >= min_score)
        # Sixteen numbers: box centre and size, then six points, all in network pixels relative to the anchor.
        values = raw[0, keep].reshape(-1, 8, 2)
        centres, sizes = values[:, 0] + self._anchors[keep], values[:, 1]
        points = np.concatenate([centres[:, None], values[:, 2:] + self._anchors[keep, None]], axis=1)
        boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
        score, boxes, points = _average_overlapping(score[keep], boxes, points)
        matrix = picture_from_crop(view, _SIDE)
        # The network counts from the corner of its first pixel, the matrix from that pixel's centre.
        inside = to_picture(matrix, points - 0.5)
        sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) * np.hypot(*matrix[:, 0])
        quads = [_level(*item) for item in zip(inside[:, 0], sides, inside[:, 1:], strict=True)]
        return Candidates(
            score.astype(np.float32),
            np.array(quads, np.float32).reshape(-1, 4, 2),
            inside[:, 1:].astype(np.float32),
        )

    def search(
        self, image: RgbImage, *, min_score: float = 0.5, smallest: float = 1 / 20, turns: tuple[int, ...] = (0,)
    ) -> Candidates:
        """Return the candidates of all views of the picture that are needed to find faces down to a height.

        Args:
            image: the whole picture.
            min_score: candidates below it are dropped.
            smallest: the least height of a face, as a share of the picture's shorter side.
            turns: quarter turns of the views; the network finds faces turned by up to about 45 degrees in each.
        """
        size_hw, shrink = (image.shape[0], image.shape[1]), 1.0
        found: list[Candidates] = []
        for left, top, side in search_squares(size_hw, smallest):
            wanted = min(1.0, 1.5 * _SIDE / side)
            if not found or wanted != shrink:
                shrink, small = wanted, cv2.resize(image, None, fx=wanted, fy=wanted, interpolation=cv2.INTER_AREA)
            for turn in turns:
                centre = np.array([left + side / 2, top + side / 2])
                view = turned_square(centre * shrink - 0.5, side * shrink, turn * np.pi / 2)
                seen = self.look(small, view, min_score)
                unshrink = [(part + 0.5) / np.float32(shrink) - 0.5 for part in (seen.quads, seen.points)]
                found.append(Candidates(seen.score, unshrink[0], unshrink[1]))
        return Candidates.join(found)


def search_squares(size_hw: tuple[int, int], smallest: float = 1 / 20) -> list[tuple[float, float, float]]:
    """Return the squares (left, top, side in pixels) that together show every face of at least `smallest`.

    The first square holds the whole picture; each further layer has squares half as large or more, which overlap by
    half, down to squares in which the smallest face is `_EASY` of the side.
    """
    height, width = size_hw
    longest, shorter = float(max(height, width)), min(height, width)
    squares = [((width - longest) / 2, (height - longest) / 2, longest)]
    least = min(max(smallest * shorter, _LEAST_PIXELS) / _EASY, longest)
    num_layers = int(np.ceil(np.log(longest / least) / np.log(_LAYER_STEP) - 1e-9))
    for layer in range(1, num_layers + 1):
        side = longest * (least / longest) ** (layer / num_layers)
        squares += [(x, y, side) for y in _starts(height, side) for x in _starts(width, side)]
    return squares[:_MOST_SQUARES]


def _starts(length: int, side: float) -> list[float]:
    """Where squares begin along one axis: overlapping by half or more; one, centred, if it is longer than the axis."""
    if side >= length:
        return [(length - side) / 2]
    count = int(np.ceil((length - side) / (side / 2) - 1e-9)) + 1
    return [float(start) for start in np.linspace(0, length - side, count)]


def _level(centre: ndarray, side: float, points: Float[ndarray, "6 2"]) -> Float[ndarray, "4 2"]:
    """The square round a face, turned so that its eyes lie level."""
    across = points[1] - points[0]
    return turned_square(centre, max(float(side), 1.0), float(np.arctan2(across[1], across[0])))


def _average_overlapping(
    score: Float[ndarray, N], boxes: Float[ndarray, "N 4"], points: Float[ndarray, "N 7 2"]
) -> tuple[Float[ndarray, M], Float[ndarray, "M 4"], Float[ndarray, "M 7 2"]]:
    """Join boxes that overlap into one each, averaged by score, best first (the paper's blending)."""
    order = np.argsort(-score, kind="stable")
    scores, joined, averaged = [], [], []
    while len(order):
        same = box_overlap(boxes[order[:1]], boxes[order])[0] > _NEAR
        same[0] = True
        group, order = order[same], order[~same]
        scores.append(score[group[0]])
        joined.append(np.average(boxes[group], axis=0, weights=score[group]))
        averaged.append(np.average(points[group], axis=0, weights=score[group]))
    return np.array(scores), np.array(joined).reshape(-1, 4), np.array(averaged).reshape(-1, 7, 2)


def box_overlap(first: Float[ndarray, "N 4"], second: Float[ndarray, "M 4"]) -> Float[ndarray, "N M"]:
    """Return intersection over union of every box of `first` with every box of `second` (left, top, right, bottom)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9)


def _anchors() -> Float32[ndarray, "896 2"]:
    """Middles of the anchors in network pixels."""
    parts = []
    for stride, copies in _LAYERS:
        cells = (np.arange(_SIDE // stride) + 0.5) * stride
        grid = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)
        parts.append(np.repeat(grid, copies, axis=0))
    return np.concatenate(parts).astype(np.float32)
