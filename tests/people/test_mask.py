import cv2
import numpy as np
import pytest

from limner.checks import InputError, ShapeError
from limner.people import refine_mask
from limner.people.mask import local_lines


def person_picture(rng):
    """A brown figure with two legs and a gap between them, on a grey wall; and its exact mask."""
    height, width = 240, 200
    exact = np.zeros((height, width), np.uint8)
    cv2.ellipse(exact, (100, 50), (22, 28), 0, 0, 360, 1, -1)
    cv2.rectangle(exact, (70, 70), (130, 150), 1, -1)
    cv2.rectangle(exact, (72, 150), (92, 225), 1, -1)
    cv2.rectangle(exact, (108, 150), (128, 225), 1, -1)
    image = np.where(exact[..., None] == 1, (120, 70, 40), (190, 195, 200)) + rng.normal(0, 4, (height, width, 3))
    return image.clip(0, 255).astype(np.uint8), exact.astype(np.float32)


def test_refine_mask_moves_the_edge_onto_the_picture(rng):
    image, exact = person_picture(rng)
    rough = cv2.GaussianBlur(cv2.dilate(exact, np.ones((5, 5))), (0, 0), 2.0)
    refined = refine_mask(image, rough)
    assert refined.shape == exact.shape and refined.dtype == np.float32
    assert np.abs(refined - exact).mean() < np.abs(rough - exact).mean() / 3
    assert refined[155:220, 96:104].max() < 0.1  # the gap between the legs stays open
    assert refined[exact > 0][cv2.erode(exact, np.ones((9, 9)))[exact > 0] > 0].min() > 0.95


def test_refine_mask_has_no_holes_and_no_islands(rng):
    image, exact = person_picture(rng)
    image[100:106, 95:101] = (190, 195, 200)  # a button of the wall's colour
    image[20:30, 160:170] = (120, 70, 40)  # a brown thing on the wall
    rough = cv2.GaussianBlur(exact, (0, 0), 2.0)
    refined = refine_mask(image, rough)
    assert refined[100:106, 95:101].min() > 0.9
    assert refined[:, 150:].max() < 0.05


def test_refine_mask_keeps_both_parts_of_a_person_behind_a_bar(rng):
    image, exact = person_picture(rng)
    image[160:170] = (40, 160, 40)
    rough = cv2.GaussianBlur(exact, (0, 0), 1.0)
    rough[158:172] = 0
    refined = refine_mask(image, rough)
    assert refined[185:215, 78:86].min() > 0.9
    assert refined[90:140, 80:120].min() > 0.9


def test_refine_mask_at_the_picture_border_cuts_nothing_off(rng):
    image, exact = person_picture(rng)
    image, exact = image[40:200, 60:140], exact[40:200, 60:140]  # head and feet lie outside
    refined = refine_mask(np.ascontiguousarray(image), cv2.GaussianBlur(exact, (0, 0), 1.5))
    assert refined[0, 35:45].min() > 0.9
    assert refined[-1, 16:28].min() > 0.9


def test_refine_mask_nobody_and_everything(rng):
    image, _ = person_picture(rng)
    assert not refine_mask(image, np.zeros((240, 200), np.float32)).any()
    assert refine_mask(image, np.ones((240, 200), np.float32)).min() > 0.9


def test_refine_mask_leaves_its_inputs_alone(rng):
    image, exact = person_picture(rng)
    before = image.copy(), exact.copy()
    refine_mask(image, exact)
    assert (image == before[0]).all() and (exact == before[1]).all()


def test_refine_mask_refuses_other_sizes_and_nan(rng):
    image, exact = person_picture(rng)
    with pytest.raises(ShapeError, match="mask must have shape"):
        refine_mask(image, exact[:-1])
    exact[0, 0] = np.nan
    with pytest.raises(InputError, match="not finite"):
        refine_mask(image, exact)


def test_local_lines_reproduce_a_line_of_the_guide(rng):
    guide = rng.random((20, 24, 3)).astype(np.float32)
    values = (guide @ np.array([0.5, -0.2, 0.3]) + 0.1).astype(np.float32)
    slope, offset = local_lines(guide, values, 3, 1e-6)
    assert (slope * guide).sum(axis=-1) + offset == pytest.approx(values, abs=1e-3)


def test_local_lines_of_a_flat_guide_are_the_mean(rng):
    values = rng.random((20, 24)).astype(np.float32)
    slope, offset = local_lines(np.full((20, 24, 3), 0.5, np.float32), values, 2, 1e-3)
    assert np.abs(slope).max() < 1e-3
    assert offset[10, 12] == pytest.approx(cv2.blur(cv2.blur(values, (5, 5)), (5, 5))[10, 12], abs=1e-3)
