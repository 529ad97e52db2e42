"""MTCNN: three small networks that find faces and five points in each, coarse to fine.

Kept for the published identity scores, which were measured with its crops. Boxes are (x1, y1, x2, y2) in inclusive
pixels, so that a width is x2 - x1 + 1; a fifth column is the score, four more are offsets in shares of the side.

Source: Zhang et al. 2016, "Joint Face Detection and Alignment using Multitask Cascaded Convolutional Networks"; keys
of the three files beside eladrich/pixel2style2pixel.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal, cast

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, Num, UInt8
from numpy import ndarray
from torch import Tensor, nn

from limner.checks import InputError
from limner.face.resample import resize_8bit

Overlap = Literal["union", "min"]
"""What an intersection is divided by: the union, or the smaller area."""

_STRIDE, _CELL = 2, 12  # of the first network: its step, and the side of what it looks at
_MEAN, _SCALE = 127.5, 0.0078125


class _SwappedFlatten(nn.Module):
    """Flattens with the columns before the rows, the order in which the published weights were stored."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(2, 3).flatten(1)


def _trunk(widths: tuple[int, ...], kernels: tuple[int, ...], pools: tuple[int, ...]) -> OrderedDict[str, nn.Module]:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for index, (width, kernel) in enumerate(zip(widths, kernels, strict=True), start=1):
        layers[f"conv{index}"] = nn.Conv2d(channels, width, kernel)
        layers[f"prelu{index}"] = nn.PReLU(width)
        if index <= len(pools):
            layers[f"pool{index}"] = nn.MaxPool2d(pools[index - 1], 2, ceil_mode=True)
        channels = width
    return layers


