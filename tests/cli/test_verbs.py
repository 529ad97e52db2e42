"""The verbs do their work: files whole, reports true, nothing left after Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from limner import api
from limner.body import FastSMPL, load_body, project_weak
from limner.cli import jobs
from limner.media import open_video, read_image, write_image
from limner.weights import list_weights

from .conftest import Outcome

Run = Callable[..., Outcome]


def test_imitate(run: Run, small_person: Path, dance_amc: Path, one_actor: None, tmp_path: Path) -> None:
    words = ("--start", 0.5, "--end", 1, "--frame-rate", "12", "--json")
    outcome = run("imitate", small_person, dance_amc, "-o", tmp_path / "out.mp4", *words)
    report = json.loads(outcome.output)
    assert outcome.code == 0 and report["frames"] == 6 and report["frames_without_person"] == 0
    video = open_video(tmp_path / "out.mp4")
    assert video.frame_rate == Fraction(12) and len(list(video.frames())) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_view(run: Run, small_person: Path, one_actor: None, tmp_path: Path) -> None:
    outcome = run("view", small_person, "-o", tmp_path / "view_%02d.png", "--angles", "0,120")
    assert outcome.code == 0 and "2 frames" in outcome.output
    first, second = (read_image(path) for path in sorted(tmp_path.glob("view_*.png")))
    assert first.shape == second.shape and (first != second).any()


def test_swap(run: Run, small_person: Path, one_actor: None, tmp_path: Path) -> None:
    outcome = run("swap", small_person, small_person, "-o", tmp_path / "out.png", "--parts", "torso")
    assert outcome.code == 0 and "1 frame" in outcome.output
    assert max(read_image(tmp_path / "out.png").shape[:2]) == 256


def test_pose_of_pictures_and_videos(run: Run, small_person: Path, person_video: Path, tmp_path: Path) -> None:
    output, drawn = tmp_path / "joints.json", tmp_path / "drawn"
    outcome = run("pose", small_person, person_video, "-o", output, "--draw", drawn, "--json")
    entries = json.loads(output.read_text())
    photo, film = entries[0], entries[1:]
    assert set(photo) == {"image", "frame", "person", "box_xyxy", "score", "skeleton", "keypoints"}
    assert photo["skeleton"] == "coco17" and len(photo["keypoints"]) == 17
    nose, left_ankle = photo["keypoints"][0], photo["keypoints"][15]
    assert nose[1] < 40 and left_ankle[1] > 200
    left, top, right, bottom = photo["box_xyxy"]
    assert left < nose[0] < right and top < left_ankle[1] <= bottom
    assert [entry["frame"] for entry in film] == list(range(len(film))) and len(film) >= 6
    assert film[5]["keypoints"][0][0] - film[0]["keypoints"][0][0] == pytest.approx(15, abs=4)
    report = json.loads(outcome.output[outcome.output.index("{") :])
    assert report["pictures"] == 1 and report["frames"] == 8 and report["people"] == len(entries)
    assert sorted(path.name for path in drawn.iterdir()) == ["film.mp4", "small.jpg"]
    assert len(list(open_video(drawn / "film.mp4").frames())) == 8


def test_pose_in_another_skeleton(run: Run, small_person: Path, tmp_path: Path) -> None:
    run("pose", small_person, "-o", tmp_path / "out.json", "--skeleton", "openpose25", "--person", 0)
    (entry,) = json.loads((tmp_path / "out.json").read_text())
    assert entry["skeleton"] == "openpose25" and len(entry["keypoints"]) == 25


def test_body_of_pictures_and_videos(run: Run, small_person: Path, person_video: Path, tmp_path: Path) -> None:
    output, drawn = tmp_path / "bodies.npz", tmp_path / "drawn"
    outcome = run("body", small_person, person_video, "-o", output, "--draw", drawn)
    assert outcome.code == 0, outcome.output
    with np.load(output, allow_pickle=False) as arrays:
        found = dict(arrays)
    count = len(found["frame"])
    shapes = {"global_orient": 3, "body_pose": 69, "betas": 10, "weak_camera": 3, "transl": 3, "size_hw": 2}
    for name, width in shapes.items():
        assert found[name].shape == (count, width), name
    assert found["joints"].shape == (count, 24, 3) and found["body_model"] == "free"
    assert found["image"][0].endswith("small.png") and found["image"][1].endswith("film.mp4")
    assert found["frame"][:2].tolist() == [0, 0] and found["person"].tolist() == [0] * count
    _joints_fit(found)
    assert sorted(path.name for path in drawn.iterdir()) == ["film.mp4", "small.jpg"]
    overlay = read_image(drawn / "small.jpg")
    assert (cv2.absdiff(overlay, read_image(small_person)) > 40).any()


def _joints_fit(found: dict[str, np.ndarray]) -> None:
    """The joints of the file are those of its rotations, and project where the camera says."""
    rotvec = np.concatenate([found["global_orient"][:, None], found["body_pose"].reshape(-1, 23, 3)], axis=1)
    _, joints = FastSMPL(load_body("free"))(found["betas"], rotvec)
    np.testing.assert_allclose(found["joints"], joints + found["transl"][:, None], atol=1e-5)
    scale = found["weak_camera"][:, :1, None]
    np.testing.assert_allclose(scale * found["joints"][..., :2], project_weak(joints, found["weak_camera"]), atol=1e-4)
    assert (found["joints"][:, 15, 1] < found["joints"][:, 7, 1]).all()  # the head above the ankle, y down


def test_half_a_body_is_a_warning(run: Run, small_person: Path, tmp_path: Path) -> None:
    image = read_image(small_person)
    write_image(tmp_path / "half.png", cv2.resize(image[:150], None, fx=1.7, fy=1.7))
    outcome = run("view", tmp_path / "half.png", "-o", tmp_path / "view_%d.png", "--angles", "0")
    assert outcome.code == 0 and "limner: warning: " in outcome.output and "feet" in outcome.output


def test_scores_as_a_table_and_as_json(run: Run, person_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"ssim_mask": np.float32([[0.9, 0.7, 0.5]] * 3), "face": np.full((3, 3), np.nan, np.float32)}
    clip = api.ClipScores("film", "self", ("composite", "first frame", "background"), rows, {"fid": (1.0, 2.0, 3.0)})
    asked = {}

    def evaluate(videos: list[Path], **options: object) -> object:
        asked.update(options, videos=videos)
        return api.MotionScores((clip,))

    monkeypatch.setattr(api, "evaluate_motion", evaluate)
    table = run("eval", "motion", "--self", person_video, "--max-frames", 3, "--size", 256).output
    assert "film" in table and "0.9000" in table and "background" in table and "published" in table
    assert "face" not in table.split("published")[0]  # never taken
    assert asked["videos"] == [person_video] and asked["max_frames"] == 3 and asked["size"] == 256
    (found,) = json.loads(run("eval", "motion", "--self", person_video, "--json").output)
    assert found["means"]["composite"]["ssim_mask"] == pytest.approx(0.9) and found["means"]["background"]["fid"] == 3
    assert len(found["frames"]["ssim_mask"]) == 3 and found["frames"]["face"][0] == [None] * 3


def test_doctor_finds_all_well(run: Run) -> None:
    outcome = run("doctor", "--json")
    findings = {finding["what"]: finding for finding in json.loads(outcome.output)}
    assert outcome.code == 0
    assert findings["torch"]["state"] == "ok" and findings["codec libx264"]["state"] == "ok"
    assert all(findings[f"weights {record.name}"]["state"] == "ok" for record in list_weights())
    assert all(
        finding["mend"]
        for finding in findings.values()
        if finding["what"].startswith("extra") and finding["state"] != "ok"
    )


def test_doctor_leaves_with_1_where_something_is_broken(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from limner.api import health

    monkeypatch.setattr(health, "_BASE", {"a-package-that-nobody-has": "a_package_that_nobody_has"})
    outcome = run("doctor")
    assert outcome.code == 1 and "-> pip install" in outcome.output


def test_weights(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from limner.checks import WeightsError
    from limner.cli import weight_verbs

    listed = json.loads(run("weights", "list", "--json").output)
    assert [record["name"] for record in listed] == [record.name for record in list_weights()]
    name = listed[0]["name"]
    assert name in run("weights", "list").output
    assert listed[0]["sha256"] in run("weights", "show", name).output
    assert run("weights", "verify").code == 0
    unknown = run("weights", "show", name + "x")
    assert unknown.code == 1 and name in unknown.sentence

    def damaged(name: str) -> Path:
        raise WeightsError(f"the weights {name} are damaged")

    monkeypatch.setattr(weight_verbs, "file_path", damaged)
    outcome = run("weights", "verify", name)
    assert outcome.code == 1 and "damaged" in outcome.output


def test_ctrl_c_in_mid_video_leaves_nothing(
    run: Run, small_person: Path, dance_amc: Path, one_actor: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Impatient:
        def __enter__(self) -> Impatient:
            return self

        def __exit__(self, *error: object) -> None:
            seen.append(sorted(path.suffix for path in tmp_path.iterdir()))

        def __call__(self, done: int, total: int | None, what: str) -> None:
            if what == "painting" and done == 90:
                seen.append([path.name for path in tmp_path.iterdir()])
                raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "ProgressBar", Impatient)
    outcome = run("imitate", small_person, dance_amc, "-o", tmp_path / "out.mp4")
    assert outcome.code == 130 and "interrupted" in outcome.sentence
    assert len(seen[0]) == 1 and seen[0] != ["out.mp4"]  # the film was being written under another name
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="signals to a process are sent otherwise here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_with_nothing_half_written(
    number: signal.Signals, small_person: Path, person_video: Path, tmp_path: Path
) -> None:
    script = "import sys; from limner.cli import main; sys.exit(main())"
    words = [
        "pose",
        str(small_person),
        *[str(person_video)] * 20,
        "-o",
        str(tmp_path / "out.json"),
        "--draw",
        str(tmp_path),
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background has children that ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.strip().startswith("limner: interrupted") and "Traceback" not in said
    assert {path.suffix for path in tmp_path.iterdir()} <= {".jpg", ".mp4"}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
