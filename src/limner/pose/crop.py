"""The published crop: from a person's box to the network's picture and back.

Notation: a crop is told by its centre (x, y) in pixels of the picture and its scale, (width, height) of its box over
200 pixels. Sizes are (h, w). A matrix `crop_from_image` (2, 3) takes points of the picture to the network's input, and
with the size of the heatmaps instead of the input's to their cells. Visibility is 0 or 1 a joint.
Source: Xiao et al. 2018 and Sun et al. 2019; leoxiaobin/deep-high-resolution-net.pytorch `lib/utils/transforms.py`,
`lib/dataset/JointsDataset.py`. Parity: the zoom follows the box's width alone, and there is no half-pixel offset: the
centre of the box goes to (w / 2, h / 2).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from numpy import ndarray

from limner.checks import InputError, ShapeError, check_shape

PIXEL_STD = 200.0  # pixels that a scale of one stands for
BOX_PADDING = 1.25  # `_box2cs`: how much wider than the person's box the crop is
HALF_BODY_PADDING = 1.5  # `half_body_transform`
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)

Points = Float[ndarray, "*rows J 2"]
Visible = Float[ndarray, "*rows J"] | Bool[ndarray, "*rows J"]


def crop_from_box(
    box_xywh: Float[ndarray, "*rows 4"], aspect: float, *, padding: float = BOX_PADDING
) -> tuple[Float32[ndarray, "*rows 2"], Float32[ndarray, "*rows 2"]]:
    """Return the centres and scales of the crops round boxes.

    Args:
        box_xywh: left, top, width, height in pixels.
        aspect: the network input's width over its height; the shorter side of a box is widened to it.
        padding: by how much the crop is larger than the widened box. Parity: as published, a box centred at x = -1 is
            not padded.

    Returns:
        Centre (x, y) in pixels; scale (w, h) over 200 pixels.

    Raises:
        ShapeError: the last axis is not 4.
    """
    if box_xywh.shape[-1:] != (4,):
        raise ShapeError(f"boxes have four numbers each, got the shape {tuple(box_xywh.shape)}")
    x, y, w, h = np.moveaxis(np.asarray(box_xywh, np.float64), -1, 0)
    center = np.stack([x + w * 0.5, y + h * 0.5], axis=-1).astype(np.float32)
    scale = _widened(w, h, aspect)
    padded = np.where(center[..., :1] != -1, np.float32(padding), np.float32(1))
    return center, (scale * padded).astype(np.float32)


def _widened(w: ndarray, h: ndarray, aspect: float) -> ndarray:
    """The smallest size over 200 pixels that holds w x h and has the aspect."""
    return (np.stack([np.maximum(w, h * aspect), np.maximum(h, w / aspect)], axis=-1) / PIXEL_STD).astype(np.float32)


def crop_matrix(
    center: Float[ndarray, "*rows 2"],
    scale: Float[ndarray, "*rows 2"] | float,
    size_hw: tuple[int, int],
    *,
    rotation_deg: Float[ndarray, "*rows"] | float = 0.0,
    shift: Sequence[float] = (0.0, 0.0),
    inverse: bool = False,
) -> Float[ndarray, "*rows 2 3"]:
    """Return crop_from_image, or with `inverse` image_from_crop.

    Args:
        center: of the box in pixels.
        scale: its size over 200 pixels; a number is both sides. Only the width counts.
        size_hw: of the crop in pixels, or of the heatmaps in cells.
        rotation_deg: how far the box is turned, from x towards y.
        shift: moves the box by parts of its (w, h).
        inverse: swap the two sides.

    Raises:
        ShapeError: the last axis of `center` is not 2.
        InputError: the box has no width, a number is not finite, or the crop has no size.

    Source: `get_affine_transform`. Parity: the three pairs of points are rounded to float32, the matrix is solved in
        float64 from them.
    """
    center = np.asarray(center, np.float64)
    if center.shape[-1:] != (2,):
        raise ShapeError(f"centres have two numbers each, got the shape {center.shape}")
    box = np.broadcast_to(np.asarray(scale, np.float64), center.shape) * PIXEL_STD
    angle = np.broadcast_to(np.deg2rad(np.asarray(rotation_deg, np.float64)), center.shape[:-1])
    if not (np.isfinite(center).all() and np.isfinite(angle).all() and (box[..., 0] > 0).all() and min(size_hw) > 0):
        raise InputError(
            f"a crop needs a finite centre and a box with a width, got centre {center.tolist()}, scale "
            f"{np.asarray(scale).tolist()}, size {size_hw}"
        )
    height, width = size_hw
    half = box[..., 0] * 0.5
    image = _three_points(
        center + np.asarray(shift, np.float32) * box, np.stack([np.sin(angle), -np.cos(angle)], -1) * half[..., None]
    )
    crop = np.broadcast_to(
        _three_points(np.array([width * 0.5, height * 0.5]), np.array([0.0, width * -0.5])), image.shape
    )
    given, wanted = (crop, image) if inverse else (image, crop)
    ones = np.ones((*given.shape[:-1], 1))
    return np.linalg.solve(np.concatenate([given, ones], axis=-1), wanted.astype(np.float64)).swapaxes(-1, -2)


def _three_points(base: ndarray, up: ndarray) -> Float[ndarray, "*rows 3 2"]:
    """The box's centre, the middle of its upper side, and the corner that is square to both; rounded to float32."""
    first = base.astype(np.float32)
    second = (base + up).astype(np.float32)
    across = first - second
    third = second + np.stack([-across[..., 1], across[..., 0]], axis=-1)
    return np.stack([first, second, third], axis=-2).astype(np.float64)


