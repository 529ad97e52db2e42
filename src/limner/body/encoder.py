"""Picture encoders of HMR: a crop in, one row of features a person out.

Three go under the name: the pre-activation ResNet-50 of the original and of `hmr_tf2pt.pth`, the ordinary ResNet-50 of
pytorch_HMR, and a light one for a CPU that takes what the shipped pose network saw (`limner.body.landmark_network`).

Sources: Kanazawa et al. 2018 (HMR); He et al. 2016b, "Identity Mappings in Deep Residual Networks"; akanazawa/hmr
`src/models.py`, svip-lab/impersonator `networks/hmr.py`, MandyMo/pytorch_HMR `src/Resnet.py`.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limner.body.landmark_network import LandmarkEncoder
from limner.checks import InputError, ShapeError
from limner.pose import block_row
from limner.types import EncoderName

__all__ = ["ENCODERS", "PreactResNet50", "ResNet50", "build_encoder"]

Image = Float[Tensor, "B 3 H W"]
Map = Float[Tensor, "B C h w"]
Features = Float[Tensor, "B D"]

_COUNTS = (3, 4, 6, 3)  # blocks of the four stages
_STEP = 32  # pictures' sides must be multiples of it, so that no map has half a pixel
_MOMENTUM = 0.003  # the share of a new value, where TensorFlow counts that of the old, 0.997


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=_MOMENTUM)


class PreactBottleneck(nn.Module):
    """Norm and ReLU before each of three convolutions; the sum is left as it is.

    Parity: as published, the first convolution of a unit has no bias, the last one and the shortcut have; a shortcut of
    another width starts from the normed picture, and a plain one takes every `stride`-th pixel.
    """

    def __init__(self, inputs: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        outputs = 4 * planes
        self.stride = stride
        self.bn1 = _norm(inputs)
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn2 = _norm(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn3 = _norm(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1)
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride)) if inputs != outputs else None

    def forward(self, x: Map) -> Map:
        """Return the raw sum, before the next unit's norm."""
        before = torch.relu_(self.bn1(x))
        y = torch.relu_(self.bn2(self.conv1(before)))
        y = self.conv3(torch.relu_(self.bn3(self.conv2(y))))
        if self.shortcut is not None:
            return y + self.shortcut(before)
        return y + (x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride])


class PreactResNet50(nn.Module):
    """ResNet-50 v2 with the strides on the LAST units of the first three stages, as published.

    Attributes:
        num_features: numbers a picture.
    """

    num_features = 2048

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3)
        # Parity: TensorFlow pads an even map on the right and below only; padding all round moves theta by tenths.
        self.maxpool = nn.MaxPool2d(3, 2, padding=0, ceil_mode=True)
        channels = 64
        for stage, count in enumerate(_COUNTS):
            planes = 64 * 2**stage
            units = [PreactBottleneck(channels if unit == 0 else 4 * planes, planes) for unit in range(count - 1)]
            units.append(PreactBottleneck(4 * planes, planes, stride=2 if stage < 3 else 1))
            self.add_module(f"layer{stage + 1}", nn.Sequential(*units))
            channels = 4 * planes
        self.post_bn = _norm(channels)

    def forward(self, image: Image) -> Features:
        """Return 2048 features a picture.

        Args:
            image: in [-1, 1].

        Raises:
            ShapeError: there are not three channels, or a side is no multiple of 32.

        Difference: the average goes over the whole map, at any size; the torch port averages a fixed 7x7 window.
        """
        return torch.relu(self.post_bn(self.maps(image)[-1])).mean((2, 3))

    def maps(self, image: Image) -> list[Map]:
        """Return the stem's map and the four stages' raw sums."""
        _check_picture(image)
        maps = [self.maxpool(self.conv1(image))]
        for stage in range(1, 5):
            maps.append(self.get_submodule(f"layer{stage}")(maps[-1]))
        return maps


class ResNet50(nn.Module):
    """ResNet-50 as everybody knows it, without its classifier; the strides sit on the 3x3 convolutions.

    Attributes:
        num_features: numbers a picture.
    """

    num_features = 2048

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 64
        for stage, count in enumerate(_COUNTS):
            planes = 64 * 2**stage
            row = block_row("BOTTLENECK", channels, planes, count, 1 if stage == 0 else 2)
            self.add_module(f"layer{stage + 1}", row)
            channels = 4 * planes

    def forward(self, image: Image) -> Features:
        """Return 2048 features a picture.

        Raises:
            ShapeError: there are not three channels, or a side is no multiple of 32.
        """
        _check_picture(image)
        x = self.maxpool(torch.relu_(self.bn1(self.conv1(image))))
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
        return x.mean((2, 3))


Encoder: TypeAlias = PreactResNet50 | ResNet50 | LandmarkEncoder

ENCODERS: dict[EncoderName, type[Encoder]] = {
    "preact-resnet50": PreactResNet50,
    "resnet50": ResNet50,
    "landmarks": LandmarkEncoder,
}


def build_encoder(name: EncoderName) -> Encoder:
    """Return a new encoder by its name.

    Raises:
        InputError: there is none of that name.
    """
    if name not in ENCODERS:
        raise InputError(f"there is no encoder {name!r}; there are {', '.join(ENCODERS)}")
    return ENCODERS[name]()


def _check_picture(image: Tensor) -> None:
    if torch.jit.is_tracing():
        return
    shape = tuple(image.shape)
    if len(shape) != 4 or shape[1] != 3 or shape[2] % _STEP or shape[3] % _STEP or 0 in shape[2:]:
        wanted = f"(B, 3, {_STEP} m, {_STEP} n)"
        raise ShapeError(f"HMR's encoder takes pictures {wanted}, got {shape}", expected=wanted, actual=shape)
