"""HMR's crops: published rules, ways there and back, edges of the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from limner.body import (
    Augmentation,
    augmented_crop,
    box_cut,
    camera_in_other_crop,
    camera_in_picture,
    cameras_in_crop_pixels,
    cameras_of_original,
    crop_of_keypoints,
    crop_of_picture,
    cut_crop,
    draw_augmentation,
    network_input,
    original_from_crop,
    picture_from_pixels,
    project_weak,
    render_camera,
    scale_picture,
    square_round_box,
)
from limner.checks import InputError, NobodyFound, ShapeError


@pytest.fixture
def picture(rng) -> np.ndarray:
    return rng.integers(0, 256, (90, 140, 3), dtype=np.uint8)


def test_a_point_of_the_picture_comes_back_from_the_crop(picture) -> None:
    crop = cut_crop(picture, 1.3, np.array([50.0, 61.0]))
    points = np.array([[10.0, 20.0], [139.0, 5.0]])
    in_crop = points * crop.actual_xy + crop.margin - crop.start_xy
    np.testing.assert_allclose(original_from_crop(in_crop, crop.start_xy, crop.actual_xy), points)


def test_beyond_the_picture_its_edge_is_repeated(picture) -> None:
    crop = cut_crop(picture, 1.0, np.array([0.0, 0.0]))
    assert crop.image.shape == (224, 224, 3) and crop.start_xy.tolist() == [0, 0] and crop.end_xy.tolist() == [224, 224]
    assert (crop.image[:112, :112] == picture[0, 0]).all()
    np.testing.assert_array_equal(crop.image[112:202, 112:], picture[:, :112])


def test_a_crop_far_outside_keeps_its_size(picture) -> None:
    assert (cut_crop(picture, 1.0, np.array([9000.0, -9000.0])).image == picture[0, -1]).all()


def test_sizes_are_cut_off_and_centres_rounded_half_to_even(picture) -> None:
    scaled, actual = scale_picture(picture, 0.499)
    assert scaled.shape == (44, 69, 3)
    np.testing.assert_allclose(actual, [69 / 140, 44 / 90])
    assert cut_crop(picture, 1.0, np.array([10.5, 11.5])).center_xy.tolist() == [10, 12]


def test_surest_person_becomes_150_pixels_tall() -> None:
    people = np.zeros((2, 4, 3))
    people[0] = [[0, 0, 0.3], [10, 10, 0.3], [5, 5, 0.3], [900, 900, 0.2]]
    people[1] = [[100, 50, 0.9], [160, 130, 0.8], [120, 90, 0.9], [0, 0, 0.1]]
    scale, center = crop_of_keypoints(people)
    assert scale == pytest.approx(150 / 100) and center.tolist() == [130, 90]
    with pytest.raises(NobodyFound, match=r"0\.95"):
        crop_of_keypoints(people, threshold=0.95)
    with pytest.raises(NobodyFound, match="single point"):
        crop_of_keypoints(people[:, :1])
    with pytest.raises(NobodyFound):
        crop_of_keypoints(people[:0])


def test_whole_picture_fills_the_crop() -> None:
    scale, center = crop_of_picture((90, 141))
    assert scale == pytest.approx(224 / 141) and center.tolist() == [70, 45]


def test_network_input_is_channels_first_and_may_be_bgr(picture) -> None:
    square = picture[:32, :32]
    rgb, bgr = network_input(square), network_input(square, bgr=True)
    assert rgb.min() >= -1 and rgb.max() <= 1 and rgb.dtype == np.float32 and bgr.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(rgb[0], bgr[2])
    assert network_input(np.full((2, 2, 3), 255, np.uint8)).max() == 1


def test_camera_in_the_picture_sees_what_the_crop_saw(picture, rng) -> None:
    crop = cut_crop(picture, 2.0, np.array([70.0, 30.0]))  # factors that are exact
    points, camera = rng.normal(size=(5, 3)), np.array([0.8, 0.1, -0.2])
    in_crop = (project_weak(points, camera) + 1) / 2 * 224
    pixels = original_from_crop(in_crop, crop.start_xy, crop.actual_xy)
    found = project_weak(points, camera_in_picture(camera, crop, picture.shape[:2]))
    np.testing.assert_allclose(found, picture_from_pixels(pixels, picture.shape[:2]), atol=1e-12)


def test_render_camera_agrees_with_the_weak_camera_at_the_bodys_depth(rng) -> None:
    camera, start, scale = np.array([0.9, 0.1, -0.05]), np.array([57, 120]), 0.63
    points = np.concatenate([rng.normal(0, 0.3, (6, 2)), np.zeros((6, 1))], 1)
    view = render_camera(camera, start, scale)
    moved = points + view.translation
    seen = view.focal_px * moved[:, :2] / moved[:, 2:] + view.center_px
    in_crop = (project_weak(points, camera) + 1) / 2 * 224
    np.testing.assert_allclose(seen, original_from_crop(in_crop, start, scale))


def test_cameras_go_to_the_original_and_back(rng) -> None:
    cameras = rng.uniform(0.5, 1.2, (4, 3))
    scale, start = rng.uniform(0.5, 1.5, 4), rng.uniform(100, 400, (4, 2))
    original = cameras_of_original(cameras, scale, start)
    np.testing.assert_allclose(camera_in_other_crop(original, scale, start, size=224), cameras)
    points = rng.normal(size=(4, 3, 3))
    in_crop = (project_weak(points, cameras) + 1) / 2 * 224
    np.testing.assert_allclose(project_weak(points, cameras_in_crop_pixels(cameras)), in_crop)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), 1e-4])
def test_impossible_scales_are_refused(picture, scale) -> None:
    with pytest.raises(InputError, match=r"scaled"):
        scale_picture(picture, scale)


def test_impossible_pictures_and_centres_are_refused(picture) -> None:
    with pytest.raises(ShapeError, match="image"):
        scale_picture(picture[..., :1], 1.0)
    with pytest.raises(InputError, match="finite"):
        cut_crop(picture, 1.0, np.array([np.nan, 0]))


def test_mirrored_twice_is_unchanged(picture, rng) -> None:
    label = np.concatenate([rng.uniform(10, 80, (19, 2)), np.ones((19, 1))], 1)
    pose, joints = rng.normal(0, 0.3, 72), rng.normal(size=(14, 3))
    plain = augmented_crop(picture, label, (70, 45), Augmentation(), pose=pose, joints=joints)
    mirror = augmented_crop(picture, label, (70, 45), Augmentation(mirrored=True), pose=pose, joints=joints)
    np.testing.assert_array_equal(mirror.image[:, ::-1], plain.image)
    # 223 - x, then 2 x / 224 - 1: the two sum to -2 / 224.
    np.testing.assert_allclose(mirror.label[0, 0] + plain.label[5, 0], -2 / 224, atol=1e-6)
    np.testing.assert_allclose(mirror.joints.mean(0), 0, atol=1e-6)
    np.testing.assert_array_equal(plain.joints, joints.astype(np.float32))
    assert mirror.pose[3] == pytest.approx(pose[6]) and mirror.pose[4] == pytest.approx(-pose[7])


def test_invisible_joints_are_all_zero_and_inputs_stay(picture, rng) -> None:
    label = np.concatenate([rng.uniform(0, 90, (19, 2)), (np.arange(19) % 2)[:, None]], 1)
    before = label.copy()
    sample = augmented_crop(picture, label, (70, 45), Augmentation((5, -3), 1.1))
    assert (sample.label[::2] == 0).all() and (sample.label[1::2, 2] == 1).all() and sample.pose is None
    np.testing.assert_array_equal(label, before)


def test_augmentations_lie_in_the_published_ranges_and_follow_the_seed() -> None:
    draws = [draw_augmentation(torch.Generator().manual_seed(seed)) for seed in range(300)]
    shifts = np.array([draw.shift_xy for draw in draws])
    scales = np.array([draw.scale for draw in draws])
    assert shifts.min() >= -20 and shifts.max() <= 19 and np.ptp(shifts) > 35
    assert scales.min() >= 0.8 and scales.max() <= 1.23 and np.ptp(scales) > 0.4
    assert 100 < sum(draw.mirrored for draw in draws) < 200
    assert draws[7] == draw_augmentation(torch.Generator().manual_seed(7))


def test_square_and_cut_are_black_beyond_the_picture(picture) -> None:
    low, high = square_round_box(np.array([0.0, 10.0]), np.array([40.0, 80.0]), np.ones(4))
    assert low.tolist() == [-15, 10] and high.tolist() == [55, 80]
    cut, resized = box_cut(picture, low, high)
    assert cut.shape == (70, 70, 3) and resized.shape == (224, 224, 3)
    assert (cut[:, :15] == 0).all()
    np.testing.assert_array_equal(cut[:, 15:], picture[10:80, :55])
    assert (box_cut(picture, np.array([500, 500]), np.array([540, 540]))[0] == 0).all()
    with pytest.raises(InputError, match="empty"):
        box_cut(picture, low, low)
