"""HMR's crop round one person, and the ways back from it to the picture.

Notation: points are (x, y). A crop is cut from the picture scaled by `scale`, with a margin of repeated edge round it;
`start_xy` is its corner in that scaled and PADDED picture, as published. The crop frame spans [-1, 1], y down, and
x_crop_px = (x + 1) / 2 * side. Published rules have no half-pixel offset here.
Source: akanazawa/hmr `demo.py`, `src/util/image.py`, `src/util/openpose.py`, `src/util/renderer.py`;
svip-lab/impersonator `utils/cv_utils.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Float32, Float64, Int64, UInt8
from numpy import ndarray

from limner.checks import InputError, NobodyFound, check_shape
from limner.types import RgbImage

__all__ = [
    "CROP_SIZE",
    "Crop",
    "RenderCamera",
    "camera_in_other_crop",
    "camera_in_picture",
    "cameras_in_crop_pixels",
    "cameras_of_original",
    "crop_of_keypoints",
    "crop_of_picture",
    "cut_crop",
    "network_input",
    "original_from_crop",
    "render_camera",
    "scale_picture",
]

CROP_SIZE = 224
PERSON_PX = 150.0  # the diagonal of a person's box in the crop
SEEN = 0.2  # points of less confidence count for nothing
_FOCAL = 500.0  # of the published overlays, in crop pixels


@dataclass(frozen=True)
class Crop:
    """A crop and where it lies.

    Attributes:
        image: RGB.
        start_xy: its corner in the scaled and padded picture.
        center_xy: the asked centre in the scaled picture without its margin, rounded.
        scale: asked factor of the picture.
        actual_xy: factors of both sides after rounding to whole pixels.
        scaled_hw: size of the scaled picture.
        margin: pixels of repeated edge round the scaled picture.
    """

    image: UInt8[ndarray, "S S 3"]
    start_xy: Int64[ndarray, "2"]
    center_xy: Int64[ndarray, "2"]
    scale: float
    actual_xy: Float64[ndarray, "2"]
    scaled_hw: tuple[int, int]
    margin: int

    @property
    def end_xy(self) -> Int64[ndarray, "2"]:
        """The corner opposite to `start_xy`."""
        return self.start_xy + self.image.shape[0]


def scale_picture(image: RgbImage, scale: float) -> tuple[RgbImage, Float64[ndarray, "2"]]:
    """Scale a picture to whole pixels, cut off; return it with the actual factors along (x, y).

    Raises:
        ShapeError: the picture has not three channels.
        InputError: the scale is not finite and positive, or nothing would be left.

    Source: `resize_img`: bilinear, without smoothing beforehand.
    """
    check_shape(image, "image", ("H", "W", 3))
    height, width = image.shape[:2]
    if not (math.isfinite(scale) and scale > 0):
        raise InputError(f"a picture can be scaled by a finite positive factor only, got {scale}")
    new_h, new_w = math.floor(height * scale), math.floor(width * scale)
    if min(new_h, new_w) < 1:
        raise InputError(f"nothing is left of a picture of {width}x{height} pixels when it is scaled by {scale:g}")
    scaled = cv2.resize(image, (new_w, new_h), interpolation=cv2.INTER_LINEAR)
    return scaled, np.array([new_w / width, new_h / height])


def cut_crop(
    image: RgbImage, scale: float, center_xy: Float[ndarray, "2"], *, size: int = CROP_SIZE, margin: int | None = None
) -> Crop:
    """Scale a picture and cut a square round a point; beyond the picture its edge is repeated.

    Args:
        image: the picture.
        scale: its factor.
        center_xy: the crop's middle in pixels of the picture.
        size: side of the crop.
        margin: counted into `start_xy`: half the side in the original (None), the whole side in impersonator.

    Raises:
        ShapeError: the picture has not three channels, or the centre not two numbers.
        InputError: the scale or the centre is not finite, or nothing would be left.
    """
    center = np.asarray(center_xy, np.float64)
    check_shape(center, "center_xy", (2,))
    if not np.isfinite(center).all():
        raise InputError(f"the centre of a crop must be finite, got {center.tolist()}")
    scaled, actual = scale_picture(image, scale)
    margin = size // 2 if margin is None else margin
    middle = np.round(center * actual).astype(np.int64)  # half to even, as published
    start = middle + margin - size // 2
    cut = cut_repeating_edge(scaled, start - margin, size)
    return Crop(cut, start, middle, float(scale), actual, scaled.shape[:2], margin)


def cut_repeating_edge(image: ndarray, start_xy: Int64[ndarray, "2"], size: int) -> ndarray:
    """Cut a square that may reach beyond the picture."""
    columns, rows = (
        np.clip(np.arange(first, first + size), 0, length - 1)
        for first, length in zip(start_xy.tolist(), image.shape[1::-1], strict=True)
    )
    return np.ascontiguousarray(image[rows[:, None], columns])


def crop_of_picture(size_hw: tuple[int, int], *, size: int = CROP_SIZE) -> tuple[float, Float64[ndarray, "2"]]:
    """Return scale and centre of the crop that holds a whole picture.

    Source: akanazawa/hmr `demo.py`: the longer side fills the crop; the centre is half the size, rounded.
    """
    height, width = size_hw
    return size / max(height, width), np.round(np.array([width, height]) / 2).astype(np.float64)


def crop_of_keypoints(
    keypoints: Float[ndarray, "P K 3"], *, threshold: float = SEEN
) -> tuple[float, Float64[ndarray, "2"]]:
    """Return scale and centre of the crop round the surest person, whose box's diagonal becomes 150 pixels.

    Args:
        keypoints: of everybody, (x, y, confidence), such as OpenPose gives them.
        threshold: points above it count.

    Raises:
        ShapeError: the array has other axes.
        NobodyFound: nobody has a box.

    Source: akanazawa/hmr `src/util/openpose.py` (get_bbox).
    """
    check_shape(keypoints, "keypoints", ("P", "K", 3))
    seen = keypoints[..., 2] > threshold
    sure = [person[mask][:, 2].mean() if mask.any() else -1.0 for person, mask in zip(keypoints, seen, strict=True)]
    if not sure or max(sure) < 0:
        raise NobodyFound(f"no person has a point of more than {threshold:g} confidence")
    best = int(np.argmax(sure))
    points = keypoints[best][seen[best]][:, :2].astype(np.float64)
    low, high = points.min(0), points.max(0)
    diagonal = float(np.linalg.norm(high - low))
    if diagonal <= 0:
        raise NobodyFound("the surest person has a single point, which makes no box")
    return PERSON_PX / diagonal, (low + high) / 2


def network_input(crop: UInt8[ndarray, "S S 3"], *, bgr: bool = False) -> Float32[ndarray, "3 S S"]:
    """Return a crop as the network takes it: [-1, 1], channels first; `bgr` for pytorch_HMR's weights."""
    check_shape(crop, "crop", ("S", "S", 3))
    scaled = (2 * (crop.astype(np.float32) / 255 - 0.5)).transpose(2, 0, 1)
    return np.ascontiguousarray(scaled[::-1] if bgr else scaled)


