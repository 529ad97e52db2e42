from __future__ import annotations

import numpy as np
import pytest
import torch

from limner.body import picture_from_pixels, pixels_from_picture, project_weak
from limner.checks import InputError, ShapeError


def test_project_weak_shifts_before_it_scales() -> None:
    points = np.array([[[0.2, -0.4, 9.0], [1.0, 2.0, -3.0]]])
    camera = np.array([[0.5, 0.1, -0.3]])
    np.testing.assert_allclose(project_weak(points, camera), [[[0.15, -0.35], [0.55, 0.85]]])
    assert torch.equal(
        project_weak(torch.tensor(points), torch.tensor(camera)), torch.tensor(project_weak(points, camera))
    )


def test_project_weak_takes_a_single_body_and_has_exact_gradients() -> None:
    assert project_weak(np.ones((7, 3)), np.ones(3)).shape == (7, 2)
    assert project_weak(np.ones((0, 7, 2)), np.ones((0, 3))).shape == (0, 7, 2)
    leaves = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True), torch.ones(2, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(project_weak, leaves)


@pytest.mark.parametrize(("size_hw", "pixel", "place"), [
    ((48, 64), (31.5, 23.5), (0, 0)),
    ((48, 64), (-0.5, -0.5), (-1, -0.75)),
    ((48, 64), (63.5, 47.5), (1, 0.75)),
    ((64, 48), (-0.5, -0.5), (-0.75, -1)),
    ((5, 3), (0, 0), (-0.4, -0.8)),
])  # fmt: skip
def test_picture_frame_spans_the_longer_side(size_hw, pixel, place) -> None:
    np.testing.assert_allclose(picture_from_pixels(np.array(pixel), size_hw), place, atol=1e-12)
    np.testing.assert_allclose(pixels_from_picture(np.array(place, float), size_hw), pixel, atol=1e-12)


@pytest.mark.parametrize("kind", [np.float32, np.float64, torch.float32])
def test_picture_and_pixels_undo_each_other(kind, rng: np.random.Generator) -> None:
    points = rng.normal(100, 50, (2, 5, 2))
    points = torch.tensor(points, dtype=kind) if kind is torch.float32 else points.astype(kind)
    back = pixels_from_picture(picture_from_pixels(points, (30, 70)), (30, 70))
    assert back.dtype == points.dtype and type(back) is type(points)
    np.testing.assert_allclose(back, points, rtol=1e-5)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ShapeError, match="weak_camera"):
        project_weak(np.ones((2, 4, 3)), np.ones((3, 3)))
    with pytest.raises(ShapeError, match="points"):
        project_weak(np.ones((2, 4, 5)), np.ones((2, 3)))
    with pytest.raises(ShapeError, match="points"):
        picture_from_pixels(np.ones((2, 3)), (4, 4))
    with pytest.raises(InputError, match="must be positive"):
        pixels_from_picture(np.ones((2, 2)), (0, 4))
