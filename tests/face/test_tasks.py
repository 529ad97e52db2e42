"""Transforms and alignment: what comes out, what stays, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from limner.checks import InputError
from limner.face import (
    ARCFACE_POINTS,
    arcface_matrix,
    cut_out,
    cut_quad,
    face_quad,
    label_tensor,
    low_resolution,
    one_hot,
    resize_8bit,
    resize_labels,
    suppress,
    warp_arcface,
)


@pytest.mark.parametrize("filter", ["bilinear", "lanczos"])
def test_a_flat_picture_stays_flat_at_any_size(filter: str) -> None:
    flat = np.full((7, 11, 3), 200, np.uint8)
    for size in ((3, 2), (11, 7), (40, 5)):
        resized = resize_8bit(flat, size, filter)
        assert resized.shape == (size[1], size[0], 3)
        assert (resized == 200).all()


def test_a_resize_to_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="cannot resize"):
        resize_8bit(np.zeros((4, 4), np.uint8), (0, 3))


def test_nearest_labels_invent_no_class_and_published_ones_do() -> None:
    labels = np.where(np.arange(32)[:, None] < 16, 0, 18).astype(np.uint8) * np.ones((1, 32), np.uint8)
    assert set(np.unique(resize_labels(labels))) == {0, 18}
    assert set(np.unique(resize_labels(labels, "published"))) > {0, 18}


def test_unknown_classes_are_named() -> None:
    with pytest.raises(InputError, match=r"\[19, 255\]"):
        one_hot(np.array([[0, 19, 255]], np.uint8), 19)
    assert label_tensor(np.zeros((4, 5), np.uint8)).sum() == 256 * 256


def test_a_factor_that_was_never_trained_is_refused() -> None:
    with pytest.raises(InputError, match="got 3"):
        low_resolution(np.zeros((8, 8, 3), np.uint8), 3)


def test_the_square_of_an_upright_face_is_upright() -> None:
    quad = face_quad(np.array([10.0, 20.0]), np.array([30.0, 20.0]), np.array([[12.0, 50.0], [28.0, 50.0]]))
    np.testing.assert_allclose(quad[0] + quad[2], [40.0, 46.0])
    np.testing.assert_allclose(quad[3] - quad[0], [108.0, 0.0])
    with pytest.raises(InputError, match="coincide"):
        face_quad(np.zeros(2), np.zeros(2), np.zeros((2, 2)))


def test_a_square_about_a_whole_picture_is_the_picture() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    quad = np.array([[19.5, 19.5], [19.5, 43.5], [43.5, 43.5], [43.5, 19.5]])
    np.testing.assert_array_equal(cut_quad(image, quad, 24).image, image[20:44, 20:44])


def test_points_in_place_need_no_warp() -> None:
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    crop, matrix = warp_arcface(image, ARCFACE_POINTS)
    np.testing.assert_allclose(matrix, np.eye(2, 3), atol=1e-4)
    np.testing.assert_array_equal(crop, image)
    with pytest.raises(InputError, match="coincide"):
        arcface_matrix(np.zeros((5, 2)))


def test_boxes_beyond_the_picture_are_black_there() -> None:
    patches = cut_out(np.full((10, 10, 3), 255, np.uint8), np.array([[-4, 0, 3, 7], [50, 50, 57, 57]]), 8)
    assert (patches[0, :, :, :4] < -0.99).all() and (patches[0, :, :, 4:] > 0.99).all()
    assert (patches[1] < -0.99).all()
    assert suppress(np.zeros((0, 5)), 0.5).size == 0
