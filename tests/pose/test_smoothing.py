"""Smoothing over time: calm where a joint rests, on time where it moves."""

import numpy as np
import pytest

from limner.checks import InputError
from limner.pose import smooth_track


def body(count: int) -> np.ndarray:
    """Two joints 100 pixels apart, at rest."""
    return np.tile(np.float32([[50, 50], [50, 150]]), (count, 1, 1))


def test_noise_at_rest_is_halved_and_rest_stays_rest(rng):
    noisy = body(60) + rng.normal(size=(60, 2, 2)).astype(np.float32)
    smooth = smooth_track(noisy, np.ones(60, bool), 30)
    assert (smooth - body(60)).std() < 0.5 * (noisy - body(60)).std()
    np.testing.assert_allclose(smooth_track(body(9), np.ones(9, bool), 30), body(9), atol=1e-4)


def test_even_movement_does_not_lag():
    moving = body(60)
    moving[..., 0] += 2 * np.arange(60)[:, None]
    smooth = smooth_track(moving, np.ones(60, bool), 30)
    assert np.abs(smooth - moving)[10:-10].max() < 0.3


def test_time_backwards_gives_the_same(rng):
    noisy = body(30) + rng.normal(size=(30, 2, 2)).astype(np.float32)
    forward = smooth_track(noisy, np.ones(30, bool), 30)
    backward = smooth_track(noisy[::-1], np.ones(30, bool), 30)[::-1]
    np.testing.assert_allclose(forward, backward, atol=1e-4)


def test_frames_without_the_person_are_left_and_part_the_stretches():
    xy = body(10)
    xy[5:] += 500
    valid = np.arange(10) != 4
    xy[4] = 7
    np.testing.assert_allclose(smooth_track(xy, valid, 25), xy, atol=1e-3)
    np.testing.assert_array_equal(smooth_track(xy, valid, 25, strength=0), xy)


@pytest.mark.parametrize(("rate", "strength"), [(0, 1), (25, -1), (float("nan"), 1)])
def test_wrong_numbers_are_refused(rate, strength):
    with pytest.raises(InputError, match="frame_rate must be positive"):
        smooth_track(body(3), np.ones(3, bool), rate, strength=strength)