def move_points(
    points: Float[ndarray, "*rows J 2"], matrix: Float[ndarray, "*rows 2 3"]
) -> Float[ndarray, "*rows J 2"]:
    """Return the points put through the matrix, in its precision."""
    return points @ matrix[..., :2].swapaxes(-1, -2) + matrix[..., None, :, 2]


def cut_out(
    image: UInt8[ndarray, "H W C"], crop_from_image: Float[ndarray, "2 3"], size_hw: tuple[int, int]
) -> UInt8[ndarray, "h w C"]:
    """Return the crop of a picture: bilinear, black outside, to the grey level of the published crops.

    Args:
        image: any channels.
        crop_from_image: as `crop_matrix` makes it.
        size_hw: of the crop in pixels.

    Raises:
        InputError: the picture has a side of 32767 pixels or more.

    Source: OpenCV 4's `warpAffine`. Parity: published networks saw places rounded to 1/32 pixel; OpenCV 5 warps more
        finely, by up to one grey level, so the rounded places are worked out here and only looked up there.
    """
    if max(image.shape[:2]) > _FARTHEST:
        raise InputError(f"a picture to crop must be smaller than {_FARTHEST + 1} pixels a side, got {image.shape[:2]}")
    height, width = size_hw
    (xx, xy, x0), (yx, yy, y0) = _inverted(crop_from_image)
    columns, rows = np.arange(width), np.arange(height)
    half = 1 << (_TURN_BITS - _PLACE_BITS - 1)
    place = np.empty((height, width, 2), np.int16)
    fraction = np.zeros((height, width), np.int32)
    for axis, (across, down, start) in enumerate(((xx, xy, x0), (yx, yy, y0))):
        fixed = _fixed(down * rows + start)[:, None] + half + _fixed(across * columns)
        fixed >>= _TURN_BITS - _PLACE_BITS
        fraction |= (fixed & (1 << _PLACE_BITS) - 1) << (axis * _PLACE_BITS)
        place[..., axis] = np.clip(fixed >> _PLACE_BITS, -_FARTHEST, _FARTHEST)
    return cv2.remap(image, place, fraction.astype(np.uint16), cv2.INTER_LINEAR)


_TURN_BITS, _PLACE_BITS = 10, 5  # OpenCV's AB_BITS and INTER_BITS
_FARTHEST = 32766  # what its tables of places can hold


def _fixed(places: Float[ndarray, "n"]) -> ndarray:
    return np.rint(np.clip(places, -_FARTHEST, _FARTHEST) * (1 << _TURN_BITS)).astype(np.int32)


