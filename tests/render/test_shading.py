from __future__ import annotations

import numpy as np
import pytest

from limner.checks import InputError, ShapeError
from limner.render import contact_sheet, over, part_colours, shade, turntable, vertex_normals


def test_normals_of_a_sphere_point_outwards(sphere):
    vertices, faces = sphere
    normals = vertex_normals(vertices, faces)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    assert (normals * vertices).sum(axis=1).min() > 0.55  # of a radius of 0.6


def test_a_vertex_without_faces_has_no_normal():
    normals = vertex_normals(np.eye(4, 3), np.array([[0, 1, 2]]))
    assert (normals[3] == 0).all()


def test_the_layer_covers_the_body_with_a_soft_edge(sphere, lopsided_camera):
    layer = shade(*sphere, lopsided_camera, (60, 80))
    alpha = layer[..., 3]
    assert layer.shape == (60, 80, 4) and layer.dtype == np.uint8
    assert set(np.unique(alpha)) >= {0, 255} and ((alpha > 0) & (alpha < 255)).sum() > 20
    # the radius 0.6 is 0.54 in the frame, 21.6 px; a sphere of flat faces is a little smaller
    assert 0.9 < alpha.sum() / 255 / (np.pi * 21.6**2) < 1.0


def test_light_comes_from_above_on_the_left(sphere):
    layer = shade(*sphere, np.float32([1, 0, 0]), (64, 64)).astype(int)[..., :3].sum(axis=-1)
    assert layer[22, 22] > layer[42, 42] + 60
    assert layer[32, 20] > layer[32, 44]


def test_one_sample_a_pixel_has_a_hard_edge(sphere, lopsided_camera):
    assert set(np.unique(shade(*sphere, lopsided_camera, (30, 40), supersample=1)[..., 3])) == {0, 255}


def test_colours_per_vertex_and_per_face(sphere, lopsided_camera):
    vertices, faces = sphere
    red, blue = (1.0, 0.1, 0.1), (0.1, 0.1, 1.0)
    sides = np.where(vertices[:, :1] < 0, np.float32(red), np.float32(blue))
    halves = np.where(vertices[faces].mean(axis=1)[:, :1] < 0, np.float32(red), np.float32(blue))
    for colour in (sides, halves):
        picture = shade(vertices, faces, np.float32([1, 0, 0]), (40, 40), colour=colour).astype(int)
        assert picture[20, 14, 0] > picture[20, 14, 2] + 50 and picture[20, 26, 2] > picture[20, 26, 0] + 50


def test_an_empty_or_absent_body_leaves_the_layer_clear(sphere):
    assert (shade(*sphere, np.float32([1, 9, 9]), (8, 12)) == 0).all()
    assert (shade(sphere[0], np.zeros((0, 3), int), np.float32([1, 0, 0]), (8, 12)) == 0).all()


def test_over_blends_by_alpha_and_opacity():
    layer = np.zeros((1, 2, 4), np.uint8)
    layer[0, 0] = 200, 100, 0, 255
    image = np.full((1, 2, 3), 40, np.uint8)
    np.testing.assert_array_equal(over(layer, image), [[[200, 100, 0], [40, 40, 40]]])
    np.testing.assert_array_equal(over(layer, image, opacity=0.5)[0, 0], [120, 70, 20])
    with pytest.raises(ShapeError):
        over(layer, np.zeros((2, 1, 3), np.uint8))


def test_a_turntable_shows_the_body_whole_from_each_side(sphere):
    vertices, faces = sphere
    flat = vertices * np.float32([1.0, 1.5, 0.3])
    views = turntable(flat, faces, 4, (64, 48))
    assert views.shape == (4, 64, 48, 3)
    backdrop = views[:, :, :1].astype(int)
    widths = [(np.abs(view - edge).max(axis=(0, 2)) > 40).sum() for view, edge in zip(views, backdrop, strict=True)]
    assert widths[0] > 1.8 * widths[1] and abs(widths[0] - widths[2]) <= 2  # broad from the front, thin from the side
    assert (np.abs(views[:, :3] - backdrop[:, :3]) <= 3).all()  # nothing is cut off at the top


def test_views_meet_without_a_seam(sphere):
    views = turntable(*sphere, 3, (48, 48)).astype(int)
    assert (np.abs(views[0][:, -1] - views[1][:, 0]) <= 3).all()


def test_a_contact_sheet_runs_along_the_rows():
    views = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 3), np.uint8)
    assert contact_sheet(views).shape == (2, 15, 3)
    sheet = contact_sheet(views, 3)
    np.testing.assert_array_equal(sheet[::2, ::3, 0], [[0, 1, 2], [3, 4, 4]])


def test_part_colours_differ_between_the_ten_parts():
    assert len(np.unique(part_colours(np.arange(10)), axis=0)) == 10


def test_bad_options_are_refused(sphere):
    with pytest.raises(ShapeError, match="colour"):
        shade(*sphere, np.float32([1, 0, 0]), (8, 8), colour=np.zeros((5, 3)))
    with pytest.raises(InputError, match="supersample"):
        shade(*sphere, np.float32([1, 0, 0]), (8, 8), supersample=0)
    with pytest.raises(InputError, match="0 views"):
        turntable(*sphere, 0)
