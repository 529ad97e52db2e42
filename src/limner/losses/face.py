"""The losses that pixel2style2pixel is trained with, on pictures of 256 pixels in [-1, 1].

Notation: y the target, y_hat the network's picture, x its source, w the styles. Defaults are the published recipe's.

Source: Richardson et al. 2021, section 3.1 and supplement; the weights of each task are in `FACE_RECIPES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from limner.checks import InputError
from limner.losses.pictures import structure_loss

_ROWS, _COLUMNS = slice(35, 223), slice(32, 220)  # of 256 pixels: the face without hair and background
_FACE_SIDE = 112

Features = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class FaceLossWeights:
    """How much each part counts; a part that counts nought is not computed.

    All but `structure` are the published ones; it is 1 - SSIM, for whom no LPIPS weights are at hand.
    """

    l2: float = 1.0
    lpips: float = 0.8
    identity: float = 0.0
    l2_crop: float = 0.0
    lpips_crop: float = 0.0
    w_norm: float = 0.0
    moco: float = 0.0
    structure: float = 0.0

    def __post_init__(self) -> None:
        if self.identity > 0 and self.moco > 0:
            raise InputError("the identity loss and the MoCo loss exclude each other: set one of them to nought")


FACE_RECIPES = {
    "inversion": FaceLossWeights(identity=0.1),
    "frontalisation": FaceLossWeights(l2=0.001, lpips=0.08, identity=1.0, l2_crop=0.01, lpips_crop=0.8, w_norm=0.005),
    "sketch": FaceLossWeights(w_norm=0.005),
    "segmentation": FaceLossWeights(w_norm=0.005),
    "super_resolution": FaceLossWeights(identity=0.1, w_norm=0.005),
    "toonify": FaceLossWeights(identity=1.0, w_norm=0.025),
    "other_domain": FaceLossWeights(moco=0.5),
}
"""The published weights of each task."""


@dataclass(frozen=True)
class Likeness:
    """How like pictures are by the features of a network.

    Attributes:
        loss: one less the similarity of result and target, mean over the batch.
        to_target: similarity of result and target, for each sample.
        to_source: similarity of result and source, nought where the source is no RGB picture.
        target_to_source: similarity of target and source.
    """

    loss: Float[Tensor, ""]
    to_target: Float[Tensor, " B"]
    to_source: Float[Tensor, " B"]
    target_to_source: Float[Tensor, " B"]

    @property
    def improvement(self) -> Float[Tensor, ""]:
        """How much closer to the target the result is than the source was."""
        return (self.to_target - self.target_to_source).mean()


def crop_face(image: Float[Tensor, "B C 256 256"]) -> Float[Tensor, "B C 188 188"]:
    """Return the face without hair and background."""
    return image[:, :, _ROWS, _COLUMNS]


def face_features(recogniser: Features, image: Float[Tensor, "B 3 256 256"]) -> Float[Tensor, "B 512"]:
    """Return a recogniser's vectors of aligned pictures: cropped, pooled to 112 pixels."""
    return recogniser(F.adaptive_avg_pool2d(crop_face(image), _FACE_SIDE))


def likeness(
    features: Features,
    y_hat: Float[Tensor, "B 3 H W"],
    y: Float[Tensor, "B 3 H W"],
    x: Float[Tensor, "B C H W"] | None = None,
) -> Likeness:
    """Compare result, target and source by features of length one; only the result gets gradients."""
    with torch.no_grad():
        of_y = features(y)
        of_x = features(x) if x is not None and x.shape[1] == y.shape[1] else torch.zeros_like(of_y)
    of_result = features(y_hat)
    to_target = (of_result * of_y).sum(dim=1)
    to_source, target_to_source = (of_result.detach() * of_x).sum(dim=1), (of_y * of_x).sum(dim=1)
    return Likeness((1 - to_target).mean(), to_target.detach(), to_source, target_to_source)


def w_norm(wplus: Float[Tensor, "B R D"], mean: Float[Tensor, "*R D"] | None = None) -> Float[Tensor, ""]:
    """Return how far styles lie from the mean style, or from nought: a 2-norm for each sample, their mean."""
    offsets = wplus if mean is None else wplus - mean
    return torch.linalg.vector_norm(offsets.flatten(1), dim=1).mean()


class FaceLosses(nn.Module):
    """The sum of a task's losses; its networks are frozen and stay in evaluation mode.

    Args:
        weights: how much each part counts.
        lpips: distance of two batches of pictures; needed where an LPIPS part counts.
        recogniser: aligned faces of 112 pixels to vectors of length one; needed for the identity part.
        moco: pictures to vectors of length one; needed for the MoCo part.
        mean: the mean style that styles are offsets from, if they are.

    Raises:
        InputError: a part counts whose network is missing.
    """

    mean: Tensor | None

    def __init__(
        self,
        weights: FaceLossWeights,
        *,
        lpips: nn.Module | None = None,
        recogniser: nn.Module | None = None,
        moco: nn.Module | None = None,
        mean: Tensor | None = None,
    ) -> None:
        super().__init__()
        for part, network in (("lpips", lpips), ("lpips_crop", lpips), ("identity", recogniser), ("moco", moco)):
            if getattr(weights, part) > 0 and network is None:
                raise InputError(f"the part {part} counts {getattr(weights, part)} and its network is missing")
        self.weights, self.lpips, self.recogniser, self.moco = weights, lpips, recogniser, moco
        self.register_buffer("mean", mean, persistent=False)
        self.requires_grad_(False).train(False)

    def train(self, mode: bool = True) -> FaceLosses:
        """Stay in evaluation mode: these networks measure, they do not learn."""
        del mode
        return super().train(False)

    def forward(
        self,
        x: Float[Tensor, "B C 256 256"],
        y: Float[Tensor, "B 3 256 256"],
        y_hat: Float[Tensor, "B 3 256 256"],
        wplus: Float[Tensor, "B R D"],
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Return the weighted sum, and each part before its weight; `improvement` stands beside a likeness."""
        parts: dict[str, Tensor] = {}
        extra: dict[str, Tensor] = {}
        for name in ("identity", "moco"):
            if getattr(self.weights, name) > 0:
                found = likeness(self._features(name), y_hat, y, x)
                parts[name], extra["improvement"] = found.loss, found.improvement
        for name, cut in (("", False), ("_crop", True)):
            result, target = (crop_face(y_hat), crop_face(y)) if cut else (y_hat, y)
            if getattr(self.weights, f"l2{name}") > 0:
                parts[f"l2{name}"] = F.mse_loss(result, target)
            if getattr(self.weights, f"lpips{name}") > 0:
                parts[f"lpips{name}"] = cast(nn.Module, self.lpips)(result, target)
        if self.weights.structure > 0:
            parts["structure"] = structure_loss(y_hat, y, torch.ones_like(y[:, :1]))
        if self.weights.w_norm > 0:
            parts["w_norm"] = w_norm(wplus, self.mean)
        total = sum((getattr(self.weights, name) * part for name, part in parts.items()), torch.zeros(()).to(y_hat))
        return total, {**parts, **extra}

    def _features(self, name: str) -> Features:
        if name == "moco":
            return cast(Features, self.moco)
        return lambda image: face_features(cast(Features, self.recogniser), image)
