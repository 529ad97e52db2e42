"""HMR's regressor and the mean theta that it starts from."""

from __future__ import annotations

import hashlib
import math
import sys

import numpy as np
import pytest
import torch

from limner.body import (
    Regressor,
    mean_theta,
    plain_theta,
    read_mean_theta,
    rot6d_from_rotmat,
    rotmat_from_rotvec,
)
from limner.checks import FileProblem, InputError, MissingExtra, ShapeError


def small(**options) -> Regressor:
    return Regressor(6, hidden=16, **options).eval()


def test_first_guess_stays_near_the_mean() -> None:
    first = small()(torch.randn(4, 6))[0].detach()
    assert 0 < (first - torch.tensor(plain_theta(), dtype=torch.float32)).abs().max() < 0.3


def test_every_correction_uses_the_same_weights() -> None:
    regressor, features = small(num_iterations=4), torch.randn(3, 6)
    thetas = regressor(features)
    assert len(thetas) == 4
    regressor.num_iterations = 2
    for short, long in zip(regressor(features), thetas, strict=False):
        torch.testing.assert_close(short, long)
    # One more correction by hand, from the third theta.
    x = torch.cat([features, thetas[2]], 1)
    for name in ("fc1", "fc2"):
        x = torch.relu(regressor.fc_blocks[name](x))
    torch.testing.assert_close(thetas[2] + regressor.fc_blocks["fc3"](x), thetas[3])


def test_batch_is_single_rows_and_may_be_empty() -> None:
    regressor, features = small(), torch.randn(3, 6)
    rows = torch.cat([regressor(row[None])[-1] for row in features])
    torch.testing.assert_close(regressor(features)[-1], rows)
    assert regressor(features[:0])[-1].shape == (0, 85)


def test_mean_is_learned_only_where_asked() -> None:
    assert "mean_theta" in dict(small().named_parameters())
    fixed = small(train_mean=False)
    assert "mean_theta" in dict(fixed.named_buffers()) and "mean_theta" in fixed.state_dict()


def test_dropout_acts_in_training_only() -> None:
    regressor, features = small().train(), torch.randn(2, 6)
    assert not torch.equal(regressor(features)[-1], regressor(features)[-1])
    regressor.eval()
    assert torch.equal(regressor(features)[-1], regressor(features)[-1])


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ShapeError, match="features"):
        small()(torch.zeros(2, 7))
    with pytest.raises(InputError, match="at least one correction"):
        small(num_iterations=0)
    with pytest.raises(ShapeError, match="mean theta"):
        small(mean=np.zeros(84))


def test_mean_theta_stands_upright_whatever_the_file_says(rng) -> None:
    pose, shape = rng.normal(size=72), rng.normal(size=10)
    theta = mean_theta(pose, shape)
    assert theta[:6].tolist() == [0.9, 0, 0, math.pi, 0, 0]
    np.testing.assert_array_equal(theta[6:75], pose[3:])
    np.testing.assert_array_equal(theta[75:], shape)


def test_mean_files_of_both_kinds_say_the_same(tmp_path, rng) -> None:
    pose, shape = rng.normal(0, 0.3, 72), rng.normal(size=10)
    pose[:3] = 0
    np.savez(tmp_path / "old.npz", pose=pose, shape=shape)
    turned = np.concatenate([[math.pi, 0, 0], pose[3:]]).reshape(24, 3)
    rot6d = rot6d_from_rotmat(rotmat_from_rotvec(torch.from_numpy(turned))).numpy().reshape(-1)
    np.savez(tmp_path / "new.npz", pose=rot6d, shape=shape, cam=np.array([0.9, 0, 0]))
    before = hashlib.sha256((tmp_path / "old.npz").read_bytes()).hexdigest()
    old, new = read_mean_theta(tmp_path / "old.npz"), read_mean_theta(tmp_path / "new.npz")
    np.testing.assert_allclose(new, old, atol=1e-7)
    assert hashlib.sha256((tmp_path / "old.npz").read_bytes()).hexdigest() == before


def test_hdf5_without_its_reader_is_a_missing_extra(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    path = tmp_path / "neutral_smpl_mean_params.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(MissingExtra, match="needs h5py"):
        read_mean_theta(path)


class _FakeHdf5(dict):
    def __init__(self, path, mode) -> None:
        assert mode == "r", "the file of mean parameters must not be opened for writing"
        super().__init__(pose=np.full(72, 0.1), shape=np.full(10, 0.2))

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        return None


def test_hdf5_is_read_with_its_reader(tmp_path, monkeypatch) -> None:
    module = type(sys)("h5py")
    module.File = _FakeHdf5
    monkeypatch.setitem(sys.modules, "h5py", module)
    path = tmp_path / "mean.h5"
    path.write_bytes(b"content")
    np.testing.assert_allclose(read_mean_theta(path), mean_theta(np.full(72, 0.1), np.full(10, 0.2)))


def test_bad_mean_files_are_refused(tmp_path) -> None:
    with pytest.raises(FileProblem, match="does not exist"):
        read_mean_theta(tmp_path / "none.npz")
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(FileProblem, match="damaged"):
        read_mean_theta(tmp_path / "torn.npz")
    np.savez(tmp_path / "half.npz", pose=np.zeros(72))
    with pytest.raises(FileProblem, match="lacks shape"):
        read_mean_theta(tmp_path / "half.npz")
    np.savez(tmp_path / "odd.npz", pose=np.zeros(70), shape=np.zeros(10))
    with pytest.raises(FileProblem, match="got 70 and 10"):
        read_mean_theta(tmp_path / "odd.npz")
