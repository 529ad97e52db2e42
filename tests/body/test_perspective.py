"""The weak camera as one with perspective, and over a crop."""

from __future__ import annotations

import numpy as np
import pytest

from limner.body import crop_cameras, default_focal_px, perspective_translation, project_weak, turn_to_ray
from limner.checks import InputError

SIZE_HW = (300, 520)
MIDDLE = np.array([259.5, 149.5])


def test_the_plane_of_the_body_is_seen_alike(rng: np.random.Generator) -> None:
    camera = np.array([[0.7, 0.3, -0.2], [0.2, -1.4, 0.6]])
    flat = rng.normal(size=(2, 5, 3)) * (1, 1, 0)
    place = perspective_translation(camera, SIZE_HW, 640.0)
    points = flat + place[:, None]
    pixels = points[..., :2] / points[..., 2:] * 640 + MIDDLE
    np.testing.assert_allclose(pixels, project_weak(flat, camera) * 520 / 2 + MIDDLE, atol=1e-9)
    assert place[1, 2] > place[0, 2]  # the smaller is farther away


def test_the_default_focal_length_is_the_diagonal() -> None:
    assert default_focal_px((300, 400)) == 500


def test_a_crop_shows_the_same_pixels(rng: np.random.Generator) -> None:
    camera = np.array([[0.7, 0.3, -0.2]])
    joints = rng.normal(0, 0.5, (1, 24, 3))
    in_crop, centre, side = crop_cameras(camera, joints, SIZE_HW)
    pixels = project_weak(joints, camera) * 520 / 2 + MIDDLE
    np.testing.assert_allclose(project_weak(joints, in_crop), 2 * (pixels - centre[:, None]) / side, atol=1e-9)
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    assert np.linalg.norm(high - low) / side[0] * 224 == pytest.approx(150)


def test_the_turn_brings_the_axis_onto_the_line_of_sight(rng: np.random.Generator) -> None:
    places = rng.normal((0, 0, 5), 1, (6, 3))
    turns = turn_to_ray(np.concatenate([places, [[0, 0, 3]]]))
    np.testing.assert_allclose(turns[:6, :, 2], places / np.linalg.norm(places, axis=1, keepdims=True), atol=1e-9)
    np.testing.assert_allclose(turns[6], np.eye(3), atol=1e-12)


@pytest.mark.parametrize("focal", [0, -5, float("inf"), float("nan")])
def test_a_focal_length_must_be_positive(focal: float) -> None:
    with pytest.raises(InputError, match="focal"):
        perspective_translation(np.array([[1.0, 0, 0]]), SIZE_HW, focal)


def test_a_scale_must_be_positive() -> None:
    with pytest.raises(InputError, match="scale"):
        perspective_translation(np.array([[0.0, 0, 0]]), SIZE_HW, 500)
