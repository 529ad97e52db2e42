"""Drawings of a data set and the report of what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from limner.checks import FileProblem, InputError
from limner.cli.app import app
from limner.data import read_samples, show
from limner.data.show import LEGEND_WIDTH, TILE_HEIGHT, draw_sample
from limner.media import read_image

from .conftest import mpii_person, person, tree, write_pictures


def test_people_are_drawn_with_their_labels(coco: Callable, tmp_path: Path) -> None:
    root = coco(tree([person(1, 1), person(2, 2), person(3, 3)]))
    report = show(root, tmp_path / "drawn", count=2)
    assert report.num_samples == 3 and not report.problem and len(report.drawn) == 2
    assert report.labelled["nose"] == 0 and report.labelled["left_eye"] == 1
    assert read_image(report.drawn[0]).shape == (TILE_HEIGHT, TILE_HEIGHT * 3 // 4 + LEGEND_WIDTH, 3)
    assert "never labelled: nose" in report.text() and "nothing is wrong" in report.text()


def test_labels_lie_where_the_joints_are(coco: Callable) -> None:
    samples = read_samples(coco(tree([person(1, 1)])))
    drawn = draw_sample(np.full((48, 64, 3), 128, np.uint8), samples, 0)
    bare = samples[[0]]
    bare.visible[:] = 0
    changed = (drawn != draw_sample(np.full((48, 64, 3), 128, np.uint8), bare, 0)).any(axis=2)
    changed = changed[:, :-LEGEND_WIDTH]
    side = samples.scale[0] * 200 * 1.15
    points = (samples.joints[0] - samples.center[0] + side / 2) * TILE_HEIGHT / side[1]
    for x, y in points[samples.visible[0] > 0]:
        assert changed[round(y), round(x)]


def test_faults_are_listed_and_the_readable_rest_is_drawn(coco: Callable, tmp_path: Path) -> None:
    root = coco(tree([person(1, 1), person(2, 2, bbox=[0, 0, 0, 0], area=0), person(3, 4)], num_images=4))
    report = show(root, tmp_path / "drawn")
    assert report.num_samples == 2 and len(report.drawn) == 1
    assert set(report.faults) == {"box or person without area", f"picture missing below {root}"}
    assert "not usable" in report.text() and "    annotation 2" in report.text()


def test_unreadable_annotations_are_reported_without_drawings(mpii: Callable, tmp_path: Path) -> None:
    report = show(mpii([mpii_person(joints=[])]), tmp_path / "drawn")
    assert report.num_samples == 0 and report.problem and not report.drawn


def test_what_is_no_data_set_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileProblem):
        show(tmp_path)
    with pytest.raises(InputError, match="count"):
        show(tmp_path, count=-1)
    (tmp_path / "drawn").write_text("a file stands here")
    write_pictures(tmp_path / "images", ["000000000001.jpg"])
    (tmp_path / "a.json").write_text(json.dumps(tree([person(1, 1)], num_images=1)))
    with pytest.raises(FileProblem, match="cannot be made a folder"):
        show(tmp_path / "a.json", tmp_path / "drawn")


def test_the_verb_reports_and_leaves_with_its_code(coco: Callable, tmp_path: Path) -> None:
    root = coco(tree([person(1, 1)]))
    good = CliRunner().invoke(app, ["data", "show", str(root), "-o", str(tmp_path / "d"), "--count", "1", "--json"])
    assert good.exit_code == 0 and json.loads(good.stdout)["num_samples"] == 1
    path = root / "annotations" / "person_keypoints_val2017.json"
    path.write_text(json.dumps(tree([person(1, 1, keypoints=[1, 2])])))
    bad = CliRunner().invoke(app, ["data", "show", str(root)])
    assert bad.exit_code == 1 and "2 instead of 51 numbers" in bad.stdout
