"""The fitter: derivatives against differences, the band solver against a dense one, and bodies whose truth is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from limner.body import FastSMPL, fit_keypoints, fitting, lie, load_body
from limner.body.energy import Energy, State, Weights
from limner.body.fitting import fit, fit_outline, odd_ones_out, standing_feet
from limner.body.limits import joint_limits
from limner.body.observations import levelled, observe
from limner.body.silhouette import outline_vertices, trace
from limner.body.solver import NormalEquations
from limner.body.swaps import find_swaps, mirrored_names
from limner.pose import SKELETONS
from limner.records import Keypoints

from .fitting_cases import PX_PER_METRE, SIZE_HW, facing, posed, projected, seen, sparse_body, standing, waving

NAMES = tuple(SKELETONS["blazepose33"].joints)


def test_fit_of_a_clip_finds_pose_facing_and_picture():
    truth = waving(24)
    bodies = fit_keypoints(seen(truth, lean=0.2), SIZE_HW, frame_rate=30)
    gap = np.linalg.norm(projected(bodies) - seen(truth).xy, axis=-1)
    assert np.median(gap) / PX_PER_METRE < 0.015
    assert (facing(bodies) * truth[:, 0, :, 2]).sum(-1).min() > 0.95
    assert np.ptp(bodies.betas, axis=0).max() == 0


@pytest.mark.parametrize("yaw", [0.0, 1.2, 2.5, np.pi])
def test_fit_of_one_picture_faces_the_right_way(yaw):
    truth = waving(1, yaw)
    bodies = fit_keypoints(seen(truth), SIZE_HW)
    assert facing(bodies)[0] @ truth[0, 0, :, 2] > 0.9


@pytest.mark.parametrize("skeleton", ["coco17", "cocoplus19", "openpose25"])
@pytest.mark.parametrize("yaw", [0.5, np.pi])
def test_fit_without_depth_faces_the_right_way(skeleton, yaw):
    truth = waving(1, yaw)
    bodies = fit_keypoints(seen(truth, skeleton, world=False), SIZE_HW)
    assert facing(bodies)[0] @ truth[0, 0, :, 2] > 0.8


def test_fit_does_not_lag():
    truth = waving(48)
    bodies = fit_keypoints(seen(truth), SIZE_HW, frame_rate=30)
    wrist = NAMES.index("right_wrist")
    path, goal = projected(bodies)[:, wrist, 1], seen(truth).xy[:, wrist, 1]
    gap = [np.square(np.roll(path, -shift) - goal)[4:-4].sum() for shift in (-1, 0, 1)]
    bottom = 0.5 * (gap[0] - gap[2]) / (gap[0] - 2 * gap[1] + gap[2])
    assert abs(bottom) < 0.05


def test_somebody_who_stands_still_stands_still(rng):
    kp = seen(standing(20))
    noisy = Keypoints(kp.xy + rng.normal(0, 1.0, kp.xy.shape), kp.score, kp.skeleton, kp.world)
    moved = np.linalg.norm(np.diff(projected(fit_keypoints(noisy, SIZE_HW, frame_rate=30)), axis=0), axis=-1).mean()
    assert moved < 0.15 * np.linalg.norm(np.diff(noisy.xy, axis=0), axis=-1).mean()


def test_leaning_world_landmarks_leave_a_standing_person_upright():
    bodies = fit_keypoints(seen(standing(1), lean=0.25), SIZE_HW)
    up = lie.exp(bodies.rotvec[0, 0])[:, 1]
    assert abs(np.degrees(np.arctan2(up[2], -up[1]))) < 4
    assert np.abs(bodies.rotvec[0, [4, 5], 0]).max() < 0.2


def test_frames_with_sides_exchanged_do_not_turn_the_person():
    truth = waving(20)
    kp = seen(truth)
    mirror = list(SKELETONS["blazepose33"].mirror)
    xy, world = kp.xy.copy(), kp.world.copy()
    xy[[7, 8]], world[[7, 8]] = xy[[7, 8]][:, mirror], world[[7, 8]][:, mirror]
    bodies = fit_keypoints(Keypoints(xy, kp.score, kp.skeleton, world), SIZE_HW, frame_rate=30)
    assert (facing(bodies) * truth[:, 0, :, 2]).sum(-1).min() > 0.9


def test_limits_hold_in_a_fit():
    bodies = fit_keypoints(seen(waving(6)), SIZE_HW, frame_rate=30)
    low, high = joint_limits()
    assert (bodies.rotvec > low - 0.1).all() and (bodies.rotvec < high + 0.1).all()


def test_windows_of_a_long_clip_join_without_a_seam(monkeypatch):
    truth = waving(30)
    whole = projected(fit_keypoints(seen(truth), SIZE_HW, frame_rate=30))
    for name, value in (("_WINDOW", 16), ("_OVERLAP", 6), ("_SAMPLE", 10)):
        monkeypatch.setattr(fitting, name, value)
    parts = projected(fit_keypoints(seen(truth), SIZE_HW, frame_rate=30))
    assert np.abs(np.diff(parts - whole, axis=0)).max() < 2.0
    assert np.median(np.abs(parts - whole)) < 0.5


def test_fit_keeps_its_inputs():
    kp = seen(waving(5))
    before = kp.xy.copy(), kp.world.copy()
    fit_keypoints(kp, SIZE_HW, frame_rate=30)
    np.testing.assert_array_equal(kp.xy, before[0])
    np.testing.assert_array_equal(kp.world, before[1])


def test_a_wide_mask_makes_a_wider_body():
    data, truth = load_body("free"), standing(1)
    kp = seen(truth)
    observations = observe(kp, NAMES, SIZE_HW)
    state = fit(sparse_body(), observations)
    wide, narrow = (fit_outline(sparse_body(), observations, state, data, _mask(data, state, grow)) for grow in (3, -2))
    assert _width(data, wide) > 1.05 * _width(data, narrow)


def _vertices(data, state):
    return FastSMPL(data)(state.betas[None].astype(np.float32), lie.log(state.rotmats).astype(np.float32))[0][0]


def _mask(data, state, grow):
    flat = np.exp(state.camera[0, 0]) * _vertices(data, state)[:, :2] + state.camera[0, 1:]
    pixels = (flat * max(SIZE_HW) + (SIZE_HW[1] - 1, SIZE_HW[0] - 1)) / 2
    mask = np.zeros(SIZE_HW, np.float32)
    for triangle in np.round(pixels[data.faces]).astype(np.int32):
        cv2.fillConvexPoly(mask, triangle, 1.0)
    kernel = np.ones((2 * abs(grow) + 1,) * 2, np.uint8)
    return cv2.dilate(mask, kernel) if grow > 0 else cv2.erode(mask, kernel)


def _width(data, state):
    """Width of the belly in pixels."""
    vertices = _vertices(data, state)
    trunk = vertices[np.isin(data.weights.argmax(1), [0, 3, 6])]
    return np.exp(state.camera[0, 0]) * np.ptp(trunk[np.abs(trunk[:, 1] - np.median(trunk[:, 1])) < 0.03, 0])


def test_outline_normals_point_outwards():
    data = load_body("free")
    flat = data.v_template[:, :2] * (1, -1)
    index, normal = outline_vertices(flat, data.faces)
    assert normal[flat[index, 0].argmax(), 0] > 0.7
    assert normal[flat[index, 1].argmin(), 1] < -0.9
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-5)


def test_trace_of_an_empty_mask_is_none():
    data = load_body("free")
    assert trace(data, data.v_template.astype(float), np.array([0.0, 0, 0]), np.zeros(SIZE_HW, np.float32)) is None


def _random_energy(rng, **weights):
    num_frames = 4
    kp = Keypoints(
        rng.uniform(50, 200, (num_frames, 33, 2)),
        rng.uniform(0.5, 1, (num_frames, 33)),
        "blazepose33",
        rng.normal(0, 0.3, (num_frames, 33, 3)),
    )
    state = State(
        lie.exp(rng.normal(0, 0.3, (num_frames, 24, 3))),
        rng.normal(0, 0.5, sparse_body().num_betas),
        rng.normal(0, 0.1, (num_frames, 3)),
    )
    observations = observe(kp, NAMES, SIZE_HW)
    return Energy(sparse_body(), observations, Weights(**weights), np.exp(state.camera[:, 0])), state


def test_energy_gradient_equals_differences(rng):
    energy, state = _random_energy(rng, acceleration=0.0)
    _, normal = energy.linearise(state)
    step = 1e-6
    for column in (0, 1, 2, 4, 10, 30, 62):
        move = np.zeros((4, energy.num_unknowns))
        move[1, column] = step
        none = np.zeros(len(state.betas))
        slope = (energy.cost(state.moved(move, none)) - energy.cost(state.moved(-move, none))).sum() / (2 * step)
        assert slope == pytest.approx(normal.gradient[1, column], rel=1e-4, abs=1e-4)
    move = np.zeros(len(state.betas))
    move[0] = step
    none = np.zeros((4, energy.num_unknowns))
    slope = (energy.cost(state.moved(none, move)) - energy.cost(state.moved(none, -move))).sum() / (2 * step)
    assert slope == pytest.approx(normal.gradient_betas[0], rel=1e-4)


def test_sparse_body_equals_the_mesh_and_its_derivatives_equal_differences(rng):
    data, body = load_body("free"), sparse_body()
    rotvec, betas = rng.normal(0, 0.4, (2, 24, 3)), rng.normal(0, 1, body.num_betas)
    state = body.pose(lie.exp(rotvec), betas)
    vertices = FastSMPL(data)(np.tile(betas, (2, 1)).astype(np.float32), rotvec.astype(np.float32))[0]
    direct = np.stack([data.keypoint_regressors["blazepose33"] @ v for v in vertices])
    np.testing.assert_allclose(state.points, direct, atol=2e-6)
    turn, step = rng.normal(0, 1, (2, 24, 3)), 1e-6
    moved = body.pose(lie.exp(rotvec) @ lie.exp(step * turn), betas).points
    by_turn = np.einsum("tkad,td->tka", body.by_rotations(state, np.arange(24)), turn.reshape(2, -1))
    np.testing.assert_allclose((moved - state.points) / step, by_turn, atol=1e-4)
    change = rng.normal(0, 1, body.num_betas)
    moved = body.pose(lie.exp(rotvec), betas + step * change).points
    np.testing.assert_allclose((moved - state.points) / step, body.by_betas(state) @ change, atol=1e-6)


@pytest.mark.parametrize("num_frames", [3, 6, 7])
def test_band_solver_equals_a_dense_one(rng, num_frames):
    size, shapes = 5, 3
    normal = NormalEquations(num_frames, size, shapes)
    rows = rng.normal(size=(num_frames, 9, size))
    normal.add(
        rng.normal(size=(num_frames, 9)), rows, rng.normal(size=(num_frames, 9, shapes)), np.ones((num_frames, 9))
    )
    across = rng.normal(size=(num_frames, 4, size))
    normal.add_across(rng.normal(size=(num_frames - 2, 4)), across, np.ones((num_frames - 2, 4)), (1.0, -2.0, 1.0))
    total = num_frames * size
    dense = np.zeros((total + shapes, total + shapes))
    for t in range(num_frames):
        own = slice(t * size, (t + 1) * size)
        dense[own, own] = normal.diagonal[t]
        dense[own, total:], dense[total:, own] = normal.border[t], normal.border[t].T
        for away, bands in ((1, normal.next_one), (2, normal.next_two)):
            if t + away < num_frames:
                other = slice((t + away) * size, (t + away + 1) * size)
                dense[own, other], dense[other, own] = bands[t], bands[t].T
    dense[total:, total:] = normal.corner
    expected = np.linalg.solve(dense, -np.concatenate([normal.gradient.ravel(), normal.gradient_betas]))
    step, step_betas = normal.solve(np.zeros(num_frames), with_betas=True)
    np.testing.assert_allclose(np.concatenate([step.ravel(), step_betas]), expected, atol=1e-6)


def test_inverse_right_jacobian_equals_differences(rng):
    rotvec, turn, step = rng.normal(0, 0.9, (6, 3)), rng.normal(0, 1, (6, 3)), 1e-6
    rotvec[0] *= 1e-7
    moved = lie.log(lie.exp(rotvec) @ lie.exp(step * turn))
    expected = np.einsum("tab,tb->ta", lie.inverse_right_jacobian(rotvec), turn)
    np.testing.assert_allclose((moved - rotvec) / step, expected, atol=1e-5)


def test_levelled_takes_the_lean_off():
    lean = levelled(observe(seen(standing(3), lean=0.3), NAMES, SIZE_HW, frame_rate=30))
    straight = observe(seen(standing(3)), NAMES, SIZE_HW, frame_rate=30)
    np.testing.assert_allclose(lean.directions, straight.directions, atol=0.06)


def test_find_swaps_names_the_frames_and_the_limbs():
    kp = seen(waving(12))
    order = mirrored_names(NAMES, legs=True, arms=False)
    xy = kp.xy.astype(float).copy()
    xy[5] = xy[5][order]
    swaps = find_swaps(xy, kp.score.astype(float), NAMES)
    assert np.flatnonzero(swaps[:, 0]).tolist() == [5] and not swaps[:, 1].any()


def test_find_swaps_passes_over_empty_frames():
    assert not find_swaps(np.zeros((4, 33, 2)), np.zeros((4, 33)), NAMES).any()


def test_odd_ones_out_are_single_frames_not_a_turn():
    yaw = np.linspace(0, 3, 20)
    rotmats = lie.exp(np.stack([0 * yaw, yaw, 0 * yaw], axis=1))
    visible = np.ones(20, bool)
    assert not odd_ones_out(rotmats, visible, 4).any()
    rotmats[9] = rotmats[9] @ lie.exp(np.array([0, np.pi, 0]))
    assert np.flatnonzero(odd_ones_out(rotmats, visible, 4)).tolist() == [9]


def test_standing_feet_are_feet_that_stand():
    truth = waving(20)
    still = standing_feet(observe(seen(truth), NAMES, SIZE_HW, frame_rate=30), np.full(20, 0.6875))
    assert still[:, NAMES.index("right_heel")].min() > 0.95
    assert still[:, NAMES.index("left_heel")].mean() < 0.5
    assert not still[:, NAMES.index("nose")].any()


def test_posed_points_are_metres_in_camera_axes():
    points = posed(standing(1)).points[0]
    assert points[NAMES.index("nose"), 1] < points[NAMES.index("left_ankle"), 1]
    assert points[NAMES.index("left_shoulder"), 0] > points[NAMES.index("right_shoulder"), 0]
    assert points[NAMES.index("nose"), 2] < points[NAMES.index("left_ear"), 2]
