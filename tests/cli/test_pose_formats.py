"""What the verb pose writes: COCO's results, OpenPose's folder, csv, and skeletons on black."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from limner.media import read_image

from .conftest import Outcome

Run = Callable[..., Outcome]


def test_coco_results(run: Run, small_person: Path, person_video: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    assert run("pose", small_person, person_video, "-o", output, "--format", "coco", "--smooth", 1).code == 0
    results = json.loads(output.read_text())
    assert [entry["image_id"] for entry in results] == list(range(1, len(results) + 1))
    assert {entry["track_id"] for entry in results} == {0}
    assert all(len(entry["keypoints"]) == 51 and 0 < entry["score"] <= 1 for entry in results)


def test_openpose_files_and_skeletons_on_black(
    run: Run, small_person: Path, person_video: Path, tmp_path: Path
) -> None:
    words = ("--format", "openpose", "--draw", tmp_path / "drawn", "--skeleton-only")
    outcome = run("pose", small_person, person_video, "-o", tmp_path / "poses", *words)
    assert outcome.code == 0, outcome.output
    files = sorted((tmp_path / "poses").iterdir())
    assert len(files) == 9 and files[0].name == "film_000000000000_keypoints.json"
    (person,) = json.loads((tmp_path / "poses" / "small_keypoints.json").read_text())["people"]
    assert len(person["pose_keypoints_2d"]) == 75
    assert json.loads(files[7].read_text())["people"] == []  # the empty wall
    drawn = read_image(tmp_path / "drawn" / "small.png")
    assert drawn.shape == read_image(small_person).shape and drawn[0, 0].max() == 0 and drawn.max() == 255


def test_csv(run: Run, small_person: Path, tmp_path: Path) -> None:
    run("pose", small_person, "-o", tmp_path / "out.csv", "--format", "csv", "--skeleton", "lsp14")
    with (tmp_path / "out.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert len(row) == 8 + 3 * 14 and float(row["left"]) < float(row["left_knee_x"]) < float(row["right"])


@pytest.mark.parametrize(
    ("name", "words", "part"),
    [
        ("out.csv", ("--format", "coco"), "suffix"),
        ("out.json", ("--format", "coco", "--skeleton", "lsp14"), "COCO"),
        ("poses", ("--format", "openpose", "--skeleton", "coco17"), "OpenPose"),
        ("out.json", ("--skeleton-only",), "folder to draw in"),
        ("out.json", ("--weights", "hrnet-w32-coco"), "not here yet"),
        ("out.json", ("--weights", "nonsense"), "no pose weights are called"),
    ],
)
def test_what_does_not_go_together_is_refused(
    run: Run, small_person: Path, tmp_path: Path, name: str, words: tuple[str, ...], part: str, monkeypatch
) -> None:
    monkeypatch.setenv("LIMNER_WEIGHTS", str(tmp_path / "none"))
    outcome = run("pose", small_person, "-o", tmp_path / name, *words)
    assert outcome.code == 1 and part in outcome.sentence
    assert list(tmp_path.iterdir()) == []
