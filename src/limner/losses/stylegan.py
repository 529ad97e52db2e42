"""The losses that StyleGAN2 is trained with.

Notation: D the discriminator's answers, larger for pictures that it takes for real; x real pictures; y generated ones;
w the styles of y.
Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", sections 2 and 3.2; Mescheder et
al. 2018 (R1); Goodfellow et al. 2014 (the loss that does not saturate).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def discriminator_logistic(real: Float[Tensor, "B 1"], fake: Float[Tensor, "B 1"]) -> Float[Tensor, ""]:
    """Return the discriminator's loss: softplus(-D(x)) + softplus(D(y)), each a mean."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_nonsaturating(fake: Float[Tensor, "B 1"]) -> Float[Tensor, ""]:
    """Return the generator's loss: the mean of softplus(-D(y))."""
    return F.softplus(-fake).mean()


def r1_penalty(real: Float[Tensor, "B 1"], pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, ""]:
    """Return the mean squared length of the gradient of D(x) by x; a factor gamma / 2 is the caller's.

    Args:
        real: D(x).
        pictures: x, which must have been given to D with gradients on.
    """
    (gradient,) = torch.autograd.grad(real.sum(), pictures, create_graph=True)
    return gradient.square().flatten(1).sum(dim=1).mean()


def path_lengths(
    pictures: Float[Tensor, "B 3 H W"], wplus: Float[Tensor, "B R D"], noise: Float[Tensor, "B 3 H W"]
) -> Float[Tensor, " B"]:
    """Return how far pictures move with their styles, in a random direction.

    Args:
        pictures: generated from `wplus` with gradients on.
        wplus: a style for each row.
        noise: normal numbers, the direction.

    Returns:
        The root of the mean over rows of the squared gradient of <y, noise / sqrt(H W)>.
    """
    height, width = pictures.shape[2:]
    (gradient,) = torch.autograd.grad((pictures * noise).sum() / math.sqrt(height * width), wplus, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def path_penalty(lengths: Float[Tensor, " B"], mean: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Return the mean squared distance of path lengths from their running mean."""
    return (lengths - mean).square().mean()
