"""Everybody in a video, with a number that each person keeps.

The locator searches the picture a few times a second; in between, each person is looked for where the last joints were.
Whoever a search finds anew is followed back through the frames since the one before, so nobody appears late. Who is who
is settled by the likeness of skeletons (OKS with one spread for all joints) and the overlap of boxes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from limner.detection import box_overlap
from limner.people import Region
from limner.pose.predictor import PosePredictor
from limner.records import Boxes, Keypoints
from limner.types import RgbImage

_SEARCHES = 3.0  # of the whole picture in a second of film
_FEWEST_BETWEEN, _MOST_BETWEEN = 5, 15  # frames from one search to the next; all are held in memory
_FORGET_AFTER = 30  # frames without a person after which the number is not given again
_ALIKE = 0.15  # least likeness of one person in two frames
_ALIKE_PER_FRAME = 0.9  # ... and how it falls with every frame that lies between
_SPREAD = 0.1  # of a joint, in body sizes
_SURE = 0.2  # mean score of joints below which a person is lost
_SEEN = 0.3  # least score of a joint that counts for a box
_ROOM = 0.1  # by how much the box round the last joints is widened on each side
_SAME = 0.6  # likeness of two people of one frame above which they are one


@dataclass
class _Sighting:
    """Somebody in a frame, and where the locator is to look next."""

    keypoints: Keypoints
    region: Region | None


@dataclass
class _Track:
    number: int
    last: _Sighting
    missed: int = 0


@dataclass
class _Frame:
    """A frame that waits for the next search, with who is known to be in it."""

    image: RgbImage
    people: dict[int, Keypoints]


class PeopleTracker:
    """Follows everybody through a video."""

    def __init__(self, predictor: PosePredictor, *, frame_rate: float = 30.0) -> None:
        self._predictor = predictor
        self._every = int(np.clip(round(frame_rate / _SEARCHES), _FEWEST_BETWEEN, _MOST_BETWEEN))
        self._tracks: list[_Track] = []
        self._count = 0

    def track(self, frames: Iterable[RgbImage]) -> Iterator[dict[int, Keypoints]]:
        """Yield who is in each frame: by number, one row of joints in the network's skeleton.

        Numbers count from 0 in the order in which people appear, the largest first, and are never given again. Answers
        come up to fifteen frames late.

        Raises:
            InputError: a frame is no RGB picture of 8 bits.
        """
        waiting: list[_Frame] = []
        is_first = True
        for image in frames:
            people, somebody_is_lost = self._follow(image)
            waiting.append(_Frame(image, people))
            if is_first or somebody_is_lost or len(waiting) >= self._every:
                yield from self._resolve(waiting)
                waiting, is_first = [], False
        if waiting:
            yield from self._resolve(waiting)

    def _follow(self, image: RgbImage) -> tuple[dict[int, Keypoints], bool]:
        """Look where everybody was a frame ago; return who is there, and whether somebody no longer is."""
        present = [track for track in self._tracks if not track.missed]
        seen = self._look(image, [track.last for track in present])
        # Two who are followed into one place are one; the surer keeps the number.
        rows = [sighting.keypoints for sighting in seen if sighting is not None]
        kept = {id(rows[place]) for place in _distinct(rows)}
        people = {}
        for track, sighting in zip(present, seen, strict=True):
            if sighting is not None and id(sighting.keypoints) in kept:
                track.last, people[track.number] = sighting, sighting.keypoints
        for track in self._tracks:
            track.missed += track.number not in people
        return people, len(people) < len(present)

    def _look(self, image: RgbImage, where: Sequence[_Sighting]) -> list[_Sighting | None]:
        """Look for people where they were in the frame before or after; None for those who are not there."""
        if self._predictor.network is None:
            return [self._look_at(image, sighting.region) for sighting in where]
        if not where:
            return []
        boxes = np.stack([_box(sighting.keypoints) for sighting in where])
        found = self._predictor.predict(image, Boxes(boxes, np.ones(len(boxes))))
        is_there = found.score.mean(axis=1) >= _SURE
        return [_Sighting(found[[row]], None) if there else None for row, there in enumerate(is_there)]

    def _look_at(self, image: RgbImage, region: Region | None) -> _Sighting | None:
        found = None if region is None else self._predictor.locator.follow(image, region)
        return None if found is None else _Sighting(*found)

    def _resolve(self, waiting: list[_Frame]) -> Iterator[dict[int, Keypoints]]:
        """Search the last waiting frame, follow those who are new there backwards, and answer for all frames."""
        last = waiting[-1]
        found = self._search(last.image)
        present = [track for track in self._tracks if not track.missed]
        known = _matched(found, present)
        # Who comes back is known by the first sight of them, not by where they have gone since.
        histories = {
            place: self._followed_back(waiting, sighting) for place, sighting in enumerate(found) if place not in known
        }
        lost = [track for track in self._tracks if track.missed]
        places = list(histories)
        back = _matched([histories[n][-1] for n in places], lost, [len(histories[n]) - 1 for n in places])
        known |= {places[row]: track for row, track in back.items()}
        for place, sighting in enumerate(found):
            track = known.get(place) or self._new_track(sighting)
            track.last, track.missed = sighting, 0
            history = histories.get(place, [sighting])
            for frame, seen in zip(waiting[::-1][: len(history)], history, strict=True):
                frame.people[track.number] = seen.keypoints
            known[place] = track
        self._forget({track.number for track in known.values()}, last)
        for frame in waiting:
            yield dict(sorted(frame.people.items()))

    def _followed_back(self, waiting: list[_Frame], sighting: _Sighting) -> list[_Sighting]:
        """Return the sightings of somebody in the last frame and those before, as long as nobody else is there."""
        history = [sighting]
        for frame in reversed(waiting[:-1]):
            earlier = self._look(frame.image, history[-1:])[0]
            if earlier is None or any(_likeness(earlier.keypoints, o) >= _SAME for o in frame.people.values()):
                break
            history.append(earlier)
        return history

    def _new_track(self, sighting: _Sighting) -> _Track:
        self._tracks.append(_Track(self._count, sighting))
        self._count += 1
        return self._tracks[-1]

    def _forget(self, seen: set[int], last: _Frame) -> None:
        """Whom the search did not find is not in its frame, and after a while no longer known."""
        last.people = {number: keypoints for number, keypoints in last.people.items() if number in seen}
        for track in self._tracks:
            track.missed = 0 if track.number in seen else max(track.missed, 1)
        self._tracks = [track for track in self._tracks if track.missed <= _FORGET_AFTER]

    def _search(self, image: RgbImage) -> list[_Sighting]:
        people = self._predictor.locator.locate(image)
        found = self._predictor.predict(image, people, skeleton=self._predictor.native_skeleton)
        rows = [found[[row]] for row in range(len(found))]
        return [_Sighting(rows[place], people.regions[place]) for place in _distinct(rows)]


def _matched(people: list[_Sighting], tracks: list[_Track], ago: Sequence[int] = ()) -> dict[int, _Track]:
    """Return the known person that each of `people` is, by place, where one is like enough.

    Args:
        people: as they were seen.
        tracks: the known ones.
        ago: how many frames before the present one each sighting was; none for the present one.
    """
    if not people or not tracks:
        return {}
    frames_ago = list(ago) or [0] * len(people)
    likeness = np.array(
        [
            [
                # Somebody who was not seen for a while may be less alike.
                _likeness(track.last.keypoints, other.keypoints) / _ALIKE_PER_FRAME ** max(track.missed - before, 0)
                for other, before in zip(people, frames_ago, strict=True)
            ]
            for track in tracks
        ]
    )
    pairs = zip(*linear_sum_assignment(-likeness), strict=True)
    return {int(row): tracks[place] for place, row in pairs if likeness[place, row] >= _ALIKE}


def _likeness(first: Keypoints, second: Keypoints) -> float:
    """Return the better of two measures, 0 to 1: likeness of the skeletons, and half of the overlap of their boxes."""
    size = np.sqrt((_extent(first) + _extent(second)) / 2)
    distance = np.linalg.norm(first.xy[0] - second.xy[0], axis=1) / max(float(size), 1e-6)
    weight = np.minimum(first.score[0], second.score[0]) + 1e-6
    skeletons = float((np.exp(-(distance**2) / (2 * _SPREAD**2)) * weight).sum() / weight.sum())
    return max(skeletons, 0.5 * float(box_overlap(_box(first)[None], _box(second)[None])[0, 0]))


def _extent(keypoints: Keypoints) -> float:
    return float(np.ptp(keypoints.xy[0], axis=0).prod())


def _distinct(rows: Sequence[Keypoints]) -> list[int]:
    """Places of those that do not repeat one of a better score."""
    kept: list[int] = []
    for place in np.argsort([-row.score.mean() for row in rows], kind="stable").tolist():
        if all(_likeness(rows[place], rows[other]) < _SAME for other in kept):
            kept.append(place)
    return sorted(kept)


def _box(keypoints: Keypoints) -> Float[ndarray, "4"]:
    """The box round the joints that are seen, with room for what sticks out."""
    seen = keypoints.score[0] >= _SEEN
    points = keypoints.xy[0][seen] if seen.sum() > 1 else keypoints.xy[0]
    low, high = points.min(axis=0), points.max(axis=0)
    room = _ROOM * (high - low).max()
    return np.concatenate([low - room, high + room])
