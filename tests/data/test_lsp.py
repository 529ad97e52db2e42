"""LSP and LSP-extended, as MATLAB files and in the stored form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from limner.checks import FileProblem, InputError
from limner.data import DatasetError, read_lsp, read_samples

from .conftest import write_pictures


def joints(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    xy = rng.uniform(5, 40, (count, 14, 2))
    return np.concatenate([xy, (rng.random((count, 14, 1)) < 0.7).astype(float)], axis=2)


def test_lsp_counts_from_one_and_its_hidden_joints_are_annotated(tmp_path: Path) -> None:
    people = joints(3)
    scipy.io.savemat(tmp_path / "joints.mat", {"joints": people.transpose(2, 1, 0)})
    write_pictures(tmp_path / "images", [f"im000{i}.jpg" for i in (1, 2, 3)])
    samples = read_lsp(tmp_path)
    assert samples.name == "LSP all" and samples.visible.all()
    np.testing.assert_allclose(samples.joints, people[..., :2] - 1)
    assert samples.picture[2] == "images/im0003.jpg"


def test_lsp_extended_marks_what_is_annotated(tmp_path: Path) -> None:
    people = joints(2)
    scipy.io.savemat(tmp_path / "joints.mat", {"joints": people.transpose(1, 2, 0)})
    write_pictures(tmp_path / "images", ["im00001.jpg", "im00002.jpg"])
    samples = read_samples(tmp_path)
    assert samples.name == "LSP-extended all"
    np.testing.assert_array_equal(samples.visible, people[..., 2])
    with pytest.raises(InputError, match="no test part"):
        read_lsp(tmp_path, "test")


def test_the_first_thousand_train(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "joints.mat", {"joints": joints(1003).transpose(2, 1, 0)})
    test = read_lsp(tmp_path, "test", check=False)
    assert len(test) == 3 and test.picture[0] == "images/im1001.jpg" and test.image_id[0] == 1000
    assert len(read_lsp(tmp_path, "train", check=False)) == 1000


def test_crops_hold_the_joints_or_the_whole_picture(tmp_path: Path) -> None:
    np.savez(tmp_path / "joints.npz", name=["im00001.jpg"], joints=joints(1), size_hw=[[48, 64]])
    write_pictures(tmp_path / "images", ["im00001.jpg"])
    by_joints, whole = read_lsp(tmp_path), read_lsp(tmp_path, boxes="picture", image_hw=(256, 256))
    seen = by_joints.visible[0] > 0
    assert (np.abs(by_joints.joints[0, seen] - by_joints.center[0]) < by_joints.scale[0] * 100).all()
    np.testing.assert_allclose(whole.center, [[32, 24]])
    np.testing.assert_allclose(whole.scale, [[0.32, 0.32]])
    assert whole.boxes == "the whole picture"


def test_all_faults_are_in_one_message(tmp_path: Path) -> None:
    people = joints(3)
    people[0, :, 2] = 0
    people[1, 4] = (np.nan, 3, 1)
    np.savez(tmp_path / "joints.npz", name=["im00001.jpg", "im00002.jpg", "im00003.jpg"], joints=people)
    write_pictures(tmp_path / "images", ["im00001.jpg", "im00002.jpg"])
    with pytest.raises(DatasetError) as caught:
        read_lsp(tmp_path)
    assert list(caught.value.faults.values()) == [
        ("images/im00002.jpg",),
        ("images/im00001.jpg",),
        ("images/im00003.jpg",),
    ]
    assert read_lsp(tmp_path, check=False).picture == ("images/im00003.jpg",)


def test_other_shapes_are_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "joints.mat", {"joints": np.zeros((3, 15, 4))})
    with pytest.raises(FileProblem, match=r"\(3, 15, 4\)"):
        read_lsp(tmp_path)
    np.savez(tmp_path / "joints.npz", name=["a"], joints=np.zeros((2, 14, 3)))
    with pytest.raises(DatasetError, match="1 names need"):
        read_lsp(tmp_path)
    with pytest.raises(InputError, match="parts all, train, test"):
        read_lsp(tmp_path, "valid")  # type: ignore[arg-type]


def test_the_real_set_is_whole(shared_data: Path) -> None:
    samples = read_lsp(shared_data / "lspet")
    assert len(samples) == 9500 and 0.85 < samples.visible.mean() < 0.9
    assert samples[[5]].read_picture(0).ndim == 3
