"""Losses of person painting: likeness of faces, masks, smoothness, and the adversarial game.

Source: Liu et al. 2019, section 3.4; Mao et al. 2017 (least squares GAN); svip-lab/impersonator
`models/impersonator_trainer.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from limner.checks import check_shape

REAL, FAKE, FOOLED = 1.0, -1.0, 0.0
"""Targets of the published game: the judge's for real and made pictures, and the painter's."""


def feature_distance(
    features: Callable[[Tensor], Sequence[Tensor]],
    image: Float[Tensor, "B 3 H W"],
    wanted: Float[Tensor, "B 3 H W"],
) -> Float[Tensor, ""]:
    """Return the plain sum over the layers of the mean absolute difference; `wanted` gets no gradient.

    With a face network and cropped heads this is the published face loss.

    Raises:
        ShapeError: the pictures differ in shape.
    """
    check_shape(wanted, "wanted", tuple(image.shape))
    if not len(image):
        return image.sum()
    with torch.no_grad():
        targets = features(wanted)
    pairs = zip(features(image), targets, strict=True)
    return torch.stack([functional.l1_loss(got, target) for got, target in pairs]).sum()


def lsgan_loss(scores: Float[Tensor, "..."], target: float) -> Float[Tensor, ""]:
    """Return the mean squared distance of a judge's scores from `target`."""
    return (scores - target).square().mean()


def discriminator_loss(real: Float[Tensor, "..."], made: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """Return the judge's loss: real towards 1, made towards -1, summed. Parity: summed, not averaged."""
    return lsgan_loss(real, REAL) + lsgan_loss(made, FAKE)


def mask_smoothness(mask: Float[Tensor, "B C H W"]) -> Float[Tensor, ""]:
    """Return the mean absolute step to the right plus that downwards."""
    across = (mask[..., :-1] - mask[..., 1:]).abs().mean()
    down = (mask[..., :-1, :] - mask[..., 1:, :]).abs().mean()
    return across + down


def mask_loss(
    mask: Float[Tensor, "B 1 H W"], wanted: Float[Tensor, "B 1 H W"], *, cross_entropy: bool = True
) -> Float[Tensor, ""]:
    """Return the distance of predicted from wanted masks: cross-entropy, or the mean squared difference.

    Raises:
        ShapeError: the masks differ in shape.
    """
    check_shape(wanted, "wanted", tuple(mask.shape))
    distance = functional.binary_cross_entropy if cross_entropy else functional.mse_loss
    return distance(mask, wanted)
