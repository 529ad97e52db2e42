"""Turned squares of a picture: where they lie, what they show, and the way back into the picture.

A square is given by its corners, top left, bottom left, bottom right, top right, in pixels with centres at integers: a
crop of S pixels has its pixel (i, j) at the share ((i + 0.5) / S, (j + 0.5) / S) of the square.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Num
from numpy import ndarray

from limner.checks import InputError, check_shape
from limner.types import RgbImage


def turned_square(centre: Float[ndarray, 2], side: float, angle: float = 0.0) -> Float[ndarray, "4 2"]:
    """Return a square about `centre`, its top edge turned clockwise by `angle` radians as seen in the picture."""
    x = np.array([np.cos(angle), np.sin(angle)]) * (side / 2)
    y = np.array([-np.sin(angle), np.cos(angle)]) * (side / 2)
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def square_side(quad: Float[ndarray, "4 2"]) -> float:
    """Return the length of a square's top edge in pixels."""
    return float(np.hypot(*(quad[3] - quad[0])))


def picture_from_crop(quad: Float[ndarray, "4 2"], side: int) -> Float[ndarray, "2 3"]:
    """Return the matrix that takes pixels of a crop of `side` pixels to pixels of the picture.

    Raises:
        ShapeError: there are not four corners.
        InputError: the corners do not span a square.
    """
    check_shape(quad, "corners of a square", (4, 2))
    across, down = (quad[3] - quad[0]) / side, (quad[1] - quad[0]) / side
    if not np.isfinite(quad).all() or abs(across[0] * down[1] - across[1] * down[0]) < 1e-12:
        raise InputError(f"these corners span no square: {np.round(quad, 1).tolist()}")
    return np.column_stack([across, down, quad[0] + (across + down) / 2])


def to_picture(matrix: Float[ndarray, "2 3"], points: Float[ndarray, "*N 2"]) -> Float[ndarray, "*N 2"]:
    """Return points under an affine matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def cut_square(image: RgbImage, quad: Float[ndarray, "4 2"], side: int) -> RgbImage:
    """Return what a square shows as a crop of `side` pixels, bilinear; black beyond the picture.

    For networks that look for things. `cut_quad` gives the encoder what it was trained on.
    """
    shrink = square_side(quad) / side
    if shrink > 2.0:
        # The bilinear warp reads four pixels only, so a strong reduction would alias.
        image, quad = shrunk(image, quad, 1.5 / shrink)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, picture_from_crop(quad, side), (side, side), flags=flags)


def shrunk(image: RgbImage, quad: Float[ndarray, "4 2"], factor: float) -> tuple[RgbImage, Float[ndarray, "4 2"]]:
    """Return a picture made smaller by averaging, and where the square lies in it."""
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    ratio = np.array([small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]])
    return small, (quad + 0.5) * ratio - 0.5


def paste_square(
    crop: Num[ndarray, "S S *C"], quad: Float[ndarray, "4 2"], size_hw: tuple[int, int]
) -> Num[ndarray, "H W *C"]:
    """Return a picture of `size_hw` that shows `crop` where the square lies, and nought elsewhere."""
    matrix = picture_from_crop(quad, crop.shape[0])
    shrink = crop.shape[0] / square_side(quad)
    if shrink > 2.0:
        small = max(1, round(crop.shape[0] * 1.5 / shrink))
        crop = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
        matrix = picture_from_crop(quad, small)
    return cv2.warpAffine(crop, matrix, (size_hw[1], size_hw[0]), flags=cv2.INTER_LINEAR)
