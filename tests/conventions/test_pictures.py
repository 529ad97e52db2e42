"""Statements 1 to 9 of docs/conventions.md, with lopsided numbers so that no swapped axis can pass."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from limner.body import picture_from_pixels
from limner.checks import InputError
from limner.media import SOURCE_TYPE, read_image, read_mark, write_image, write_video
from limner.metrics import ssim
from limner.people import find_people
from limner.pose import SKELETONS, convert
from limner.records import Boxes, Keypoints
from limner.render import FaceLabels, condition_map, face_table, rasterise

ONE_FACE_ROUND_3_1 = np.float32([[[-0.45, 0.0, 1.0], [0.1, 0.0, 1.0], [-0.2, 0.5, 1.0]]])


def test_pictures_are_rgb_rows_from_the_top(tmp_path: Path) -> None:
    bgr = np.zeros((4, 6, 3), np.uint8)
    bgr[0, :, 2] = 255  # the top row is red, in OpenCV's order
    cv2.imwrite(str(tmp_path / "red_on_top.png"), bgr)
    image = read_image(tmp_path / "red_on_top.png")
    assert image.shape == (4, 6, 3) and image.dtype == np.uint8
    assert image[0, 5].tolist() == [255, 0, 0] and image[3, 5].tolist() == [0, 0, 0]


def test_points_are_x_y_and_sizes_are_h_w() -> None:
    right_end_of_the_top_row = np.float32([9, 0])
    x, y = picture_from_pixels(right_end_of_the_top_row, (4, 10))
    assert x == pytest.approx(0.9) and y == pytest.approx(-0.3)


def test_pixel_centres_are_at_integers() -> None:
    middle = picture_from_pixels(np.float32([3, 1]), (3, 7))
    assert middle.tolist() == [0, 0]
    left_border = picture_from_pixels(np.float32([-0.5, 1]), (3, 7))
    assert left_border.tolist() == [-1, 0]


def test_boxes_are_left_top_right_bottom() -> None:
    assert len(Boxes(np.float32([[1, 20, 3, 40]]), np.float32([1]))) == 1
    with pytest.raises(InputError, match="right or bottom"):
        Boxes(np.float32([[1, 3, 20, 2]]), np.float32([1]))


def test_scores_lie_between_0_and_1() -> None:
    seen = Keypoints(np.full((1, 17, 2), 5.0), np.full((1, 17), 0.75), "coco17")
    toes = SKELETONS["openpose25"].index("left_big_toe")
    converted = convert(seen, "openpose25")
    assert converted.score.min() >= 0 and converted.score.max() <= 1
    assert converted.score[0, toes] == 0 and np.isfinite(converted.xy[0, toes]).all()


def test_networks_see_minus_1_to_1() -> None:
    eight_bits = np.zeros((8, 9, 3), np.uint8)
    eight_bits[:, 4:] = 255
    floats = np.where(eight_bits == 255, 1.0, -1.0)
    assert ssim(eight_bits, floats) == pytest.approx(1)


def test_person_masks_are_1_on_the_person() -> None:
    from limner.people import Locator

    image = read_image(Path(__file__).parents[2] / "assets" / "demo" / "person.jpg")
    image = cv2.resize(image, (300, 300), interpolation=cv2.INTER_AREA)
    mask = Locator.load("full").mask(image, find_people(image), 0)
    assert mask.shape == (300, 300) and mask.dtype == np.float32
    assert mask[110, 150] > 0.9 and mask[110, 20] < 0.1


def test_network_masks_are_1_on_the_background() -> None:
    raster = rasterise(ONE_FACE_ROUND_3_1, (4, 9))
    labels = FaceLabels(1, np.float32([[[0.2, 0.1], [0.4, 0.1], [0.3, 0.9]]]))
    background = condition_map(face_table(labels, "uv_seg"), raster.face_index)[..., -1]
    assert background[0, 0] == 1 and background[1, 3] == 0


def test_outputs_are_marked_as_synthetic(tmp_path: Path) -> None:
    frame = np.full((16, 24, 3), 90, np.uint8)
    write_image(tmp_path / "picture.png", frame)
    write_video(tmp_path / "video.mp4", [frame] * 3, frame_rate=10)
    assert read_mark(tmp_path / "picture.png") == SOURCE_TYPE
    assert read_mark(tmp_path / "video.mp4") == SOURCE_TYPE
