"""The filled background: exact outside the person, lines go on, plain walls stay plain, odd masks do no harm."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from limner.checks import InputError, ShapeError
from limner.media import write_image
from limner.motion.background import (
    MARGIN,
    compose_background,
    cover,
    fill_background,
    grow_mask,
    load_background,
    parse_colour,
)
from limner.motion.membrane import integrate_gradients
from limner.motion.patch_fill import fill_by_patches


def person_mask(height: int, width: int) -> np.ndarray:
    """A standing figure with a soft edge in the middle of the picture."""
    mask = np.zeros((height, width), np.uint8)
    centre = width // 2
    cv2.ellipse(mask, (centre, height // 2), (max(1, width // 9), max(1, height // 3)), 0, 0, 360, 255, -1)
    return cv2.GaussianBlur(mask, (0, 0), 1.0).astype(np.float32) / 255


def with_person(scene: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The scene with a blue figure before it."""
    return np.rint(scene + mask[..., None] * (np.array([20, 30, 160]) - scene)).astype(np.uint8)


def grown(mask: np.ndarray) -> np.ndarray:
    return grow_mask(mask, max(2, round(MARGIN * max(mask.shape))))


def worst(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int))[where].max())


def mean_error(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b.astype(float))[where].mean())


def telea(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return cv2.inpaint(photo, grown(mask).astype(np.uint8), 3, cv2.INPAINT_TELEA)


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """Compile the kernels once, so that the durations of the tests are their own."""
    fill_background(np.zeros((64, 64, 3), np.uint8), person_mask(64, 64))


@pytest.fixture
def wall_and_floor() -> np.ndarray:
    """A light wall over a dark floor, a skirting board between them, a soft light from the left."""
    scene = np.empty((96, 96, 3), np.float32)
    scene[:60], scene[60:64], scene[64:] = (210, 205, 200), (90, 60, 40), (150, 110, 70)
    return np.rint(scene * np.linspace(1.0, 0.9, 96)[None, :, None]).astype(np.uint8)


def test_fill_continues_the_skirting_board_behind_the_person(wall_and_floor):
    mask = person_mask(96, 96)
    photo = with_person(wall_and_floor, mask)
    filled = fill_background(photo, mask)
    assert mean_error(filled, wall_and_floor, grown(mask)) < 2.0
    assert (
        mean_error(filled, wall_and_floor, grown(mask))
        < mean_error(telea(photo, mask), wall_and_floor, grown(mask)) / 4
    )


@pytest.mark.parametrize("axis", [0, 1])
def test_fill_continues_stripes_both_ways(axis):
    stripes = np.where(np.arange(96) // 6 % 2, 60, 190)
    lines = np.repeat(stripes[:, None] if axis == 0 else stripes[None, :], 96, axis=1 - axis)
    scene = np.repeat(lines[..., None], 3, axis=2).astype(np.uint8)
    mask = person_mask(96, 96)
    photo = with_person(scene, mask)
    filled = fill_background(photo, mask)
    assert mean_error(filled, scene, grown(mask)) < mean_error(telea(photo, mask), scene, grown(mask)) / 3


def test_fill_leaves_everything_outside_the_grown_mask_exactly(rng):
    photo = rng.integers(0, 256, (70, 91, 3), dtype=np.uint8)
    mask = person_mask(70, 91)
    before = photo.copy()
    filled = fill_background(photo, mask)
    assert np.array_equal(filled[~grown(mask)], photo[~grown(mask)])
    assert np.array_equal(photo, before)
    assert filled.dtype == np.uint8
    assert filled.shape == photo.shape


def test_fill_is_the_same_every_time_for_one_seed(rng):
    photo = cv2.resize(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8), (80, 80))
    mask = person_mask(80, 80)
    assert np.array_equal(fill_background(photo, mask, seed=3), fill_background(photo, mask, seed=3))
    assert not np.array_equal(fill_background(photo, mask, seed=3), fill_background(photo, mask, seed=4))


def test_a_plain_background_stays_plain():
    scene = np.full((80, 64, 3), (231, 229, 17), np.uint8)
    mask = person_mask(80, 64)
    assert worst(fill_background(with_person(scene, mask), mask), scene, grown(mask)) <= 1


def test_a_studio_gradient_shows_no_blotch():
    ramp = np.linspace(150, 230, 96)[:, None] + np.linspace(0, 20, 96)[None, :]
    scene = np.rint(np.repeat(ramp[..., None], 3, axis=2)).astype(np.uint8)
    mask = person_mask(96, 96)
    filled = fill_background(with_person(scene, mask), mask)
    assert mean_error(filled, scene, grown(mask)) < 1.5
    assert worst(filled, scene, grown(mask)) <= 6


def test_a_fringe_of_the_person_does_not_bleed_into_the_fill():
    scene = np.full((96, 96, 3), 200, np.uint8)
    mask = person_mask(96, 96)
    photo = with_person(scene, mask)
    hair = grown(mask) & (np.arange(96) < 24)[:, None]
    photo[cv2.dilate(hair.astype(np.uint8), np.ones((5, 5))) > 0] = (200, 60, 60)
    filled = fill_background(photo, mask)
    middle = person_mask(96, 96) > 0.9
    middle[:40] = False
    assert worst(filled, scene, middle) <= 3


@pytest.mark.parametrize("size_hw", [(64, 64), (65, 97), (200, 31), (7, 9), (1, 1), (2, 300)])
def test_any_size_is_filled(size_hw, rng):
    photo = rng.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    mask = person_mask(*size_hw)
    filled = fill_background(photo, mask)
    assert np.array_equal(filled[~grown(mask)], photo[~grown(mask)])


def test_beyond_the_size_limit_patches_keep_their_sharpness():
    stripes = np.where(np.arange(160) // 5 % 2, 60, 190).astype(np.uint8)
    scene = np.repeat(np.repeat(stripes[:, None], 160, axis=1)[..., None], 3, axis=2)
    mask = person_mask(160, 160)
    filled = fill_background(with_person(scene, mask), mask, size_limit=80)
    assert mean_error(filled, scene, grown(mask)) < 10
    assert filled[grown(mask)].std() > 0.9 * scene[grown(mask)].std()


def test_an_empty_mask_returns_the_photo(wall_and_floor):
    filled = fill_background(wall_and_floor, np.zeros((96, 96), np.float32))
    assert np.array_equal(filled, wall_and_floor)
    assert not np.shares_memory(filled, wall_and_floor)


def test_a_mask_over_everything_gives_one_colour(wall_and_floor):
    filled = fill_background(wall_and_floor, np.ones((96, 96), np.float32))
    assert len(np.unique(filled.reshape(-1, 3), axis=0)) == 1


def test_a_mask_over_nearly_everything_falls_back_to_smooth_colours():
    scene = np.full((60, 60, 3), 140, np.uint8)
    mask = np.ones((60, 60), np.float32)
    mask[:, :5] = 0
    assert worst(fill_background(with_person(scene, mask), mask), scene, mask > 0) <= 1


@pytest.mark.parametrize("side", [np.s_[:40], np.s_[-40:], np.s_[:, :40], np.s_[:, -40:]])
def test_a_mask_at_the_border_is_filled_from_the_other_side(side):
    scene = np.full((96, 96, 3), (120, 130, 140), np.uint8)
    mask = np.zeros((96, 96), np.float32)
    mask[side] = 1
    assert worst(fill_background(with_person(scene, mask), mask), scene, mask > 0) <= 1


def test_small_islands_and_slits_are_filled_too():
    mask = np.zeros((200, 200), np.float32)
    mask[50:190, 80:98] = mask[50:190, 106:124] = 1
    assert grow_mask(mask, 3)[60:180, 98:106].all()


def test_a_view_that_is_not_contiguous_is_filled_alike(wall_and_floor):
    mask = person_mask(96, 96)
    photo = with_person(wall_and_floor, mask)
    turned = fill_background(np.asfortranarray(photo), np.asfortranarray(mask))
    assert np.array_equal(turned, fill_background(photo, mask))


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ShapeError, match="mask must have shape"):
        fill_background(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9), np.float32))


