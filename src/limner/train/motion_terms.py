"""What the slim network is taught with: the real frame, its person mask, and where asked for a judge and VGG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limner.losses import (
    FOOLED,
    discriminator_loss,
    gradient_loss,
    lsgan_loss,
    perceptual_loss,
    structure_loss,
    weighted_l1,
)
from limner.motion import Painting
from limner.train.motion_settings import SlimLossSection
from limner.train.order import Batch

BACKGROUND_WEIGHT = 0.1
"""What a pixel counts that neither shows the person nor is painted."""

Features = Callable[[Tensor], Sequence[Tensor]]


@dataclass(frozen=True)
class Teachers:
    """Frozen networks whose features teach; None where their weights were not given."""

    vgg: nn.Module | None = None
    face: nn.Module | None = None


def laid_over(painting: Painting, batch: Batch) -> Float[Tensor, "B 3 H W"]:
    """Lay a corrected painting over the real frame's background."""
    return painting.over(batch["plate"])


def composite(batch: Batch) -> Float[Tensor, "B 3 H W"]:
    """Return the painting as it came, over the real frame's background: what the network has to beat."""
    alpha = batch["transfer"][:, 3:4]
    return alpha * batch["transfer"][:, :3] + (1 - alpha) * batch["plate"]


def slim_terms(
    painting: Painting,
    picture: Float[Tensor, "B 3 H W"],
    batch: Batch,
    weights: SlimLossSection,
    *,
    vgg: Features | None,
    judge: nn.Module | None,
) -> dict[str, Float[Tensor, ""]]:
    """Return the painter's weighted terms; their sum is its loss.

    Args:
        painting: of the network.
        picture: of `laid_over`.
        batch: what it was made from.
        weights: of the terms; those of zero are left out.
        vgg: features for the perceptual term; None leaves it out.
        judge: as it stands; None leaves the adversarial term out.
    """
    target, counts = batch["target"], _pixel_weights(painting, batch)
    alpha = 1 - painting.mask
    terms = {
        "colour": weights.colour * weighted_l1(picture, target, counts),
        "structure": weights.structure * structure_loss(picture, target, counts),
        "gradient": weights.gradient * gradient_loss(picture, target, counts),
        "mask": weights.mask * weighted_l1(alpha, batch["mask"], batch["inside"]),
        "restraint": weights.restraint * _correction(painting, batch, counts),
    }
    if vgg is not None and weights.perceptual:
        seen = batch["inside"]
        terms["perceptual"] = weights.perceptual * perceptual_loss(vgg, picture * seen, target * seen)
    if judge is not None and weights.adversarial:
        terms["adversarial"] = weights.adversarial * lsgan_loss(judge(_joined(picture, batch)), FOOLED)
    return {name: term for name, term in terms.items() if getattr(weights, name)}


def slim_judged(judge: nn.Module, made: Float[Tensor, "B 3 H W"], batch: Batch) -> Float[Tensor, ""]:
    """Return the judge's loss on real frames and made ones."""
    return discriminator_loss(judge(_joined(batch["target"], batch)), judge(_joined(made, batch)))


def _correction(painting: Painting, batch: Batch, counts: Tensor) -> Float[Tensor, ""]:
    """How much the painting was changed, colours and mask."""
    given = batch["transfer"]
    colour = weighted_l1(painting.colour, given[:, :3], counts)
    return colour + weighted_l1(1 - painting.mask, given[:, 3:4], batch["inside"])


def _joined(picture: Tensor, batch: Batch) -> Tensor:
    """A picture with the condition map, blank where the real frame ends."""
    return torch.cat([picture * batch["inside"], batch["transfer"][:, -3:]], dim=1)


def _pixel_weights(painting: Painting, batch: Batch) -> Float[Tensor, "B 1 H W"]:
    person = torch.maximum(batch["mask"], (1 - painting.mask).detach())
    return (BACKGROUND_WEIGHT + (1 - BACKGROUND_WEIGHT) * person) * batch["inside"]
