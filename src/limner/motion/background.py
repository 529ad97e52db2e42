"""The background of the result: the photo with the person taken out, or another picture, a colour, or nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32
from numpy import ndarray

from limner.checks import InputError, check_shape
from limner.media import read_image
from limner.motion.membrane import integrate_gradients, smooth_fill
from limner.motion.patch_fill import fill_by_patches
from limner.types import RgbImage

NAMED_COLOURS: dict[str, tuple[int, int, int]] = {
    "aqua": (0, 255, 255),
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "fuchsia": (255, 0, 255),
    "gray": (128, 128, 128),
    "green": (0, 128, 0),
    "grey": (128, 128, 128),
    "lime": (0, 255, 0),
    "maroon": (128, 0, 0),
    "navy": (0, 0, 128),
    "olive": (128, 128, 0),
    "orange": (255, 165, 0),
    "purple": (128, 0, 128),
    "red": (255, 0, 0),
    "silver": (192, 192, 192),
    "teal": (0, 128, 128),
    "white": (255, 255, 255),
    "yellow": (255, 255, 0),
}


MARGIN = 0.012
"""How far the mask is grown, as a share of the picture's longer side, for the hair and fingers that masks miss."""

SPECK_SHARE = 0.002
"""Islands of background smaller than this share of the picture, as between two legs, are mostly fringe and filled."""

BLEND = 3.0
"""Pixels over which the fill takes over from the photo, inside the grown mask."""


def fill_background(
    image: RgbImage, mask: Float32[ndarray, "H W"], *, size_limit: int = 1024, seed: int = 0
) -> RgbImage:
    """Take the person out of a photo and fill the hole with what could have been behind.

    Args:
        image: the photo.
        mask: 1 on the person, 0 on the background, soft at the edge; a shadow on the floor that it leaves out stays.
        size_limit: pixels of the longer side up to which the whole photo is searched for patches; beyond it only
            what was found at half the size is refined.
        seed: of the search; equal seeds give equal pictures.

    Returns:
        The photo without the person; outside the mask grown by `MARGIN` its pixels are the photo's own.

    Raises:
        ShapeError: mask and image differ in size, or the image has not three channels.
        InputError: the mask is not finite.

    Source: `limner.motion.patch_fill` and `limner.motion.membrane`.
    """
    check_shape(image, "image", ("H", "W", 3))
    check_shape(mask, "mask", image.shape[:2])
    if not np.isfinite(mask).all():
        raise InputError("mask holds numbers that are not finite")
    margin = max(2, round(MARGIN * max(image.shape[:2])))
    hole = grow_mask(mask, margin)
    if not hole.any():
        return image.copy()
    # The ring just outside the hole may be compared with but not copied, lest a halo of the person is multiplied.
    barred = grow_mask(mask, margin + max(2, margin // 2))
    filled = _fill(np.ascontiguousarray(image, dtype=np.float32), hole, barred, size_limit, seed)
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    # Never wider than the margin: the blend must not reach the person.
    share = np.clip(depth / min(BLEND + 1, margin), 0, 1)[..., None]
    blended = image + share * (filled - image)
    return np.where(hole[..., None], np.clip(np.rint(blended), 0, 255), image).astype(np.uint8)


def grow_mask(mask: Float32[ndarray, "H W"], margin: int) -> Bool[ndarray, "H W"]:
    """Mark all pixels within `margin` of anything more than a tenth person, and the specks that this shuts in."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    # Closing shuts slits narrower than the disc, as between two legs: what shows there is mostly fringe.
    grown = cv2.morphologyEx(cv2.dilate((mask > 0.1).astype(np.uint8), disc), cv2.MORPH_CLOSE, disc)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - grown, connectivity=4)
    specks = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] < SPECK_SHARE * mask.size)
    return (grown > 0) | np.isin(labels, specks[specks > 0])


def _fill(image: ndarray, hole: ndarray, barred: ndarray, size_limit: int, seed: int) -> ndarray:
    if hole.all():
        rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        return np.broadcast_to(np.median(rim, axis=0), image.shape)
    found = fill_by_patches(image, hole, barred, size_limit=size_limit, seed=seed)
    return smooth_fill(image, hole) if found is None else integrate_gradients(found[0], hole, found[1])


def compose_background(choice: str | Path | None, filled: RgbImage, size_hw: tuple[int, int]) -> RgbImage | None:
    """Choose what lies behind the person in the result.

    Args:
        choice: None for the photo's own background, else as in `load_background`.
        filled: the photo's own background, from `fill_background`.
        size_hw: height and width of the result in pixels.

    Returns:
        A picture of `size_hw`; None where the caller is to write a transparent picture.

    Raises:
        InputError: as in `load_background`.
    """
    return cover(filled, size_hw) if choice is None else load_background(choice, size_hw)


def load_background(choice: str | Path, size_hw: tuple[int, int]) -> RgbImage | None:
    """Make a background from a colour or a picture file.

    Args:
        choice: "#RRGGBB", "#RGB", "rgb(r, g, b)", a basic colour name, "transparent", or the path of a picture, which
            is resized to cover the result and cut at its middle.
        size_hw: height and width of the result in pixels.

    Returns:
        A picture of `size_hw`; None for "transparent".

    Raises:
        InputError: the choice is none of these.
        FileProblem: the file holds no readable picture.
    """
    word = str(choice).strip().lower()
    if word == "transparent":
        return None
    colour = parse_colour(word)
    if colour is not None:
        return np.full((*size_hw, 3), colour, np.uint8)
    if not os.path.isfile(choice):
        raise InputError(
            f"the background {str(choice)!r} is neither a picture file nor a colour such as '#20c040' or 'white' "
            "nor the word 'transparent'"
        )
    return cover(read_image(choice), size_hw)


def parse_colour(text: str) -> tuple[int, int, int] | None:
    """Read "#RRGGBB", "#RGB", "rgb(r, g, b)" or a basic colour name; None where the text is no colour."""
    text = text.strip().lower()
    if text in NAMED_COLOURS:
        return NAMED_COLOURS[text]
    digits = re.fullmatch(r"#([0-9a-f]{6}|[0-9a-f]{3})", text)
    if digits:
        pairs = digits[1] if len(digits[1]) == 6 else "".join(2 * digit for digit in digits[1])
        return (int(pairs[0:2], 16), int(pairs[2:4], 16), int(pairs[4:6], 16))
    numbers = re.fullmatch(r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)", text)
    if numbers and max(map(int, numbers.groups())) <= 255:
        return (int(numbers[1]), int(numbers[2]), int(numbers[3]))
    return None


def cover(picture: RgbImage, size_hw: tuple[int, int]) -> RgbImage:
    """Cut the middle of a picture out in the aspect of `size_hw` and resize it to that."""
    height, width = size_hw
    kept_height = min(picture.shape[0], max(1, round(picture.shape[1] * height / width)))
    kept_width = min(picture.shape[1], max(1, round(picture.shape[0] * width / height)))
    top, left = (picture.shape[0] - kept_height) // 2, (picture.shape[1] - kept_width) // 2
    middle = picture[top : top + kept_height, left : left + kept_width]
    if middle.shape[:2] == size_hw:
        return middle.copy()
    interpolation = cv2.INTER_AREA if kept_height > height else cv2.INTER_CUBIC
    return cv2.resize(middle, (width, height), interpolation=interpolation)