def test_a_mask_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="not finite"):
        fill_background(np.zeros((8, 8, 3), np.uint8), np.full((8, 8), np.nan, np.float32))


def test_patches_are_copied_from_outside_the_barred_part(rng):
    image = rng.uniform(0, 255, (64, 64, 3)).astype(np.float32)
    hole, barred = np.zeros((64, 64), bool), np.zeros((64, 64), bool)
    hole[20:36, 24:36], barred[16:40, 20:50] = True, True
    filled, source = fill_by_patches(image, hole, barred)
    assert not barred[tuple(source[hole].T)].any()
    assert np.array_equal(filled[~hole], image[~hole])


def test_nothing_to_copy_from_is_told():
    image, hole = np.zeros((20, 20, 3), np.float32), np.ones((20, 20), bool)
    hole[0] = False
    assert fill_by_patches(image, hole, hole) is None


def test_gradients_of_a_ramp_are_integrated_to_the_ramp():
    ramp = np.repeat(np.tile(np.arange(40, dtype=np.float32) * 3, (40, 1))[..., None], 3, axis=2)
    hole = np.zeros((40, 40), bool)
    hole[12:24, 14:26] = True
    rows, columns = np.mgrid[:40, :40]
    source = np.stack([rows, columns - 12 * hole], axis=2).astype(np.int32)
    darker = np.where(hole[..., None], ramp - 9, ramp)
    mended = integrate_gradients(darker, hole, source)
    assert np.abs(mended - ramp)[hole].max() < 1.5
    assert np.array_equal(mended[~hole], ramp[~hole])


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("#20C040", (32, 192, 64)),
        ("#fff", (255, 255, 255)),
        ("White", (255, 255, 255)),
        (" teal ", (0, 128, 128)),
        ("rgb(1, 22,255)", (1, 22, 255)),
        ("rgb(1, 2, 256)", None),
        ("#12345", None),
        ("reddish", None),
        ("", None),
    ],
)
def test_parse_colour_reads_the_usual_spellings(text, colour):
    assert parse_colour(text) == colour


