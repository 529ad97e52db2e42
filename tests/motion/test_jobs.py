"""The jobs over files: what each kind of output holds, what the report says, and that nothing is half written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray

from limner.checks import FileProblem, InputError, LimnerError
from limner.media import open_video, read_image, read_image_rgba, read_mark
from limner.motion import Actor, Report, head_box, imitate, jobs, swap, view
from limner.motion.driver import Driver
from limner.motion.frames import Shot, shoot
from limner.records import Bodies

from .conftest import SIZE_HW, WALL, standing

HEIGHT, WIDTH = SIZE_HW
FRAMES = 4
RATE = Fraction(30000, 1001)


@pytest.fixture(autouse=True)
def _prepared(monkeypatch: pytest.MonkeyPatch, actor: Actor, cut_out: Actor) -> None:
    """The made-up person in place of any photo, and four frames in place of any motion."""

    def prepare(photo: object, *, background: object = None, **_: object) -> Actor:
        return replace(cut_out if background == "transparent" else actor, warnings=("a made-up person",))

    bodies = standing(FRAMES)
    bodies.rotvec[:, 16, 2] += 0.2 * np.arange(FRAMES)
    monkeypatch.setattr(Actor, "prepare", prepare)
    monkeypatch.setattr(jobs, "_check_motion", lambda _: None)
    monkeypatch.setattr(jobs, "read_driver", lambda *_, **__: Driver(bodies, RATE, None, 2))


def run(output: Path, **options: object) -> Report:
    return imitate("photo.jpg", "motion.npz", output, **options)


def shows_the_person(frame: ndarray) -> bool:
    """Whether the frame has the size asked for, the wall in its corner and the person in its middle."""
    corner, middle = frame[3, 3, :3].astype(int), frame[HEIGHT // 2, WIDTH // 2, :3].astype(int)
    return frame.shape[:2] == SIZE_HW and np.abs(corner - WALL).max() < 12 and np.abs(middle - WALL).sum() > 60


@pytest.mark.parametrize("name", ["out.mp4", "out.webm", "out.gif", "out.mov"])
def test_videos_hold_every_frame(tmp_path: Path, name: str) -> None:
    report = run(tmp_path / name)
    frames = list(open_video(tmp_path / name).frames())
    assert len(frames) == FRAMES == report.frames and all(shows_the_person(frame) for frame in frames)
    assert report.output == tmp_path / name and [p.name for p in tmp_path.iterdir()] == [name]


def test_the_frame_rate_is_the_drivers_exactly(tmp_path: Path) -> None:
    run(tmp_path / "out.mp4")
    assert open_video(tmp_path / "out.mp4").frame_rate == RATE


def test_numbered_pictures_are_the_frames_themselves(tmp_path: Path, actor: Actor) -> None:
    run(tmp_path / "frame_%03d.png")
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [f"frame_{n:03d}.png" for n in range(FRAMES)]
    wanted = list(actor.imitate(jobs.read_driver().motion))  # type: ignore[call-arg]
    for name, frame in zip(names, wanted, strict=True):
        assert (read_image(tmp_path / name) == frame).all()


def test_a_folder_is_filled(tmp_path: Path) -> None:
    report = run(tmp_path / "frames")
    assert len(list((tmp_path / "frames").iterdir())) == FRAMES and report.output.is_dir()


def test_transparent_pictures_keep_the_mask(tmp_path: Path) -> None:
    run(tmp_path / "frame_%02d.png", background="transparent")
    frame = read_image_rgba(tmp_path / "frame_00.png")
    assert frame.shape == (*SIZE_HW, 4) and frame[3, 3, 3] == 0 and frame[HEIGHT // 2, WIDTH // 2, 3] == 255


@pytest.mark.parametrize("name", ["out.webm", "out.mov"])
def test_transparent_videos_are_written(tmp_path: Path, name: str) -> None:
    assert run(tmp_path / name, background="transparent").frames == FRAMES
    assert open_video(tmp_path / name).size_hw == SIZE_HW


def test_videos_that_cannot_be_transparent_are_refused_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Actor, "prepare", lambda *_, **__: pytest.fail("the output is checked before the work"))
    with pytest.raises(InputError, match="transparen"):
        run(tmp_path / "out.mp4", background="transparent")


@pytest.mark.parametrize("name", ["out.jpg", "out.xyz", "nowhere/out.mp4"])
@pytest.mark.parametrize("job", [imitate, view])
def test_bad_outputs_are_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, job: Callable[..., Report]
) -> None:
    monkeypatch.setattr(Actor, "prepare", lambda *_, **__: pytest.fail("the output is checked before the work"))
    inputs = ("photo.jpg", "motion.npz") if job is imitate else ("photo.jpg",)
    with pytest.raises((InputError, FileProblem)):
        job(*inputs, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_report_says_what_was_done(tmp_path: Path) -> None:
    report = run(tmp_path / "out.mp4")
    assert report.frames_without_person == 2 and report.seconds > 0 and report.frames_per_second > 0
    assert report.warnings == ["a made-up person", "2 frames of the driver show nobody and were bridged"]
    assert FRAMES / report.frames_per_second <= report.seconds


def test_progress_is_told_of_every_frame(tmp_path: Path) -> None:
    calls: list[tuple[int, int | None, str]] = []
    run(tmp_path / "out.mp4", progress=lambda *call: calls.append(call))
    assert calls == [(n, FRAMES, "painting") for n in range(1, FRAMES + 1)]


def test_results_are_marked_as_synthetic(tmp_path: Path) -> None:
    run(tmp_path / "out.mp4")
    swap("photo.jpg", "clothes.jpg", tmp_path / "out.png")
    assert read_mark(tmp_path / "out.mp4") and read_mark(tmp_path / "out.png")


def breaking(problem: BaseException) -> Callable[..., object]:
    """A way to paint that ends in an error after the second frame."""
    paint, calls = Actor.paint, []

    def painted(self: Actor, *args: object, **options: object) -> object:
        calls.append(1)
        if len(calls) > 2:
            raise problem
        return paint(self, *args, **options)

    return painted


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), InputError("no"), MemoryError()])
@pytest.mark.parametrize("name", ["out.mp4", "out.webm", "out.gif", "frames", "frame_%02d.png"])
def test_nothing_is_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: BaseException, name: str
) -> None:
    monkeypatch.setattr(Actor, "paint", breaking(problem))
    with pytest.raises(type(problem)):
        run(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_older_result_survives_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out.mp4").write_bytes(b"older")
    monkeypatch.setattr(Actor, "paint", breaking(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == b"older"


def test_a_progress_that_raises_stops_the_job_cleanly(tmp_path: Path) -> None:
    def stop(done: int, total: int | None, what: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "out.mp4", progress=stop)
    assert list(tmp_path.iterdir()) == []


def seen_angles(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """Where the frames are seen from, as (row, degrees), filled as they are painted."""
    asked: list[tuple[int, float]] = []
    shoot = jobs.shoot

    def note(actor: Actor, bodies: Bodies, shots: Sequence[Shot], **options: object) -> Iterator[ndarray]:
        asked.extend((shot.row, shot.angle_deg) for shot in shots)
        return shoot(actor, bodies, shots, **options)

    monkeypatch.setattr(jobs, "shoot", note)
    return asked


def test_view_turns_once_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = seen_angles(monkeypatch)
    report = view("photo.jpg", tmp_path / "out.mp4", frames=8, frame_rate=12)
    assert report.frames == 8 and asked == [(0, 45 * n) for n in range(8)]
    assert open_video(tmp_path / "out.mp4").frame_rate == 12


def test_view_goes_round_a_motion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = seen_angles(monkeypatch)
    report = view("photo.jpg", tmp_path / "out.mp4", frames=8, motion="motion.npz")
    assert asked == [(n, 45 * n) for n in range(FRAMES)] and report.frames_without_person == 2
    assert open_video(tmp_path / "out.mp4").frame_rate == RATE


def test_view_stops_the_motion_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = seen_angles(monkeypatch)
    view("photo.jpg", tmp_path / "out_%d.png", frames=3, motion="motion.npz", moment=2 / RATE)
    assert asked == [(0, 0), (1, 0), (2, 0), (2, 120), (2, 240), (2, 0), (3, 0)]
    with pytest.raises(InputError, match="has 4 frames"):
        view("photo.jpg", tmp_path / "late.mp4", motion="motion.npz", moment=5.0)


@pytest.mark.parametrize("wrong", [{"moment": 1.0}, {"motion": "motion.npz", "angles_deg": [0.0]}])
def test_view_refuses_what_does_not_go_together(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        view("photo.jpg", tmp_path / "out.mp4", **wrong)


def test_a_face_pass_sees_the_head_in_every_frame(tmp_path: Path, actor: Actor) -> None:
    boxes: list[ndarray] = []

    def paint_it_red(frame: ndarray, box: ndarray) -> ndarray:
        boxes.append(box)
        left, top, right, bottom = box.astype(int)
        frame[top:bottom, left:right] = 255, 0, 0
        return frame

    run(tmp_path / "frame_%d.png", face_pass=paint_it_red)
    frame = read_image(tmp_path / "frame_0.png")
    reds = np.argwhere((frame == (255, 0, 0)).all(axis=2))
    assert len(boxes) == FRAMES and len(reds) > 100
    # The made-up person's head is a seventh of their height, above the middle of the picture.
    assert reds[:, 0].max() < HEIGHT / 2 and 0.08 < np.ptp(reds[:, 0]) / HEIGHT < 0.25


def test_a_face_pass_is_left_out_where_the_head_is_out_of_the_picture(actor: Actor) -> None:
    away = replace(actor.bodies, weak_camera=np.float32([[1.0, 0.05, 3.0]]))
    assert head_box(actor, away) is None
    assert len(list(shoot(actor, away, [Shot(0)], face_pass=lambda *_: pytest.fail("no head")))) == 1


def test_view_shows_given_angles(tmp_path: Path, actor: Actor) -> None:
    view("photo.jpg", tmp_path / "view_%d.png", angles_deg=[30, -60], elevation_deg=10)
    wanted = list(actor.view([30, -60], elevation_deg=10))
    assert all((read_image(tmp_path / f"view_{n}.png") == wanted[n]).all() for n in range(2))


@pytest.mark.parametrize("frames", [0, -4])
def test_view_needs_a_frame(tmp_path: Path, frames: int) -> None:
    with pytest.raises(InputError, match="at least one"):
        view("photo.jpg", tmp_path / "out.mp4", frames=frames)


@pytest.mark.parametrize("angles", [[], [np.nan], [0, np.inf]])
def test_view_needs_finite_angles(tmp_path: Path, angles: list[float]) -> None:
    with pytest.raises(InputError, match="at least one finite number"):
        view("photo.jpg", tmp_path / "out.mp4", angles_deg=angles)


def test_swap_writes_a_picture(tmp_path: Path) -> None:
    report = swap("photo.jpg", "clothes.jpg", tmp_path / "out.png", parts=["legs"])
    assert report.frames == 1 and shows_the_person(read_image(tmp_path / "out.png"))
    assert report.warnings == ["a made-up person", "a made-up person"]


def test_swap_moves_where_asked(tmp_path: Path) -> None:
    report = swap("photo.jpg", "clothes.jpg", tmp_path / "out.mp4", motion="motion.npz")
    assert report.warnings[:2] == ["a made-up person"] * 2
    assert report.frames == FRAMES and len(list(open_video(tmp_path / "out.mp4").frames())) == FRAMES


@pytest.mark.parametrize(("name", "motion"), [("out.mp4", None), ("out.png", "motion.npz")])
def test_swap_wants_a_picture_or_a_video(tmp_path: Path, name: str, motion: str | None) -> None:
    with pytest.raises(LimnerError):
        swap("photo.jpg", "clothes.jpg", tmp_path / name, motion=motion)


def test_swap_names_unknown_parts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got hat"):
        swap("photo.jpg", "clothes.jpg", tmp_path / "out.png", parts=["hat"])
    assert list(tmp_path.iterdir()) == []


def test_a_bad_motion_is_refused_before_the_photo_is_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(Actor, "prepare", lambda *_, **__: pytest.fail("the motion is checked before the work"))
    with pytest.raises(LimnerError, match="does not exist"):
        imitate("me.jpg", tmp_path / "missing.bvh", tmp_path / "out.mp4")
