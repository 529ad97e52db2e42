"""The background of the result: the photo with the person taken out, or another picture, a colour, or nothing."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32
from numpy import ndarray

from limner.checks import InputError, check_shape
from limner.motion.membrane import integrate_gradients
from limner.motion.patch_fill import fill_by_patches, smooth_fill
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
        The photo without the person; outside `grow_mask(mask, MARGIN of the longer side)` its pixels are the photo's own.

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
    filled = _fill(
        np.ascontiguousarray(image, dtype=np.float32),
        hole,
        grow_mask(mask, margin + max(2, margin // 2)),
        size_limit,
        seed,
    )
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    share = np.clip(depth / (BLEND + 1), 0, 1)[..., None]
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
    """Return the background to draw on, or None where the caller writes a transparent picture."""
    return cover(filled, size_hw) if choice is None else load_background(choice, size_hw)


def load_background(choice: str | Path, size_hw: tuple[int, int]) -> RgbImage | None:
    """Make a background of `size_hw` from a colour, a picture file, or the word "transparent" (None)."""
    text = str(choice).strip()
    if text.lower() == "transparent":
        return None
    colour = parse_colour(text)
    if colour is not None:
        return np.full((*size_hw, 3), colour, np.uint8)
    if not Path(text).is_file():
        raise InputError(f"the background {text!r} is no colour, no picture file and not the word 'transparent'")
    from limner.media import read_image

    return cover(read_image(Path(text)), size_hw)


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
    """Resize a picture so that it covers `size_hw`, keep its aspect, and cut the middle out."""
    height, width = size_hw
    scale = max(height / picture.shape[0], width / picture.shape[1])
    if scale == 1.0 and picture.shape[:2] == size_hw:
        return picture.copy()
    full_width, full_height = (
        max(n, round(scale * m)) for n, m in ((width, picture.shape[1]), (height, picture.shape[0]))
    )
    resized = cv2.resize(
        picture, (full_width, full_height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    top, left = (full_height - height) // 2, (full_width - width) // 2
    return resized[top : top + height, left : left + width].copy()
