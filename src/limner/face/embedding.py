"""Whose face it is: 128 numbers for a face, near one another for pictures of one person.

A residual network of 29 convolutions on a 150 x 150 chip. Faces are brought onto the chip by their five points. Two
chips of one person lie about 0.4 apart, of two people 0.8; at 0.6 dlib's authors part them.
Source: King 2017, dlib's `dlib_face_recognition_resnet_model_v1` (CC0), in the 8-bit form of `@vladmandic/face-api`
(MIT); He et al. 2016. Each convolution is followed by a scale and a shift for each channel; padding and pooling are
TensorFlow.js's, with which the weights were published: a halving convolution has no border, and its output is filled up
with zeros where pooling gives one row more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional

from limner.checks import FileProblem, ShapeError, WeightsError, check_file, check_shape
from limner.types import RgbImage
from limner.weights import file_path, load_strictly, read_checkpoint

FACE_EMBEDDING = "face-embedding-dlib"
"""The name of the weights in the registry."""
CHIP = 150
WIDTH = 128
CHIP_POINTS = np.float32([[47.6, 46.6], [100.5, 46.6], [74.0, 76.6], [50.4, 103.0], [97.6, 103.0]])
"""Where the middles of the eyes, the tip of the nose and the corners of the mouth lie on a chip: dlib's mean face and a
quarter of it on each side."""
_MEAN_RGB = (122.782, 117.001, 104.298)
_SCALE = 1 / 256
_STAGES = ((32, 3), (64, 3), (128, 2), (256, 2))  # width, and blocks that keep the size


class _Scaled(nn.Module):
    """A convolution, then a scale and a shift for each channel."""

    def __init__(self, source: int, target: int, kernel: int = 3, *, stride: int = 1) -> None:
        super().__init__()
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(source, target, kernel, stride, padding)
        self.scale = nn.Parameter(torch.ones(target, 1, 1))
        self.shift = nn.Parameter(torch.zeros(target, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.scale + self.shift


class _Block(nn.Module):
    """Two convolutions, added to the input; a halving block adds its pooled input, filled up with zeros."""

    def __init__(self, source: int, target: int, *, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.conv1 = _Scaled(source, target, stride=2 if halves else 1)
        self.conv2 = _Scaled(target, target)

    def forward(self, x: Tensor) -> Tensor:
        made = self.conv2(torch.relu(self.conv1(x)))
        if self.halves:
            x = functional.avg_pool2d(x, 2, 2)
            made = functional.pad(made, (0, x.shape[3] - made.shape[3], 0, x.shape[2] - made.shape[2]))
            x = functional.pad(x, (0, 0, 0, 0, 0, made.shape[1] - x.shape[1]))
        return torch.relu(made + x)


class FaceEmbedder(nn.Module):
    """The network; `load` gives it with its weights."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_MEAN_RGB).reshape(1, 3, 1, 1), persistent=False)
        self.stem = _Scaled(3, 32, 7, stride=2)
        blocks: list[nn.Module] = []
        before = 32
        for stage, (width, kept) in enumerate(_STAGES):
            if stage:
                blocks.append(_Block(before, width, halves=True))
            blocks += [_Block(width, width, halves=False) for _ in range(kept)]
            before = width
        blocks.append(_Block(before, before, halves=True))
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(before, WIDTH, bias=False)

    @classmethod
    def load(cls) -> FaceEmbedder:
        """Return the network with the package's weights.

        Raises:
            WeightsError: the file is damaged.
        """
        network = cls()
        network.load_quantised(read_checkpoint(file_path(FACE_EMBEDDING)))
        return network.eval().requires_grad_(False)

    def forward(self, chips: Float[Tensor, "B 3 150 150"]) -> Float[Tensor, "B 128"]:
        """Return the numbers of each chip.

        Args:
            chips: RGB, 0 to 255.

        Raises:
            ShapeError: the chips are of another size.
        """
        check_shape(chips, "chips", ("B", 3, CHIP, CHIP))
        x = torch.relu(self.stem((chips - self.mean) * _SCALE))
        x = self.blocks(functional.max_pool2d(x, 3, 2))
        return self.last(x.mean(dim=(2, 3)))

    def maps(self, images: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B C h w"]]:
        """Return the maps after the stem and before each halving, of pictures of any size, RGB, 0 to 255."""
        x = torch.relu(self.stem((images - self.mean) * _SCALE))
        kept, x = [x], functional.max_pool2d(x, 3, 2)
        for block in list(self.blocks)[:-1]:
            if isinstance(block, _Block) and block.halves:
                kept.append(x)
            x = block(x)
        return [*kept, x]

    def load_quantised(self, state: Mapping[str, Tensor]) -> None:
        """Load tensors of 8 bits, each with `KEY.range`: its step and its least value; others as they are.

        Raises:
            WeightsError: keys are missing, surplus or of another shape.
        """
        plain = {}
        for key, value in state.items():
            if value.dtype != torch.uint8:
                plain[key] = value
            elif f"{key}.range" in state:
                step, least = state[f"{key}.range"]
                plain[key] = value.float() * step + least
            else:
                raise WeightsError(f"the face embedding's file lacks the range of {key}")
        load_strictly(self, {key: value for key, value in plain.items() if not key.endswith(".range")}, FACE_EMBEDDING)

    @torch.inference_mode()
    def embed(self, image: RgbImage, five: Float[ndarray, "N 5 2"]) -> Float32[ndarray, "N 128"]:
        """Return the numbers of the faces of a picture.

        Args:
            image: RGB.
            five: of each face, as in `Faces.five`.
        """
        if not len(five):
            return np.zeros((0, WIDTH), np.float32)
        chips = np.stack([face_chip(image, points) for points in five])
        return self(torch.from_numpy(chips.astype(np.float32).transpose(0, 3, 1, 2))).numpy()


def face_chip(image: RgbImage, five: Float[ndarray, "5 2"]) -> RgbImage:
    """Bring a face onto the chip by the similarity that fits its five points best.

    Raises:
        ShapeError: there are not five points.
    """
    points = np.asarray(five, np.float64)
    if points.shape != (5, 2):
        raise ShapeError(f"a face has five points (x, y), got {points.shape}", expected="(5, 2)", actual=points.shape)
    source, target = points - points.mean(axis=0), CHIP_POINTS - CHIP_POINTS.mean(axis=0)
    # As complex numbers a similarity is one factor, and the best one a quotient.
    a, b = source[:, 0] + 1j * source[:, 1], target[:, 0] + 1j * target[:, 1]
    factor = (b * a.conj()).sum() / max(float((a * a.conj()).real.sum()), 1e-9)
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    matrix = np.c_[turn, CHIP_POINTS.mean(axis=0) - turn @ points.mean(axis=0)]
    # Large faces are shrunk first: the warp reads single pixels.
    shrink = min(1.0, 2 * abs(factor))
    if shrink < 1:
        size = max(1, round(image.shape[1] * shrink)), max(1, round(image.shape[0] * shrink))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        matrix[:, :2] /= shrink
    return cv2.warpAffine(image, matrix, (CHIP, CHIP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def read_tfjs(manifest: str | Path) -> dict[str, Tensor]:
    """Read the published 8-bit weights under this network's keys, as `FaceEmbedder.load_quantised` takes them.

    Args:
        manifest: `face_recognition_model-weights_manifest.json`, its `.bin` beside it.

    Raises:
        FileProblem: a file is missing, or they do not go together.
    """
    path = check_file(manifest, "weights manifest")
    try:
        group = json.loads(path.read_text(encoding="utf-8"))[0]
        data = b"".join(check_file(path.parent / name, "weight file").read_bytes() for name in group["paths"])
        place, state = 0, {}
        for entry in group["weights"]:
            count, stored = int(np.prod(entry["shape"])), entry.get("quantization")
            kind = np.dtype(np.float32 if stored is None else np.uint8)
            values = np.frombuffer(data, kind, count, place).reshape(entry["shape"])
            place += count * kind.itemsize
            key, kept = _renamed(entry["name"], values)
            state[key] = torch.from_numpy(kept.copy())
            if stored is not None:
                state[f"{key}.range"] = torch.tensor([stored["scale"], stored["min"]])
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise FileProblem(f"{path} and its weights do not go together: {error}") from None
    if place != len(data):
        raise FileProblem(f"{path} names {place} weights, its file holds {len(data)}")
    return state


def _renamed(name: str, values: ndarray) -> tuple[str, ndarray]:
    """The key and the layout of a weight of TensorFlow.js."""
    if name == "fc":
        return "last.weight", values.T
    place, rest = name.split("/", 1)
    if place == "conv32_down":
        prefix = "stem"
    else:
        prefix, rest = f"blocks.{_BLOCKS.index(place)}.{rest.split('/', 1)[0]}", rest.split("/", 1)[1]
    if rest == "conv/filters":
        return f"{prefix}.conv.weight", values.transpose(3, 2, 0, 1)
    if rest == "conv/bias":
        return f"{prefix}.conv.bias", values
    return f"{prefix}.{'scale' if rest == 'scale/weights' else 'shift'}", values[:, None, None]


_KEPT = [[f"conv{width}_{n}" for n in range(1, kept + 1)] for width, kept in _STAGES]
_DOWN = [[] if stage == 0 else [f"conv{width}_down"] for stage, (width, _) in enumerate(_STAGES)]
_BLOCKS = [name for pair in zip(_DOWN, _KEPT, strict=True) for part in pair for name in part] + ["conv256_down_out"]
