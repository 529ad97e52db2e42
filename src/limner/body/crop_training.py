"""Crops to train HMR on: the original's augmentation, and pytorch_HMR's cut.

Labels of joints are (x, y, weight); after a crop x and y lie in [-1, 1] over it, and joints of weight 0 are all zeros.
Source: akanazawa/hmr `src/data_loader.py`, `src/util/data_utils.py`; MandyMo/pytorch_HMR `src/util.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, UInt8
from numpy import ndarray

from limner.body.crop import CROP_SIZE, cut_repeating_edge
from limner.body.rotations import mirror_rotvec
from limner.checks import InputError, check_shape
from limner.pose import SKELETONS
from limner.types import RgbImage, SkeletonName

__all__ = ["Augmentation", "AugmentedSample", "augmented_crop", "box_cut", "draw_augmentation", "square_round_box"]

_SHIFT = 20
_SCALES = (0.8, 1.23)


@dataclass(frozen=True)
class Augmentation:
    """How a sample is changed; nothing by default.

    Attributes:
        shift_xy: of the centre, in pixels before scaling.
        scale: factor of the picture.
        mirrored: whether left and right are exchanged.
    """

    shift_xy: tuple[int, int] = (0, 0)
    scale: float = 1.0
    mirrored: bool = False


def draw_augmentation(generator: torch.Generator) -> Augmentation:
    """Draw one as published: shifts from -20 to 19 pixels, scales from 0.8 to 1.23, every second sample mirrored."""
    shift = torch.randint(-_SHIFT, _SHIFT, (2,), generator=generator).tolist()
    scale = _SCALES[0] + (_SCALES[1] - _SCALES[0]) * float(torch.rand((), generator=generator))
    return Augmentation((shift[0], shift[1]), scale, bool(torch.rand((), generator=generator) < 0.5))


@dataclass(frozen=True)
class AugmentedSample:
    """A crop with its labels.

    Attributes:
        image: RGB in [-1, 1], channels last.
        label: (x, y, weight) over the crop.
        pose: axis-angles, or None.
        joints: in space, metres, or None.
    """

    image: Float32[ndarray, "S S 3"]
    label: Float32[ndarray, "K 3"]
    pose: Float32[ndarray, "72"] | None
    joints: Float32[ndarray, "14 3"] | None


def augmented_crop(
    image: RgbImage,
    label: Float[ndarray, "K 3"],
    center_xy: tuple[int, int] | ndarray,
    augmentation: Augmentation,
    *,
    pose: Float[ndarray, "72"] | None = None,
    joints: Float[ndarray, "14 3"] | None = None,
    skeleton: SkeletonName = "cocoplus19",
    size: int = CROP_SIZE,
) -> AugmentedSample:
    """Shift, scale, cut, mirror and normalise a sample, in this order.

    Args:
        image: the picture.
        label: joints in its pixels.
        center_xy: whole pixels, of the person.
        augmentation: how to change the sample.
        pose: axis-angles of the person, if known.
        joints: in space, LSP's order, if known.
        skeleton: of `label`; it says which joints change places in the mirror.
        size: side of the crop.

    Raises:
        ShapeError: arrays of other shapes.
        InputError: the scale leaves nothing of the picture.

    Source: `image_preprocessing`. Parity: the picture is scaled by TensorFlow 1's bilinear rule, without half-pixel
        offset; the scaled centre is cut to whole pixels; 3D joints lose their mean when, and only when, mirrored.
    """
    check_shape(image, "image", ("H", "W", 3))
    swap = list(SKELETONS[skeleton].mirror)
    check_shape(label, "label", (len(swap), 3))
    scaled, factor = _scaled(image, augmentation.scale)
    center = ((np.asarray(center_xy) + np.asarray(augmentation.shift_xy)).astype(np.float32) * factor).astype(np.int64)
    start = center - size // 2
    crop = cut_repeating_edge(scaled, start, size)
    points = np.array(label, np.float32)
    points[:, :2] = points[:, :2] * factor - start
    pose, joints = (None if array is None else np.array(array, np.float32) for array in (pose, joints))
    if augmentation.mirrored:
        crop, points = crop[:, ::-1], points[swap]
        points[:, 0] = size - 1 - points[:, 0]
        pose = None if pose is None else _mirrored_pose(pose)
        joints = None if joints is None else _mirrored_joints(joints)
    points[:, :2] = 2 * points[:, :2] / size - 1
    points[points[:, 2] <= 0] = 0
    return AugmentedSample(np.ascontiguousarray((crop - 0.5) * 2), points, pose, joints)


def _scaled(image: ndarray, scale: float) -> tuple[Float32[ndarray, "h w 3"], Float32[ndarray, "2"]]:
    """Scale by TensorFlow 1's rule; return [0, 1] floats and the actual factors along (x, y)."""
    size = np.array(image.shape[1::-1], np.float32)
    new = (size * np.float32(scale)).astype(np.int64)
    if new.min() < 1:
        raise InputError(
            f"nothing is left of a picture of {image.shape[1]}x{image.shape[0]} pixels scaled by {scale:g}"
        )
    pixels = image.astype(np.float32) / 255
    across = _resampled(pixels.swapaxes(0, 1), int(new[0])).swapaxes(0, 1)
    return _resampled(across, int(new[1])), (new / size).astype(np.float32)


