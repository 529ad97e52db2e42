"""Cameras: strategies, crops, there and back, turned bodies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from limner.checks import InputError
from limner.motion import cameras

SOURCE = np.array([0.9, 0.3, -0.2], np.float32)
DRIVER = np.array([[0.5, 0.1, 0.4], [0.6, 0.15, 0.3], [0.75, -0.3, 0.45]], np.float32)


def test_copy_takes_the_drivers_camera() -> None:
    copied = cameras.strategy_camera(SOURCE, DRIVER, DRIVER[0], "copy")
    assert (copied == DRIVER).all() and copied is not DRIVER


def test_source_keeps_the_photos_camera() -> None:
    assert (cameras.strategy_camera(SOURCE, DRIVER, DRIVER[0], "source") == SOURCE).all()


def test_smooth_starts_at_the_photo_and_moves_as_the_driver() -> None:
    camera = cameras.strategy_camera(SOURCE, DRIVER, DRIVER[0], "smooth")
    assert camera[0].tolist() == SOURCE.tolist() and (camera[:, 0] == SOURCE[0]).all()
    np.testing.assert_allclose(camera[2], [0.9, -0.1, -0.15], atol=1e-6)


def test_smooth_follows_the_scale_where_asked() -> None:
    camera = cameras.strategy_camera(SOURCE, DRIVER, DRIVER[0], "smooth", follow_scale=True)
    np.testing.assert_allclose(camera[:, 0], [0.9, 1.08, 1.35], atol=1e-6)


def test_a_point_of_the_crop_lies_at_its_pixel_of_the_frame() -> None:
    camera, point = np.array([[0.8, 0.1, -0.3]]), np.array([[0.25, 0.6]])
    scale, start = np.array([0.7]), np.array([[301.0, 180.0]])
    in_crop = cameras.HMR_HALF * (camera[:, :1] * (point + camera[:, 1:]) + 1)
    wanted = (in_crop + start - 2 * cameras.HMR_HALF) / scale
    frame = cameras.frame_camera_from_crop(camera, scale, start)
    np.testing.assert_allclose(frame[:, :1] * (point + frame[:, 1:]), wanted)


def test_frame_to_crop_undoes_crop_to_frame() -> None:
    camera = np.array([[0.8, 0.1, -0.3], [1.1, -0.2, 0.05]])
    scale, start = np.array([0.7, 1.3]), np.array([[301.0, 180.0], [12.0, 77.0]])
    frame = cameras.frame_camera_from_crop(camera, scale, start)
    # The way back pads by the whole crop where the way there pads by half of it twice over: equal for 224 pixels.
    crop = cameras.crop_camera_from_frame(frame, scale, start, 224)
    np.testing.assert_allclose(cameras.normalise_crop_camera(crop, 224), camera, atol=1e-9)


def test_person_scale_is_of_the_visible_points() -> None:
    points = np.array([[10, 20, 1.0], [40, 60, 0.5], [999, 999, 0.0]])
    assert cameras.person_scale(points).tolist() == [25, 40, 3]


@pytest.mark.parametrize("points", [np.zeros((4, 3)), np.array([[3, 4, 1.0], [3, 4, 1.0]])])
def test_person_scale_needs_two_points(points: np.ndarray) -> None:
    with pytest.raises(InputError, match="two visible keypoints"):
        cameras.person_scale(points)


def test_euler_angles_turn_x_first() -> None:
    x, y, z = (Rotation.from_euler(axis, a).as_matrix() for axis, a in zip("xyz", (0.3, -0.5, 1.1), strict=True))
    np.testing.assert_allclose(cameras.matrix_from_euler(np.array([0.3, -0.5, 1.1])), z @ y @ x, atol=1e-12)


def test_turn_pose_turns_the_root_about_the_bodys_own_axis() -> None:
    rotvec = np.tile(np.linspace(-1, 1, 72), (2, 1))
    turned = cameras.turn_pose(rotvec, np.array([0.0, 0.4]))
    np.testing.assert_allclose(turned[0], rotvec[0], atol=1e-12)
    assert (turned[:, 3:] == rotvec[:, 3:]).all()
    change = Rotation.from_rotvec(rotvec[1, :3]).inv() * Rotation.from_rotvec(turned[1, :3])
    np.testing.assert_allclose(change.as_rotvec(), [0, 0.4, 0], atol=1e-12)
    assert rotvec[1, 0] == -1


def test_orbit_starts_with_the_front() -> None:
    orbit = Rotation.from_rotvec(cameras.t_pose_orbit(np.array([0.0, 90.0])))
    np.testing.assert_allclose(orbit.apply([0, 1, 0]), [[0, -1, 0]] * 2, atol=1e-12)
    np.testing.assert_allclose(orbit.apply([0, 0, 1]), [[0, 0, -1], [-1, 0, 0]], atol=1e-12)


def test_quaternion_camera_is_rotation_then_weak_projection(rng: np.random.Generator) -> None:
    turn = Rotation.from_rotvec([0.4, -0.8, 0.3])
    x, y, z, w = turn.as_quat()
    points = rng.normal(size=(1, 6, 3))
    camera = torch.tensor([[1.3, 0.2, -0.5, w, x, y, z]])
    projected = cameras.project_quaternion(torch.from_numpy(points), camera, 5.0)[0].numpy()
    turned = turn.apply(points[0])
    np.testing.assert_allclose(projected[:, :2], 1.3 * (turned[:, :2] + [0.2, -0.5]), atol=1e-9)
    np.testing.assert_allclose(projected[:, 2], turned[:, 2] + 5, atol=1e-9)
