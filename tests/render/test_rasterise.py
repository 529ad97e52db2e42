from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.checks import InputError, MissingExtra, ShapeError
from limner.records import Raster
from limner.render import corners_from_vertices, has_backend, rasterise, rasterise_uv
from limner.render.reference import lattice

BACKENDS = [
    "reference",
    "numba",
    pytest.param("warp", marks=pytest.mark.skipif(not has_backend("warp"), reason="warp-lang is not installed")),
]


def assert_same(one: Raster, other: Raster) -> None:
    np.testing.assert_array_equal(one.face_index, other.face_index)
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.depth, other.depth)


def random_corners(rng: np.random.Generator, count: int) -> np.ndarray:
    corners = rng.uniform(-1.4, 1.4, (count, 3, 3))
    corners[..., 2] = rng.uniform(-0.5, 4, (count, 3))
    return corners.astype(np.float32)


def triangle(*xy: tuple[float, float], z: float = 2.0) -> np.ndarray:
    return np.float32([[x, y, z] for x, y in xy])[None]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_sphere_is_drawn_where_the_camera_puts_it(backend, sphere, lopsided_camera):
    vertices, faces = sphere
    raster = rasterise(corners_from_vertices(vertices, faces, lopsided_camera), (40, 64), backend=backend)
    rows, columns = np.nonzero(raster.face_index >= 0)
    # The centre 0.9 (0.21, -0.13) of the frame lies (6.05, -3.74) px from the middle (31.5, 19.5), y down.
    assert abs(columns.mean() - 37.5) < 0.5 and abs(rows.mean() - 15.8) < 0.5
    assert abs(np.ptp(columns) - 2 * 0.54 * 32) < 2
    # The eye stands 2.732 before the origin, so the near side of the sphere is drawn at a depth of 2.132.
    assert abs(raster.depth.min() - 2.132) < 0.02 and raster.depth[rows, columns].max() < 2.75


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("cull", [True, False])
@pytest.mark.parametrize("size_hw", [(31, 31), (17, 40), (40, 17), (1, 9), (1, 1)])
def test_backends_agree_to_the_bit(backend, cull, size_hw, rng):
    corners = random_corners(rng, 60)
    expected = rasterise(corners, size_hw, backend="reference", cull=cull)
    assert_same(rasterise(corners, size_hw, backend=backend, cull=cull), expected)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(-2, 2, width=32)] * 6, *[st.floats(-1, 5, width=32)] * 3), max_size=6),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.booleans(),
)
def test_numba_equals_the_reference_on_any_triangles(rows, size_hw, cull):
    numbers = np.float32(rows).reshape(-1, 9)
    corners = np.concatenate([numbers[:, :6].reshape(-1, 3, 2), numbers[:, 6:, None]], axis=-1)
    expected = rasterise(corners, size_hw, backend="reference", cull=cull)
    assert_same(rasterise(corners, size_hw, cull=cull), expected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-6, 6)] * 6), min_size=1, max_size=5))
def test_corners_on_pixel_centres_agree_too(rows):
    # Centres of an 8 x 8 picture are odd eighths: every edge test here can be an exact tie.
    xy = (2 * np.float32(rows).reshape(-1, 3, 2) + 1) / 8
    corners = np.concatenate([xy, np.full((*xy.shape[:2], 1), 2, np.float32)], axis=-1)
    assert_same(rasterise(corners, (8, 8)), rasterise(corners, (8, 8), backend="reference"))


@pytest.mark.parametrize("threads", [2, 3, 50])
def test_the_number_of_threads_changes_nothing(threads, rng):
    corners = random_corners(rng, 40)
    assert_same(rasterise(corners, (23, 37), threads=threads), rasterise(corners, (23, 37)))


