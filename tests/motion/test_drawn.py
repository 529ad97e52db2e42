"""A drawn body: pixels of vertices, turned joints, sizes that are not square, other views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from limner.body import SMPL, BodyData, FastSMPL
from limner.motion.drawn import chain_rotations, draw_figure
from limner.render import sample_faces

from .conftest import SIZE_HW, standing


def test_pixels_of_vertices_are_where_the_raster_has_them(body: BodyData, pose: FastSMPL) -> None:
    figure = draw_figure(body, pose, standing(), SIZE_HW)
    points = sample_faces(figure.raster, figure.points, body.faces)
    rows, columns = np.nonzero(figure.covered)
    off = points[rows, columns] - np.stack([columns, rows], axis=1)
    # float32 weights of slivers seen edge-on: 0.022 pixels at worst.
    assert np.abs(off).max() < 0.05 and np.abs(off).mean() < 1e-3


def test_pixels_per_metre_is_the_scale_of_the_picture(body: BodyData, pose: FastSMPL) -> None:
    figure = draw_figure(body, pose, standing(scale=0.8), SIZE_HW)
    span = np.ptp(figure.points[:, 1]) / np.ptp(figure.vertices[:, 1])
    assert figure.pixels_per_metre == pytest.approx(0.8 * 128) and span == pytest.approx(0.8 * 128, rel=1e-4)


def test_a_larger_picture_shows_the_same_at_more_pixels(body: BodyData, pose: FastSMPL) -> None:
    small, large = (draw_figure(body, pose, standing(), (256 * k, 176 * k)) for k in (1, 2))
    np.testing.assert_allclose(large.points + 0.5, 2 * (small.points + 0.5), atol=1e-3)
    assert large.covered.sum() == pytest.approx(4 * small.covered.sum(), rel=0.02)


def test_the_camera_moves_the_body_by_metres(body: BodyData, pose: FastSMPL) -> None:
    here, there = (draw_figure(body, pose, standing(tx=tx), SIZE_HW) for tx in (0.05, 0.30))
    np.testing.assert_allclose(there.points - here.points, np.tile([0.25 * 128, 0], (body.num_vertices, 1)), atol=1e-3)


def test_chained_rotations_are_those_of_the_body_layer(body: BodyData, rng: np.random.Generator) -> None:
    import torch

    rotvec = rng.normal(0, 0.6, (24, 3)).astype(np.float32)
    posed = SMPL(body)(torch.zeros(1, 10), torch.from_numpy(rotvec[None]))
    wanted = posed.rotmats[0].numpy().astype(np.float64)
    for joint, parent in enumerate(body.parents[1:], start=1):
        wanted[joint] = wanted[parent] @ wanted[joint]
    np.testing.assert_allclose(chain_rotations(rotvec), wanted, atol=1e-5)


def test_a_turn_keeps_the_pelvis_and_turns_the_rest(body: BodyData, pose: FastSMPL) -> None:
    bodies = standing()
    turn = Rotation.from_euler("y", 70, degrees=True).as_matrix().astype(np.float32)
    plain, turned = draw_figure(body, pose, bodies, SIZE_HW), draw_figure(body, pose, bodies, SIZE_HW, turn=turn)
    pelvis = pose(bodies.betas, bodies.rotvec)[1][0, 0]
    np.testing.assert_allclose(turned.vertices - pelvis, (plain.vertices - pelvis) @ turn.T, atol=1e-5)
    np.testing.assert_allclose(turned.joint_rotations[0], turn @ plain.joint_rotations[0], atol=1e-6)


def test_offsets_move_the_rest_vertices(body: BodyData, pose: FastSMPL) -> None:
    offsets = np.zeros((body.num_vertices, 3), np.float32)
    offsets[:, 1] = 0.03
    plain, moved = (draw_figure(body, pose, standing(), SIZE_HW, offsets=o) for o in (None, offsets))
    trunk = body.weights[:, [0, 3, 6, 9]].sum(axis=1) > 0.999
    # The person stands upside down in the rest body's axes: y up becomes y down.
    np.testing.assert_allclose(
        (moved.vertices - plain.vertices)[trunk], np.tile([0, -0.03, 0], (trunk.sum(), 1)), atol=1e-5
    )


def test_a_body_outside_the_picture_covers_nothing(body: BodyData, pose: FastSMPL) -> None:
    away = replace(standing(), weak_camera=np.array([[1.0, 40.0, 0.0]], np.float32))
    assert not draw_figure(body, pose, away, SIZE_HW).covered.any()
