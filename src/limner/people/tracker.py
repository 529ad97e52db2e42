"""The same person through a video: landmarks lead to the next frame's region, the detector looks now and then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.checks import InputError
from limner.people.landmarks import Landmarks
from limner.people.locator import (
    Locator,
    People,
    check_picture,
    paste_mask,
    skeleton_similarity,
    square_overlap,
)
from limner.people.regions import Region
from limner.records import Keypoints
from limner.types import RgbImage

Track = tuple[int, Keypoints | None, Float32[ndarray, "H W"] | None]

_CHECK_EVERY = 6  # frames between two looks of the detector while all goes well
_SEARCH_EVERY = 5  # frames between two searches of the whole picture while nobody is followed
_SURE = 0.5  # the detector's least score to go on
_LIKE_BEFORE = 0.3  # likeness of two frames' skeletons below which the detector is asked
# Likeness of two colour histograms (Bhattacharyya): 0.92 and more for one person through a film, 0.87 and less for two
# people in dark clothes, 0.6 where half of the body is hidden. After a gap only the first will do.
_SAME_CLOTHES = 0.6
_SAME_CLOTHES_LATER = 0.85
_SHORT_GAP = 10  # frames
_LEARN = 0.1  # how fast the remembered colours follow the light


def track_person(
    frames: Iterable[RgbImage], person: int = 0, *, with_masks: bool = False, locator: Locator | None = None
) -> Iterator[Track]:
    """Follow one person through a video.

    Args:
        frames: RGB pictures of one size, in order; read one at a time, at most five are held.
        person: which one, counted by box area, largest first, in the first searched frame that shows so many people.
        with_masks: also give the person's mask, 0 to 1.
        locator: the networks to use; None takes the default ones.

    Yields:
        The frame's number from 0, the keypoints (one row, "blazepose33" with world points) or None where the person is
        not seen, and the mask or None. Every frame gives one answer, in order. Somebody else who enters after the
        person has left is told apart by position and by the colours of the clothes.

    Raises:
        InputError: `person` is negative, or a frame is no RGB picture.
    """
    if person < 0:
        raise InputError(f"person counts from 0, got {person}")
    follower = _Follower(locator or Locator.load(), person)
    waiting: list[tuple[int, RgbImage]] = []
    searched = False
    for number, frame in enumerate(frames):
        check_picture(frame)
        skeleton = None if follower.last is None else follower.follow(frame)
        if skeleton is not None:
            yield _answer(number, frame, skeleton, with_masks)
            continue
        waiting.append((number, frame))
        if follower.just_lost or not searched or len(waiting) >= _SEARCH_EVERY:
            searched = True
            yield from _resolve(follower, waiting, with_masks)
            waiting = []
    if waiting:
        yield from _resolve(follower, waiting, with_masks)


def _resolve(follower: _Follower, waiting: list[tuple[int, RgbImage]], with_masks: bool) -> Iterator[Track]:
    """Search the last waiting frame, follow the person back through the others, and answer for all of them."""
    found: list[Landmarks | None] = [None] * len(waiting)
    found[-1] = follower.find(waiting[-1][1], missed=len(waiting))
    for i in range(len(waiting) - 2, -1, -1):
        later = found[i + 1]
        if later is None:
            break
        found[i] = follower.look(waiting[i][1], later)
    for (number, frame), skeleton in zip(waiting, found, strict=True):
        yield (number, None, None) if skeleton is None else _answer(number, frame, skeleton, with_masks)


def _answer(number: int, frame: RgbImage, skeleton: Landmarks, with_masks: bool) -> Track:
    size_hw = frame.shape[:2]
    return number, skeleton.keypoints(size_hw), paste_mask(skeleton, size_hw) if with_masks else None


class _Follower:
    """What is known of the person who is followed: the last skeleton, when it was, and the colours."""

    def __init__(self, locator: Locator, person: int) -> None:
        self._locator = locator
        self._person = person
        self._colours: Float32[ndarray, "D"] | None = None
        self._place: Region | None = None
        self._missed = 0
        self._unchecked = 0
        self.last: Landmarks | None = None
        self.just_lost = False

    def follow(self, frame: RgbImage) -> Landmarks | None:
        """Return the skeleton in the frame after the last one, or None (and forget the place) where it is lost."""
        assert self.last is not None
        self._unchecked += 1
        led = self._locator.landmarks(frame, self.last.next_region, with_mask=True)
        # After a cut somebody else may stand in the same place: the colours are asked before they are learned from.
        doubtful = (
            not _plausible(led)
            or skeleton_similarity(led, self.last) < _LIKE_BEFORE
            or not self._looks_the_same(frame, led)
        )
        skeleton = self.look(frame, self.last) if doubtful or self._unchecked >= _CHECK_EVERY else led
        self.just_lost = skeleton is None
        self._remember(frame, skeleton)
        return skeleton

    def look(self, frame: RgbImage, near: Landmarks) -> Landmarks | None:
        """Return the skeleton that the detector confirms close to the place of `near` in a neighbouring frame."""
        region = near.next_region
        for zoom in (1.6, 2.2):
            side = zoom * region.side
            views = self._locator.detector.look(frame, (region.x - side / 2, region.y - side / 2, side), _SURE)
            regions = [views.region(i) for i in range(len(views))]
            overlap = square_overlap([region], regions)[0]
            if len(regions) and overlap.max() > _LIKE_BEFORE:
                # A region led by landmarks fits more tightly than the detector's, so it is kept while the two agree.
                chosen = region if overlap.max() > 0.5 else regions[int(overlap.argmax())]
                skeleton = self._locator.landmarks(frame, chosen, with_mask=True)
                if _plausible(skeleton) and self._looks_the_same(frame, skeleton):
                    self._unchecked = 0
                    return skeleton
        return None

    def find(self, frame: RgbImage, *, missed: int) -> Landmarks | None:
        """Search the whole frame for the person."""
        self._missed += missed
        people = self._locator.locate(frame)
        index = self._choose(frame, people)
        skeleton = None
        if index is not None:
            skeleton = self._locator.landmarks(frame, people.regions[index], with_mask=True)
        self.just_lost = False
        self._remember(frame, skeleton)
        return skeleton

    def _choose(self, frame: RgbImage, people: People) -> int | None:
        """The person asked for at first; later whoever wears the same clothes and can have come so far."""
        if self._colours is None or self._place is None:
            return self._person if len(people) > self._person else None
        best, best_likeness = None, _SAME_CLOTHES if self._missed <= _SHORT_GAP else _SAME_CLOTHES_LATER
        for i, region in enumerate(people.regions):
            way = np.hypot(region.x - self._place.x, region.y - self._place.y) / self._place.side
            if way > 0.3 + 0.1 * self._missed:
                continue
            skeleton = self._locator.landmarks(frame, region, with_mask=True)
            likeness = _likeness(self._colours, _colours(frame, skeleton))
            if likeness >= best_likeness:
                best, best_likeness = i, likeness
        return best

    def _looks_the_same(self, frame: RgbImage, skeleton: Landmarks) -> bool:
        return self._colours is None or _likeness(self._colours, _colours(frame, skeleton)) >= _SAME_CLOTHES

    def _remember(self, frame: RgbImage, skeleton: Landmarks | None) -> None:
        self.last = skeleton
        if skeleton is None:
            return
        self._missed, self._place = 0, skeleton.region
        colours = _colours(frame, skeleton)
        self._colours = colours if self._colours is None else (1 - _LEARN) * self._colours + _LEARN * colours


def _plausible(skeleton: Landmarks) -> bool:
    overlap = square_overlap([skeleton.region], [skeleton.next_region])[0, 0]
    return skeleton.presence >= 0.5 and overlap >= _LIKE_BEFORE


def _colours(frame: RgbImage, skeleton: Landmarks) -> Float32[ndarray, "D"]:
    """Return the histogram of the person's colours, upper and lower half apart, each summing to one half."""
    assert skeleton.mask_logit is not None
    size = 64
    crop = skeleton.region.crop(frame, size)
    inside = (cv2.resize(skeleton.mask_logit, (size, size), interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    halves = []
    for rows in (slice(0, size // 2), slice(size // 2, size)):
        lab = np.ascontiguousarray(cv2.cvtColor(crop[rows], cv2.COLOR_RGB2LAB))
        bins = cv2.calcHist([lab], [0, 1, 2], np.ascontiguousarray(inside[rows]), [8, 16, 16], [0, 256] * 3).ravel()
        halves.append(bins / max(float(bins.sum()), 1.0) / 2)
    return np.concatenate(halves).astype(np.float32)


def _likeness(first: Float32[ndarray, "D"], second: Float32[ndarray, "D"]) -> float:
    return float(np.sqrt(first * second).sum())
