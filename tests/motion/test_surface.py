"""Spreading over meshes and pictures: constants stay, known values stay, the unknown lies between them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from limner.body import BodyData
from limner.motion.surface import (
    disc,
    mesh_edges,
    resize_channels,
    sample_points,
    smooth_step,
    spread_in_picture,
    spread_on_mesh,
    vertex_normals,
)

STRIP = np.array([[0, 1, 2], [2, 1, 3], [2, 3, 4], [4, 3, 5]])


def test_every_edge_comes_once() -> None:
    edges = mesh_edges(STRIP)
    assert edges.tolist() == [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3], [2, 4], [3, 4], [3, 5], [4, 5]]


def test_a_closed_mesh_has_three_edges_for_two_faces(body: BodyData) -> None:
    assert len(mesh_edges(body.faces)) == len(body.faces) * 3 // 2


def test_normals_point_out_of_a_box() -> None:
    corners = np.array([[x, y, z] for x in (0, 2.0) for y in (0, 3.0) for z in (0, 5.0)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))])
    normals = vertex_normals(corners, faces)
    outward = corners - corners.mean(axis=0)
    assert ((normals * outward).sum(axis=1) > 0).all()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)


def test_a_vertex_without_faces_has_no_normal() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5.0]])
    assert vertex_normals(points, np.array([[0, 1, 2]]))[3].tolist() == [0, 0, 0]


def test_constants_stay_on_the_mesh(rng: np.random.Generator) -> None:
    edges = mesh_edges(STRIP)
    values = np.tile([3.0, -7.0], (6, 1))
    spread = spread_on_mesh(values, rng.random(6), edges, rng.random(len(edges)))
    np.testing.assert_allclose(spread, values, atol=1e-5)


def test_the_unknown_lies_evenly_between_the_known() -> None:
    edges = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    values = np.array([[10.0], [99], [99], [99], [30]])
    confidence = np.array([1e6, 0, 0, 0, 1e6])
    spread = spread_on_mesh(values, confidence, edges, np.ones(4), rest=0.0)
    np.testing.assert_allclose(spread[:, 0], [10, 15, 20, 25, 30], atol=1e-3)


def test_what_nothing_joins_takes_the_mean() -> None:
    values = np.array([[4.0], [8.0], [0.0]])
    spread = spread_on_mesh(values, np.array([1, 1, 0.0]), np.array([[0, 1], [1, 2]]), np.array([0, 0.0]))
    np.testing.assert_allclose(spread[:, 0], [4, 8, 6], atol=1e-3)


def test_stiffness_pulls_neighbours_together() -> None:
    values, edges = np.array([[0.0], [1.0]]), np.array([[0, 1]])
    gaps = [np.ptp(spread_on_mesh(values, np.ones(2), edges, np.array([s]), rest=0.0)) for s in (0, 1, 10)]
    np.testing.assert_allclose(gaps, [1, 1 / 3, 1 / 21], atol=1e-6)


@pytest.mark.parametrize("size_hw", [(37, 52), (3, 40), (1, 1), (64, 64)])
def test_constants_stay_in_the_picture(rng: np.random.Generator, size_hw: tuple[int, int]) -> None:
    values = np.tile(np.array([5, -2, 100, 0.5, 7], np.float32), (*size_hw, 1))
    weight = (rng.random(size_hw) > 0.8).astype(np.float32)
    weight[0, 0] = 1
    np.testing.assert_allclose(spread_in_picture(values, weight), values, rtol=1e-4)


def test_known_pixels_keep_their_values(rng: np.random.Generator) -> None:
    values = rng.random((45, 31, 3), np.float32)
    weight = (rng.random((45, 31)) > 0.7).astype(np.float32)
    spread = spread_in_picture(values, weight)
    np.testing.assert_allclose(spread[weight == 1], values[weight == 1], atol=1e-6)
    low, high = values[weight == 1].min(axis=0), values[weight == 1].max(axis=0)
    assert (spread >= low - 1e-4).all() and (spread <= high + 1e-4).all()


def test_filled_pixels_take_after_what_is_near() -> None:
    values, weight = np.zeros((64, 96, 1), np.float32), np.zeros((64, 96), np.float32)
    values[:, :8], weight[:, :8] = 10, 1
    values[:, 88:], weight[:, 88:] = 50, 1
    across = spread_in_picture(values, weight)[32, :, 0]
    assert across[12] < 20 and across[84] > 40 and (np.diff(across) > -1.0).all()


def test_a_picture_with_nothing_known_comes_back() -> None:
    values = np.full((9, 5, 2), 3, np.float32)
    spread = spread_in_picture(values, np.zeros((9, 5), np.float32))
    assert (spread == values).all() and spread is not values


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 11])
def test_any_number_of_channels_is_resized(rng: np.random.Generator, channels: int) -> None:
    image = rng.random((12, 20, channels), np.float32)
    resized = resize_channels(image, (10, 6), cv2.INTER_AREA)
    np.testing.assert_allclose(resized, image.reshape(6, 2, 10, 2, channels).mean(axis=(1, 3)), atol=1e-6)


def test_points_are_x_then_y_and_read_between_pixels() -> None:
    ramp = np.add.outer(100 * np.arange(5.0), np.arange(9.0)).astype(np.float32)
    points = np.array([[7, 2], [3.5, 1.25], [-4, 2], [50, 50]], np.float32)
    np.testing.assert_allclose(sample_points(ramp, points), [207, 128.5, 200, 408], atol=0.2)


def test_many_points_are_read(rng: np.random.Generator) -> None:
    image = rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)
    points = np.stack([rng.integers(0, 30, 70_001), rng.integers(0, 20, 70_001)], axis=1)
    assert (sample_points(image, points.astype(np.float32)) == image[points[:, 1], points[:, 0]]).all()


def test_smooth_step_runs_either_way() -> None:
    value = np.array([0, 1, 1.5, 2, 3.0])
    assert smooth_step(1, 2, value).tolist() == [0, 0, 0.5, 1, 1]
    assert smooth_step(2, 1, value).tolist() == [1, 1, 0.5, 0, 0]


def test_disc_is_round() -> None:
    assert disc(0).tolist() == [[1]]
    assert disc(4).shape == (9, 9) and disc(4)[0, 0] == 0 and (disc(4)[4] == 1).all() and (disc(4)[:, 4] == 1).all()