class RenderCamera(NamedTuple):
    """A perspective camera over the whole picture.

    Attributes:
        focal_px: pixels of the picture.
        center_px: principal point in the picture.
        translation: metres to add to the vertices.
    """

    focal_px: float
    center_px: Float64[ndarray, "2"]
    translation: Float64[ndarray, "3"]


def render_camera(
    weak_camera: Float[ndarray, "3"],
    start_xy: Float[ndarray, "2"],
    scale: float,
    *,
    size: int = CROP_SIZE,
    margin: int | None = None,
) -> RenderCamera:
    """Return the perspective camera that shows the body over the picture as the published overlays do.

    Source: akanazawa/hmr `src/util/renderer.py` (get_original): the depth is that at which a focal length of 500 crop
        pixels gives the weak camera's scale.
    """
    check_shape(weak_camera, "weak_camera", (3,))
    half = size / 2
    s, tx, ty = (float(value) for value in weak_camera)
    center = (half + np.asarray(start_xy, np.float64) - (half if margin is None else margin)) / scale
    return RenderCamera(_FOCAL / scale, center, np.array([tx, ty, _FOCAL / (half * s)]))


def original_from_crop(
    points_px: Float[ndarray, "*rows 2"],
    start_xy: Float[ndarray, "2"],
    scale: float | Float[ndarray, "2"],
    *,
    margin: int = CROP_SIZE // 2,
) -> Float64[ndarray, "*rows 2"]:
    """Take points of a crop, in its pixels, to pixels of the picture; `scale` as asked, or the actual factors."""
    return (np.asarray(points_px, np.float64) + np.asarray(start_xy) - margin) / np.asarray(scale)


