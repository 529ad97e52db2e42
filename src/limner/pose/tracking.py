"""Everybody in a video, with a number that each person keeps.

The locator searches the picture now and then; in between, each person is looked for where the last joints were. Who
is who is settled by the likeness of skeletons (OKS with one spread for all joints) and the overlap of boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from limner.people import Region
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
    region: Region | None
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
        may_follow = self._tracks and self._since_search < _SEARCH_EVERY and not any(t.missed for t in self._tracks)
        found = self._follow(frame) if may_follow else None
        if found is not None:
            self._since_search += 1
        else:
            self._since_search = 0
            found = self._search(frame)
        return self._settle(*found)

    def _search(self, frame: RgbImage) -> tuple[Keypoints, Sequence[Region | None]]:
        people = self._predictor.locator.locate(frame)
        found = self._predictor.predict(frame, people, skeleton=self._predictor.native_skeleton)
        return found, people.regions

    def _follow(self, frame: RgbImage) -> tuple[Keypoints, Sequence[Region | None]] | None:
        """Look where everybody was; None where somebody is lost."""
        if self._predictor.network is None:
            return self._follow_regions(frame)
        boxes = np.stack([_box(track.keypoints) for track in self._tracks])
        found = self._predictor.predict(frame, Boxes(boxes, np.ones(len(boxes))))
        return (found, [None] * len(found)) if (found.score.mean(axis=1) >= _SURE).all() else None

    def _follow_regions(self, frame: RgbImage) -> tuple[Keypoints, Sequence[Region | None]] | None:
        rows, regions = [], []
        for track in self._tracks:
            seen = None if track.region is None else self._predictor.locator.follow(frame, track.region)
            if seen is None:
                return None
            rows.append(seen[0])
            regions.append(seen[1])
        return Keypoints.of_clip(rows)[0], regions

    def _settle(self, found: Keypoints, regions: Sequence[Region | None]) -> list[tuple[int, Keypoints]]:
        """Match the people found with those known, and number the new ones."""
        people = [(found[[row]], regions[row]) for row in _distinct(found)]
        matched = self._matched([keypoints for keypoints, _ in people])
        for track in self._tracks:
            track.missed += 1
        seen = []
        for place, (keypoints, region) in enumerate(people):
            if place not in matched:
                matched[place] = _Track(self._count, keypoints, region)
                self._tracks.append(matched[place])
                self._count += 1
            track = matched[place]
            track.keypoints, track.region, track.missed = keypoints, region, 0
            seen.append((track.number, keypoints))
        self._tracks = [track for track in self._tracks if track.missed <= _FORGET_AFTER]
        return sorted(seen, key=lambda item: item[0])

    def _matched(self, people: list[Keypoints]) -> dict[int, _Track]:
        """Return the known person that each of `people` is, by place, where one is like enough."""
        if not people or not self._tracks:
            return {}
        likeness = np.array(
            [[_likeness(track.keypoints, other) / _patience(track) for other in people] for track in self._tracks]
        )
        pairs = zip(*linear_sum_assignment(-likeness), strict=True)
        return {int(row): self._tracks[place] for place, row in pairs if likeness[place, row] >= _ALIKE}


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
