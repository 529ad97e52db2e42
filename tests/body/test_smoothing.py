"""Gaps are filled, smoothing does not lag, and half turns leave no seam."""

from __future__ import annotations

import numpy as np
import pytest

from limner.body import lie, smooth_bodies
from limner.body.smoothing import fill_gaps, fill_rotations, gaps, smooth_rotations
from limner.checks import InputError
from limner.records import Bodies


def _turning(angles: np.ndarray) -> np.ndarray:
    """Rotations (T, 1, 3, 3) about a lopsided axis."""
    return lie.exp(np.asarray(angles)[:, None, None] * np.array([0.6, 0.0, 0.8]))


@pytest.mark.parametrize(
    ("valid", "expected"),
    [
        ([True, True], []),
        ([False, True, False, False, True], [(0, 1), (2, 4)]),
        ([True, False], [(1, 2)]),
        ([False], [(0, 1)]),
        ([], []),
    ],
)
def test_gaps(valid, expected):
    assert gaps(np.array(valid, bool)) == expected


def test_fill_rotations_turns_evenly_and_holds_the_ends():
    truth = _turning(np.linspace(0, 1, 11))
    valid = np.ones(11, bool)
    valid[[0, 4, 5, 6, 10]] = False
    broken = np.where(valid[:, None, None, None], truth, np.eye(3))
    filled = fill_rotations(broken, valid)
    np.testing.assert_allclose(filled[1:10], truth[1:10], atol=1e-9)
    np.testing.assert_allclose(filled[[0, 10]], truth[[1, 9]], atol=1e-12)


def test_fill_gaps_is_straight():
    values = np.array([[0.0, 1.0], [9.0, 9.0], [9.0, 9.0], [3.0, 7.0]])
    filled = fill_gaps(values, np.array([True, False, False, True]))
    np.testing.assert_allclose(filled, [[0, 1], [1, 3], [2, 5], [3, 7]])


def test_filling_needs_a_valid_frame():
    with pytest.raises(InputError, match="at least one frame"):
        fill_gaps(np.zeros((3, 2)), np.zeros(3, bool))


def test_smooth_rotations_keeps_an_even_turn_through_half_turns():
    truth = _turning(np.linspace(2.0, 5.0, 31))
    np.testing.assert_allclose(smooth_rotations(truth, 2.0), truth, atol=1e-9)


def test_smooth_rotations_lowers_noise_without_lag(rng):
    phase = np.linspace(0, 4 * np.pi, 80)
    noise = rng.normal(0, 0.05, 80)
    noisy = _turning(np.sin(phase) + noise)
    angle = lie.log(smooth_rotations(noisy, 2.0))[:, 0] @ (0.6, 0.0, 0.8)
    error = angle - np.sin(phase)
    assert np.abs(np.diff(error, 2)).mean() < 0.05 * np.abs(np.diff(noise, 2)).mean()
    gap = [np.square(angle[10 + d : 70 + d] - np.sin(phase)[10:70]).sum() for d in (-1, 0, 1)]
    assert abs(0.5 * (gap[0] - gap[2]) / (gap[0] - 2 * gap[1] + gap[2])) < 0.1


def test_smooth_rotations_of_nothing_and_by_nothing():
    truth = _turning(np.array([0.3, 0.1]))
    np.testing.assert_array_equal(smooth_rotations(truth, 0.0), truth)
    np.testing.assert_array_equal(smooth_rotations(truth[:1], 3.0), truth[:1])
    with pytest.raises(InputError, match="at least 0"):
        smooth_rotations(truth, -1.0)


def _bodies(rng, num_frames=20):
    rotvec = 0.3 + rng.normal(0, 0.05, (num_frames, 24, 3))
    camera = np.array([0.9, 0.2, -0.1]) + rng.normal(0, 0.02, (num_frames, 3))
    return Bodies(rotvec, rng.normal(0, 0.1, (num_frames, 10)), camera, (48, 64))


def test_smooth_bodies_calms_pose_and_camera_and_shares_the_shape(rng):
    bodies = _bodies(rng)
    calm = smooth_bodies(bodies, 30.0)
    for name in ("rotvec", "weak_camera"):
        before, after = (np.abs(np.diff(getattr(b, name), 2, axis=0)).mean() for b in (bodies, calm))
        assert after < 0.3 * before
    assert np.ptp(calm.betas, axis=0).max() == 0
    assert calm.size_hw == bodies.size_hw


def test_smooth_bodies_takes_one_frame_and_refuses_a_frame_rate_of_zero(rng):
    bodies = _bodies(rng, 1)
    assert smooth_bodies(bodies, 25.0) is bodies
    with pytest.raises(InputError, match="frame_rate must be positive"):
        smooth_bodies(bodies, 0.0)