def test_load_background_colour_and_transparent():
    plain = load_background("navy", (4, 6))
    assert plain.shape == (4, 6, 3)
    assert (plain == (0, 0, 128)).all()
    assert load_background("Transparent", (4, 6)) is None


def test_load_background_covers_with_the_middle_of_a_picture(tmp_path: Path):
    picture = np.zeros((20, 60, 3), np.uint8)
    picture[:, 20:40] = 250
    write_image(tmp_path / "wall.png", picture)
    loaded = load_background(tmp_path / "wall.png", (40, 40))
    assert loaded.shape == (40, 40, 3)
    assert loaded.min() == 250


@pytest.mark.parametrize("choice", ["no-such.png", "nocolour", "", "x" * 5000, "."])
def test_load_background_refuses_what_it_cannot_use(choice):
    with pytest.raises(InputError, match="neither a picture file nor a colour"):
        load_background(choice, (4, 4))


def test_compose_background_takes_the_filled_photo_unless_told(wall_and_floor):
    assert np.array_equal(compose_background(None, wall_and_floor, (96, 96)), wall_and_floor)
    assert compose_background(None, wall_and_floor, (48, 30)).shape == (48, 30, 3)
    assert (compose_background("lime", wall_and_floor, (8, 8)) == (0, 255, 0)).all()
    assert compose_background("transparent", wall_and_floor, (8, 8)) is None


@pytest.mark.parametrize("size_hw", [(5, 300), (300, 5), (1, 1), (33, 17)])
def test_cover_gives_the_size_asked_for(size_hw, rng):
    assert cover(rng.integers(0, 256, (24, 40, 3), dtype=np.uint8), size_hw).shape == (*size_hw, 3)


def test_fill_is_better_than_telea_on_a_real_room(shared_data):
    video = cv2.VideoCapture(str(shared_data / "people" / "one-by-one-person-detection.mp4"))
    room = cv2.resize(video.read()[1], (384, 216), interpolation=cv2.INTER_AREA)[:, :, ::-1]
    mask = np.zeros((216, 384), np.float32)
    mask[:, 40:180] = person_mask(216, 140)
    photo = with_person(room, mask)
    ours, theirs = fill_background(photo, mask), telea(photo, mask)
    assert mean_error(ours, room, grown(mask)) < 0.75 * mean_error(theirs, room, grown(mask))
