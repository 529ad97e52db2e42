"""Painting: cuts laid over pictures, shares of layers, and clothes that move along outside the body."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy import ndarray

from limner.body import BodyData
from limner.motion import Actor, painter
from limner.motion.drawn import draw_figure
from limner.motion.painter import Layer, Painted, paint

from .conftest import SIZE_HW, WALL, photograph, standing

SKIRT = np.array([20, 160, 30], np.uint8)


def small_cut() -> Painted:
    """A red cut of 2 x 3 pixels: solid, half and clear columns."""
    colour = np.zeros((2, 3, 3), np.uint8)
    colour[..., 0] = 200
    return Painted(colour, np.tile(np.float32([1, 0.5, 0]), (2, 1)), np.zeros((2, 3), np.float32), 4, 1)


def test_a_cut_is_laid_over_a_picture() -> None:
    background = np.full((9, 7, 3), 100, np.uint8)
    frame = small_cut().over(background)
    assert frame[4, 1].tolist() == [200, 0, 0] and frame[5, 2].tolist() == [150, 50, 50]
    assert frame[4, 3].tolist() == [100] * 3 and (frame != 100).any(axis=2).sum() == 4
    assert (background == 100).all()


def test_a_cut_alone_has_its_mask() -> None:
    frame = small_cut().cut_out((9, 7))
    assert frame.shape == (9, 7, 4) and frame[4, 1].tolist() == [200, 0, 0, 255]
    assert frame[..., 3].sum() == 2 * (255 + 128)


def test_the_photo_stays_where_the_person_is_still() -> None:
    cut = replace(small_cut(), still=np.float32([[1, 0, 0], [0, 0, 0]]))
    photo = np.full((9, 7, 3), 7, np.uint8)
    frame = cut.over(np.full((9, 7, 3), 100, np.uint8), photo)
    assert frame[4, 1].tolist() == [7, 7, 7] and frame[5, 1].tolist() == [200, 0, 0]


def test_shares_of_one_look_add_up_to_it(actor: Actor, rng: np.random.Generator) -> None:
    bodies = replace(actor.bodies, weak_camera=actor.bodies.weak_camera * np.float32([0.9, 1, 1]))
    figure = draw_figure(actor.body, actor.pose, bodies, SIZE_HW, offsets=actor.offsets)
    look, half = actor.layers[0].appearance, (actor.body.v_template[:, 1] > 0).astype(np.float32)
    whole = paint(actor.layers, actor.body, figure)
    split = paint([Layer(look, half), Layer(look, 1 - half)], actor.body, figure)
    np.testing.assert_allclose(split.alpha, whole.alpha, atol=1e-3)
    solid = whole.alpha > 0.5
    assert np.abs(split.colour.astype(int) - whole.colour)[solid].max() <= 1


def test_the_mask_is_solid_inside_and_soft_outside(actor: Actor) -> None:
    bodies = replace(actor.bodies, weak_camera=actor.bodies.weak_camera + np.float32([0, 0.1, 0]))
    figure = draw_figure(actor.body, actor.pose, bodies, SIZE_HW, offsets=actor.offsets)
    painted = paint(actor.layers, actor.body, figure)
    height, width = painted.alpha.shape
    covered = figure.covered[painted.top : painted.top + height, painted.left : painted.left + width]
    depth = cv2.distanceTransform(covered.astype(np.uint8), cv2.DIST_L2, 5)
    away = cv2.distanceTransform((~covered).astype(np.uint8), cv2.DIST_L2, 5)
    assert painted.alpha[depth >= 3].min() > 0.99 and painted.alpha[away >= 3].max() < 0.05
    assert 0 <= painted.alpha.min() and painted.alpha.max() <= 1


def skirted(body: BodyData) -> tuple[ndarray, ndarray, ndarray]:
    """The photo with a skirt that stands off the hips, its mask, and where the skirt shows."""
    image, mask = photograph(body, standing())
    skirt = np.zeros(SIZE_HW, np.uint8)
    cv2.fillConvexPoly(skirt, np.array([[78, 122], [109, 122], [126, 168], [60, 168]]), 1)
    return np.where(skirt[..., None] > 0, SKIRT, image), np.maximum(mask, skirt.astype(np.float32)), skirt > 0


@pytest.fixture(scope="module")
def dancer(body: BodyData) -> tuple[Actor, ndarray]:
    image, mask, skirt = skirted(body)
    return Actor.build(image, mask, standing(), background="#b0becc"), skirt


def green_area(frame: ndarray) -> ndarray:
    return (np.abs(frame.astype(int) - SKIRT).max(axis=2) < 40).astype(bool)


def overlap(a: ndarray, b: ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_clothes_off_the_body_are_painted(dancer: tuple[Actor, ndarray]) -> None:
    actor, skirt = dancer
    assert overlap(green_area(actor.frame(actor.paint(actor.bodies))), skirt) > 0.9


@pytest.mark.parametrize("shift", [(0.15, 0.0), (-0.2, -0.05)])
def test_clothes_off_the_body_move_with_it(dancer: tuple[Actor, ndarray], shift: tuple[float, float]) -> None:
    actor, skirt = dancer
    moved = replace(actor.bodies, weak_camera=actor.bodies.weak_camera + np.float32([0, *shift]))
    x, y = (round(128 * s) for s in shift)
    frame = actor.frame(actor.paint(moved))
    assert overlap(green_area(frame), np.roll(skirt, (y, x), axis=(0, 1))) > 0.85


def test_clothes_off_the_body_grow_with_it(dancer: tuple[Actor, ndarray]) -> None:
    actor, skirt = dancer
    small = replace(actor.bodies, weak_camera=actor.bodies.weak_camera * np.float32([0.75, 1, 1]))
    area = green_area(actor.frame(actor.paint(small))).sum()
    assert area == pytest.approx(0.75**2 * skirt.sum(), rel=0.12)


def test_specks_that_touch_the_body_nowhere_are_left_out() -> None:
    covered = np.zeros((9, 12), bool)
    covered[2:6, 2:5] = True
    alpha = covered.astype(np.float32)
    alpha[5, 5:8] = 0.4  # goes on from the body
    alpha[7, 9:11] = 0.9  # stands alone
    alpha[0, 11] = 0.01
    kept = painter._attached(alpha, covered)
    assert (kept[7, 9:11] == 0).all() and kept.sum() == kept.size - 2
    alpha[6, 8] = alpha[8, 9] = 0.1  # now it hangs on by a thread, and has a faint rim
    kept = painter._attached(alpha, covered)
    assert (kept[[7, 7, 6, 8], [9, 10, 8, 9]] == 0).all() and kept.sum() == kept.size - 4


def test_nothing_is_painted_for_a_body_out_of_the_frame(actor: Actor) -> None:
    away = replace(actor.bodies, weak_camera=np.float32([[1.0, 50.0, 0.0]]))
    painted = actor.paint(away)
    assert painted.alpha.size == 0
    assert (painted.over(np.full((*SIZE_HW, 3), WALL, np.uint8)) == WALL).all()
    assert painted.cut_out(SIZE_HW).max() == 0


@pytest.mark.parametrize("size_hw", [SIZE_HW, (251, 174)], ids=str)
def test_only_the_persons_part_of_the_frame_is_computed_and_nothing_changes(
    body: BodyData, monkeypatch: pytest.MonkeyPatch, size_hw: tuple[int, int]
) -> None:
    photo_bodies = standing(size_hw=size_hw, scale=0.6)
    actor = Actor.build(*photograph(body, photo_bodies), photo_bodies)
    moved = standing(size_hw=size_hw, scale=0.5, tx=-0.2)
    moved.rotvec[0, 1, 0], moved.rotvec[0, 16, 2] = -0.6, -0.2
    part = actor.paint(moved)
    frame = actor.frame(part)
    monkeypatch.setattr(painter, "_window", lambda *_: (0, size_hw[0], 0, size_hw[1]))
    whole = actor.paint(moved)
    assert part.alpha.size < 0.5 * whole.alpha.size and (actor.frame(whole) == frame).all()


def test_a_limb_that_is_left_out_takes_its_rim_along() -> None:
    covered = np.zeros((9, 12), bool)
    covered[2:6, 2:9] = True
    left_out = np.where(covered, np.float32(0), 0)
    left_out[2:6, 6:9] = 1  # the limb's end
    rim = painter._with_rim(left_out, covered)
    np.testing.assert_array_equal(rim[covered], left_out[covered])
    assert (rim[1:7, 9] == 1).all() and (rim[1, 6:9] == 1).all() and not rim[:, :5].any() and not rim[:, 10:].any()


@pytest.mark.parametrize(("degrees", "wanted"), [(0, 1.0), (60, 0.5), (90, 0.0), (180, 1.0)])
def test_a_turned_limb_shows_less_of_what_the_photo_saw(degrees: float, wanted: float) -> None:
    covered = np.zeros((32, 32), bool)
    covered[8:24, 12:20] = True
    on_skin = np.zeros((32, 32, 13), np.float32)
    on_skin[..., 3], on_skin[..., 6] = np.cos(np.radians(degrees)), 1  # the limb's map: turned about the vertical
    outer = painter._spread_outward(on_skin, covered, 1.0, (0, 0), (32, 32))
    np.testing.assert_allclose(outer.face_on, wanted, atol=1e-5)
