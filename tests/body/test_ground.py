"""People on a floor: when feet stand, a path that does not slide, and feet nailed down."""

from __future__ import annotations

import numpy as np
import pytest

from limner.body import Grounded, ground_bodies, load_body, lock_feet
from limner.body.feet import body_places, foot_contacts, runs_of
from limner.checks import InputError
from limner.records import Bodies

RATE, FRAMES, FOCAL, SIZE_HW = 30.0, 60, 900.0, (480, 640)


def marching(rng: np.random.Generator, *, noise: float) -> tuple[Bodies, np.ndarray]:
    """Somebody who lifts one knee after the other, facing the viewer, 4 m off; with noise in the camera's scale.

    Returns the bodies and when each foot stands.
    """
    lift = np.maximum(np.sin(np.arange(FRAMES) / 30 * 2 * np.pi)[:, None] * (1, -1), 0)
    rotvec = np.zeros((FRAMES, 24, 3), np.float32)
    rotvec[:, 0, 0] = np.pi
    rotvec[:, [1, 2], 0] = -1.2 * lift
    rotvec[:, [4, 5], 0] = 1.6 * lift
    scale = 2 * FOCAL / (4.0 * max(SIZE_HW)) * np.exp(noise * rng.normal(size=FRAMES))
    camera = np.stack([scale, np.full(FRAMES, 0.3), np.full(FRAMES, 0.1)], axis=1)
    return Bodies(rotvec, np.zeros((FRAMES, 10)), camera, SIZE_HW), lift == 0


def soles_of(grounded: Grounded, betas: np.ndarray) -> np.ndarray:
    places = body_places(load_body("free"), betas, grounded.rotvec.astype(np.float32))[1]
    return places + grounded.pelvis[:, None, None]


def test_feet_stand_when_they_are_low_and_slow() -> None:
    height, speed = np.zeros((30, 2, 2)), np.zeros((30, 2, 2))
    height[10:20, 1], speed[8:22, 1] = 0.2, 1.5
    contact = foot_contacts(height, speed, RATE)
    assert contact[:, 0].all() and not contact[8:22, 1].any() and contact[:8, 1].all() and contact[22:, 1].all()


def test_a_flicker_is_no_step() -> None:
    speed = np.zeros((30, 2, 2))
    speed[14, 0, 0] = 2
    speed[:, 1] = 2
    speed[15, 1] = 0
    contact = foot_contacts(np.zeros((30, 2, 2)), speed, RATE)
    assert contact[:, 0, 0].all() and not contact[:, 1].any()


def test_a_single_frame_goes_by_height() -> None:
    height = np.array([[[0.0, 0.02], [0.3, 0.25]]])
    assert foot_contacts(height, np.zeros((1, 2, 2)), RATE)[0].tolist() == [[True, True], [False, False]]
    with pytest.raises(InputError, match="positive"):
        foot_contacts(height, np.zeros((1, 2, 2)), 0)


def test_runs() -> None:
    assert runs_of(np.array([True, True, False, True])) == [(0, 2), (3, 4)] and runs_of(np.zeros(3, bool)) == []


def test_standing_feet_do_not_slide_though_the_depth_shakes(rng: np.random.Generator) -> None:
    bodies, standing = marching(rng, noise=0.02)
    (found,) = ground_bodies(load_body("free"), [bodies], RATE, FOCAL)
    contact = found.contact.any(axis=2)
    assert (contact == standing).mean() > 0.9  # the truth lifts a foot before it is fast
    soles = soles_of(found, bodies.betas)
    still = standing[1:] & standing[:-1]
    speed = RATE * np.linalg.norm(np.diff(soles, axis=0), axis=-1)[still]
    depth = 2 * FOCAL / (bodies.weak_camera[:, 0] * max(SIZE_HW))
    shake = RATE * np.abs(np.diff(depth)).mean()
    assert speed.mean() < 0.05 and shake > 2  # metres a second
    assert np.abs(soles[standing][:, :, 1]).max() < 0.03  # on the floor
    assert found.pelvis[0, 0] == found.pelvis[0, 2] == 0 and 0.7 < found.pelvis[0, 1] < 1.2


def test_the_world_stands_upright(rng: np.random.Generator) -> None:
    bodies, _ = marching(rng, noise=0)
    (found,) = ground_bodies(load_body("free"), [bodies], RATE, FOCAL)
    np.testing.assert_allclose(found.world_from_camera, np.diag([1, -1, -1]), atol=0.02)
    assert np.linalg.det(found.world_from_camera) == pytest.approx(1)
    joints = body_places(load_body("free"), bodies.betas, found.rotvec.astype(np.float32))[0]
    assert (joints[:, 15, 1] > 0.5).all()  # the head above the pelvis


def test_people_of_a_picture_stand_side_by_side(rng: np.random.Generator) -> None:
    bodies, _ = marching(rng, noise=0)
    other = Bodies(bodies.rotvec[:1], bodies.betas[:1], bodies.weak_camera[:1] * (0.5, 1, 1) + (0, 0.5, 0), SIZE_HW)
    first, second = ground_bodies(load_body("free"), [bodies[:1], other], None, FOCAL)
    assert second.pelvis[0, 2] == pytest.approx(-4.0, abs=0.2)  # half as large, twice as far
    for one in (first, second):
        assert soles_of(one, bodies.betas[:1])[..., 1].min() == pytest.approx(0, abs=1e-5)


def test_nobody_is_refused() -> None:
    with pytest.raises(InputError, match="nobody"):
        ground_bodies(load_body("free"), [], RATE, FOCAL)


def test_nailed_feet_keep_their_place(rng: np.random.Generator) -> None:
    bodies, _ = marching(rng, noise=0)
    data = load_body("free")
    (found,) = ground_bodies(data, [bodies], RATE, FOCAL)
    sway = 0.02 * np.sin(np.arange(FRAMES) / 6)
    adrift = Grounded(found.rotvec, found.pelvis + sway[:, None] * (1, 0, 0.5) - (0, 0.02, 0), found.contact, np.eye(3))
    nailed = lock_feet(data, bodies.betas[0], adrift, RATE)
    both = (found.contact[1:] & found.contact[:-1])[..., 0]
    before, after = (
        RATE * np.linalg.norm(np.diff(soles_of(one, bodies.betas)[:, :, 0], axis=0), axis=-1)[both].mean()
        for one in (adrift, nailed)
    )
    assert before > 0.05 and after < before / 5
    np.testing.assert_array_equal(nailed.pelvis, adrift.pelvis)
    legs = [1, 2, 4, 5, 7, 8]
    others = [joint for joint in range(24) if joint not in legs]
    np.testing.assert_allclose(nailed.rotvec[:, others], adrift.rotvec[:, others], atol=1e-6)


def test_feet_that_never_stand_are_left_alone(rng: np.random.Generator) -> None:
    bodies, _ = marching(rng, noise=0)
    (found,) = ground_bodies(load_body("free"), [bodies], RATE, FOCAL)
    flying = Grounded(found.rotvec, found.pelvis, np.zeros_like(found.contact), np.eye(3))
    nailed = lock_feet(load_body("free"), bodies.betas[0], flying, RATE)
    np.testing.assert_allclose(nailed.rotvec, flying.rotvec, atol=1e-6)
