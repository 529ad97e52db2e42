"""Several photos of a person: the better photo is taken everywhere, one changes nothing, strangers are noticed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.body import BodyData
from limner.checks import InputError
from limner.motion import Actor, join_photos
from limner.motion.several import Sight, different_clothes, photo_shares

from .conftest import photograph, standing


def seen_from(body: BodyData, yaw: float) -> tuple[ndarray, ndarray, Actor]:
    """Picture, mask and actor of the made-up person turned by `yaw`."""
    bodies = standing()
    turned = Rotation.from_rotvec((np.pi, 0, 0)) * Rotation.from_rotvec((0, np.radians(yaw), 0))
    bodies.rotvec[0, 0] = turned.as_rotvec()
    image, alpha = photograph(body, bodies)
    return image, alpha, Actor.build(image, alpha, bodies, background="white")


@pytest.fixture(scope="module")
def front(body: BodyData) -> tuple[ndarray, ndarray, Actor]:
    return seen_from(body, 0)


@pytest.fixture(scope="module")
def back(body: BodyData) -> tuple[ndarray, ndarray, Actor]:
    return seen_from(body, 180)


def psnr(actor: Actor, wanted: tuple[ndarray, ndarray, Actor]) -> float:
    image, alpha, other = wanted
    frame = actor.frame(actor.paint(other.bodies)).astype(float)
    return float(10 * np.log10(255**2 / (np.square(frame - image)[alpha > 0.9].mean() + 1e-3)))


def test_two_photos_show_more_than_one(front, back) -> None:
    joined = join_photos([front[2], back[2]])
    assert psnr(joined, back) > psnr(front[2], back) + 3
    assert psnr(joined, front) > 40


def test_shares_add_up_and_choose_who_sees(front, back) -> None:
    joined = join_photos([front[2], back[2]])
    shares = np.stack([layer.share for layer in joined.layers])
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)
    ahead = joined.layers[0].appearance
    squarely = (ahead.seen > 0.9) & (ahead.facing > 0.7)
    assert squarely.sum() > 200 and shares[0, squarely].mean() > 0.97


def test_what_no_photo_shows_is_the_firsts(body: BodyData) -> None:
    shares = photo_shares(body, np.zeros((3, body.num_vertices), np.float32))
    assert (shares[0] > 0.9).all()


def test_one_photo_changes_nothing(front) -> None:
    (layer,) = join_photos([front[2]]).layers
    assert layer.appearance is front[2].layers[0].appearance and (layer.share == 1).all()


def test_people_in_other_clothes_are_noticed(body: BodyData, front) -> None:
    sight = Sight.of_look(front[2].layers[0].appearance)
    green = np.broadcast_to(np.uint8([20, 230, 20]), sight.colour.shape)
    assert not list(different_clothes(body, [sight, sight]))
    (warning,) = different_clothes(body, [sight, sight, replace(sight, colour=np.ascontiguousarray(green))])
    assert warning.startswith("photo 3 seems to show another person")


def test_a_photo_that_shows_too_little_is_not_judged(body: BodyData, front) -> None:
    sight = Sight.of_look(front[2].layers[0].appearance)
    unseen = replace(sight, trust=np.zeros_like(sight.trust))
    assert not list(different_clothes(body, [sight, unseen]))


def test_no_photos_and_joined_actors_are_refused(front, back) -> None:
    with pytest.raises(InputError, match="at least one photo"):
        join_photos([])
    with pytest.raises(InputError, match="cannot be joined"):
        join_photos([join_photos([front[2], back[2]]), back[2]])
