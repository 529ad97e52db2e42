"""Drivers: which frames of which file, at which rate, with whose sound."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray

from limner.body import BodyData, FastSMPL, pixels_from_picture, project_weak
from limner.checks import FileProblem, InputError, NobodyFound
from limner.media import write_video
from limner.motion import driver
from limner.motion.driver import read_driver
from limner.records import Bodies, Keypoints, Motion

from .conftest import DEMO, standing

NTSC = Fraction(30000, 1001)


@pytest.fixture
def motion_file(tmp_path: Path) -> Path:
    """Two seconds at 60 frames a second; the pelvis moves a metre a second."""
    transl = np.stack([np.arange(120) / 60, np.full(120, 0.95), np.zeros(120)], axis=1)
    path = tmp_path / "motion.npz"
    np.savez(path, poses=np.zeros((120, 72)), trans=transl, mocap_framerate=np.array(60.0), betas=np.zeros(10))
    return path


def moved(motion: Motion | Bodies) -> ndarray:
    """How far the pelvis has come since the first frame, metres."""
    assert isinstance(motion, Motion)
    return np.linalg.norm(motion.transl - motion.transl[0], axis=1)


def test_a_motion_file_plays_at_30_frames_a_second(motion_file: Path) -> None:
    found = read_driver(motion_file)
    assert found.frame_rate == 30 and len(found.motion) == 60
    assert found.sound_from is None and found.frames_without_person == 0
    np.testing.assert_allclose(np.diff(moved(found.motion)), 1 / 30, atol=1e-6)


@pytest.mark.parametrize("rate", [24, NTSC, 12.5])
def test_the_frame_rate_may_be_chosen(motion_file: Path, rate: Fraction | float) -> None:
    found = read_driver(motion_file, frame_rate=rate)
    assert found.frame_rate == Fraction(rate)
    assert isinstance(found.motion, Motion) and found.motion.frame_rate == Fraction(rate)
    np.testing.assert_allclose(np.diff(moved(found.motion)), float(1 / Fraction(rate)), atol=1e-5)


@pytest.mark.parametrize(
    ("start", "end", "frames"), [(None, None, 60), (0.5, None, 45), (None, 0.5, 15), (0.5, 1.25, 23), (1.9, 99, 3)]
)
def test_a_span_is_cut_out(motion_file: Path, start: float | None, end: float | None, frames: int) -> None:
    found = read_driver(motion_file, start=start, end=end)
    assert len(found.motion) == frames
    whole = read_driver(motion_file).motion
    assert isinstance(found.motion, Motion) and isinstance(whole, Motion)
    first = round((start or 0) * 30)
    np.testing.assert_allclose(found.motion.transl, whole.transl[first : first + frames])


def test_a_span_shorter_than_a_frame_is_one_frame(motion_file: Path) -> None:
    assert len(read_driver(motion_file, start=1.0, end=1.001).motion) == 1


@pytest.mark.parametrize(
    ("start", "end"), [(-1, None), (1, 1), (1.5, 0.5), (None, 0), (float("nan"), None), (0, float("nan"))]
)
def test_an_empty_span_is_refused(motion_file: Path, start: float | None, end: float | None) -> None:
    with pytest.raises(InputError, match="give a start before the end"):
        read_driver(motion_file, start=start, end=end)


def test_a_start_after_the_end_of_the_motion_is_refused(motion_file: Path) -> None:
    with pytest.raises(InputError, match=r"lasts 2.00 seconds; nothing is left from 7 seconds on"):
        read_driver(motion_file, start=7)


@pytest.mark.parametrize("name", ["missing.npz", "missing.json", "missing.mp4"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileProblem, match=name):
        read_driver(tmp_path / name)


def keypoints_of(body: BodyData, bodies: Bodies) -> ndarray:
    """The coco keypoints of the made-up person, (T, 17, 3)."""
    vertices, _ = FastSMPL(body)(bodies.betas, bodies.rotvec)
    points = np.stack([body.keypoint_regressors["coco17"] @ one for one in vertices])
    xy = pixels_from_picture(project_weak(points.astype(np.float32), bodies.weak_camera), bodies.size_hw)
    return np.concatenate([xy, np.ones((*xy.shape[:2], 1))], axis=2)


@pytest.fixture
def keypoint_file(tmp_path: Path, body: BodyData) -> Path:
    """Ten frames of the made-up person and of another, who stands aside."""
    points = keypoints_of(body, standing(10))
    rows = [
        {"frame": t, "person": p, "skeleton": "coco17", "keypoints": (points[t] + [60 * p, 0, 0]).tolist()}
        for t in range(10)
        for p in range(2)
    ]
    path = tmp_path / "points.json"
    path.write_text(json.dumps(rows))
    return path


def test_keypoints_become_bodies(keypoint_file: Path) -> None:
    found = read_driver(keypoint_file, end=0.2)
    assert isinstance(found.motion, Bodies) and len(found.motion) == 6 and found.frame_rate == 30
    aside = read_driver(keypoint_file, person=1, end=0.2).motion
    assert isinstance(aside, Bodies)
    assert aside.weak_camera[0, 1] > found.motion.weak_camera[0, 1]


def test_keypoints_are_taken_at_the_rate_asked_for(keypoint_file: Path) -> None:
    found = read_driver(keypoint_file, frame_rate=Fraction(25, 2), end=0.4)
    assert found.frame_rate == Fraction(25, 2) and len(found.motion) == 5


def test_keypoints_without_the_person_are_counted(keypoint_file: Path) -> None:
    rows = json.loads(keypoint_file.read_text())
    keypoint_file.write_text(json.dumps([row for row in rows if row["frame"] not in (3, 4)]))
    found = read_driver(keypoint_file, end=0.25)
    assert len(found.motion) == 8 and found.frames_without_person == 2


def test_keypoints_that_nobody_is_sure_of_are_refused(keypoint_file: Path) -> None:
    rows = json.loads(keypoint_file.read_text())
    for row in rows:
        row["keypoints"] = [[x, y, 0] for x, y, _ in row["keypoints"]]
    keypoint_file.write_text(json.dumps(rows))
    with pytest.raises(NobodyFound, match="score above zero"):
        read_driver(keypoint_file)


@pytest.mark.parametrize("rate", [0, -5, float("nan"), float("inf")])
def test_frame_rates_that_are_not_positive_are_refused(motion_file: Path, rate: float) -> None:
    with pytest.raises(InputError, match="frame rate must be positive"):
        read_driver(motion_file, frame_rate=rate)


def test_keypoints_of_nobody_are_refused(keypoint_file: Path) -> None:
    with pytest.raises(InputError, match="no keypoints of person 5"):
        read_driver(keypoint_file, person=5)


def follow(monkeypatch: pytest.MonkeyPatch, points: ndarray, unseen: tuple[int, ...] = ()) -> list[int]:
    """Let the tracker see the person in every frame but some; returns the list of greys of the frames it was shown."""
    shown: list[int] = []

    def track(frames: Iterator[ndarray], person: int = 0, **_: object) -> Iterator[tuple[int, Keypoints | None, None]]:
        for number, frame in enumerate(frames):
            shown.append(int(frame.mean()))
            row = points[number % len(points)][None]
            seen = None if number in unseen else Keypoints(row[..., :2], row[..., 2], "coco17")
            yield number, seen, None

    monkeypatch.setattr(driver, "track_person", track)
    return shown


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Twenty frames at 30000/1001 whose grey says their number."""
    path = tmp_path / "film.mp4"
    write_video(path, (np.full((64, 48, 3), 12 * n, np.uint8) for n in range(20)), frame_rate=NTSC)
    return path


