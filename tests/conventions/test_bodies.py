"""Statements 17 to 26 of docs/conventions.md."""

from __future__ import annotations

import numpy as np
import pytest

from limner.body import (
    JOINT_NAMES,
    PARENTS,
    FastSMPL,
    load_body,
    quat_wxyz_from_rotvec,
    rot6d_from_rotmat,
    rotmat_from_rotvec,
)
from limner.pose import SKELETONS
from limner.records import Bodies

JOINT = {name: index for index, name in enumerate(SKELETONS["smpl24"].joints)}


def _posed(rotvec: np.ndarray, betas: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and joints of the free body, one person."""
    data = load_body("free")
    betas = np.zeros((1, data.shapedirs.shape[2]), np.float32) if betas is None else betas
    vertices, joints = FastSMPL(data)(betas, rotvec[None].astype(np.float32))
    return vertices[0], joints[0]


def _nose(vertices: np.ndarray) -> np.ndarray:
    row = SKELETONS["coco17"].index("nose")
    return (load_body("free").keypoint_regressors["coco17"] @ vertices)[row]


def test_the_rest_body_is_a_t_pose_facing_z() -> None:
    vertices, joints = _posed(np.zeros((24, 3)))
    left_wrist, left_shoulder = joints[JOINT["left_wrist"]], joints[JOINT["left_shoulder"]]
    assert left_wrist[0] > 0.5 and abs(left_wrist[1] - left_shoulder[1]) < 0.05
    assert joints[JOINT["head"]][1] > joints[JOINT["left_ankle"]][1] + 1
    assert _nose(vertices)[2] > vertices[:, 2].mean() + 0.05


def test_left_is_the_persons_left() -> None:
    assert SKELETONS["coco17"].joints[5] == "left_shoulder" and JOINT_NAMES[16].replace("l_", "left_").startswith(
        "left"
    )
    facing = np.zeros((24, 3))
    facing[0] = np.pi, 0, 0
    _, joints = _posed(facing)
    assert joints[JOINT["left_wrist"]][0] > 0.5 > joints[JOINT["right_wrist"]][0]


def test_an_upright_person_facing_the_viewer_has_root_pi_0_0() -> None:
    facing = np.zeros((24, 3))
    facing[0] = np.pi, 0, 0
    vertices, joints = _posed(facing)
    assert joints[JOINT["head"]][1] < joints[JOINT["left_ankle"]][1] - 1  # y is down: the head is above
    assert _nose(vertices)[2] < vertices[:, 2].mean() - 0.05  # z is away: the nose is nearer


def test_rotations_are_right_handed_and_act_on_columns() -> None:
    quarter_about_z = rotmat_from_rotvec(_tensor([[0, 0, np.pi / 2]]))[0]
    np.testing.assert_allclose(quarter_about_z @ _tensor([1, 0, 0]), [0, 1, 0], atol=1e-6)
    quarter_about_x = rotmat_from_rotvec(_tensor([[np.pi / 2, 0, 0]]))[0]
    np.testing.assert_allclose(quarter_about_x @ _tensor([0, 1, 0]), [0, 0, 1], atol=1e-6)


def test_joints_turn_relative_to_their_parent() -> None:
    assert PARENTS[0] == -1 and all(parent < joint for joint, parent in enumerate(PARENTS))
    turned = np.zeros((24, 3))
    turned[0] = 0, 0, np.pi / 2
    turned[JOINT["left_elbow"]] = 0, np.pi / 2, 0
    _, joints = _posed(turned)
    # The root turns the left arm (+x) upwards; the elbow's turn, about the arm's own y, then bends it to -z.
    forearm = joints[JOINT["left_wrist"]] - joints[JOINT["left_elbow"]]
    assert forearm[2] < -0.9 * np.linalg.norm(forearm)


def test_rot6d_is_the_first_two_columns_row_by_row() -> None:
    rotmat = rotmat_from_rotvec(_tensor([[0.3, -0.7, 1.1]]))
    np.testing.assert_allclose(rot6d_from_rotmat(rotmat)[0], rotmat[0, :, :2].reshape(6), atol=1e-6)


def test_quaternions_start_with_w() -> None:
    w, x, y, z = quat_wxyz_from_rotvec(_tensor([[0, 0.4, 0]]))[0]
    assert float(w) == pytest.approx(np.cos(0.2)) and float(y) == pytest.approx(np.sin(0.2))
    assert float(x) == pytest.approx(0, abs=1e-6) and float(z) == pytest.approx(0, abs=1e-6)


def test_theta_is_camera_pose_shape() -> None:
    numbers = np.arange(85, dtype=np.float32)[None] / 100
    bodies = Bodies(numbers[:, 3:75].reshape(1, 24, 3), numbers[:, 75:], numbers[:, :3], (7, 5))
    assert (bodies.theta == numbers).all()


def test_betas_0_is_the_mean_adult() -> None:
    vertices, _ = _posed(np.zeros((24, 3)))
    assert 1.5 < np.ptp(vertices[:, 1]) < 1.9


def test_uv_runs_right_and_down() -> None:
    data = load_body("free")
    assert data.uv is not None and data.uv.shape == (len(data.faces), 3, 2)
    assert data.uv.min() >= 0 and data.uv.max() <= 1
    # Within one chart of the atlas the mesh is not mirrored: seen with v down, its faces run clockwise on the page.
    (ax, ay), (bx, by), (cx, cy) = (data.uv[:, corner].T for corner in range(3))
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    assert (area < 0).mean() > 0.99 or (area > 0).mean() > 0.99


def _tensor(values: object) -> object:
    import torch

    return torch.tensor(values, dtype=torch.float32)
