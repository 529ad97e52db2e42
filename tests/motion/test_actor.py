"""The actor: its own pose gives the photo back; sizes, backgrounds, views, other poses, other clothes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.body import BodyData, load_body
from limner.checks import InputError, NobodyFound, ShapeError
from limner.media import read_image
from limner.metrics import psnr
from limner.motion import Actor, resize_photo
from limner.people import Locator
from limner.records import Motion

from .conftest import DEMO, SIZE_HW, WALL, photograph, standing


def well_inside(mask: ndarray, pixels: int = 2) -> ndarray:
    return cv2.erode((mask > 0.5).astype(np.uint8), np.ones((2 * pixels + 1, 2 * pixels + 1))) > 0


def own_frame(actor: Actor) -> ndarray:
    return actor.frame(actor.paint(actor.bodies))


def test_its_own_pose_gives_the_photo_back(actor: Actor, photo: tuple[ndarray, ndarray]) -> None:
    image, mask = photo
    frame = own_frame(actor)
    assert frame.shape == image.shape and frame.dtype == np.uint8
    # The photo's own pixels stay where the person is still; measured 45 dB over the frame, by the soft outline.
    assert psnr(frame, image, well_inside(mask)) > 45
    assert psnr(frame, image) > 40
    assert (frame[mask == 0] == WALL).all(axis=1).mean() > 0.97


def test_an_actor_is_not_changed_by_painting(actor: Actor) -> None:
    first = own_frame(actor)
    list(actor.view([77.0]))
    assert (own_frame(actor) == first).all()


def test_threads_change_nothing(actor: Actor) -> None:
    bodies = actor.bodies
    assert (actor.frame(actor.paint(bodies, threads=2)) == actor.frame(actor.paint(bodies, threads=1))).all()


def test_transparent_frames_carry_the_mask(cut_out: Actor, photo: tuple[ndarray, ndarray]) -> None:
    frame = own_frame(cut_out)
    assert frame.shape == (*SIZE_HW, 4)
    alpha = frame[..., 3].astype(float) / 255
    assert alpha[well_inside(photo[1])].min() > 0.98 and alpha[well_inside(1 - photo[1], 3)].max() < 0.02
    assert psnr(frame[..., :3], photo[0], well_inside(photo[1])) > 45


def test_a_moved_camera_moves_the_person(actor: Actor, photo: tuple[ndarray, ndarray]) -> None:
    moved = replace(actor.bodies, weak_camera=actor.bodies.weak_camera + np.array([0, 12 / 128, -7 / 128], np.float32))
    frame = actor.frame(actor.paint(moved))
    wanted = np.roll(photo[0], (-7, 12), axis=(0, 1))
    inside = well_inside(np.roll(photo[1], (-7, 12), axis=(0, 1)))
    assert psnr(frame, wanted, inside) > 40


def test_another_pose_shows_the_same_skin_elsewhere(actor: Actor, body: BodyData) -> None:
    bodies = replace(actor.bodies, rotvec=actor.bodies.rotvec.copy())
    bodies.rotvec[0, 16, 2] = 0.6
    bodies.rotvec[0, 4, 0] = 0.9
    frame = actor.frame(actor.paint(bodies))
    wanted, mask = photograph(body, bodies)
    # The light stays on the skin as the photo had it, so raised limbs differ in shade, not in place.
    assert psnr(frame, wanted, well_inside(mask)) > 20
    bare = np.full_like(frame, WALL)
    assert psnr(frame, wanted) > psnr(bare, wanted) + 6


def test_a_body_outside_the_frame_leaves_the_background(actor: Actor) -> None:
    away = replace(actor.bodies, weak_camera=np.array([[1.0, 50.0, 0.0]], np.float32))
    assert (actor.frame(actor.paint(away)) == WALL).all()


def test_a_body_half_outside_the_frame_is_painted(actor: Actor) -> None:
    half = replace(actor.bodies, weak_camera=actor.bodies.weak_camera + np.array([0, 0.65, 0], np.float32))
    frame = actor.frame(actor.paint(half))
    assert (frame[:, -20:] != WALL).any() and (frame[:, :40] == WALL).all()


def test_a_view_from_the_front_is_the_photo(actor: Actor) -> None:
    assert (next(actor.view([0.0])) == own_frame(actor)).all()
    np.testing.assert_allclose(next(actor.view([360.0])), own_frame(actor), atol=1)


def test_positive_angles_turn_the_front_to_the_right(actor: Actor) -> None:
    front = actor.paint(actor.bodies, turn=None)
    side = actor.paint(actor.bodies, turn=Rotation.from_euler("y", -90, degrees=True).as_matrix().astype(np.float32))
    assert side.alpha.sum() < 0.75 * front.alpha.sum()
    pelvis = actor.pose(actor.bodies.betas, actor.bodies.rotvec)[1][0, 0]
    middle = (SIZE_HW[1] - 1) / 2 + 128 * (pelvis[0] + 0.05)
    foot_rows = next(actor.view([90.0]))[-26:-15]
    columns = np.nonzero((foot_rows != WALL).any(axis=(0, 2)))[0]
    # Toes reach farther from the leg than heels do.
    assert columns.max() - middle > middle - columns.min()


def test_the_back_mirrors_the_front(actor: Actor, photo: tuple[ndarray, ndarray]) -> None:
    back = next(actor.view([180.0]))
    left = back[:, : SIZE_HW[1] // 2][(back[:, : SIZE_HW[1] // 2] != WALL).any(axis=2)].mean(axis=0)
    right = back[:, SIZE_HW[1] // 2 :][(back[:, SIZE_HW[1] // 2 :] != WALL).any(axis=2)].mean(axis=0)
    # The person's left is red; seen from behind it is on the left.
    assert left[0] > right[0] + 20


def test_imitation_of_a_motion_streams(actor: Actor) -> None:
    rotvec = np.zeros((5, 24, 3), np.float32)
    motion = Motion(rotvec, np.tile([0, 0.95, 0], (5, 1)), Fraction(30))
    frames = actor.imitate(motion)
    assert next(frames).shape == (*SIZE_HW, 3)
    assert len(list(frames)) == 4


def test_smooth_starts_where_the_photo_has_the_person(actor: Actor) -> None:
    driver = standing(3, size_hw=(90, 160), scale=0.4, tx=0.7)
    driver.weak_camera[:, 1] += [0, 0.03, 0.06]
    driver.weak_camera[:, 0] *= [1, 1.01, 1.02]
    placed = actor.place(driver, "smooth")
    assert placed.size_hw == SIZE_HW
    np.testing.assert_allclose(placed.weak_camera[0], actor.bodies.weak_camera[0], atol=1e-6)
    np.testing.assert_allclose(placed.weak_camera[2], [1.02, 0.05 + 0.06, 0.1], atol=1e-6)


def test_source_and_copy_take_either_camera(actor: Actor) -> None:
    driver = standing(2, size_hw=SIZE_HW, scale=0.4, tx=0.7)
    assert (actor.place(driver, "copy").weak_camera == driver.weak_camera).all()
    assert (actor.place(driver, "source").weak_camera == actor.bodies.weak_camera).all()
    motion = Motion(np.zeros((4, 24, 3)), np.tile([0, 0.95, 0], (4, 1)), Fraction(30))
    assert (actor.place(motion, "source").weak_camera == actor.bodies.weak_camera).all()


@pytest.fixture(scope="module")
def green(body: BodyData) -> Actor:
    """A person in one colour from head to toe."""
    image, mask = photograph(body, standing())
    image = np.where((mask > 0.5)[..., None], np.array([0, 204, 0], np.uint8), image)
    return Actor.build(image, mask, standing(), background="white")


def test_swap_takes_the_named_parts(actor: Actor, green: Actor, body: BodyData) -> None:
    swapped = actor.swap(green, ["torso"])
    before, after = own_frame(actor).astype(int), own_frame(swapped).astype(int)
    vertices, _ = actor.pose(actor.bodies.betas, actor.bodies.rotvec)
    middle = np.rint((vertices[0, :, :2] + actor.bodies.weak_camera[0, 1:]) * 128 + np.array([87.5, 127.5])).astype(int)
    spine = np.median(middle[body.weights[:, 6] > 0.5], axis=0).astype(int)
    knee = np.median(middle[body.weights[:, 4] > 0.5], axis=0).astype(int)
    np.testing.assert_allclose(after[spine[1], spine[0]], [0, 204, 0], atol=8)
    np.testing.assert_allclose(after[knee[1], knee[0]], before[knee[1], knee[0]], atol=3)
    assert len(swapped.layers) == 2 and len(actor.layers) == 1


def test_swap_of_everything_is_the_other_person(actor: Actor, green: Actor, photo: tuple[ndarray, ndarray]) -> None:
    frame = own_frame(actor.swap(green, ["all"]))
    mask = well_inside(photo[1])
    assert np.abs(frame[mask].astype(int) - [0, 204, 0]).max() < 10


def test_swap_needs_one_body_model(actor: Actor) -> None:
    other = replace(actor, body=replace(actor.body, name="smpl:x"))
    with pytest.raises(InputError, match="same body model"):
        actor.swap(other)


def test_build_refuses_a_mask_of_another_size(photo: tuple[ndarray, ndarray]) -> None:
    with pytest.raises(ShapeError, match="alpha"):
        Actor.build(photo[0], photo[1][:-2], standing())


@pytest.mark.parametrize(
    ("size_hw", "size", "wanted"),
    [
        ((300, 200), None, (300, 200)),
        ((301, 199), None, (300, 200)),
        ((150, 100), None, (256, 170)),
        ((3000, 1500), None, (1024, 512)),
        ((400, 700), 350, (200, 350)),
        ((640, 640), 512, (512, 512)),
    ],
)
def test_photos_are_brought_to_the_size_of_the_frames(
    size_hw: tuple[int, int], size: int | None, wanted: tuple[int, int]
) -> None:
    assert resize_photo(np.zeros((*size_hw, 3), np.uint8), size).shape[:2] == wanted


@pytest.mark.parametrize("size", [0, 255, 1025, -3])
def test_sizes_out_of_range_are_refused(size: int) -> None:
    with pytest.raises(InputError, match="256 to 1024"):
        resize_photo(np.zeros((300, 200, 3), np.uint8), size)


def test_tiny_photos_are_refused() -> None:
    with pytest.raises(InputError, match="63 x 400 pixels; at least 64"):
        resize_photo(np.zeros((400, 63, 3), np.uint8), None)


@pytest.mark.parametrize(
    ("found", "person", "sentence"),
    [(0, 0, "nobody was found in the photo"), (1, 1, "shows 1, counted from 0"), (3, -1, "person -1 was asked for")],
)
def test_people_who_are_not_there_are_an_error(
    monkeypatch: pytest.MonkeyPatch, found: int, person: int, sentence: str
) -> None:
    monkeypatch.setattr(Locator, "load", lambda: SimpleNamespace(locate=lambda image: [None] * found))
    with pytest.raises(NobodyFound, match=sentence):
        Actor.prepare(np.full((120, 160, 3), 128, np.uint8), person=person)


@pytest.fixture(scope="module")
def real() -> tuple[Actor, ndarray]:
    """The demo photo at 256 pixels, and the actor made of it."""
    image = resize_photo(read_image(DEMO / "person.jpg"), 256)
    return Actor.prepare(DEMO / "person.jpg", size=256), image


def test_a_real_photo_is_given_back(real: tuple[Actor, ndarray]) -> None:
    actor, image = real
    painted = actor.paint(actor.bodies)
    alpha = np.zeros(actor.size_hw, np.float32)
    alpha[painted._window()] = painted.alpha
    frame = actor.frame(painted)
    assert actor.warnings == () and frame.shape == image.shape
    assert 0.05 < (alpha > 0.5).mean() < 0.4
    assert psnr(frame, image, well_inside(alpha)) > 30
    assert psnr(frame, image) > 28


def test_the_body_is_the_one_asked_for(real: tuple[Actor, ndarray]) -> None:
    assert real[0].body.name == load_body("free").name and real[0].bodies.size_hw == (256, 256)
