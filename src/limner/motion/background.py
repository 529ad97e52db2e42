"""The background of the result: the photo with the person taken out, or another picture, a colour, or nothing."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.checks import InputError, check_shape
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


def fill_background(image: RgbImage, mask: Float32[ndarray, "H W"], *, size_limit: int = 1024) -> RgbImage:
    """Take the person out of a photo and fill the hole with what could have been behind."""
    check_shape(image, "image", ("H", "W", 3))
    check_shape(mask, "mask", image.shape[:2])
    hole = cv2.dilate((mask > 0.1).astype(np.uint8), np.ones((9, 9), np.uint8))
    if not hole.any() or hole.all():
        return image.copy()
    return cv2.inpaint(image, hole, 3, cv2.INPAINT_TELEA)


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
