from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from limner.body import MIRROR_JOINTS, PARENTS, SMPL, rigid_transforms, rotmat_from_rotvec
from limner.checks import InputError, ShapeError

from .made_up import JOINTS, small_body


@pytest.fixture(scope="module")
def layer() -> SMPL:
    return SMPL(small_body()).double()


def _pose(seed: int = 0, count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(count, 10, generator=generator, dtype=torch.float64),
            0.4 * torch.randn(count, 24, 3, generator=generator, dtype=torch.float64))  # fmt: skip


def test_rest_pose_gives_the_template_and_its_joints(layer: SMPL) -> None:
    out = layer(torch.zeros(1, 10).double(), torch.zeros(1, 24, 3).double())
    np.testing.assert_allclose(out.vertices[0], layer.data.v_template, atol=1e-6)
    np.testing.assert_allclose(out.joints[0], layer.data.J_regressor @ layer.data.v_template, atol=1e-6)


def test_root_rotation_turns_the_whole_body_about_the_pelvis(layer: SMPL) -> None:
    betas, rotvec = _pose()
    turned = rotvec.clone()
    turn = torch.tensor([0.3, -0.9, 0.4], dtype=torch.float64)
    rotvec[:, 0], turned[:, 0] = 0, turn
    still, moved = layer(betas, rotvec), layer(betas, turned)
    pelvis = still.joints[:, :1]
    expected = (still.vertices - pelvis) @ rotmat_from_rotvec(turn).T + pelvis
    torch.testing.assert_close(moved.vertices, expected)


def test_bones_keep_their_length(layer: SMPL) -> None:
    betas, rotvec = _pose()
    lengths = [
        (joints[:, 1:] - joints[:, PARENTS[1:]]).norm(dim=-1)
        for joints in (layer(betas, rotvec).joints, layer(betas, 0 * rotvec).joints)
    ]
    torch.testing.assert_close(*lengths)


def test_batch_equals_singles_and_fewer_betas_are_zeros(layer: SMPL) -> None:
    betas, rotvec = _pose(count=3)
    betas[:, 4:] = 0
    whole = layer(betas, rotvec)
    for n in range(3):
        single = layer(betas[n : n + 1, :4], rotvec[n : n + 1])
        torch.testing.assert_close(single.vertices[0], whole.vertices[n])


def test_offsets_move_the_skin_and_not_the_joints(layer: SMPL) -> None:
    betas, rotvec = _pose()
    offsets = torch.full((120, 3), 0.02, dtype=torch.float64)
    plain, dressed = layer(betas, 0 * rotvec), layer(betas, 0 * rotvec, offsets=offsets)
    torch.testing.assert_close(dressed.vertices, plain.vertices + offsets)
    torch.testing.assert_close(layer(betas, rotvec, offsets=offsets).joints, layer(betas, rotvec).joints)


def test_body_without_pose_directions_is_the_same_with_zero_ones() -> None:
    betas, rotvec = _pose()
    data = small_body()
    zeros = SMPL(replace(data, posedirs=np.zeros_like(data.posedirs))).double()
    torch.testing.assert_close(
        SMPL(small_body(with_pose=False)).double()(betas, rotvec).vertices, zeros(betas, rotvec).vertices
    )


def test_layer_for_a_skeleton_gives_the_same_keypoints_from_fewer_vertices(layer: SMPL) -> None:
    betas, rotvec = _pose()
    few = SMPL(layer.data, skeletons=["lsp14"]).double()
    out = few(betas, rotvec)
    assert out.vertices.shape[1] == 14 * 5 < layer.data.num_vertices
    full = layer.keypoints(layer(betas, rotvec).vertices, "lsp14")
    torch.testing.assert_close(few.keypoints(out.vertices, "lsp14"), full)
    torch.testing.assert_close(out.joints, layer(betas, rotvec).joints)


def test_turned_base_is_a_turned_root(layer: SMPL) -> None:
    betas, rotvec = _pose()
    rotvec[:, 0] = 0
    half_turn = rotvec.clone()
    half_turn[:, 0, 0] = torch.pi
    turned = SMPL(layer.data, turn_base=True).double()
    torch.testing.assert_close(turned(betas, rotvec).vertices, layer(betas, half_turn).vertices)


def test_gradients_are_exact() -> None:
    layer = SMPL(small_body(), skeletons=["lsp14"]).double()
    betas, rotvec = _pose(count=1)
    leaves = betas[:, :2].clone().requires_grad_(), (rotvec * 0).requires_grad_()
    assert torch.autograd.gradcheck(lambda b, r: layer(b, r).vertices[:, ::7], leaves)


def test_buffers_stay_out_of_checkpoints(layer: SMPL) -> None:
    assert layer.state_dict() == {}


def test_empty_batch_and_float32_are_kept() -> None:
    out = SMPL(small_body())(torch.zeros(0, 10), torch.zeros(0, 24, 3))
    assert out.vertices.shape == (0, 120, 3) and out.vertices.dtype == torch.float32


def test_rigid_transforms_of_rest_are_identities() -> None:
    joints = torch.from_numpy(JOINTS)[None]
    placed, transforms = rigid_transforms(torch.eye(3).double().expand(1, 24, 3, 3), joints, PARENTS)
    torch.testing.assert_close(placed, joints)
    torch.testing.assert_close(transforms, torch.eye(3, 4).double().expand(1, 24, 3, 4))
    assert sorted(MIRROR_JOINTS) == list(range(24))


def test_wrong_input_is_refused(layer: SMPL) -> None:
    betas, rotvec = _pose()
    with pytest.raises(ShapeError, match="rotvec"):
        layer(betas, rotvec[:, :23])
    with pytest.raises(ShapeError, match="at most"):
        layer(torch.zeros(2, 11).double(), rotvec)
    with pytest.raises(ShapeError, match="betas"):
        layer(betas[:1], rotvec)
    with pytest.raises(InputError, match="it has: lsp14"):
        layer.keypoints(layer.v_template, "coco17")
    with pytest.raises(InputError, match="no keypoints of coco17"):
        SMPL(layer.data, skeletons=["coco17"])


def _changed(array: np.ndarray, place: tuple[int, ...], value: float) -> np.ndarray:
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize(("field", "change", "message"), [
    ("v_template", lambda a: _changed(a, (0, 0), np.nan), "not finite"),
    ("weights", lambda a: a * 2, "sum to 1"),
    ("faces", lambda a: _changed(a, (0, 0), 120), "outside 0 to 119"),
    ("parents", lambda a: _changed(a, (5,), 9), "earlier joints"),
    ("posedirs", lambda a: a[..., :200], "posedirs"),
    ("shapedirs", lambda a: a[1:], "shapedirs"),
    ("uv", lambda a: np.zeros((3, 3, 2)), "uv"),
    ("face_parts", lambda a: {"a": np.arange(39)}, "exactly once"),
    ("face_parts", lambda a: {"a": np.arange(40), "b": np.arange(2)}, "exactly once"),
])  # fmt: skip
def test_body_data_is_checked_when_made(field, change, message) -> None:
    data = small_body()
    with pytest.raises(InputError, match=message):
        replace(data, **{field: change(getattr(data, field))})
