"""Actors of the published weights: geometry of the square, views, several photos, clothes, backgrounds, errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray

from limner.body import load_body, pixels_from_picture, project_weak
from limner.checks import InputError, WeightsError
from limner.motion import PublishedActor, load_published_painter
from limner.motion.frames import view_turn
from limner.motion.photo import PhotoPerson
from limner.motion.published_actor import body_vector, into_square, out_of_square
from limner.records import Bodies, Keypoints

from .conftest import photograph, standing
from .smpl_like import echo_painter, write_smpl

SIZE_HW = (154, 106)  # no side a multiple of eight
NO_POINTS = Keypoints(np.zeros((1, 33, 2), np.float32), np.zeros((1, 33), np.float32), "blazepose33")


@pytest.fixture(scope="session")
def smpl(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"smpl:{write_smpl(tmp_path_factory.mktemp('smpl') / 'made_up.npz')}"


def shown(smpl: str, *, yaw: float = 0.0, tint: tuple[int, int, int] | None = None) -> tuple[PhotoPerson, ndarray]:
    """A photo of the made-up person turned by `yaw` about the vertical, and its mask."""
    bodies = replace(standing(size_hw=SIZE_HW), body_model=smpl)
    bodies.rotvec[0, 0] = _turned(yaw)
    image, alpha = photograph(load_body(smpl), bodies)
    if tint is not None:
        image = np.where(alpha[..., None] > 0.5, np.uint8(tint), image)
    return PhotoPerson(image, alpha, bodies, NO_POINTS), alpha > 0.9


def _turned(yaw: float) -> ndarray:
    from scipy.spatial.transform import Rotation

    return (Rotation.from_rotvec((np.pi, 0, 0)) * Rotation.from_rotvec((0, np.radians(yaw), 0))).as_rotvec()


def psnr(a: ndarray, b: ndarray, mask: ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b)[mask].mean()))


@pytest.fixture(scope="session")
def front(smpl: str) -> PublishedActor:
    return PublishedActor.build(shown(smpl)[0], echo_painter(smpl), background="#102030")


@pytest.mark.parametrize("size_hw", [(154, 106), (64, 90), (256, 256), (250, 250), (2, 8)])
def test_a_picture_comes_out_of_the_square_as_it_went_in(size_hw: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), dtype=np.uint8)
    square = into_square(image)
    assert square.shape[0] == square.shape[1] and square.shape[0] % 8 == 0
    assert (out_of_square(square, size_hw) == image).all()


def test_the_body_stands_in_the_square_where_it_stands_in_the_photo() -> None:
    bodies = Bodies(np.zeros((1, 24, 3)), np.zeros((1, 10)), np.float32([[0.8, 0.1, -0.2]]), SIZE_HW)
    points = np.float32([[0.3, -0.4, 1.0], [-0.2, 0.6, 0.0]])
    photo = pixels_from_picture(project_weak(points, bodies.weak_camera[0]), SIZE_HW)
    square = pixels_from_picture(project_weak(points, body_vector(bodies, 160)[0, :3]), (160, 160))
    np.testing.assert_allclose(square - photo, [[(160 - 106) / 2, (160 - 154) / 2]] * 2, atol=1e-4)


def test_too_few_shape_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="ten shape numbers"):
        body_vector(Bodies(np.zeros((1, 24, 3)), np.zeros((1, 3)), np.float32([[1, 0, 0]]), SIZE_HW), 160)


def test_the_photos_own_view_is_the_photo(front: PublishedActor, smpl: str) -> None:
    photo, mask = shown(smpl)
    frame = front.frame(front.paint(front.bodies))
    assert frame.shape == (*SIZE_HW, 3)
    assert psnr(frame, photo.image, mask) > 26
    assert (frame[0, 0] == (16, 32, 48)).all()


def test_a_photo_of_the_back_is_used_for_the_back(front: PublishedActor, smpl: str) -> None:
    back_photo, mask = shown(smpl, yaw=180)
    other = PublishedActor.build(back_photo, front.painter)
    both = front.with_photos([other])
    views = [actor.frame(actor.paint(back_photo.bodies)) for actor in (front, both)]
    alone, joined = (psnr(view, back_photo.image, mask) for view in views)
    assert joined > alone + 4 and joined > 24
    ahead, _ = shown(smpl)
    kept = [psnr(actor.frame(actor.paint(front.bodies)), ahead.image, shown(smpl)[1]) for actor in (front, both)]
    assert kept[1] > kept[0] - 0.5


def test_photos_of_different_people_are_noticed(front: PublishedActor, smpl: str) -> None:
    other = PublishedActor.build(shown(smpl, tint=(20, 230, 20))[0], front.painter)
    assert not front.with_photos([front]).warnings
    (warning,) = front.with_photos([other]).warnings
    assert warning.startswith("photo 2 seems to show another person")


def test_a_turned_view_shows_the_turned_body(front: PublishedActor, smpl: str) -> None:
    turned = front.paint(front.bodies, turn=view_turn(90.0))
    _, mask = shown(smpl, yaw=90)
    inside = front.frame(turned).astype(int)
    person = np.abs(inside - (16, 32, 48)).sum(axis=2) > 9
    assert (person & mask).sum() / (person | mask).sum() > 0.85


def test_clothes_are_taken_by_parts(front: PublishedActor, smpl: str) -> None:
    red = PublishedActor.build(shown(smpl, tint=(250, 0, 0))[0], front.painter)
    dressed = front.swap(red, ["legs"])
    frame, photo = dressed.frame(dressed.paint(front.bodies)), front.frame(front.paint(front.bodies))
    changed = np.argwhere(np.abs(frame.astype(int) - photo).sum(axis=2) > 40)
    reds = ((frame[..., 0] > 200) & (frame[..., 1] < 60)).sum()
    assert reds > 150 and changed[:, 0].min() > 0.45 * SIZE_HW[0]
    with pytest.raises(InputError, match="parts must be"):
        front.swap(red, ["hat"])


def test_transparent_frames_show_the_person_alone(smpl: str) -> None:
    photo, mask = shown(smpl)
    actor = PublishedActor.build(photo, echo_painter(smpl), background="transparent")
    frame = actor.frame(actor.paint(actor.bodies))
    assert frame.shape == (*SIZE_HW, 4)
    assert frame[..., 3][mask].mean() > 240 and frame[0, 0, 3] == 0


def test_frames_are_not_kept(front: PublishedActor) -> None:
    import gc
    import weakref

    kept = [weakref.ref(front.paint(front.bodies).picture) for _ in range(4)]
    gc.collect()
    assert [one() for one in kept] == [None] * 4


def test_weights_without_smpl_say_what_to_do() -> None:
    with pytest.raises(InputError, match="--body smpl:PATH"):
        load_published_painter("lwgan-iper", "free")


def test_weights_that_were_not_imported_say_how(smpl: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="limner weights import lwgan-iper FILE"):
        load_published_painter("lwgan-iper", smpl)
    with pytest.raises(InputError, match="did you mean 'lwgan-iper'"):
        load_published_painter("lwgan-ipr", smpl)
