"""Perceptual and style losses on VGG-19 features.

Source: Johnson et al. 2016; Gatys et al. 2016; svip-lab/impersonator `networks/networks.py`. Parity: pictures go in as
they are, in [-1, 1], without ImageNet's mean and deviation; features are taken after the activation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limner.checks import check_shape
from limner.weights import LoadReport, load_strictly, read_checkpoint, source_name

Features = Callable[[Tensor], Sequence[Tensor]]

LAYER_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
STYLE_SIZE = 224
_CONVS = (2, 2, 4, 4, 4)  # of each block of VGG-19
_WIDTHS = (64, 128, 256, 512, 512)


class VGGFeatures(nn.Module):
    """VGG-19 up to the first activation of its fifth block; gives the first of each block.

    Keys are torchvision's, `features.N.weight`.

    Args:
        width: channels of the first block; 64 as published.
    """

    def __init__(self, width: int = _WIDTHS[0]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.taps: list[int] = []
        before = 3
        for block, (published, convs) in enumerate(zip(_WIDTHS, _CONVS, strict=True)):
            channels = published * width // _WIDTHS[0]
            last = block == len(_WIDTHS) - 1
            self.taps.append(len(layers) + 1)
            for _ in range(1 if last else convs):
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
                before = channels
            if not last:
                layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B C h w"]]:
        """Return the five maps, finest first."""
        maps, x = [], image
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.taps:
                maps.append(x)
        return maps

    def load_official(self, source: str | Path | Mapping[str, Any]) -> LoadReport:
        """Take torchvision's weights of VGG-19; deeper layers and the classifier are left.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or keys are missing or of another shape.
        """
        return load_strictly(self, read_checkpoint(source), source_name(source), ignored=("features.", "classifier."))


def perceptual_loss(
    features: Features,
    image: Float[Tensor, "B 3 H W"],
    wanted: Float[Tensor, "B 3 H W"],
    weights: Sequence[float] = LAYER_WEIGHTS,
) -> Float[Tensor, ""]:
    """Return the weighted sum of the mean absolute differences of features; `wanted` gets no gradient.

    Raises:
        ShapeError: the pictures differ in shape.
    """
    check_shape(wanted, "wanted", tuple(image.shape))
    with torch.no_grad():
        targets = features(wanted)
    pairs = zip(features(image), targets, weights, strict=True)
    return torch.stack([weight * functional.l1_loss(got, target) for got, target, weight in pairs]).sum()


def style_loss(
    features: Features, image: Float[Tensor, "B 3 H W"], wanted: Float[Tensor, "B 3 h w"]
) -> Float[Tensor, ""]:
    """Return the sum over the layers of the mean difference of Gram matrices, over the layer's area.

    Parity: pictures are first brought to 224 x 224 by nearest neighbour; Gram matrices are sums, not means.
    """
    with torch.no_grad():
        targets = features(_style_size(wanted))
    terms = []
    for got, target in zip(features(_style_size(image)), targets, strict=True):
        area = got.shape[2] * got.shape[3]
        terms.append(functional.l1_loss(_gram(got), _gram(target)) / area)
    return torch.stack(terms).sum()


def _style_size(image: Tensor) -> Tensor:
    return functional.interpolate(image, size=(STYLE_SIZE, STYLE_SIZE), mode="nearest")


def _gram(feature: Tensor) -> Tensor:
    flat = feature.flatten(2)
    return flat @ flat.transpose(1, 2)