def camera_in_picture(weak_camera: Float[ndarray, "*rows 3"], crop: Crop, size_hw: tuple[int, int]) -> ndarray:
    """Take the network's camera over a crop to the picture frame, whose unit is half the longer side.

    Args:
        weak_camera: s, tx, ty over the crop.
        crop: where it lies; the mean of its actual factors counts.
        size_hw: of the picture.
    """
    camera = np.asarray(weak_camera, np.float64)
    check_shape(camera, "weak_camera", (*camera.shape[:-1], 3))
    longer, factor = max(size_hw), float(np.mean(crop.actual_xy))
    half = crop.image.shape[0] / 2
    # The crop's middle, where its frame has 0, in the picture frame.
    middle_px = (half + crop.start_xy - crop.margin) / crop.actual_xy
    middle = (2 * middle_px - (np.array(size_hw[::-1]) - 1)) / longer
    s = camera[..., :1] * 2 * half / (factor * longer)
    return np.concatenate([s, camera[..., 1:] + middle / s], -1)


def cameras_in_crop_pixels(weak_camera: Float[ndarray, "*rows 3"], *, size: int = CROP_SIZE) -> ndarray:
    """Take cameras from a crop's frame to its pixels, origin in its corner: still x = s (X + t)."""
    camera = np.asarray(weak_camera, np.float64)
    return np.concatenate([camera[..., :1] * size / 2, camera[..., 1:] + 1 / camera[..., :1]], -1)


def cameras_of_original(
    weak_camera: Float[ndarray, "*rows 3"],
    scale: Float[ndarray, "*rows"],
    start_xy: Float[ndarray, "*rows 2"],
    *,
    size: int = CROP_SIZE,
    margin: int | None = None,
) -> ndarray:
    """Take cameras of crops to pixels of their pictures, origin in the corner.

    Args:
        weak_camera: over the crops.
        scale: of the crops.
        start_xy: of the crops, in scaled and padded pictures.
        size: side of the crops.
        margin: of the crops; None for the whole side.

    Source: svip-lab/impersonator `utils/cv_utils.py` (cam_init2orig), which pads by the whole side.
    """
    camera = cameras_in_crop_pixels(weak_camera, size=size)
    shift = (np.asarray(start_xy, np.float64) - (size if margin is None else margin)) / camera[..., :1]
    return np.concatenate([camera[..., :1] / np.asarray(scale)[..., None], camera[..., 1:] + shift], -1)


def camera_in_other_crop(
    camera_px: Float[ndarray, "*rows 3"],
    scale: Float[ndarray, "*rows"],
    start_xy: Float[ndarray, "*rows 2"],
    *,
    size: int,
    margin: int | None = None,
) -> ndarray:
    """Take cameras in pixels of pictures to the frames of other crops; undoes `cameras_of_original`.

    Source: svip-lab/impersonator `utils/cv_utils.py` (cam_orig2crop with normalize).
    """
    camera = np.asarray(camera_px, np.float64)
    pixels = camera[..., :1] * np.asarray(scale)[..., None]
    shift = (np.asarray(start_xy, np.float64) - (size if margin is None else margin)) / pixels
    s = pixels * 2 / size
    return np.concatenate([s, camera[..., 1:] - shift - 1 / s], -1)
