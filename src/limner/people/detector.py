"""The person detector: BlazePose's network decoded by anchors, and a search in tiles that finds small people too."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.detection import anchor_centres, average_overlapping, search_squares
from limner.people.regions import Region
from limner.runtime import load_network
from limner.types import RgbImage
from limner.weights import file_path

_SIZE = 224
# (stride, anchors a cell): the three layers of stride 32 share their cells, so their anchors lie together.
_LAYERS = ((8, 2), (16, 2), (32, 6))
_LAYER_STEP = 1.8
_EASY_HEIGHT = 0.4  # share of a view's side from which on a standing person is found
_LEAST_PIXELS = 24.0  # height of a person whom the landmark network can still make out
_MOST_SQUARES = 400  # 2 seconds on one core


@dataclass(frozen=True)
class Candidates:
    """What may be people, in pixels of the whole picture, best first.

    Attributes:
        score: (N,) the detector's confidence, 0 to 1.
        points: (N, 4, 2) middle of the hips, a point straight above on the circle round the body, middle of the
            shoulders, a point on the circle round the upper body.
        tile: (N,) side in pixels of the square that the detector looked at.
    """

    score: Float32[ndarray, N]
    points: Float32[ndarray, "N 4 2"]
    tile: Float32[ndarray, N]

    def __len__(self) -> int:
        return len(self.score)

    def take(self, index: ndarray) -> Candidates:
        """Return the candidates at `index`."""
        return Candidates(self.score[index], self.points[index], self.tile[index])

    def region(self, index: int) -> Region:
        """Return the rotated square round the whole body of one candidate."""
        return Region.upright(self.points[index, 0], self.points[index, 1])

    @classmethod
    def join(cls, parts: list[Candidates]) -> Candidates:
        """Return all candidates of `parts`, best first."""
        score = np.concatenate([part.score for part in parts])
        points, tile = (np.concatenate([getattr(part, name) for part in parts]) for name in ("points", "tile"))
        return cls(score, points, tile).take(np.argsort(-score, kind="stable"))


class Detector:
    """BlazePose's person detector."""

    def __init__(self, *, threads: int | None = None) -> None:
        self._network = load_network(file_path("blazepose-detector"), threads=threads)
        self._anchors = anchor_centres(_SIZE, _LAYERS) / np.float32(_SIZE)

    def look(self, image: RgbImage, square: tuple[float, float, float], min_score: float = 0.5) -> Candidates:
        """Return the candidates in one square view of the picture.

        Args:
            image: the whole picture.
            square: left, top and side in pixels; what lies beyond the picture is black, as in letterboxing.
            min_score: candidates below it are dropped.
        """
        left, top, side = square
        crop = Region(left + side / 2 - 0.5, top + side / 2 - 0.5, side).crop(image, _SIZE)
        raw, logit = self._network(crop[None].astype(np.float32) / np.float32(127.5) - np.float32(1))
        score = 1.0 / (1.0 + np.exp(-np.clip(logit[0, :, 0], -80, 80)))
        keep = np.flatnonzero(score >= min_score)
        # Twelve numbers: box centre and size, then the four points, all in network pixels relative to the anchor.
        values = raw[0, keep].reshape(-1, 6, 2)
        centres, sizes = values[:, 0] / _SIZE + self._anchors[keep], values[:, 1] / _SIZE
        points = values[:, 2:] / _SIZE + self._anchors[keep, None]
        boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
        score, points = average_overlapping(score[keep], boxes, points)
        points = points * side + (left - 0.5, top - 0.5)
        tile = np.full(len(score), side, np.float32)
        return Candidates(score.astype(np.float32), points.astype(np.float32), tile)

    def search(self, image: RgbImage, min_score: float = 0.5, smallest: float = 1 / 6) -> Candidates:
        """Return the candidates of all views of the picture that are needed to find people down to a height.

        Args:
            image: the whole picture.
            min_score: candidates below it are dropped.
            smallest: the least height of a person, as a share of the picture's height.
        """
        squares = views_of((image.shape[0], image.shape[1]), smallest)
        shrink = min(1.0, _SIZE / min(side for _, _, side in squares))
        if shrink < 1.0:
            image = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        views = [self.look(image, (x * shrink, y * shrink, side * shrink), min_score) for x, y, side in squares]
        found = Candidates.join(views)
        return Candidates(found.score, (found.points + 0.5) / np.float32(shrink) - 0.5, found.tile / np.float32(shrink))


def views_of(size_hw: tuple[int, int], smallest: float = 1 / 6) -> list[tuple[float, float, float]]:
    """Return the squares (left, top, side in pixels) that together show everyone of at least `smallest` x the height.

    In the smallest squares the smallest person is `_EASY_HEIGHT` of the side; nobody is looked for below
    `_LEAST_PIXELS`.
    """
    least = max(smallest * size_hw[0], _LEAST_PIXELS) / _EASY_HEIGHT
    return search_squares(size_hw, least, step=_LAYER_STEP, most=_MOST_SQUARES)
