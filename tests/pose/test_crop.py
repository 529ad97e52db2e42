"""Crops and samples: the published affine map, mirrors, half bodies, and what a sample is made of."""

from __future__ import annotations

import random

import cv2
import numpy as np
import pytest

from limner.checks import InputError, ShapeError
from limner.pose import (
    JOINT_WEIGHTS,
    SKELETONS,
    UPPER_JOINTS,
    Draws,
    SampleConfig,
    crop_from_box,
    crop_matrix,
    cut_out,
    draw_numbers,
    flip_joints,
    half_body_crop,
    mirror_order,
    move_points,
    normalise,
    plain_sample,
    train_sample,
)

CENTER, SCALE = np.array([83.5, 61.25]), np.array([0.4, 0.6])


def picture(size_hw: tuple[int, int] = (120, 161)) -> np.ndarray:
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    return np.stack([x + 10, 2 * y + 5, (x + y) % 256], axis=2).clip(0, 255).astype(np.uint8)


def person() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.uniform((40, 20), (120, 100), (17, 2)), (rng.random(17) < 0.8).astype(np.float32)


CONFIG = SampleConfig(
    (128, 96), (32, 24), flip_pairs=SKELETONS["coco17"].flip_pairs, upper_joints=UPPER_JOINTS["coco17"]
)


def test_crop_takes_the_centre_to_the_middle_and_the_width_to_the_width() -> None:
    matrix = crop_matrix(CENTER, SCALE, (128, 96))
    left = CENTER - [0.5 * 200 * SCALE[0], 0]
    np.testing.assert_allclose(move_points(np.array([CENTER, left]), matrix), [[48, 64], [0, 64]], atol=1e-4)


def test_rotation_turns_from_x_towards_y() -> None:
    matrix = crop_matrix(CENTER, SCALE, (80, 80), rotation_deg=90)
    # The box's upper side points to +x in the picture, so a point to the right of the centre comes out on top.
    np.testing.assert_allclose(move_points(CENTER[None] + [20, 0], matrix), [[40, 20]], atol=1e-4)


def test_inverse_undoes_the_crop() -> None:
    points = np.random.default_rng(0).normal(0, 100, (6, 2))
    there, back = (
        crop_matrix(CENTER, SCALE, (128, 96), rotation_deg=31, shift=(0.1, -0.2), inverse=inverse)
        for inverse in (False, True)
    )
    np.testing.assert_allclose(move_points(move_points(points, there), back), points, atol=1e-3)


def test_many_crops_equal_single_ones_and_a_number_is_both_sides() -> None:
    centers, scales = np.stack([CENTER, CENTER + 7]), np.array([[0.4, 0.4], [1.5, 1.5]])
    many = crop_matrix(centers, scales, (64, 48), rotation_deg=np.array([5, 60]))
    for row, (center, scale, angle) in enumerate(zip(centers, (0.4, 1.5), (5, 60), strict=True)):
        np.testing.assert_array_equal(many[row], crop_matrix(center, scale, (64, 48), rotation_deg=angle))
    assert crop_matrix(np.zeros((0, 2)), np.zeros((0, 2)), (64, 48)).shape == (0, 2, 3)


@pytest.mark.parametrize(
    ("center", "scale", "size_hw", "error"),
    [
        ([1, 2, 3], 1.0, (8, 8), ShapeError),
        ([1, 2], 0.0, (8, 8), InputError),
        ([1, np.nan], 1.0, (8, 8), InputError),
        ([1, 2], np.nan, (8, 8), InputError),
        ([1, 2], 1.0, (0, 8), InputError),
    ],
)
def test_impossible_crops_are_refused(center, scale, size_hw, error) -> None:
    with pytest.raises(error):
        crop_matrix(np.array(center, float), scale, size_hw)


@pytest.mark.parametrize(
    ("box", "scale"),
    [([10, 20, 30, 80], (0.375, 0.5)), ([10, 20, 90, 40], (0.5625, 0.75))],
)
def test_boxes_are_widened_to_the_aspect_and_padded(box, scale) -> None:
    center, found = crop_from_box(np.array(box, float), 0.75)
    np.testing.assert_allclose(center, [box[0] + box[2] / 2, box[1] + box[3] / 2])
    np.testing.assert_allclose(found, scale)
    assert found.dtype == center.dtype == np.float32


