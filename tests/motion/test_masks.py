"""Masks and boxes of the published systems."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from limner.checks import InputError
from limner.motion.masks import body_box, dilate, erode, has_area, head_box, mask_box


def rectangle(size_hw: tuple[int, int], rows: slice, columns: slice) -> torch.Tensor:
    mask = torch.zeros(1, 1, *size_hw)
    mask[0, 0, rows, columns] = 1
    return mask


def spans(mask: torch.Tensor) -> tuple[int, int, int, int]:
    rows, columns = torch.nonzero(mask[0, 0], as_tuple=True)
    return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())


def test_erode_takes_half_the_kernel_from_each_side_but_not_at_the_border() -> None:
    mask = rectangle((11, 17), slice(2, 9), slice(0, 8))
    assert spans(erode(mask, 3)) == (3, 7, 0, 6)
    assert spans(erode(mask, 5)) == (4, 6, 0, 5)


def test_dilate_adds_half_the_kernel_to_each_side() -> None:
    assert spans(dilate(rectangle((11, 17), slice(5, 6), slice(9, 10)), 5)) == (3, 7, 7, 11)
    assert spans(dilate(rectangle((11, 17), slice(5, 6), slice(9, 10)), 1)) == (5, 5, 9, 9)


def test_erosion_is_dilation_of_the_other_side(rng: np.random.Generator) -> None:
    mask = torch.from_numpy((rng.random((2, 1, 9, 13)) > 0.3).astype(np.float32))
    assert torch.equal(erode(mask, 3), 1 - dilate(1 - mask, 3))


def test_dilation_sums_soft_masks() -> None:
    soft = torch.full((1, 1, 3, 4), 0.2)
    assert dilate(soft, 3)[0, 0].tolist() == [[0, 1, 1, 0], [1, 1, 1, 1], [0, 1, 1, 0]]


@pytest.mark.parametrize("operation", [erode, dilate])
@pytest.mark.parametrize("size", [0, 2, 4, -3])
def test_even_kernels_are_refused(operation, size: int) -> None:
    with pytest.raises(InputError, match=f"odd and positive, got {size}"):
        operation(torch.ones(1, 1, 5, 6), size)


def keypoints(body: tuple[float, float], head: tuple[float, float]) -> torch.Tensor:
    """Nineteen keypoints on two points."""
    points = torch.tensor(body).repeat(1, 19, 1)
    points[:, 12:19] = torch.tensor(head)
    return points


def test_head_box_has_a_margin_except_below() -> None:
    box = head_box(keypoints((0.0, 0.8), (0.21, -0.59)), (100, 200))
    assert box.tolist() == [[111, 131, 15, 20]]


def test_body_box_grows_about_its_middle_and_stays_inside() -> None:
    box = body_box(keypoints((-0.485, 0.815), (0.515, -0.185)), (100, 200))
    assert box.tolist() == [[41, 161, 35, 95]]
    assert body_box(keypoints((-1.5, 0.8), (1.5, -0.2)), (100, 200))[0, :2].tolist() == [0, 200]


def test_a_head_outside_the_picture_has_no_area() -> None:
    box = head_box(torch.cat([keypoints((0, 0), (0.2, -0.6)), keypoints((0, 0), (3.0, 0.0))]), (100, 100))
    assert has_area(box).tolist() == [True, False]


def test_mask_box_is_grown_and_leans_to_the_top_left() -> None:
    box, valid = mask_box(rectangle((40, 60), slice(10, 16), slice(20, 31)), 2.0)
    assert box.tolist() == [[15, 35, 7, 17]] and valid.tolist() == [1]


def test_an_empty_mask_gives_the_whole_picture() -> None:
    masks = torch.cat([torch.zeros(1, 1, 40, 60), rectangle((40, 60), slice(3, 4), slice(5, 9))])
    box, valid = mask_box(masks, 1.1)
    assert box.tolist() == [[0, 60, 0, 40]] * 2 and valid.tolist() == [0, 0]
