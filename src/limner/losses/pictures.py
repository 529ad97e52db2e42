"""Losses between pictures that need no network: structure by windows, and steps between neighbours.

Source: Wang et al. 2004 (SSIM), in the form that `limner.metrics.ssim` scores by: a uniform 7 x 7 window, values in
[-1, 1] and so a range of 2, covariances with n - 1.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from limner.checks import check_shape

WINDOW = 7
_C1, _C2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2


def structure_map(image: Float[Tensor, "B C H W"], wanted: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H-6 W-6"]:
    """Return SSIM at every pixel whose window lies inside the picture, as the mean over the channels.

    Raises:
        ShapeError: the pictures differ in shape.
    """
    check_shape(wanted, "wanted", tuple(image.shape))
    mean_x, mean_y = _mean(image), _mean(wanted)
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    together = unbiased * (_mean(image * wanted) - mean_x * mean_y)
    both = unbiased * (_mean(image.square() + wanted.square()) - mean_x.square() - mean_y.square())
    light = (2 * mean_x * mean_y + _C1) / (mean_x.square() + mean_y.square() + _C1)
    return (light * (2 * together + _C2) / (both + _C2)).mean(dim=1, keepdim=True)


def structure_loss(
    image: Float[Tensor, "B C H W"], wanted: Float[Tensor, "B C H W"], weight: Float[Tensor, "B 1 H W"]
) -> Float[Tensor, ""]:
    """Return 1 - SSIM as a weighted mean over the pixels."""
    edge = WINDOW // 2
    share = weight[..., edge:-edge, edge:-edge]
    return ((1 - structure_map(image, wanted)) * share).sum() / share.sum().clamp(min=1e-6)


def gradient_loss(
    image: Float[Tensor, "B C H W"], wanted: Float[Tensor, "B C H W"], weight: Float[Tensor, "B 1 H W"]
) -> Float[Tensor, ""]:
    """Return the mean absolute difference of the steps to the right and downwards, as a weighted mean."""
    error = image - wanted
    across = (error[..., 1:] - error[..., :-1]).abs().mean(dim=1, keepdim=True) * weight[..., 1:]
    down = (error[..., 1:, :] - error[..., :-1, :]).abs().mean(dim=1, keepdim=True) * weight[..., 1:, :]
    return (across.sum() + down.sum()) / weight.sum().clamp(min=1e-6)


def weighted_l1(
    image: Float[Tensor, "B C H W"], wanted: Float[Tensor, "B C H W"], weight: Float[Tensor, "B 1 H W"]
) -> Float[Tensor, ""]:
    """Return the mean absolute difference, as a weighted mean over the pixels."""
    return ((image - wanted).abs().mean(dim=1, keepdim=True) * weight).sum() / weight.sum().clamp(min=1e-6)


def _mean(values: Tensor) -> Tensor:
    return functional.avg_pool2d(values, WINDOW, stride=1)