def test_a_video_gives_bodies_at_its_own_rate(film: Path, body: BodyData, monkeypatch: pytest.MonkeyPatch) -> None:
    follow(monkeypatch, keypoints_of(body, standing(1, size_hw=(64, 48))))
    calls: list[tuple[int, int | None, str]] = []
    found = read_driver(film, progress=lambda *call: calls.append(call))
    assert found.frame_rate == NTSC and len(found.motion) == 20 and found.frames_without_person == 0
    assert isinstance(found.motion, Bodies) and found.motion.size_hw == (64, 48) and found.sound_from is None
    assert [done for done, _, _ in calls] == list(range(1, 21)) and calls[0][1] == 20


def test_frames_without_the_person_are_counted(film: Path, body: BodyData, monkeypatch: pytest.MonkeyPatch) -> None:
    follow(monkeypatch, keypoints_of(body, standing(1, size_hw=(64, 48))), unseen=(0, 7, 8))
    found = read_driver(film)
    assert found.frames_without_person == 3 and len(found.motion) == 20


def test_a_film_ends_where_the_person_is_gone_for_good(
    film: Path, body: BodyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "LOST_S", 0.2)
    points = keypoints_of(body, standing(1, size_hw=(64, 48)))
    follow(monkeypatch, points, unseen=(5, *range(12, 20)))
    found = read_driver(film)
    assert len(found.motion) == 12 and found.frames_without_person == 1
    assert found.warnings == ("the person of film.mp4 is gone for good after 0.4 s; the film ends there",)
    follow(monkeypatch, points, unseen=tuple(range(15, 20)))
    shortly = read_driver(film)
    assert len(shortly.motion) == 20 and shortly.frames_without_person == 5 and shortly.warnings == ()


def test_only_the_frames_of_the_span_are_watched(film: Path, body: BodyData, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = follow(monkeypatch, keypoints_of(body, standing(1, size_hw=(64, 48))))
    totals: set[int | None] = set()
    found = read_driver(film, start=0.2, end=0.4, progress=lambda done, total, what: totals.add(total))
    assert len(found.motion) == 6 and totals == {6}
    np.testing.assert_allclose(shown, 12 * np.arange(6, 12), atol=4)


def test_a_video_without_the_person_is_refused(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow(monkeypatch, np.zeros((1, 17, 3)), unseen=tuple(range(20)))
    with pytest.raises(NobodyFound, match="nobody was found in the 20 frames"):
        read_driver(film)


def test_a_video_shorter_than_the_start_is_refused(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow(monkeypatch, np.zeros((1, 17, 3)))
    with pytest.raises(InputError, match="no frame between the given seconds"):
        read_driver(film, start=30)


def test_the_demo_motion_is_read() -> None:
    found = read_driver(DEMO / "dance.amc", end=1.0)
    assert isinstance(found.motion, Motion) and len(found.motion) == 30
