"""The face detector: BlazeFace decoded by anchors, and a search in tiles that finds small and turned faces too."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from limner.detection import anchor_centres, average_overlapping, search_squares
from limner.face.squares import cut_square, picture_from_crop, to_picture, turned_square
from limner.runtime import load_network
from limner.types import RgbImage
from limner.weights import file_path

_SIDE = 128
_LAYERS = ((8, 2), (16, 6))  # (stride, anchors a cell)
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
        self._anchors = anchor_centres(_SIDE, _LAYERS)

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
        corners = np.stack([centres - sizes / 2, centres + sizes / 2], axis=1)
        score, joined = average_overlapping(
            score[keep], corners.reshape(-1, 4), np.concatenate([corners, points], axis=1)
        )
        corners, points = joined[:, :2], joined[:, 2:]
        matrix = picture_from_crop(view, _SIDE)
        # The network counts from the corner of its first pixel, the matrix from that pixel's centre.
        inside = to_picture(matrix, points - 0.5)
        sides = (corners[:, 1] - corners[:, 0]).max(axis=1) * np.hypot(*matrix[:, 0])
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
        for left, top, side in views_of(size_hw, smallest):
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


def views_of(size_hw: tuple[int, int], smallest: float = 1 / 20) -> list[tuple[float, float, float]]:
    """Return the squares (left, top, side in pixels) that together show every face of at least `smallest`.

    `smallest` is a share of the shorter side; in the smallest squares such a face is `_EASY` of the side.
    """
    least = max(smallest * min(size_hw), _LEAST_PIXELS) / _EASY
    return search_squares(size_hw, least, step=_LAYER_STEP, most=_MOST_SQUARES)


def _level(centre: ndarray, side: float, points: Float[ndarray, "6 2"]) -> Float[ndarray, "4 2"]:
    """The square round a face, turned so that its eyes lie level."""
    across = points[1] - points[0]
    return turned_square(centre, max(float(side), 1.0), float(np.arctan2(across[1], across[0])))