def test_boxes_in_rows_and_the_unpadded_quirk() -> None:
    center, scale = crop_from_box(np.array([[-2.0, 0, 2, 8], [0, 0, 2, 8]]), 0.75)
    assert center[0, 0] == -1
    np.testing.assert_allclose(scale[0] * 1.25, scale[1])
    with pytest.raises(ShapeError, match="four numbers"):
        crop_from_box(np.zeros((2, 3)), 1.0)


def test_cut_out_of_whole_pixels_is_a_slice_with_black_round_it() -> None:
    image = picture()
    crop = cut_out(image, np.array([[1.0, 0, -10], [0, 1.0, 4]]), (20, 30))
    assert (crop[:4] == 0).all()
    np.testing.assert_array_equal(crop[4:], image[:16, 10:40])


def test_cut_out_is_near_an_exact_warp() -> None:
    image = picture()
    matrix = crop_matrix(CENTER, SCALE, (128, 96), rotation_deg=17)
    exact = cv2.warpAffine(image.astype(np.float32), matrix, (96, 128))
    inside = cv2.warpAffine(np.ones(image.shape[:2], np.float32), matrix, (96, 128)) == 1
    # Places are rounded to 1/32 pixel: 1/64 pixel off on each axis where grey levels climb by two a pixel.
    assert np.abs(cut_out(image, matrix, (128, 96)) - exact)[inside][:, :2].max() < 1


def test_a_far_away_crop_is_black_and_a_huge_picture_is_refused() -> None:
    assert cut_out(picture(), crop_matrix(np.array([1e6, -1e6]), SCALE, (16, 16)), (16, 16)).max() == 0
    with pytest.raises(InputError, match="smaller than 32767"):
        cut_out(np.zeros((1, 40000, 3), np.uint8), np.eye(2, 3), (4, 4))


def test_normalise_subtracts_the_means_of_the_channels() -> None:
    crop = picture((5, 4))
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(normalise(crop), ((crop / 255 - mean) / std).transpose(2, 0, 1), rtol=1e-5, atol=1e-6)
    swapped = ((crop[..., ::-1] / 255 - mean) / std).transpose(2, 0, 1)
    np.testing.assert_allclose(normalise(crop, as_bgr=True), swapped, rtol=1e-5, atol=1e-6)
    with pytest.raises(ShapeError, match="crop"):
        normalise(crop[..., 0])


def test_flipping_twice_gives_the_visible_joints_back() -> None:
    joints, visible = person()
    pairs = SKELETONS["coco17"].flip_pairs
    once = flip_joints(joints, visible, 161, pairs)
    twice = flip_joints(*once, 161, pairs)
    np.testing.assert_allclose(twice[0], joints * visible[:, None])
    np.testing.assert_array_equal(twice[1], visible)
    assert once[0][2, 0] == pytest.approx((160 - joints[1, 0]) * visible[1])
    with pytest.raises(InputError, match="beyond the 3"):
        mirror_order(3, [(1, 3)])


