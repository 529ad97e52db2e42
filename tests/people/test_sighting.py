"""A person watched from their coming to their leaving; the tracker's answers are made up."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from limner.people import sighting, watch_person
from limner.records import Keypoints

HERE = Keypoints(np.zeros((1, 33, 2), np.float32), np.ones((1, 33), np.float32), "blazepose33")
MASK = np.full((2, 3), 0.5, np.float32)
RATE = Fraction(4)


@pytest.fixture
def seen_as(monkeypatch: pytest.MonkeyPatch):
    """Make the tracker see somebody (#) or nobody (.) in each frame."""

    def see(pattern: str) -> list[np.ndarray]:
        answers = [(n, HERE, MASK) if sign == "#" else (n, None, None) for n, sign in enumerate(pattern)]
        monkeypatch.setattr(sighting, "track_person", lambda frames, person, *, with_masks: iter(answers))
        return [np.zeros((2, 3, 3), np.uint8)] * len(pattern)

    return see


@pytest.mark.parametrize(
    ("pattern", "first", "end", "shown"),
    [
        ("..##.#", 2, 6, 4),  # comes late; a short absence is part of it
        ("##..", 0, 4, 2),  # gone for half a second at the end
        ("#.....##", 0, 6, 1),  # away for five frames at four a second: gone
        ("#....##", 0, 7, 7),  # away for one second: still here
    ],
)
def test_a_person_is_watched_until_they_are_away_for_over_a_second(seen_as, pattern, first, end, shown) -> None:
    seen = watch_person(seen_as(pattern), RATE)
    assert seen is not None
    assert (seen.first, seen.end, len(seen.track), len(seen.masks)) == (first, end, shown, shown)
    assert [found is not None for found in seen.track] == [sign == "#" for sign in pattern[first : first + shown]]


def test_masks_are_bytes_and_hidden_frames_have_none(seen_as) -> None:
    seen = watch_person(seen_as("#.#"), RATE)
    assert seen is not None and seen.masks[1] is None
    assert seen.masks[0].dtype == np.uint8 and (seen.masks[0] == 127).all()


def test_nobody_gives_none(seen_as) -> None:
    assert watch_person(seen_as("...."), RATE) is None


def test_no_more_frames_than_asked_for_are_watched(seen_as) -> None:
    told: list[int] = []
    seen = watch_person(seen_as(".#####"), RATE, max_frames=3, progress=told.append)
    assert seen is not None and len(seen.track) == 3
    assert told == [2, 3, 4]
