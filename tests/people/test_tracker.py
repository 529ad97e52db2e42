import itertools

import cv2
import numpy as np
import pytest

from limner.checks import InputError
from limner.people import track_person


def read_frames(path, first, last):
    capture = cv2.VideoCapture(str(path))
    capture.set(cv2.CAP_PROP_POS_FRAMES, first)
    for _ in range(first, last):
        _, frame = capture.read()
        yield np.ascontiguousarray(frame[..., ::-1])


def test_track_person_follows_a_shifted_person_in_every_frame(locator, woman):
    frames = [np.roll(woman, 8 * i, axis=1) for i in range(4)]
    track = list(track_person(frames, locator=locator))
    assert [number for number, _, _ in track] == list(range(4))
    hips = np.array([keypoints.xy[0, 23, 0] for _, keypoints, _ in track])
    assert np.diff(hips) == pytest.approx(np.full(3, 8.0), abs=3)
    assert all(mask is None for _, _, mask in track)


def test_track_person_gives_masks_on_request(locator, woman):
    (_, keypoints, mask), *_ = track_person([woman], with_masks=True, locator=locator)
    assert mask.shape == (600, 600)
    column, row = keypoints.xy[0, 23].round().astype(int)
    assert mask[row, column] > 0.9


def test_track_person_nobody_gives_none_for_every_frame(locator):
    frames = [np.zeros((60, 80, 3), np.uint8)] * 7
    assert list(track_person(frames, locator=locator)) == [(i, None, None) for i in range(7)]
    assert list(track_person([], locator=locator)) == []


def test_track_person_is_found_again_after_a_gap_without_missing_frames(locator, woman):
    empty = np.full_like(woman, 235)
    frames = [woman] * 2 + [empty] * 4 + [woman] * 3
    seen = [keypoints is not None for _, keypoints, _ in track_person(frames, locator=locator)]
    assert seen == [True] * 2 + [False] * 4 + [True] * 3


def test_track_person_reads_frames_as_they_are_needed(locator, woman):
    read = []
    frames = (read.append(i) or woman for i in itertools.count())
    track = track_person(frames, locator=locator)
    for _ in range(3):
        next(track)
    assert len(read) == 3


def test_track_person_does_not_take_somebody_else(locator, striding_video):
    # A woman in grey leaves near frame 197 and a man in black comes near frame 230.
    frames = itertools.chain(read_frames(striding_video, 190, 192), read_frames(striding_video, 250, 253))
    seen = [keypoints is not None for _, keypoints, _ in track_person(frames, locator=locator)]
    assert seen == [True] * 2 + [False] * 3


def test_track_person_notices_a_cut_to_somebody_in_the_same_place(locator, striding_video):
    # A man in black and one in grey and blue look at the same table.
    frames = itertools.chain(read_frames(striding_video, 800, 807), read_frames(striding_video, 1270, 1274))
    seen = [keypoints is not None for _, keypoints, _ in track_person(frames, locator=locator)]
    assert seen == [True] * 7 + [False] * 4


def test_track_person_second_person_of_one_is_nobody(locator, woman):
    assert list(track_person([woman], person=1, locator=locator)) == [(0, None, None)]
    with pytest.raises(InputError, match="counts from 0"):
        list(track_person([woman], person=-1, locator=locator))