def _inverted(matrix: Float[ndarray, "2 3"]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    (a, b, c), (d, e, f) = np.asarray(matrix, np.float64).tolist()
    scale = 1 / (a * e - b * d)
    xx, xy, yx, yy = e * scale, -b * scale, -d * scale, a * scale
    return (xx, xy, -xx * c - xy * f), (yx, yy, -yx * c - yy * f)


def normalise(crop: UInt8[ndarray, "h w 3"], *, as_bgr: bool = False) -> Float32[ndarray, "3 h w"]:
    """Return an RGB crop as the network takes it: over 255, less ImageNet's mean, over its standard deviation.

    Args:
        crop: RGB.
        as_bgr: give blue first. Parity: the official experiments with COLOR_RGB false, and with them the published
            SimpleBaseline weights, apply the statistics of red, green, blue to blue, green, red.

    Raises:
        ShapeError: there are not three channels.
    """
    check_shape(crop, "crop", ("h", "w", 3))
    result = np.empty((3, *crop.shape[:2]), np.float32)
    planes = cv2.split(crop)
    for plane, levels, out in zip(planes[::-1] if as_bgr else planes, _LEVELS, result, strict=True):
        cv2.LUT(plane, levels, out)
    return result


# Every grey level normalised: a table is ten times as fast as the arithmetic, and equal to it.
_LEVELS = ((np.arange(256, dtype=np.float32) / np.float32(255)) - IMAGENET_MEAN[:, None]) / IMAGENET_STD[:, None]


def mirror_order(num_joints: int, flip_pairs: Sequence[Sequence[int]]) -> ndarray:
    """Return for each joint the index of its mirror image, itself for one on the body's middle.

    Raises:
        InputError: a pair names a joint that does not exist.
    """
    order = np.arange(num_joints)
    for left, right in flip_pairs:
        if not (0 <= left < num_joints and 0 <= right < num_joints):
            raise InputError(f"the flip pair ({left}, {right}) names a joint beyond the {num_joints} there are")
        order[[left, right]] = right, left
    return order


def flip_joints(
    joints: Points, visible: Visible, width: int, flip_pairs: Sequence[Sequence[int]]
) -> tuple[Points, Visible]:
    """Return the joints of the mirrored picture.

    Args:
        joints: pixels.
        visible: which may be used.
        width: of the picture.
        flip_pairs: left and right joints that change places.

    Returns:
        Joints and visibility; unseen joints become (0, 0), as published.

    Source: `fliplr_joints`.
    """
    order = mirror_order(joints.shape[-2], flip_pairs)
    seen = visible[..., order]
    mirrored = joints[..., order, :] * [-1, 1] + [width - 1, 0]
    return mirrored * seen[..., None], seen


def half_body_crop(
    joints: Float[ndarray, "J 2"],
    visible: Visible,
    upper_joints: Sequence[int],
    *,
    aspect: float,
    draw: float,
) -> tuple[Float32[ndarray, "2"], Float32[ndarray, "2"]] | None:
    """Return centre and scale of a crop round the upper or the lower half of a person; None with fewer than two joints.

    Args:
        joints: pixels.
        visible: which may be used.
        upper_joints: indices of the joints above the hips.
        aspect: the network input's width over its height.
        draw: a standard normal number; below 0.5 the upper half is preferred, as published.

    Source: `half_body_transform`. Difference: MPII there lacks the aspect and fails.
    """
    seen, is_upper = np.asarray(visible) > 0, np.zeros(len(joints), bool)
    is_upper[list(upper_joints)] = True
    upper, lower = joints[seen & is_upper], joints[seen & ~is_upper]
    if draw < 0.5 and len(upper) > 2:
        chosen = upper
    else:
        chosen = lower if len(lower) > 2 else upper
    if len(chosen) < 2:
        return None
    chosen = chosen.astype(np.float32)
    w, h = np.ptp(chosen, axis=0)
    return chosen.mean(axis=0), _widened(w, h, aspect) * np.float32(HALF_BODY_PADDING)
