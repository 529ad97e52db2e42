"""Alignment: where a face lies, and the crop that the networks were trained on.

Two rules. FFHQ's (Karras et al. 2019, appendix C) takes a turned square about eyes and mouth, with hair and neck, for
encoders and generators; ArcFace's maps five points onto fixed places in 112 pixels, for recognisers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy import ndimage

from limner.checks import InputError, check_shape
from limner.face.resample import resize_8bit, warp_affine_8bit, warp_quad

ALIGNED_SIDE = 256
_LEFT_EYE, _RIGHT_EYE, _MOUTH = slice(36, 42), slice(42, 48), (48, 54)  # of the 68 points of iBUG
ARCFACE_SIDE = 112

ARCFACE_POINTS = np.array(
    [
        [38.29459953, 51.69630051],
        [73.53179932, 51.50139999],
        [56.02519989, 71.73660278],
        [41.54930115, 92.3655014],
        [70.72990036, 92.20410156],
    ]
)
"""Where left eye, right eye, nose and the corners of the mouth go, in 112 pixels."""


@dataclass(frozen=True)
class AlignedFace:
    """A face cut out of a picture by FFHQ's rule.

    Attributes:
        image: the crop, RGB.
        quad: its corners in the picture: top left, bottom left, bottom right, top right.
        working_quad: the corners that the last warp took, in the shrunk, cut and padded picture; (0, 0) is the corner
            of its first pixel.
        working_size: width and height of that picture.
    """

    image: UInt8[ndarray, "S S 3"]
    quad: Float[ndarray, "4 2"]
    working_quad: Float[ndarray, "4 2"]
    working_size: tuple[int, int]


def face_quad(
    left_eye: Float[ndarray, " 2"], right_eye: Float[ndarray, " 2"], mouth: Float[ndarray, "2 2"]
) -> Float[ndarray, "4 2"]:
    """Return the corners of FFHQ's turned square: top left, bottom left, bottom right, top right.

    Args:
        left_eye: middle of the eye on the left of the picture, pixels.
        right_eye: middle of the other.
        mouth: its corners, left and right.

    Raises:
        InputError: the points coincide, so that they give no direction.
    """
    eyes = (left_eye + right_eye) / 2
    across, to_mouth = right_eye - left_eye, mouth.mean(axis=0) - eyes
    x = across - to_mouth[::-1] * [-1, 1]
    length = np.hypot(*x)
    if not np.isfinite(length) or length == 0:
        raise InputError("eyes and mouth give no direction to a face: their points coincide or are not finite")
    x = x / length * max(2.0 * np.hypot(*across), 1.8 * np.hypot(*to_mouth))
    y = x[::-1] * [-1, 1]
    centre = eyes + 0.1 * to_mouth
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def align_ffhq(
    image: UInt8[ndarray, "H W 3"], landmarks: Float[ndarray, "68 2"], side: int = ALIGNED_SIDE
) -> AlignedFace:
    """Cut a face out by FFHQ's rule.

    Args:
        image: RGB.
        landmarks: the 68 points of iBUG, pixels.
        side: of the crop.

    Raises:
        ShapeError: there are not 68 points.
        InputError: eyes and mouth coincide.
    """
    check_shape(landmarks, "landmarks", (68, 2))
    points = np.asarray(landmarks, np.float64)
    mouth = points[list(_MOUTH)]
    quad = face_quad(points[_LEFT_EYE].mean(axis=0), points[_RIGHT_EYE].mean(axis=0), mouth)
    return cut_quad(image, quad, side)


def cut_quad(image: UInt8[ndarray, "H W 3"], quad: Float[ndarray, "4 2"], side: int = ALIGNED_SIDE) -> AlignedFace:
    """Cut a turned square out of a picture: shrunk first where it is much larger, mirrored and blurred beyond edges.

    Args:
        image: RGB.
        quad: corners top left, bottom left, bottom right, top right, pixels.
        side: of the crop.
    """
    whole, corners = quad, np.array(quad, np.float64)
    length = 2 * float(np.hypot(*(quad[3] - quad[0]))) / 2
    shrink = int(np.floor(length / side * 0.5))
    if shrink > 1:
        size = (round(image.shape[1] / shrink), round(image.shape[0] / shrink))
        image, corners, length = resize_8bit(image, size, "lanczos"), corners / shrink, length / shrink
    border = max(round(length * 0.1), 3)
    image, corners = _crop(image, corners, border)
    image, corners = _pad(image, corners, border, length)
    crop = warp_quad(image, corners + 0.5, side)
    return AlignedFace(crop, whole, corners + 0.5, (image.shape[1], image.shape[0]))


def _bounds(quad: ndarray) -> tuple[ndarray, ndarray]:
    return np.floor(quad.min(axis=0)).astype(int), np.ceil(quad.max(axis=0)).astype(int)


def _crop(image: ndarray, quad: ndarray, border: int) -> tuple[ndarray, ndarray]:
    low, high = _bounds(quad)
    low = np.maximum(low - border, 0)
    high = np.minimum(high + border, [image.shape[1], image.shape[0]])
    return image[low[1] : high[1], low[0] : high[0]], quad - low


def _pad(image: ndarray, quad: ndarray, border: int, length: float) -> tuple[ndarray, ndarray]:
    low, high = _bounds(quad)
    before = np.maximum(border - low, 0)
    after = np.maximum(high - [image.shape[1], image.shape[0]] + border, 0)
    if max(*before, *after) <= border - 4:
        return image, quad
    least = round(length * 0.3)
    before, after = np.maximum(before, least), np.maximum(after, least)
    widths = ((before[1], after[1]), (before[0], after[0]), (0, 0))
    padded = np.pad(image.astype(np.float32), widths, "reflect")
    return _soften(padded, before, after, length * 0.02), quad + before


def _soften(padded: ndarray, before: ndarray, after: ndarray, sigma: float) -> ndarray:
    """Blur what lies beyond the picture, and fade it to the median colour farther out."""
    height, width = padded.shape[:2]
    columns, rows = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
    x = np.minimum(columns / np.float32(before[0]), (width - 1 - columns) / np.float32(after[0]))
    y = np.minimum(rows / np.float32(before[1]), (height - 1 - rows) / np.float32(after[1]))
    outside = np.maximum(1.0 - x, 1.0 - y)[..., None]
    blurred = ndimage.gaussian_filter(padded, [sigma, sigma, 0])
    padded = padded + (blurred - padded) * np.clip(outside * 3.0 + 1.0, 0.0, 1.0)
    padded += (np.median(padded, axis=(0, 1)) - padded) * np.clip(outside, 0.0, 1.0)
    return np.clip(np.rint(padded), 0, 255).astype(np.uint8)


def arcface_matrix(points: Float[ndarray, "5 2"]) -> Float[ndarray, "2 3"]:
    """Return the similarity that takes five points of a face onto their places in ArcFace's square.

    The fit is made from the square to the picture and then inverted, as published; a mirrored one is taken where it
    scores better.

    Args:
        points: left eye, right eye, nose, left and right corner of the mouth, pixels.

    Raises:
        ShapeError: there are not five points.
        InputError: the points coincide.
    """
    check_shape(points, "points of a face", (5, 2))
    source, target = np.asarray(points, np.float32).astype(np.float64), ARCFACE_POINTS
    mirrored = target * [-1, 1]
    straight = _similarity(source, target)
    turned = np.diag([-1.0, 1.0, 1.0]) @ _similarity(source, mirrored)
    # Parity: the published code has mirrored its targets in place by the time it scores, so both are judged by those.
    errors = [np.linalg.norm(source @ m[:2, :2].T + m[:2, 2] - mirrored) for m in (straight, turned)]
    return (straight if errors[0] <= errors[1] else turned)[:2]


def _similarity(source: ndarray, target: ndarray) -> ndarray:
    """The inverse of the least-squares similarity, turning and scaling only, from `target` to `source`."""
    x, y = target.T
    ones, noughts = np.ones_like(x), np.zeros_like(x)
    table = np.vstack([np.stack([x, y, ones, noughts], axis=1), np.stack([y, -x, noughts, ones], axis=1)])
    (a, b, tx, ty), _, rank, _ = np.linalg.lstsq(table, source.T.ravel(), rcond=None)
    if rank < 4 or a * a + b * b == 0:
        raise InputError("the five points of a face coincide, so that no similarity fits them")
    return np.linalg.inv(np.array([[a, b, tx], [-b, a, ty], [0.0, 0.0, 1.0]]))


def warp_arcface(
    image: UInt8[ndarray, "H W 3"], points: Float[ndarray, "5 2"]
) -> tuple[UInt8[ndarray, "112 112 3"], Float[ndarray, "2 3"]]:
    """Return the face as a recogniser wants it, black beyond the picture, and the matrix from picture to crop.

    Raises:
        ShapeError: there are not five points.
        InputError: the points coincide.
    """
    matrix = arcface_matrix(points)
    return warp_affine_8bit(image, matrix, (ARCFACE_SIDE, ARCFACE_SIDE)), matrix