def test_half_body_chooses_by_the_draw_and_needs_joints() -> None:
    joints, _ = person()
    upper, lower = (half_body_crop(joints, np.ones(17), range(11), aspect=0.75, draw=draw) for draw in (0.49, 0.5))
    np.testing.assert_allclose(upper[0], joints[:11].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(lower[0], joints[11:].mean(axis=0), rtol=1e-5)
    assert upper[1][0] / upper[1][1] == pytest.approx(0.75)
    assert half_body_crop(joints, np.eye(17)[3], range(11), aspect=0.75, draw=0.0) is None
    two_upper = np.eye(17)[3] + np.eye(17)[4]
    assert half_body_crop(joints, two_upper, range(11), aspect=0.75, draw=0.9) is not None


def test_plain_samples_move_visible_joints_only() -> None:
    joints, visible = person()
    sample = plain_sample(picture(), joints, visible, CENTER, SCALE, config=CONFIG)
    matrix = crop_matrix(CENTER, SCALE, (128, 96))
    seen = visible > 0
    np.testing.assert_allclose(sample.joints[seen], move_points(joints, matrix)[seen])
    np.testing.assert_array_equal(sample.joints[~seen], joints[~seen])
    assert sample.image.shape == (3, 128, 96) and sample.target.shape == (17, 32, 24)
    assert sample.rotation_deg == 0 and not sample.is_flipped


def test_train_sample_without_changes_is_the_plain_one() -> None:
    joints, visible = person()
    given = (picture(), joints, visible, CENTER, SCALE)
    plain, trained = plain_sample(*given, config=CONFIG), train_sample(*given, config=CONFIG, draws=Draws())
    for name in ("image", "target", "target_weight", "joints"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(trained, name))


def test_mirrored_sample_shows_the_mirrored_joints() -> None:
    """Where a joint is white in the picture, it is white in the crop, mirrored, turned and scaled as it may be."""
    image, joints = np.zeros((120, 161, 3), np.uint8), np.array([[60.0, 50], [100, 70], [80, 90]])
    for x, y in joints.astype(int):
        cv2.circle(image, (int(x), int(y)), 3, (255, 255, 255), -1)
    config = SampleConfig((128, 96), (32, 24), flip_pairs=((0, 1),))
    draws = Draws(scale=0.4, rotate=0.1, rotation=0.7, flip=0.2)
    sample = train_sample(image, joints, np.ones(3), CENTER, SCALE, config=config, draws=draws)
    assert sample.is_flipped and sample.rotation_deg == pytest.approx(21)
    for x, y in np.rint(sample.joints).astype(int):
        assert sample.image[0, y, x] > 2


def test_factors_are_clipped() -> None:
    joints, visible = person()
    draws = Draws(scale=9.0, rotate=0.0, rotation=-9.0)
    sample = train_sample(picture(), joints, visible, CENTER, SCALE, config=CONFIG, draws=draws)
    np.testing.assert_allclose(sample.scale, SCALE * 1.25)
    assert sample.rotation_deg == -60


def test_draws_are_repeatable_and_only_what_is_needed() -> None:
    config = SampleConfig(half_body_probability=1.0, flip=False)
    first, second = (draw_numbers(config, 9, np.random.RandomState(5), random.Random(5)) for _ in range(2))
    assert repr(first) == repr(second) and np.isnan(first.flip) and not np.isnan(first.half_body_side)
    few = draw_numbers(config, 8, np.random.default_rng(5))
    assert np.isnan(few.half_body) and np.isnan(few.half_body_side)


def test_joints_on_one_spot_make_no_half_body() -> None:
    joints = np.full((17, 2), 50.0)
    draws = Draws(half_body=0.0, half_body_side=0.0)
    config = SampleConfig((128, 96), (32, 24), upper_joints=UPPER_JOINTS["coco17"], half_body_probability=1.0)
    sample = train_sample(picture(), joints, np.ones(17), CENTER, SCALE, config=config, draws=draws)
    np.testing.assert_array_equal(sample.center, CENTER)


def test_samples_refuse_joints_that_do_not_fit() -> None:
    joints, visible = person()
    with pytest.raises(ShapeError, match="visible"):
        plain_sample(picture(), joints, visible[:3], CENTER, SCALE, config=CONFIG)
    joints[4] = np.nan
    with pytest.raises(InputError, match="no finite place"):
        plain_sample(picture(), joints, np.ones(17), CENTER, SCALE, config=CONFIG)


def test_official_joint_lists_fit_their_skeletons() -> None:
    for name, weights in JOINT_WEIGHTS.items():
        skeleton = SKELETONS[name]
        for joint, weight in zip(skeleton.joints, weights, strict=True):
            part = joint.split("_")[-1]
            assert weight == {"elbow": 1.2, "knee": 1.2, "wrist": 1.5, "ankle": 1.5}.get(part, 1), joint
        legs = {i for i, joint in enumerate(skeleton.joints) if joint.endswith(("hip", "knee", "ankle", "pelvis"))}
        assert legs == set(range(len(skeleton))) - set(UPPER_JOINTS[name])
