from __future__ import annotations

import numpy as np
import pytest

from limner.checks import InputError, ShapeError
from limner.render import corners_from_vertices, image_corners, rasterise, sample_faces


@pytest.fixture
def drawn(sphere, lopsided_camera):
    corners = corners_from_vertices(*sphere, lopsided_camera)
    return rasterise(corners, (40, 56)), corners


def expected_of(raster, values, background):
    picture = np.einsum("hwk,hwkc->hwc", raster.weights, values[raster.face_index])
    return np.where((raster.face_index >= 0)[..., None], picture, background)


@pytest.mark.parametrize("threads", [1, 2])
def test_values_per_corner_are_blended(drawn, rng, threads):
    raster, corners = drawn
    values = rng.normal(size=(len(corners), 3, 4)).astype(np.float32)
    picture = sample_faces(raster, values, background=np.float32([1, 2, 3, 4]), threads=threads)
    np.testing.assert_allclose(picture, expected_of(raster, values, [1, 2, 3, 4]), atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_values_per_vertex_equal_their_gathered_corners(drawn, sphere, rng, threads):
    raster, _ = drawn
    values = rng.normal(size=(len(sphere[0]), 2))
    picture = sample_faces(raster, values, sphere[1], -2.0, threads=threads)
    np.testing.assert_array_equal(picture, sample_faces(raster, values[sphere[1]], background=-2.0))
    assert picture.dtype == np.float32 and (picture[raster.face_index < 0] == -2).all()


def test_a_mesh_sampled_at_its_own_corners_gives_the_pixels_back(drawn):
    raster, corners = drawn
    points = sample_faces(raster, image_corners(corners))
    rows, columns = np.nonzero(raster.face_index >= 0)
    np.testing.assert_allclose(points[rows, columns, 0], (2 * columns - 55) / 56, atol=1e-4)
    np.testing.assert_allclose(points[rows, columns, 1], (2 * rows - 39) / 56, atol=1e-4)


def test_faces_of_fill_back_are_read_backwards(sphere, lopsided_camera):
    vertices, faces = sphere[0], sphere[1][:, ::-1]  # inside out: only the appended faces show
    corners = corners_from_vertices(vertices, faces, lopsided_camera)
    raster = rasterise(corners, (24, 30), fill_back=True)
    assert raster.face_index.max() >= len(faces)
    both = np.concatenate([vertices[faces], vertices[faces[:, ::-1]]])
    expected = sample_faces(raster, both)
    np.testing.assert_allclose(sample_faces(raster, vertices[faces]), expected, atol=1e-6)
    np.testing.assert_allclose(sample_faces(raster, vertices, faces), expected, atol=1e-6)


def test_an_empty_mesh_gives_background():
    raster = rasterise(np.zeros((0, 3, 3)), (3, 5))
    assert (sample_faces(raster, np.zeros((0, 3, 2)), background=0.5) == 0.5).all()


def test_values_that_do_not_fit_are_refused(drawn, sphere):
    raster, corners = drawn
    with pytest.raises(ShapeError, match="values"):
        sample_faces(raster, np.zeros((len(corners), 2, 3)))
    with pytest.raises(ShapeError, match="values"):
        sample_faces(raster, np.zeros((len(corners), 3, 3)), sphere[1])
    with pytest.raises(InputError, match="mesh with 2 faces"):
        sample_faces(raster, np.zeros((2, 3, 3)))
    with pytest.raises(InputError, match="mesh with 4"):
        sample_faces(raster, np.zeros((4, 3)), sphere[1])
