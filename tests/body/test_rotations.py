from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from limner.body import (
    MIRROR_JOINTS,
    mirror_rotvec,
    quat_wxyz_from_rotmat,
    quat_wxyz_from_rotvec,
    rot6d_from_rotmat,
    rotmat_from_quat_wxyz,
    rotmat_from_rot6d,
    rotmat_from_rotvec,
    rotvec_from_quat_wxyz,
    rotvec_from_rotmat,
)
from limner.checks import ShapeError


@pytest.fixture
def rotvec(rng: np.random.Generator) -> torch.Tensor:
    """Small, common, nearly half and exactly half turns about lopsided axes."""
    axes = rng.normal(size=(60, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angles = np.concatenate([np.geomspace(1e-9, 1, 20), np.linspace(1, 3.1, 30), np.pi - np.geomspace(1e-8, 0.1, 10)])
    return torch.from_numpy(axes * angles[:, None])


def test_rotmat_from_rotvec_is_scipys(rotvec: torch.Tensor) -> None:
    np.testing.assert_allclose(rotmat_from_rotvec(rotvec), Rotation.from_rotvec(rotvec.numpy()).as_matrix(), atol=1e-12)


def test_every_form_leads_back_to_the_rotation_vector(rotvec: torch.Tensor) -> None:
    rotmat = rotmat_from_rotvec(rotvec)
    torch.testing.assert_close(rotmat_from_quat_wxyz(quat_wxyz_from_rotvec(rotvec)), rotmat, atol=1e-12, rtol=0)
    torch.testing.assert_close(rotmat_from_quat_wxyz(quat_wxyz_from_rotmat(rotmat)), rotmat, atol=1e-12, rtol=0)
    torch.testing.assert_close(rotmat_from_rot6d(rot6d_from_rotmat(rotmat)), rotmat, atol=1e-12, rtol=0)
    # Matrices near a half turn hold the axis only to the square root of their precision.
    torch.testing.assert_close(rotvec_from_rotmat(rotmat), rotvec, atol=1e-7, rtol=0)
    torch.testing.assert_close(rotvec_from_quat_wxyz(quat_wxyz_from_rotvec(rotvec)), rotvec, atol=1e-10, rtol=0)


def test_rotvec_from_quat_wxyz_takes_the_short_way() -> None:
    quat = quat_wxyz_from_rotvec(torch.tensor([[0.3, -0.2, 0.5]], dtype=torch.float64))
    torch.testing.assert_close(rotvec_from_quat_wxyz(-3 * quat), rotvec_from_quat_wxyz(quat))


@pytest.mark.parametrize("value", [0.0, -1e-8, 1e-8, 1e-12, 9.9e-3, 1.01e-2, 2.0])
def test_rotmat_from_rotvec_has_finite_exact_gradients(value: float) -> None:
    leaf = torch.full((1, 3), value, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotmat_from_rotvec, leaf)
    single = torch.full((1, 3), value, requires_grad=True)
    rotmat_from_rotvec(single).square().sum().backward()
    assert torch.isfinite(rotmat_from_rotvec(single)).all()
    assert torch.isfinite(single.grad).all()


@pytest.mark.parametrize("function", [
    lambda v: rotvec_from_rotmat(rotmat_from_rotvec(v)),
    lambda v: rotmat_from_quat_wxyz(quat_wxyz_from_rotvec(v)),
    lambda v: rotmat_from_rot6d(rot6d_from_rotmat(rotmat_from_rotvec(v))),
])  # fmt: skip
def test_other_forms_have_exact_gradients(function) -> None:
    leaf = torch.tensor([[0.2, -0.7, 1.1], [1e-3, 2e-3, -1e-3]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, leaf)


def test_dtype_and_leading_axes_are_kept_and_input_is_unchanged() -> None:
    given = torch.randn(2, 0, 5, 3)
    assert rotmat_from_rotvec(given).shape == (2, 0, 5, 3, 3)
    pose = torch.randn(4, 24, 3)
    before = pose.clone()
    for dtype in (torch.float32, torch.float64):
        assert rotvec_from_rotmat(rotmat_from_rotvec(pose.to(dtype))).dtype == dtype
    mirror_rotvec(pose)
    assert torch.equal(pose, before)


def test_mirror_rotvec_mirrors_every_joints_rotation() -> None:
    pose = torch.randn(2, 24, 3, dtype=torch.float64)
    flip = torch.diag(torch.tensor([-1.0, 1, 1], dtype=torch.float64))
    mirrored = flip @ rotmat_from_rotvec(pose)[:, list(MIRROR_JOINTS)] @ flip
    torch.testing.assert_close(rotmat_from_rotvec(mirror_rotvec(pose)), mirrored)
    torch.testing.assert_close(mirror_rotvec(mirror_rotvec(pose)), pose)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match="rotvec"):
        rotmat_from_rotvec(torch.zeros(2, 4))
    with pytest.raises(ShapeError, match="24"):
        mirror_rotvec(torch.zeros(2, 23, 3))