def test_large_pictures_agree_with_the_reference(sphere, lopsided_camera):
    corners = corners_from_vertices(*sphere, lopsided_camera)
    assert_same(rasterise(corners, (700, 1024)), rasterise(corners, (700, 1024), backend="reference"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_find_the_pixel_centre(backend, rng):
    corners = np.concatenate([random_corners(rng, 30)[..., :2], np.full((30, 3, 1), 2.0, np.float32)], axis=-1)
    raster = rasterise(corners, (24, 48), backend=backend)
    xs, ys = lattice((24, 48))
    rows, columns = np.nonzero(raster.face_index >= 0)
    assert len(rows) > 100
    points = np.einsum("pk,pkc->pc", raster.weights[rows, columns], corners[raster.face_index[rows, columns]])
    np.testing.assert_allclose(points[:, 0], xs[columns], atol=1e-4)
    np.testing.assert_allclose(points[:, 1], ys[rows], atol=1e-4)
    np.testing.assert_allclose(raster.weights[rows, columns].sum(axis=-1), 1, atol=1e-6)


def test_the_unit_is_half_the_longer_side():
    xs, ys = lattice((4, 6))
    np.testing.assert_allclose(xs, np.float32([-5, -3, -1, 1, 3, 5]) / 6)
    np.testing.assert_allclose(ys, np.float32([3, 1, -1, -3]) / 6)  # y up, rows from the top


@pytest.mark.parametrize("backend", BACKENDS)
def test_depth_is_corrected_for_perspective_and_weights_are_not(backend):
    corners = triangle((-1, -1), (3, -1), (-1, 3))
    corners[0, :, 2] = 1, 4, 4
    raster = rasterise(corners, (2, 2), backend=backend)
    np.testing.assert_allclose(raster.weights[1, 1], [0.5, 0.375, 0.125], atol=1e-6)
    np.testing.assert_allclose(raster.depth[1, 1], 1 / (0.5 / 1 + 0.375 / 4 + 0.125 / 4), rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_centre_on_a_shared_edge_goes_to_the_nearer_then_to_the_lower_index(backend):
    left = triangle((-0.75, -0.75), (0.25, -0.75), (0.25, 0.75))
    right = triangle((0.25, -0.75), (0.75, -0.75), (0.25, 0.75))
    for first, second in ((left, right), (right, left)):
        raster = rasterise(np.concatenate([first, second]), (4, 4), backend=backend)
        assert raster.face_index[2, 2] == 0  # the edge x = 0.25 runs through the centre of column 2
    nearer = right - np.float32([0, 0, 1])
    assert rasterise(np.concatenate([left, nearer]), (4, 4), backend=backend).face_index[2, 2] == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_neighbours_leave_no_crack_and_do_not_overlap(backend, rng):
    grid = np.stack(np.meshgrid(np.linspace(-1.2, 1.2, 6), np.linspace(-1.2, 1.2, 6)), axis=-1)
    grid[1:-1, 1:-1] += rng.uniform(-0.15, 0.15, (4, 4, 2))
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    xy = np.concatenate([np.stack([a, b, c], -2).reshape(-1, 3, 2), np.stack([a, c, d], -2).reshape(-1, 3, 2)])
    corners = np.pad(xy, ((0, 0), (0, 0), (0, 1)), constant_values=2).astype(np.float32)
    assert (rasterise(corners, (33, 21), backend=backend).face_index >= 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_faces_that_look_away_are_culled_unless_told_otherwise(backend):
    away = triangle((-0.9, -0.9), (0.1, 0.9), (0.9, -0.7))
    assert (rasterise(away, (9, 7), backend=backend).face_index == -1).all()
    both = rasterise(away, (9, 7), backend=backend, cull=False)
    turned = rasterise(away[:, ::-1], (9, 7), backend=backend)
    np.testing.assert_array_equal(both.face_index, turned.face_index)
    np.testing.assert_allclose(both.weights, turned.weights[..., ::-1], atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_fill_back_appends_the_faces_turned_about(backend):
    corners = np.concatenate([triangle((-0.9, -0.9), (0.1, 0.9), (0.9, -0.7)), triangle((-2, -2), (-1.9, -2), (-2, 3))])
    raster = rasterise(corners, (9, 7), backend=backend, fill_back=True)
    assert set(np.unique(raster.face_index)) == {-1, 2}


NOTHING = {
    "empty mesh": np.zeros((0, 3, 3), np.float32),
    "left of the picture": triangle((-5, 0), (-4, 0), (-4, 1)),
    "above the picture": triangle((0, 4), (1, 4), (0, 5)),
    "far off the picture": triangle((1e9, 1e9), (2e9, 1e9), (1e9, 2e9)),
    "behind the eye": triangle((-1, -1), (1, -1), (0, 1), z=-2),
    "at the eye": triangle((-1, -1), (1, -1), (0, 1), z=0),
    "on the near plane": triangle((-1, -1), (1, -1), (0, 1), z=0.1),
    "beyond the far plane": triangle((-1, -1), (1, -1), (0, 1), z=200),
    "a point": triangle((0.1, 0.1), (0.1, 0.1), (0.1, 0.1)),
    "a line": triangle((-1, -1), (0, 0), (1, 1)),
    "between the centres": triangle((0.01, 0.01), (0.05, 0.01), (0.01, 0.05)),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("what", NOTHING)
def test_nothing_is_drawn_of(what, backend):
    raster = rasterise(NOTHING[what], (6, 4), backend=backend, far=100)
    assert (raster.face_index == -1).all() and (raster.weights == 0).all() and (raster.depth == 100).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_triangle_far_larger_than_the_picture_fills_it(backend):
    raster = rasterise(triangle((-1e6, -1e6), (1e6, -1e6), (0, 1e6)), (13, 8), backend=backend)
    assert (raster.face_index == 0).all()


def test_input_is_left_alone_and_need_not_be_contiguous(rng):
    corners = random_corners(rng, 20)
    before = corners.copy()
    strided = np.repeat(corners, 2, axis=0)[::2]
    assert_same(rasterise(strided.astype(np.float64), (12, 19)), rasterise(corners, (12, 19)))
    np.testing.assert_array_equal(corners, before)


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
def test_a_batch_of_any_size_equals_its_samples(batch, sphere, rng):
    vertices = sphere[0] + rng.normal(size=(batch, 1, 3)).astype(np.float32)
    cameras = rng.uniform(0.5, 1, (batch, 3)).astype(np.float32)
    together = corners_from_vertices(vertices, sphere[1], cameras)
    for n in range(batch):
        np.testing.assert_array_equal(together[n], corners_from_vertices(vertices[n], sphere[1], cameras[n]))


def test_corners_turn_y_up_and_push_z_to_the_eye():
    vertices = np.float32([[0.5, 0.25, 0.1], [1, 2, 3], [4, 5, 6]])
    corners = corners_from_vertices(vertices, np.array([[2, 0, 1]]), np.float32([2, 0.1, -0.05]))
    np.testing.assert_allclose(corners[0, 1], [1.2, -0.4, 2.8320508], rtol=1e-6)


def test_an_atlas_is_drawn_with_v_down_and_either_winding():
    uv = np.float32([[[0, 0], [1, 0], [0, 1]], [[1, 1], [1, 0], [0, 1]]])
    raster = rasterise_uv(uv, (5, 10))
    assert (raster.face_index >= 0).all()
    assert raster.face_index[0, 0] == 0 and raster.face_index[4, 9] == 1
    rows, columns = np.mgrid[:5, :10]
    at = np.einsum("hwk,hwkc->hwc", raster.weights, uv[raster.face_index])
    np.testing.assert_allclose(at[..., 0], (columns + 0.5) / 10, atol=1e-5)
    np.testing.assert_allclose(at[..., 1], (rows + 0.5) / 5, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size_hw": (0, 4)}, "size_hw"),
        ({"near": 2.0, "far": 1.0}, "near < far"),
        ({"near": -1.0}, "near < far"),
        ({"backend": "cuda"}, "backend"),
    ],
)
def test_bad_options_are_refused(change, words):
    options = {"size_hw": (4, 4), **change}
    with pytest.raises(InputError, match=words):
        rasterise(triangle((-1, -1), (1, -1), (0, 1)), **options)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_corners_that_are_not_finite_are_refused(value):
    corners = np.concatenate([triangle((-1, -1), (1, -1), (0, 1))] * 3)
    corners[1, 2, 0] = value
    with pytest.raises(InputError, match="1 of 3 faces"):
        rasterise(corners, (4, 4))


def test_wrong_shapes_are_refused(sphere):
    with pytest.raises(ShapeError):
        rasterise(np.zeros((2, 3, 2)), (4, 4))
    with pytest.raises(ShapeError):
        corners_from_vertices(np.zeros((2, 9, 3)), sphere[1], np.zeros((3, 3)))
    with pytest.raises(InputError, match="mesh with 5"):
        corners_from_vertices(np.zeros((5, 3)), sphere[1], np.zeros(3))
    with pytest.raises(ShapeError):
        rasterise_uv(np.zeros((2, 3, 3)), (4, 4))


def test_warp_without_the_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"limner\[cuda\]"):
        rasterise(triangle((-1, -1), (1, -1), (0, 1)), (4, 4), backend="warp")
