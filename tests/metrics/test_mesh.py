"""Scores of bodies: what each leaves out of account, units, protocols."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from limner.body import rotmat_from_rotvec
from limner.checks import InputError, ShapeError
from limner.metrics import (
    MESH_PROTOCOLS,
    acceleration,
    align_by_root,
    align_similar,
    auc_3d,
    jitter,
    mesh_scores,
    mesh_table,
    mpjpe,
    pa_mpjpe,
    pck_3d,
    pve,
)


@pytest.fixture
def joints(rng) -> np.ndarray:
    return rng.normal(0, 0.4, (5, 14, 3))


def turned(points: np.ndarray) -> np.ndarray:
    rotation = rotmat_from_rotvec(torch.tensor([0.3, -1.1, 0.7], dtype=torch.float64)).numpy()
    return 1.7 * points @ rotation.T + np.array([2.0, -1.0, 4.0])


def test_mpjpe_is_in_millimetres_and_leaves_the_place_out(joints) -> None:
    np.testing.assert_allclose(mpjpe(joints + 5, joints), 0, atol=1e-9)
    np.testing.assert_allclose(mpjpe(joints + np.array([0.03, 0, 0.04]), joints, None), 50)
    moved = joints.copy()
    moved[:, 7, 1] += 0.14
    np.testing.assert_allclose(mpjpe(moved, joints), 10)


def test_pa_mpjpe_leaves_similarity_out_but_no_mirror(joints) -> None:
    np.testing.assert_allclose(pa_mpjpe(turned(joints), joints), 0, atol=1e-9)
    assert (pa_mpjpe(joints * np.array([-1, 1, 1]), joints) > 50).all()


def test_pa_mpjpe_is_never_above_mpjpe_in_the_square(joints, rng) -> None:
    guess = joints + rng.normal(0, 0.1, joints.shape)
    plain = np.square(align_by_root(guess) - align_by_root(joints)).sum((-1, -2))
    aligned = np.square(align_similar(guess, joints) - joints).sum((-1, -2))
    assert (aligned <= plain).all()


def test_many_sets_are_single_sets(joints, rng) -> None:
    target = rng.normal(size=joints.shape)
    for one, a, b in zip(align_similar(joints, target), joints, target, strict=True):
        np.testing.assert_allclose(one, align_similar(a, b))
    assert align_similar(joints[:0], joints[:0]).shape == (0, 14, 3)


def test_points_in_one_place_go_to_the_middle(joints) -> None:
    found = align_similar(np.zeros_like(joints), joints)
    np.testing.assert_allclose(found, np.broadcast_to(joints.mean(1, keepdims=True), joints.shape), atol=1e-12)


def test_vertices_are_measured_from_the_roots_if_given(rng) -> None:
    true = rng.normal(size=(2, 30, 3))
    shift = np.array([0.0, 0.1, 0.0])
    np.testing.assert_allclose(pve(true + shift, true), 100)
    np.testing.assert_allclose(pve(true + shift, true, np.zeros((2, 3)) + shift, np.zeros((2, 3))), 0, atol=1e-9)
    with pytest.raises(InputError, match="both"):
        pve(true, true, np.zeros((2, 3)))


def test_pck_and_auc_of_known_distances() -> None:
    true = np.zeros((1, 4, 3))
    predicted = true.copy()
    predicted[0, :, 0] = [0, 0.0501, 0.1001, 0.2]
    assert pck_3d(predicted, true) == 75
    # Of the thresholds 0, 5 ... 150 mm: 30, 20 and 10 lie beyond the first three joints.
    assert auc_3d(predicted, true) == pytest.approx(100 * (30 + 20 + 10) / 4 / 31)
    assert np.isnan(pck_3d(predicted[:0], true[:0])) and np.isnan(auc_3d(predicted[:0], true[:0]))


def test_acceleration_error_sees_shaking_only(rng) -> None:
    time = np.arange(8.0)[:, None, None]
    true = rng.normal(size=(1, 14, 3)) + 0.01 * time
    np.testing.assert_allclose(acceleration(true + 0.2 * time, true), 0, atol=1e-9)
    shaken = true.copy()
    shaken[4, :, 0] += 0.01
    np.testing.assert_allclose(acceleration(shaken, true), [0, 0, 10, 20, 10, 0], atol=1e-9)
    valid = np.ones(8, bool)
    valid[0] = False
    assert len(acceleration(shaken, true, valid)) == 5
    assert len(acceleration(true[:2], true[:2])) == 0


def test_jitter_is_the_third_derivative_in_seconds() -> None:
    time = np.arange(10.0)[:, None, None] / 30
    fall = np.broadcast_to(4.9 * time**2, (10, 3, 3))
    assert jitter(fall, 30) == pytest.approx(0, abs=1e-8)
    jerk = np.zeros((10, 3, 3))
    jerk[..., 0] = (2 * time**3)[..., 0]
    assert jitter(jerk, 30) == pytest.approx(12)
    assert np.isnan(jitter(fall[:3], 30))
    with pytest.raises(InputError, match="positive"):
        jitter(fall, 0)


def test_table_names_the_protocol_beside_published_figures(joints, rng) -> None:
    scores = mesh_scores(joints + rng.normal(0, 0.05, joints.shape), joints, "h36m-p1")
    table = mesh_table(scores)
    assert "Human3.6M, protocol 1; 14 joints" in table and "87.97" in table and "5 bodies" in table
    assert f"{scores.named['MPJPE']:.2f}" in table and scores.named["PA-MPJPE"] < scores.named["MPJPE"]


def test_every_protocol_scores(rng) -> None:
    true = rng.normal(size=(2, 15, 3))
    for name in MESH_PROTOCOLS:
        named = mesh_scores(true + 1, true, name).named
        assert named["MPJPE"] == pytest.approx(0, abs=1e-9) and named["3D-PCK"] == 100


def test_the_pelvis_of_3dpw_is_not_scored(rng) -> None:
    true = rng.normal(size=(2, 15, 3))
    moved = true.copy()
    moved[:, 1:] += np.array([0.1, 0, 0])
    assert mesh_scores(moved, true, "3dpw").named["MPJPE"] == pytest.approx(100)


def test_bad_scores_are_refused(joints) -> None:
    with pytest.raises(InputError, match="no protocol 'p3'"):
        mesh_scores(joints, joints, "p3")
    with pytest.raises(InputError, match="nobody"):
        mesh_scores(joints[:0], joints[:0], "lsp14")
    with pytest.raises(ShapeError, match="true"):
        mpjpe(joints, joints[:, :13])
    with pytest.raises(ShapeError, match="rows"):
        align_by_root(joints[:, :2], (2, 3))
