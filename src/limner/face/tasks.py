"""What each task of pixel2style2pixel feeds its network: transforms of pictures, label maps and sketches, and back.

Pictures come as RGB of 8 bits and leave as tensors (C, 256, 256). Resizing does not keep the aspect, as published:
aligned faces are square.

Source: Richardson et al. 2021, supplement; the arithmetic of eladrich/pixel2style2pixel, `datasets/augmentations.py`
and `configs/transforms_config.py`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int64, UInt8
from numpy import ndarray
from torch import Tensor

from limner.checks import InputError
from limner.face.resample import resize_8bit

NETWORK_SIDE = 256
UPSCALE_FACTORS = (1, 2, 4, 8, 16, 32)

LabelResize: TypeAlias = Literal["nearest", "published"]
"""How label maps are resized: labels kept, or mixed at borders by a bilinear filter as in the published training."""

# The classes of CelebAMask-HQ in the official order, and the colours that maps are shown in.
LABELS = (
    "background skin nose eye_glasses left_eye right_eye left_brow right_brow left_ear right_ear "
    "mouth upper_lip lower_lip hair hat earring necklace neck cloth"
).split()

LABEL_COLOURS = np.array(
    [
        *[(0, 0, 0), (204, 0, 0), (76, 153, 0), (204, 204, 0), (51, 51, 255), (204, 0, 204), (0, 255, 255)],
        *[(255, 204, 204), (102, 51, 0), (255, 0, 0), (102, 204, 0), (255, 255, 0), (0, 0, 153), (0, 0, 204)],
        *[(255, 51, 153), (0, 204, 204), (0, 51, 0), (255, 153, 51), (0, 204, 0)],
    ],
    np.uint8,
)


def grey(image: UInt8[ndarray, "H W 3"]) -> UInt8[ndarray, "H W"]:
    """Return the brightness of a picture by ITU-R 601, in the fixed point of the published loader."""
    weighted = image.astype(np.int64) @ np.array([19595, 38470, 7471])
    return ((weighted + 32768) >> 16).astype(np.uint8)


def face_tensor(image: UInt8[ndarray, "H W 3"], side: int = NETWORK_SIDE) -> Float32[Tensor, "3 side side"]:
    """Return an RGB picture resized, in [-1, 1]."""
    return _unit(resize_8bit(image, (side, side))) * 2 - 1


def sketch_tensor(image: UInt8[ndarray, "H W *C"], side: int = NETWORK_SIDE) -> Float32[Tensor, "1 side side"]:
    """Return a sketch, grey or RGB, resized, in [0, 1]."""
    flat = grey(image) if image.ndim == 3 else image
    return _unit(resize_8bit(flat, (side, side))[..., None])


def resize_labels(
    labels: UInt8[ndarray, "H W"], how: LabelResize = "nearest", side: int = NETWORK_SIDE
) -> UInt8[ndarray, "side side"]:
    """Return a label map resized.

    Args:
        labels: a class for each pixel.
        how: `published` mixes the numbers of neighbouring classes at borders, as the published training did.
        side: of the result.
    """
    if how == "published":
        return resize_8bit(labels, (side, side))
    rows, columns = ((np.arange(side) + 0.5) / side * length for length in labels.shape)
    return labels[rows.astype(int)[:, None], columns.astype(int)]


def one_hot(labels: UInt8[ndarray, "H W"], num_classes: int) -> Int64[ndarray, "H W K"]:
    """Return one channel a class.

    Raises:
        InputError: a label is outside the classes.
    """
    unknown = np.unique(labels[(labels < 0) | (labels >= num_classes)])
    if unknown.size:
        raise InputError(
            f"a label map of {num_classes} classes may hold 0..{num_classes - 1}, and this one has {unknown.tolist()}"
        )
    return np.eye(num_classes, dtype=np.int64)[labels]


def label_tensor(
    labels: UInt8[ndarray, "H W"],
    num_classes: int = len(LABELS),
    how: LabelResize = "nearest",
    side: int = NETWORK_SIDE,
) -> Float32[Tensor, "K side side"]:
    """Return a label map resized, one channel a class.

    Raises:
        InputError: a label is outside the classes.
    """
    planes = one_hot(resize_labels(labels, how, side), num_classes)
    return torch.from_numpy(np.ascontiguousarray(planes.transpose(2, 0, 1))).float()


def bicubic_taps(factor: int) -> Float32[Tensor, " taps"]:
    """Return the filter that shrinks by `factor`: 4 taps a step, the cubic kernel of Keys 1981 with a = -0.5.

    Raises:
        InputError: the factor is below 1.
    """
    if factor < 1:
        raise InputError(f"a picture shrinks by a factor of at least 1, got {factor}")
    x = ((torch.arange(4 * factor, dtype=torch.float64) - 2 * factor + 0.5) / factor).abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    taps = torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
    return (taps / taps.sum()).float()


def shrink_bicubic(
    x: Float[Tensor, "B C H W"], factor: int, *, bytes_between: bool = False
) -> Float[Tensor, "B C h w"]:
    """Return maps shrunk by `factor`, mirrored beyond the edges; a factor of 1 moves them by half a pixel.

    Args:
        x: maps.
        factor: how much smaller they become, at least 1.
        bytes_between: whether each of the two passes ends in whole numbers of 0..255.

    Raises:
        InputError: the factor is below 1.
    """
    taps, channels = bicubic_taps(factor).to(x), x.shape[1]
    first, last = 3 * factor // 2, 3 * factor - 3 * factor // 2
    for down in (True, False):
        x = F.pad(x, (0, 0, first, last) if down else (first, last, 0, 0), mode="reflect")
        weight = taps.reshape(1, 1, -1, 1) if down else taps.reshape(1, 1, 1, -1)
        stride = (factor, 1) if down else (1, factor)
        x = F.conv2d(x, weight.expand(channels, -1, -1, -1), stride=stride, groups=channels)
        x = x.round().clamp(0, 255) if bytes_between else x
    return x


def low_resolution(image: UInt8[ndarray, "H W 3"], factor: int) -> UInt8[ndarray, "h w 3"]:
    """Return a picture of 256 / factor pixels as the super-resolution task sees it; values are cut to bytes.

    Raises:
        InputError: the factor is not one of 1, 2, 4, 8, 16, 32.
    """
    if factor not in UPSCALE_FACTORS:
        raise InputError(f"pictures are enlarged by one of {UPSCALE_FACTORS}, got {factor}")
    small = shrink_bicubic(_unit(resize_8bit(image, (NETWORK_SIDE, NETWORK_SIDE)))[None], factor)[0]
    bytes_ = (small.clamp(0, 1) * 255).to(torch.uint8)
    return np.ascontiguousarray(bytes_.permute(1, 2, 0).numpy())


def upscale_tensor(image: UInt8[ndarray, "H W 3"], factor: int) -> Float32[Tensor, "3 256 256"]:
    """Return what the super-resolution task feeds: a picture shrunk by `factor`, enlarged again, in [-1, 1].

    Raises:
        InputError: the factor is not one of 1, 2, 4, 8, 16, 32.
    """
    return face_tensor(low_resolution(image, factor))


def draw_factor(random: np.random.RandomState, factors: tuple[int, ...] = UPSCALE_FACTORS) -> int:
    """Draw the factor of one training sample."""
    return int(random.choice(factors, size=1)[0])


def sketch_edges(image: UInt8[ndarray, "H W 3"]) -> UInt8[ndarray, "H W"]:
    """Return the edges of a picture, dark on white: the sketch before any simplification.

    A Sobel filter that is cut at nought sees only edges that brighten; so the inverse is filtered too.
    """
    smooth = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (3, 3), 0)
    both = []
    for picture in (smooth, 255 - smooth):
        across, down = (cv2.Sobel(picture, cv2.CV_8U, dx, 1 - dx, ksize=3) for dx in (1, 0))
        both.append(cv2.bitwise_or(across, down))
    return 255 - cv2.addWeighted(both[0], 0.75, both[1], 0.75, 0)


def picture_of(tensor: Float[Tensor, "3 H W"]) -> UInt8[ndarray, "H W 3"]:
    """Return a picture in [-1, 1] as bytes, cut and not rounded, as the published results are saved."""
    unit = ((tensor.detach().cpu().numpy().transpose(1, 2, 0) + 1) / 2).clip(0, 1)
    return (unit * 255).astype(np.uint8)


def picture_of_labels(planes: Float[Tensor, "K H W"], colours: UInt8[ndarray, "K 3"]) -> UInt8[ndarray, "H W 3"]:
    """Return a label map in colours."""
    return colours[planes.detach().cpu().numpy().argmax(axis=0)]


def picture_of_sketch(sketch: Float[Tensor, "1 H W"]) -> UInt8[ndarray, "H W 3"]:
    """Return a sketch in [0, 1] as three equal channels of bytes."""
    flat = (sketch[0].detach().cpu().numpy() * 255).astype(np.uint8)
    return np.repeat(flat[..., None], 3, axis=2)


def _unit(image: UInt8[ndarray, "H W C"]) -> Float32[Tensor, "C H W"]:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255