class ProposalNet(nn.Module):
    """Looks at every patch of 12 pixels; convolutional, so that any picture of at least that size goes in."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(_trunk((10, 16, 32), (3, 3, 3), (2,)))
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B 4 h w"], Float[Tensor, "B 2 h w"]]:
        """Return offsets and probabilities (second channel: a face)."""
        x = self.features(x)
        # Parity: the softmax runs along the width, not over the two classes; the published scores depend on it.
        return self.conv4_2(x), torch.softmax(self.conv4_1(x), dim=-1)


class RefineNet(nn.Module):
    """Looks again at proposals, enlarged to 24 pixels."""

    def __init__(self) -> None:
        super().__init__()
        layers = _trunk((28, 48, 64), (3, 3, 2), (3, 3))
        layers["flatten"] = _SwappedFlatten()
        layers["conv4"], layers["prelu4"] = nn.Linear(576, 128), nn.PReLU(128)
        self.features = nn.Sequential(layers)
        self.conv5_1, self.conv5_2 = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, x: Float[Tensor, "B 3 24 24"]) -> tuple[Float[Tensor, "B 4"], Float[Tensor, "B 2"]]:
        """Return offsets and probabilities."""
        x = self.features(x)
        return self.conv5_2(x), torch.softmax(self.conv5_1(x), dim=-1)


class OutputNet(nn.Module):
    """Decides at 48 pixels, and finds the five points."""

    def __init__(self) -> None:
        super().__init__()
        layers = _trunk((32, 64, 64, 128), (3, 3, 3, 2), (3, 3, 2))
        layers["flatten"] = _SwappedFlatten()
        layers["conv5"], layers["drop5"], layers["prelu5"] = nn.Linear(1152, 256), nn.Dropout(0.25), nn.PReLU(256)
        self.features = nn.Sequential(layers)
        self.conv6_1, self.conv6_2, self.conv6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(
        self, x: Float[Tensor, "B 3 48 48"]
    ) -> tuple[Float[Tensor, "B 10"], Float[Tensor, "B 4"], Float[Tensor, "B 2"]]:
        """Return points (five x, then five y, in shares of the box), offsets and probabilities."""
        x = self.features(x)
        return self.conv6_3(x), self.conv6_2(x), torch.softmax(self.conv6_1(x), dim=-1)


def suppress(boxes: Num[ndarray, "N 5"], threshold: float, overlap: Overlap = "union") -> Int64[ndarray, " M"]:
    """Return the indices of boxes that no better box covers, best first.

    Args:
        boxes: corners in inclusive pixels, and scores.
        threshold: the overlap above which the worse box goes.
        overlap: what the intersection is divided by.
    """
    left, top, right, bottom = boxes[:, :4].T
    areas = (right - left + 1.0) * (bottom - top + 1.0)
    order, kept = np.argsort(boxes[:, 4]), []
    while order.size:
        best, rest = order[-1], order[:-1]
        kept.append(best)
        width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest]) + 1.0
        height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest]) + 1.0
        common = np.maximum(width, 0) * np.maximum(height, 0)
        whole = np.minimum(areas[best], areas[rest]) if overlap == "min" else areas[best] + areas[rest] - common
        order = rest[common / whole <= threshold]
    return np.array(kept, dtype=np.int64)


def make_square(boxes: Num[ndarray, "N C"]) -> Num[ndarray, "N C"]:
    """Return boxes about the same centres whose sides are the longer ones."""
    width, height = boxes[:, 2] - boxes[:, 0] + 1.0, boxes[:, 3] - boxes[:, 1] + 1.0
    side, squares = np.maximum(width, height), np.zeros_like(boxes)
    squares[:, 0] = boxes[:, 0] + width * 0.5 - side * 0.5
    squares[:, 1] = boxes[:, 1] + height * 0.5 - side * 0.5
    squares[:, 2:4] = squares[:, :2] + side[:, None] - 1.0
    return squares


def move_boxes(boxes: Num[ndarray, "N C"], offsets: Num[ndarray, "N 4"]) -> Num[ndarray, "N C"]:
    """Return boxes whose corners moved by offsets in shares of their width and height."""
    sides = boxes[:, 2:4] - boxes[:, :2] + 1.0
    moved = boxes.copy()
    moved[:, :4] += np.tile(sides, 2) * offsets
    return moved


def proposals(
    probability: Float32[ndarray, "h w"], offsets: Float32[ndarray, "1 4 h w"], scale: float, threshold: float
) -> Num[ndarray, "N 9"]:
    """Return what the first network finds at one scale: corners in the full picture, score, offsets."""
    rows, columns = np.where(probability > threshold)
    if rows.size == 0:
        return np.zeros((0, 9))
    start = np.stack([columns, rows], axis=1) * _STRIDE + 1.0
    return np.hstack(
        [
            np.round(start / scale),
            np.round((start + _CELL) / scale),
            probability[rows, columns][:, None],
            offsets[0, :, rows, columns],
        ]
    )


def cut_out(image: UInt8[ndarray, "H W 3"], boxes: Num[ndarray, "N C"], side: int) -> Float32[ndarray, "N 3 S S"]:
    """Return what lies in boxes of whole pixels, black beyond the picture, resized and normalised."""
    patches = np.zeros((len(boxes), 3, side, side), np.float32)
    for index, (left, top, right, bottom) in enumerate(boxes[:, :4].astype(int)):
        if right < left or bottom < top:
            raise InputError(f"a box must not end before it begins, got {(left, top, right, bottom)}")
        patch = np.zeros((bottom - top + 1, right - left + 1, 3), np.uint8)
        x1, y1 = max(left, 0), max(top, 0)
        x2, y2 = max(min(right + 1, image.shape[1]), x1), max(min(bottom + 1, image.shape[0]), y1)
        patch[y1 - top : y2 - top, x1 - left : x2 - left] = image[y1:y2, x1:x2]
        patches[index] = normalise(resize_8bit(patch, (side, side)))
    return patches


def normalise(image: UInt8[ndarray, "H W 3"]) -> Float32[ndarray, "3 H W"]:
    """Return a picture as the three networks see it, about in [-1, 1]."""
    return cast(ndarray, ((image.astype(np.float32) - _MEAN) * _SCALE).transpose(2, 0, 1))
