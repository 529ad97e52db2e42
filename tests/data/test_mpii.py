"""MPII: counted from 1 there and from 0 here, moved centres, and what is wrong with a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from limner.checks import FileProblem, ShapeError
from limner.data import DatasetError, read_mpii, read_mpii_truth, write_mpii_predictions

from .conftest import mpii_person, write_truth, zip_folder

Write = Callable[..., Path]


def test_centres_move_down_before_the_scale_is_padded(mpii: Write) -> None:
    samples = read_mpii(mpii([mpii_person(scale=0.2)]))
    np.testing.assert_allclose(samples.center, [[30.0, 21 + 15 * 0.2 - 1]])
    np.testing.assert_allclose(samples.scale, [[0.25, 0.25]])
    np.testing.assert_allclose(samples.joints[0, 3], [12.0, 20.5])
    assert samples.skeleton.name == "mpii16" and samples.upper_joints == tuple(range(7, 16))


def test_pictures_are_counted_and_read_from_a_zip_file(mpii: Write) -> None:
    root = mpii([mpii_person("b.jpg"), mpii_person("a.jpg"), mpii_person("b.jpg")])
    zip_folder(root / "images")
    samples = read_mpii(root)
    assert samples.image_id.tolist() == [0, 1, 0] and samples.picture[1] == "images.zip@/a.jpg"
    assert samples.read_picture(1).shape == (48, 64, 3)


def test_the_test_part_has_no_joints(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps([{"image": "a.jpg", "center": [1, 2], "scale": 1.0}]))
    samples = read_mpii(tmp_path, "test", annotations=path, check=False)
    assert not samples.joints.any() and not samples.visible.any()


def test_all_faults_are_in_one_message(mpii: Write) -> None:
    people = [
        mpii_person(center=[-1, -1], scale=-1),
        mpii_person(scale=0),
        mpii_person(joints=[[1, 2]] * 15),
        mpii_person(center=[float("nan"), 3]),
        {"image": "a.jpg", "center": [3, 3], "scale": 1},
        mpii_person("missing.jpg"),
        mpii_person(joints_vis=[3] * 16),
        7,
    ]
    with pytest.raises(DatasetError) as caught:
        read_mpii(mpii(people, num_truth=5))
    message = str(caught.value)
    for part in (
        "no centre (-1): person in row 0",
        "without area (scale not above 0): person in row 1",
        "15 instead of 16 joints: person in row 2",
        "center with numbers that are not finite (NaN or infinite): person in row 3",
        "'joints' missing: person in row 4",
        "images/missing.jpg",
        "visibility other than 0, 1: person in row 6",
        "no record of named fields: person in row 7",
        "5 people in gt_valid.mat, 8 in the file",
    ):
        assert part in message
    assert "\n" not in message


def test_ground_truth_is_turned_to_rows_of_people(tmp_path: Path) -> None:
    write_truth(tmp_path / "gt.mat", 5)
    truth = read_mpii_truth(tmp_path / "gt.mat")
    held = scipy.io.loadmat(tmp_path / "gt.mat")
    np.testing.assert_array_equal(truth.joints[4, 9], held["pos_gt_src"][9, :, 4])
    np.testing.assert_array_equal(truth.visible[4], held["jnt_missing"][:, 4] == 0)
    assert truth.joint_names[9] == "head_top" and truth.head_boxes.shape == (5, 2, 2)


def test_other_files_than_ground_truth_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "gt.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(40))
    with pytest.raises(FileProblem, match="no readable MATLAB file"):
        read_mpii_truth(path)
    scipy.io.savemat(path, {"joints": np.zeros(3)})
    with pytest.raises(FileProblem, match="lacks jnt_missing"):
        read_mpii_truth(path)


def test_predictions_are_written_counted_from_one(tmp_path: Path) -> None:
    joints = np.random.default_rng(0).uniform(0, 60, (3, 16, 2))
    write_mpii_predictions(tmp_path / "pred.mat", joints)
    np.testing.assert_array_equal(scipy.io.loadmat(tmp_path / "pred.mat")["preds"], joints + 1)
    assert [path.name for path in tmp_path.iterdir()] == ["pred.mat"]
    with pytest.raises(ShapeError):
        write_mpii_predictions(tmp_path / "pred.mat", joints[:, :14])
