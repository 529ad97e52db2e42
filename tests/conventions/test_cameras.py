"""Statements 10 to 16 of docs/conventions.md."""

from __future__ import annotations

import numpy as np
import pytest

from limner.body import picture_from_pixels, pixels_from_picture, project_weak
from limner.render import corners_from_vertices, rasterise

# An anticlockwise triangle (y up) that covers the upper left quarter of a picture 4 high and 9 wide.
UPPER_LEFT = np.float32([[-1.0, 0.0, 5.0], [0.0, 0.0, 5.0], [-1.0, 0.9, 5.0]])


def test_the_picture_frame_has_half_the_longer_side_as_unit() -> None:
    assert pixels_from_picture(np.float32([0.0, 1.0]), (11, 5)).tolist() == [2.0, 10.5]
    assert picture_from_pixels(np.float32([4.5, 5.0]), (11, 5)) == pytest.approx([5 / 11, 0])
    corners = picture_from_pixels(np.float32([[-0.5, -0.5], [7.5, 7.5]]), (8, 8))
    assert corners.tolist() == [[-1, -1], [1, 1]]


def test_the_weak_camera_shifts_before_it_scales() -> None:
    x, y = project_weak(np.float32([[0.3, -0.1, 9.0]]), np.float32([2.0, 0.5, 0.25]))[0]
    assert x == pytest.approx(2 * (0.3 + 0.5)) and y == pytest.approx(2 * (-0.1 + 0.25))


def test_camera_axes_are_right_down_away() -> None:
    camera = np.float32([1.0, 0.0, 0.0])
    x, y = pixels_from_picture(project_weak(np.float32([[0.5, 0.25, 0.0]]), camera)[0], (20, 40))
    assert x > 20 and y > 10
    vertices = np.float32(
        [[-1, 0.8, 0.3], [1, 0.8, 0.3], [0, -0.8, 0.3], [-1, 0.8, -0.3], [1, 0.8, -0.3], [0, -0.8, -0.3]]
    )
    faces = np.int64([[0, 1, 2], [3, 4, 5]])
    owner = rasterise(corners_from_vertices(vertices, faces, camera), (20, 40)).face_index
    assert owner[10, 20] == 1  # z = -0.3 is nearer than 0.3


def test_the_rasteriser_sees_y_up() -> None:
    owner = rasterise(UPPER_LEFT[None], (10, 10)).face_index
    rows, columns = np.nonzero(owner == 0)
    assert rows.max() < 5 and columns.max() < 5


def test_the_nearer_face_wins() -> None:
    nearer = UPPER_LEFT - np.float32([0, 0, 2])
    owner = rasterise(np.stack([UPPER_LEFT, nearer]), (4, 9)).face_index
    assert set(owner[owner >= 0]) == {1}


def test_clockwise_faces_are_culled() -> None:
    assert (rasterise(UPPER_LEFT[None], (4, 9)).face_index == 0).any()
    assert (rasterise(UPPER_LEFT[None, ::-1], (4, 9)).face_index == -1).all()


def test_no_face_is_minus_1() -> None:
    raster = rasterise(UPPER_LEFT[None], (4, 9))
    assert raster.face_index[3, 8] == -1 and (raster.weights[3, 8] == 0).all()
