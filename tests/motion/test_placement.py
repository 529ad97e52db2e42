"""A motion in the photo's scene: feet on the floor, facing the viewer, inside the frame, of plausible size."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.body import FastSMPL, pixels_from_picture, project_weak
from limner.media import read_motion, resample_motion
from limner.motion.placement import LARGEST, SMALLEST, place_bodies, place_motion
from limner.records import Bodies, Motion
from limner.types import CameraStrategy

from .conftest import DEMO, SIZE_HW, standing

RATE = Fraction(30)
TOES_PX = 2.0
"""The toes stand before the heels and are seen about that much lower in these pictures."""
PIXELS_A_METRE = 128
LEFT_ANKLE, RIGHT_ANKLE = 7, 8


def moving(rotvec: ndarray, transl: ndarray, *, yaw: float = 0.0) -> Motion:
    """A motion in the world, turned about the vertical."""
    turn = Rotation.from_rotvec([0, yaw, 0])
    rotvec = np.array(rotvec, np.float32)
    rotvec[:, 0] = (turn * Rotation.from_rotvec(rotvec[:, 0])).as_rotvec()
    return Motion(rotvec, turn.apply(transl), RATE)


def still(count: int = 30) -> tuple[ndarray, ndarray]:
    rotvec = np.zeros((count, 24, 3))
    rotvec[:, 16, 2], rotvec[:, 17, 2] = -1.3, 1.3
    return rotvec, np.tile([0.0, 0.95, 0.0], (count, 1))


def walk(pose: FastSMPL, *, steps: int = 6, frames: int = 15, legs: float = 1.0) -> tuple[ndarray, ndarray, ndarray]:
    """Straight legs that swing in turn, soles level; the standing ankle keeps its place. Also which foot stands."""
    swing = np.concatenate([np.linspace(-1, 1, frames, endpoint=False) * (-1) ** n for n in range(steps)]) * 0.35
    rotvec = np.zeros((len(swing), 24, 3), np.float32)
    rotvec[:, 1, 0], rotvec[:, 2, 0], rotvec[:, 7, 0], rotvec[:, 8, 0] = swing, -swing, -swing, swing
    rotvec[:, 16, 2], rotvec[:, 17, 2] = -1.3, 1.3
    stands = np.repeat([LEFT_ANKLE if n % 2 == 0 else RIGHT_ANKLE for n in range(steps)], frames)
    vertices, joints = pose(np.zeros((len(swing), 10), np.float32), rotvec)
    relative = joints - joints[:, :1]
    transl = np.zeros((len(swing), 3))
    for t in range(1, len(swing)):
        transl[t] = transl[t - 1] + relative[t - 1, stands[t - 1]] - relative[t, stands[t - 1]]
    transl[:, 1] = joints[:, 0, 1] - vertices[..., 1].min(axis=1)
    return rotvec, legs * transl, stands


def seen(bodies: Bodies, pose: FastSMPL) -> tuple[ndarray, ndarray]:
    """Pixels of all vertices and joints."""
    parts = []
    for points in pose(bodies.betas, bodies.rotvec):
        parts.append(pixels_from_picture(project_weak(points, bodies.weak_camera), bodies.size_hw))
    return parts[0], parts[1]


def floor_row(bodies: Bodies, pose: FastSMPL) -> ndarray:
    return seen(bodies, pose)[0][..., 1].max(axis=1)


def test_a_standing_person_stays_on_the_photos_floor(pose: FastSMPL) -> None:
    source = standing()
    placed = place_motion(moving(*still()), source, pose)
    assert floor_row(placed, pose) == pytest.approx(floor_row(source, pose)[0], abs=TOES_PX)
    assert np.ptp(placed.weak_camera, axis=0).max() < 1e-6
    assert placed.weak_camera[:, 0] == pytest.approx(1.0, abs=1e-6)


def test_a_standing_person_stays_where_the_photo_has_them(pose: FastSMPL) -> None:
    source = standing()
    placed = place_motion(moving(*still(5)), source, pose)
    assert seen(placed, pose)[1][:, 0, 0] == pytest.approx(seen(source, pose)[1][0, 0, 0], abs=0.1)


@pytest.mark.parametrize("yaw", [0.0, 0.7, 2.0, np.pi, -1.4])
def test_the_person_is_turned_to_the_viewer(pose: FastSMPL, yaw: float) -> None:
    rotvec, transl, _ = walk(pose, steps=4)
    for motion in (moving(*still(), yaw=yaw), moving(rotvec, transl, yaw=yaw)):
        front = Rotation.from_rotvec(place_motion(motion, standing(), pose).rotvec[0, 0]).apply([0, 0, 1])
        assert front[2] < -0.95 and abs(front[0]) < 0.05


def test_who_walks_backwards_faces_the_viewer_too(pose: FastSMPL) -> None:
    rotvec, transl, _ = walk(pose, steps=4)
    placed = place_motion(moving(rotvec[::-1], transl[::-1], yaw=0.4), standing(), pose)
    assert Rotation.from_rotvec(placed.rotvec[0, 0]).apply([0, 0, 1])[2] < -0.95
    assert placed.weak_camera[-1, 0] < placed.weak_camera[0, 0]


def test_who_walks_towards_the_viewer_grows_within_bounds(pose: FastSMPL) -> None:
    rotvec, transl, _ = walk(pose, steps=8)
    zoom = place_motion(moving(rotvec, transl, yaw=1.0), standing(), pose).weak_camera[:, 0]
    assert (np.diff(zoom) > -1e-6).all() and zoom[-1] > 1.1 * zoom[0]
    assert SMALLEST - 1e-6 <= zoom.min() and zoom.max() <= LARGEST + 1e-6


def ankle_slides(motion: Motion, stands: ndarray, source: Bodies, pose: FastSMPL) -> ndarray:
    """Metres that the standing ankle moves in the picture, (steps, 2)."""
    placed = place_motion(motion, source, pose)
    joints = seen(placed, pose)[1]
    slides = []
    for step in np.split(np.arange(len(stands)), np.flatnonzero(np.diff(stands)) + 1):
        path = joints[step, stands[step[0]]]
        slides.append(np.ptp(path, axis=0) / (PIXELS_A_METRE * placed.weak_camera[step, 0].mean()))
    return np.array(slides)


@pytest.mark.parametrize("legs", [1.0, 1.15])
def test_a_standing_foot_does_not_slide(pose: FastSMPL, legs: float) -> None:
    rotvec, transl, stands = walk(pose, legs=legs)
    slides = ankle_slides(moving(rotvec, transl, yaw=-0.8), stands, standing(), pose)
    # Steps of 0.54 m; measured: 6 mm across, 23 mm up and down, the error of a camera without perspective.
    assert slides[:, 0].max() < 0.01 and slides[:, 1].max() < 0.027


def test_a_standing_foot_does_not_slide_when_walking_across(pose: FastSMPL) -> None:
    rotvec, transl, stands = walk(pose, steps=3)
    looks_ahead = np.array(rotvec)
    looks_ahead[:15, 0] = 0, -np.pi / 2, 0  # faces the viewer for a moment, then walks off to the side
    wide = standing(size_hw=(256, 448), scale=0.5)
    placed = place_motion(moving(looks_ahead, transl), wide, pose)
    joints, metre = seen(placed, pose)[1], 224 * placed.weak_camera[:, 0].mean()
    step = np.flatnonzero(stands == RIGHT_ANKLE)
    assert np.ptp(joints[step, RIGHT_ANKLE, 0]) / metre < 0.02
    assert np.ptp(joints[step, 0, 0]) / metre > 0.4


def test_a_jump_leaves_the_floor_by_its_height(pose: FastSMPL) -> None:
    rotvec, transl = still(60)
    transl[:, 1] = 0.9
    transl[20:32, 1] += 0.3 * np.sin(np.linspace(0, np.pi, 12))
    placed = place_motion(moving(rotvec, transl), standing(scale=0.7), pose)
    rise = (floor_row(placed, pose)[0] - floor_row(placed, pose)) / (PIXELS_A_METRE * placed.weak_camera[:, 0])
    assert np.abs(rise[:18]).max() < 0.01 and np.abs(rise[34:]).max() < 0.01
    assert rise.max() == pytest.approx(0.3 * (0.95 / 0.9), abs=0.04)


def test_a_person_on_a_step_stands_on_it(pose: FastSMPL) -> None:
    rotvec, transl = still(120)
    transl[40:, 1] += 0.4
    placed = place_motion(moving(rotvec, transl), standing(), pose)
    floor = floor_row(placed, pose)
    assert np.abs(floor[90:] - floor[0]).max() < 1


def test_a_crouch_lowers_the_head_not_the_floor(pose: FastSMPL) -> None:
    rotvec, transl = still(40)
    bend = np.linspace(0, 1.2, 40)
    rotvec[:, 1:3, 0], rotvec[:, 4:6, 0] = -bend[:, None], 2 * bend[:, None]
    rotvec[:, 7:9, 0] = -bend[:, None]
    vertices, joints = pose(np.zeros((40, 10), np.float32), rotvec.astype(np.float32))
    transl[:, 1] = joints[:, 0, 1] - vertices[..., 1].min(axis=1)
    placed = place_motion(moving(rotvec, transl), standing(), pose)
    points = seen(placed, pose)[0]
    assert np.ptp(points[..., 1].max(axis=1)) < 1.0
    assert points[-1, :, 1].min() > points[0, :, 1].min() + 20


@pytest.mark.parametrize("tx", [-0.5, 0.0, 0.45])
def test_the_person_stays_in_the_frame(pose: FastSMPL, tx: float) -> None:
    rotvec, transl = still(60)
    transl[:, 0], transl[:, 2] = np.linspace(-2, 3, 60), 2 * np.sin(np.linspace(0, 6, 60))
    transl[-1] = transl[0]
    points = seen(place_motion(moving(rotvec, transl), standing(tx=tx), pose), pose)[0]
    height, width = SIZE_HW
    assert points.min() > -1 and points[..., 0].max() < width and points[..., 1].max() < height


def test_raised_arms_stay_in_the_frame(pose: FastSMPL) -> None:
    rotvec, transl = still(30)
    rotvec[:, 16, 2], rotvec[:, 17, 2] = 1.4, -1.4
    placed = place_motion(moving(rotvec, transl), standing(), pose)
    assert seen(placed, pose)[0][..., 1].min() > -1 and placed.weak_camera[0, 0] > 0.8


def test_the_shape_is_the_persons(pose: FastSMPL) -> None:
    source = replace(standing(), betas=np.linspace(-1, 1, 10)[None].astype(np.float32))
    placed = place_motion(moving(*still(4)), source, pose)
    assert (placed.betas == source.betas).all() and placed.size_hw == SIZE_HW and len(placed) == 4


def test_one_frame_is_a_motion(pose: FastSMPL) -> None:
    source = standing()
    placed = place_motion(moving(*still(1)), source, pose)
    assert floor_row(placed, pose)[0] == pytest.approx(floor_row(source, pose)[0], abs=TOES_PX)


@pytest.mark.parametrize("height", [0.0, -0.9, 40.0])
def test_a_recording_without_a_floor_at_zero_still_stands(pose: FastSMPL, height: float) -> None:
    rotvec, transl = still(20)
    transl[:, 1] = height
    placed = place_motion(moving(rotvec, transl), standing(), pose)
    assert floor_row(placed, pose) == pytest.approx(floor_row(standing(), pose)[0], abs=TOES_PX)


def test_a_photo_cut_at_the_knees_keeps_its_size(pose: FastSMPL) -> None:
    near = replace(standing(), weak_camera=np.array([[1.8, 0.05, 0.5]], np.float32))
    placed = place_motion(moving(*still(5)), near, pose)
    assert placed.weak_camera[:, 0] == pytest.approx(1.8, rel=1e-5)


def test_the_demo_dance_stands_on_the_floor(pose: FastSMPL) -> None:
    motion = resample_motion(read_motion(DEMO / "dance.amc"), RATE)
    source = standing()
    placed = place_motion(motion, source, pose)
    off = (floor_row(placed, pose) - floor_row(source, pose)[0]) / PIXELS_A_METRE
    assert np.abs(off).max() < 0.06 and np.median(np.abs(off)) < 0.03


def test_a_recorded_walk_does_not_slide(shared_data: Path, pose: FastSMPL, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(shared_data / "motion" / "cmu_asf_amc.zip") as archive:
        for name in ("02_02.asf", "02_02_01.amc"):
            archive.extract(name, tmp_path)
    motion = resample_motion(read_motion(tmp_path / "02_02_01.amc"), RATE)
    placed = place_motion(motion, standing(), pose)
    joints, metre = seen(placed, pose)[1], PIXELS_A_METRE * placed.weak_camera[:, 0].mean()
    world = pose(placed.betas, placed.rotvec)[1]
    slides = []
    for ball in (10, 11):
        planted = world[:, ball, 1] > world[:, 10:12, 1].max(axis=1) - 0.005
        for run in np.split(np.flatnonzero(planted), np.flatnonzero(np.diff(np.flatnonzero(planted)) > 1) + 1):
            slides.append(np.ptp(joints[run[2:-2], ball], axis=0) / metre if len(run) > 6 else np.zeros(2))
    across, down = np.array(slides).max(axis=0)
    assert len(slides) >= 4 and across < 0.03 and down < 0.06


@pytest.mark.parametrize("camera", ["smooth", "source"])
def test_who_follows_a_driver_seen_from_above_stands_where_the_photo_stands(
    pose: FastSMPL, camera: CameraStrategy
) -> None:
    photo, driver = standing(), standing(4, size_hw=(90, 160), scale=0.4)
    driver.rotvec[:, 0] = (
        Rotation.from_euler("x", 35, degrees=True) * Rotation.from_rotvec(driver.rotvec[:, 0])
    ).as_rotvec()
    driver.weak_camera[2:, 2] += 0.05
    rows = floor_row(place_bodies(driver, photo, pose, camera), pose) - floor_row(photo, pose)
    sunk = 0.05 * PIXELS_A_METRE if camera == "smooth" else 0
    np.testing.assert_allclose(rows, [0, 0, sunk, sunk], atol=0.05)
