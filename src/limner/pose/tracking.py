"""Everybody in a video, with a number that each person keeps.

The locator searches the picture now and then; in between, each person is looked for where the last joints were. Who
is who is settled by the likeness of skeletons (OKS with one spread for all joints) and the overlap of boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from limner.people import People
from limner.pose.predictor import PosePredictor
from limner.records import Boxes, Keypoints
from limner.types import RgbImage

_SEARCH_EVERY = 5  # frames between two searches of the whole picture
_FORGET_AFTER = 30  # frames without a person after which the number is not given again
_ALIKE = 0.15  # least likeness of one person in two frames
_ALIKE_PER_FRAME = 0.9  # ... and how it falls with every frame that lies between
_SPREAD = 0.1  # of a joint, in body sizes
_SURE = 0.2  # mean score of joints below which a person is lost
_SEEN = 0.3  # least score of a joint that counts for a box
_ROOM = 0.1  # by how much the box round the last joints is widened on each side
_SAME = 0.6  # likeness of two people of one frame above which they are one


@dataclass
class _Track:
    number: int
    keypoints: Keypoints
    missed: int = 0


class PeopleTracker:
    """Follows everybody through a video, frame by frame."""

    def __init__(self, predictor: PosePredictor) -> None:
        self._predictor = predictor
        self._tracks: list[_Track] = []
        self._count = self._since_search = 0

    def update(self, frame: RgbImage) -> list[tuple[int, Keypoints]]:
        """Return who is in the next frame: the number of each person, and one row of joints in the network's skeleton.

        Numbers count from 0 in the order in which people appear, the largest first, and are never given again.

        Raises:
            InputError: the frame is no RGB picture of 8 bits.
        """
        return self._settle(self._look(frame))

    def _look(self, frame: RgbImage) -> Keypoints:
        followed = [track for track in self._tracks if track.missed == 0]
        can_follow = self._predictor.network is not None and followed and self._since_search < _SEARCH_EVERY
        if can_follow and len(followed) == len(self._tracks):
            self._since_search += 1
            boxes = np.stack([_box(track.keypoints) for track in followed])
            found = self._predictor.predict(frame, Boxes(boxes, np.ones(len(boxes))))
            sure = found.score.mean(axis=1) >= _SURE
            if sure.all():
                return found
        self._since_search = 0
        people: People = self._predictor.locator.locate(frame)
        return self._predictor.predict(frame, people)

    def _settle(self, found: Keypoints) -> list[tuple[int, Keypoints]]:
        found = found[_distinct(found)]
        likeness = np.array(
            [
                [_likeness(track.keypoints, found[[row]]) / _patience(track) for row in range(len(found))]
                for track in self._tracks
            ]
        ).reshape(len(self._tracks), len(found))
        rows: dict[int, _Track] = {}
        for place, row in zip(*linear_sum_assignment(-likeness), strict=True):
            if likeness[place, row] >= _ALIKE:
                rows[int(row)] = self._tracks[place]
        for track in self._tracks:
            track.missed += 1
        for row in range(len(found)):
            if row not in rows:
                rows[row] = _Track(self._count, found[[row]])
                self._tracks.append(rows[row])
                self._count += 1
            rows[row].keypoints, rows[row].missed = found[[row]], 0
        self._tracks = [track for track in self._tracks if track.missed <= _FORGET_AFTER]
        return sorted(((track.number, track.keypoints) for track in rows.values()), key=lambda item: item[0])


def _patience(track: _Track) -> float:
    """How much less alike somebody may be who was not seen for a while."""
    return _ALIKE_PER_FRAME**track.missed


def _likeness(first: Keypoints, second: Keypoints) -> float:
    """Return the better of two measures, 0 to 1: likeness of the skeletons, and half of the overlap of their boxes."""
    size = np.sqrt((_extent(first) + _extent(second)) / 2)
    distance = np.linalg.norm(first.xy[0] - second.xy[0], axis=1) / max(float(size), 1e-6)
    weight = np.minimum(first.score[0], second.score[0]) + 1e-6
    skeletons = float((np.exp(-(distance**2) / (2 * _SPREAD**2)) * weight).sum() / weight.sum())
    return max(skeletons, 0.5 * _overlap(_box(first), _box(second)))


def _extent(keypoints: Keypoints) -> float:
    return float(np.ptp(keypoints.xy[0], axis=0).prod())


def _distinct(found: Keypoints) -> list[int]:
    """Rows less those that repeat one of a better score."""
    kept: list[int] = []
    for row in np.argsort(-found.score.mean(axis=1), kind="stable").tolist():
        if all(_likeness(found[[row]], found[[other]]) < _SAME for other in kept):
            kept.append(row)
    return sorted(kept)


def _box(keypoints: Keypoints) -> Float[ndarray, "4"]:
    """The box round the joints that are seen, with room for what sticks out."""
    seen = keypoints.score[0] >= _SEEN
    points = keypoints.xy[0][seen] if seen.sum() > 1 else keypoints.xy[0]
    low, high = points.min(axis=0), points.max(axis=0)
    room = _ROOM * (high - low).max()
    return np.concatenate([low - room, high + room])


def _overlap(first: ndarray, second: ndarray) -> float:
    inside = np.maximum(np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]), 0).prod()
    union = (first[2:] - first[:2]).prod() + (second[2:] - second[:2]).prod() - inside
    return float(inside / max(union, 1e-6))