def _resampled(rows: ndarray, count: int) -> ndarray:
    """Bilinear along the first axis: row i comes from i * old / new."""
    place = np.arange(count, dtype=np.float32) * (np.float32(len(rows)) / np.float32(count))
    before = place.astype(np.int64)
    after = np.minimum(before + 1, len(rows) - 1)
    share = (place - before)[:, None, None]
    return rows[before] + (rows[after] - rows[before]) * share


def _mirrored_pose(pose: ndarray) -> ndarray:
    return mirror_rotvec(torch.from_numpy(pose.reshape(24, 3))).numpy().reshape(72)


def _mirrored_joints(joints: ndarray) -> ndarray:
    mirrored = joints[list(SKELETONS["lsp14"].mirror)] * np.array([-1, 1, 1], np.float32)
    return mirrored - mirrored.mean(0)


def square_round_box(
    left_top: Float[ndarray, "2"], right_bottom: Float[ndarray, "2"], factors: Float[ndarray, "4"]
) -> tuple[Float64[ndarray, "2"], Float64[ndarray, "2"]]:
    """Return the corners of pytorch_HMR's square round a box.

    Args:
        left_top: of the box, (x, y).
        right_bottom: of the box.
        factors: by which its left, right, upper and lower half are widened.

    Source: MandyMo/pytorch_HMR `src/util.py` (get_image_cut_box). Parity: the centre is cut to whole pixels, and the
        larger extent is halved to whole pixels.
    """
    left_top, right_bottom = np.asarray(left_top, np.float64), np.asarray(right_bottom, np.float64)
    check_shape(factors, "factors", (4,))
    center, half = (left_top + right_bottom) / 2, (right_bottom - left_top) / 2
    low, high = center - half * factors[[0, 2]], center + half * factors[[1, 3]]
    middle, reach = np.trunc((low + high) / 2), ((high - low) // 2).max()
    return middle - reach, middle + reach


def box_cut(
    image: RgbImage, left_top: Float[ndarray, "2"], right_bottom: Float[ndarray, "2"], *, size: int = CROP_SIZE
) -> tuple[UInt8[ndarray, "s s 3"], UInt8[ndarray, "S S 3"]]:
    """Cut a square, black beyond the picture, and scale it to the network's side; return both.

    Raises:
        ShapeError: the picture has not three channels.
        InputError: the square is empty.
    """
    check_shape(image, "image", ("H", "W", 3))
    (x0, y0), (x1, y1) = (np.asarray(corner).astype(np.int64) for corner in (left_top, right_bottom))
    if x1 <= x0 or y1 <= y0:
        raise InputError(f"the square from {(int(x0), int(y0))} to {(int(x1), int(y1))} is empty")
    cut = np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
    top, left = max(y0, 0), max(x0, 0)
    inside = image[top : max(y1, top), left : max(x1, left)]
    cut[top - y0 : top - y0 + inside.shape[0], left - x0 : left - x0 + inside.shape[1]] = inside
    return cut, cv2.resize(cut, (size, size), interpolation=cv2.INTER_CUBIC)
