"""What a photo tells of the skin: trust where it is seen, its colours on the atlas, and what lies beyond the body."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy import ndarray

from limner.body import BodyData
from limner.motion import Actor
from limner.motion.surface import sample_points
from limner.motion.texture import Appearance

from .conftest import SIZE_HW, WALL, photograph, standing


@pytest.fixture(scope="module")
def look(actor: Actor) -> Appearance:
    return actor.layers[0].appearance


def test_the_front_is_trusted_and_the_back_is_not(look: Appearance, body: BodyData) -> None:
    torso = np.isin(body.weights.argmax(axis=1), (3, 6, 9))
    front, back = torso & (look.normals[:, 2] > 0.8), torso & (look.normals[:, 2] < -0.3)
    assert look.seen[front].min() > 0.9 and look.seen[back].max() < 0.05
    assert 0 <= look.seen.min() and look.seen.max() <= 1


def test_what_another_limb_hides_is_not_trusted(body: BodyData) -> None:
    bodies = standing()
    bodies.rotvec[0, 16] = 0, -2.0, 0  # the left arm across the chest
    image, mask = photograph(body, bodies)
    actor = Actor.build(image, mask, bodies, background="white")
    figure, seen = actor.layers[0].appearance.figure, actor.layers[0].appearance.seen
    owner = body.weights.argmax(axis=1)
    x, y = np.rint(figure.points).astype(int).T
    in_front = np.isin(owner[body.faces[figure.raster.face_index[y, x], 0]], (16, 18, 20, 22))
    hidden = in_front & np.isin(owner, (3, 6, 9)) & (actor.layers[0].appearance.normals[:, 2] > 0.5)
    # A vertex right at the arm's outline may peep out beside it.
    assert hidden.sum() > 5 and np.median(seen[hidden]) < 0.05 and (seen[hidden] < 0.5).mean() > 0.9


def test_the_atlas_holds_the_photos_colours_where_trusted(
    look: Appearance, body: BodyData, photo: tuple[ndarray, ndarray]
) -> None:
    assert body.uv is not None
    sure = np.flatnonzero((look.seen[body.faces].min(axis=1) > 0.99) & (look.facing[body.faces].min(axis=1) > 0.8))
    torso = np.intersect1d(sure, body.face_parts["09_torso"])
    in_atlas = sample_points(look.atlas, body.uv[torso].mean(axis=1) * len(look.atlas) - 0.5).astype(int)
    in_photo = sample_points(photo[0], look.figure.points[body.faces[torso]].mean(axis=1)).astype(int)
    assert len(torso) > 100 and np.median(np.abs(in_atlas - in_photo).max(axis=1)) <= 3


def test_no_colour_of_the_wall_is_carried_along(look: Appearance, photo: tuple[ndarray, ndarray]) -> None:
    rim = (photo[1] > 0.05) & (photo[1] < 0.9)
    kept = np.abs(look.colour[rim].astype(int) - WALL).sum(axis=1)
    shown = np.abs(photo[0][rim].astype(int) - WALL).sum(axis=1)
    assert np.median(kept) > 1.5 * np.median(shown)


def test_places_are_those_of_the_skin(look: Appearance, body: BodyData) -> None:
    inside = (look.seen > 0.9) & np.isin(body.weights.argmax(axis=1), (3, 6, 9))
    away = np.linalg.norm(sample_points(look.place, look.figure.points[inside]) - look.rest[inside], axis=1)
    assert np.median(away) < 0.01


def test_a_bare_body_has_nothing_beyond_it(look: Appearance) -> None:
    assert look.beyond.sum() < 0.01 * look.alpha.sum() and look.reach_px < 4


def test_what_the_mask_adds_lies_beyond_the_body(body: BodyData) -> None:
    image, mask = photograph(body, standing())
    hat = np.zeros(SIZE_HW, np.uint8)
    cv2.rectangle(hat, (82, 4), (108, 36), 1, -1)
    mask = np.maximum(mask, hat.astype(np.float32))
    look = Actor.build(image, mask, standing(), background="white").layers[0].appearance
    above = (hat > 0) & ~look.figure.covered
    assert look.beyond[above].mean() > 0.8 and look.beyond[150:].max() < 0.05
    assert 5 < look.reach_px < 40


def test_limbs_that_the_mask_denies_are_phantoms(body: BodyData) -> None:
    image, mask = photograph(body, standing())
    left_arm = np.isin(body.weights.argmax(axis=1), (18, 20, 22))
    x, y = np.rint(Actor.build(image, mask, standing()).layers[0].appearance.figure.points[left_arm]).astype(int).T
    mask = mask.copy()
    mask[y.min() - 2 : y.max() + 3, x.min() - 2 : x.max() + 3] = 0
    look = Actor.build(image, mask, standing(), background="white").layers[0].appearance
    facing = left_arm & (look.facing > 0.3)
    assert look.phantom[facing].mean() > 0.6
    assert look.phantom[np.isin(body.weights.argmax(axis=1), (3, 6, 19, 4, 5))].max() < 0.1
