"""LPIPS: how different two pictures look, by the features of a classifier.

Notation: f_l the features after a ReLU of the classifier, brought to length one at every pixel; w_l one weight a
channel. The distance is the sum over l of the mean over the pixels of w_l (f_l(x) - f_l(y))^2.

Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", version 0.1. Keys
as in eladrich/pixel2style2pixel: `net.layers.N.*` are torchvision's `features.N.*`, `lin.i.1.weight` the published
`lin{i}.model.1.weight`. Neither file is shipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limner.checks import InputError, ShapeError
from limner.weights import LoadReport, load_strictly, read_checkpoint, source_name

Classifier: TypeAlias = Literal["alex", "vgg", "squeeze"]

_EPSILON = 1e-10
# Index of the layers whose outputs are compared, and the width of each.
_TAPS: dict[str, dict[int, int]] = {
    "alex": {1: 64, 4: 192, 7: 384, 9: 256, 11: 256},
    "vgg": {3: 64, 8: 128, 15: 256, 22: 512, 29: 512},
    "squeeze": {1: 64, 4: 128, 7: 256, 9: 384, 10: 384, 11: 512, 12: 512},
}
_VGG = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)  # 0: a pooling
_FIRE = {
    3: (64, 16),
    4: (128, 16),
    6: (128, 32),
    7: (256, 32),
    9: (256, 48),
    10: (384, 48),
    11: (384, 64),
    12: (512, 64),
}


class _Fire(nn.Module):
    """Squeezes the channels, then spreads them by kernels of two sizes."""

    def __init__(self, channels: int, narrow: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, narrow, 1)
        self.expand1x1 = nn.Conv2d(narrow, 4 * narrow, 1)
        self.expand3x3 = nn.Conv2d(narrow, 4 * narrow, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.expand1x1(x)), torch.relu(self.expand3x3(x))], dim=1)


def _alex() -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    layers += [nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    for channels, width in ((192, 384), (384, 256), (256, 256)):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
    return layers


def _vgg() -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels = 3
    for width in _VGG:
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()] if width else [nn.MaxPool2d(2, 2)]
        channels = width or channels
    return layers


def _squeeze() -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, 2), nn.ReLU()]
    for index in range(2, 13):
        layers.append(_Fire(*_FIRE[index]) if index in _FIRE else nn.MaxPool2d(3, 2, ceil_mode=True))
    return layers


class _Features(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.layers = nn.Sequential(*{"alex": _alex, "vgg": _vgg, "squeeze": _squeeze}[classifier]())
        self.taps = tuple(_TAPS[classifier])
        self.register_buffer("mean", torch.tensor([-0.030, -0.088, -0.188]).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.458, 0.448, 0.450]).reshape(1, 3, 1, 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        x, kept = (x - self.mean) / self.std, []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in self.taps:
                kept.append(x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + _EPSILON))
        return kept


class Lpips(nn.Module):
    """The distance, with frozen weights; small batches of different sizes are fine."""

    def __init__(self, classifier: Classifier = "alex") -> None:
        super().__init__()
        if classifier not in _TAPS:
            raise InputError(f"LPIPS is defined for alex, vgg and squeeze, got {classifier!r}")
        self.net = _Features(classifier)
        widths = _TAPS[classifier].values()
        # The first entry has no weights; the published weights were trained with a dropout there.
        self.lin = nn.ModuleList(nn.Sequential(nn.Identity(), nn.Conv2d(width, 1, 1, bias=False)) for width in widths)
        self.requires_grad_(False)

    def features(self, image: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Return the features that are compared, of length one at each pixel."""
        return list(self.net(image))

    def layers(self, image_a: Float[Tensor, "B 3 H W"], image_b: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "L B"]:
        """Return the distance that each layer adds, for each pair."""
        if image_a.shape != image_b.shape or image_a.ndim != 4 or image_a.shape[1] != 3:
            raise ShapeError(
                f"two batches (B, 3, H, W) of one shape are compared, got {tuple(image_a.shape)} "
                f"and {tuple(image_b.shape)}"
            )
        pairs = zip(self.lin, self.features(image_a), self.features(image_b), strict=True)
        return torch.stack([lin((a - b).square()).mean(dim=(1, 2, 3)) for lin, a, b in pairs])

    def distances(self, image_a: Float[Tensor, "B 3 H W"], image_b: Float[Tensor, "B 3 H W"]) -> Float[Tensor, " B"]:
        """Return the distance of each pair."""
        return self.layers(image_a, image_b).sum(dim=0)

    def forward(self, image_a: Float[Tensor, "B 3 H W"], image_b: Float[Tensor, "B 3 H W"]) -> Float[Tensor, ""]:
        """Return the mean distance.

        Args:
            image_a: RGB in [-1, 1].
            image_b: as many pictures of the same size.

        Raises:
            ShapeError: the batches differ in shape.
        """
        return self.distances(image_a, image_b).mean()

    def load_official(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Load all weights from one state dict under this module's keys; strict but for the two constants.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or is of another classifier.
        """
        constants = {f"net.{name}": buffer for name, buffer in self.net.named_buffers()}
        return load_strictly(self, {**constants, **read_checkpoint(weights)}, source_name(weights))

    def load_parts(
        self, classifier: str | Path | Mapping[str, Any], linear: str | Path | Mapping[str, Any]
    ) -> LoadReport:
        """Load the classifier as torchvision publishes it and the weights of version 0.1; see `load_official`."""
        features = _below(read_checkpoint(classifier), "features.", "net.layers.")
        weights = {
            f"lin.{key.split('.')[0].removeprefix('lin')}.1.weight": value
            for key, value in read_checkpoint(linear).items()
        }
        return self.load_official({**features, **weights})


def _below(state: Mapping[str, Tensor], prefix: str, new: str) -> dict[str, Tensor]:
    return {new + key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
