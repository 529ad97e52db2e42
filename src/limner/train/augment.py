"""Adaptive augmentation: a discriminator that has few pictures sees them varied, so that it cannot learn them by heart.

Every variation is drawn with probability p for each picture, for real and generated ones alike; p follows how sure the
discriminator is of the real ones. Gradients reach the generator through the variations.

Source: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", appendix B. Difference:
maps are filtered by the generator's own blur around the warp, and borders are reflected, where the paper uses wavelets.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limner.checks import InputError
from limner.face import BLUR_TAPS, Downsample, Upsample

VariationName = Literal[
    "flip", "quarter", "shift", "scale", "rotate", "stretch", "brightness", "contrast", "luma", "hue", "saturation"
]
VARIATIONS: tuple[VariationName, ...] = get_args(VariationName)

_SHIFT, _SCALE, _CONTRAST, _BRIGHTNESS = 0.125, 0.2, 0.5, 0.2
_LUMA = (1 / math.sqrt(3),) * 3


def augment(
    pictures: Float[Tensor, "B 3 S S"], probability: float, variations: tuple[VariationName, ...] = VARIATIONS
) -> Float[Tensor, "B 3 S S"]:
    """Return varied pictures; random numbers come from torch's state.

    Args:
        pictures: RGB in [-1, 1].
        probability: of each variation.
        variations: which.

    Raises:
        InputError: there is no such variation.
    """
    unknown = set(variations) - set(VARIATIONS)
    if unknown:
        raise InputError(f"there are no variations {sorted(unknown)}; there are {', '.join(VARIATIONS)}")
    if probability <= 0:
        return pictures
    draw = _Draws(len(pictures), probability, variations)
    warped = _warp(pictures, _warp_matrix(draw).to(pictures)) if draw.any_warp else pictures
    return _recolour(warped, _colour_matrix(draw).to(pictures)) if draw.any_colour else warped


def next_probability(probability: float, sureness: float, *, target: float, pictures: int, length: float) -> float:
    """Return the probability after `pictures` more real pictures.

    Args:
        probability: the present one.
        sureness: the mean sign of D on real pictures, 1 where it knows them all.
        target: the sureness that is aimed at; 0.6 in the paper.
        pictures: real pictures seen since the last change.
        length: pictures over which the probability may go from 0 to 1.
    """
    direction = (sureness > target) - (sureness < target)
    return min(1.0, max(0.0, probability + direction * pictures / length))


class _Draws:
    """Random numbers of one batch: which variations act, and how strongly; one that does not act gives nought."""

    def __init__(self, batch: int, probability: float, variations: tuple[VariationName, ...]) -> None:
        self.batch, self._probability, self._variations = batch, probability, variations
        self.any_warp = any(name in variations for name in VARIATIONS[:6])
        self.any_colour = any(name in variations for name in VARIATIONS[6:])

    def normal(self, name: VariationName, scale: float, probability: float | None = None) -> Tensor:
        return torch.randn(self.batch) * scale * self._acts(name, probability)

    def uniform(self, name: VariationName, scale: float, probability: float | None = None) -> Tensor:
        return (torch.rand(self.batch) * 2 - 1) * scale * self._acts(name, probability)

    def whole(self, name: VariationName, count: int) -> Tensor:
        """Numbers 0..count - 1."""
        return torch.randint(count, (self.batch,)) * self._acts(name, None)

    def half_share(self) -> float:
        """Probability of each of the two rotations, so that any of them acts with the whole probability."""
        return 1 - math.sqrt(1 - self._probability)

    def _acts(self, name: VariationName, probability: float | None) -> Tensor:
        share = self._probability if probability is None else probability
        acts = torch.rand(self.batch) < share
        return acts.float() if name in self._variations else torch.zeros(self.batch)


def _warp_matrix(draw: _Draws) -> Float[Tensor, "B 2 3"]:
    """Where each place of the result lies in the picture, in units of half its side."""
    ones = torch.ones(draw.batch)
    turn = _rotation(draw.whole("quarter", 4) * (math.pi / 2))
    mirror = torch.diag_embed(torch.stack([1 - 2 * draw.whole("flip", 2), ones], dim=1).float())
    size = torch.exp2(-draw.normal("scale", _SCALE))[:, None, None] * torch.eye(2)
    first = _rotation(draw.uniform("rotate", math.pi, draw.half_share()))
    stretch = torch.exp2(draw.normal("stretch", _SCALE))
    stretched = torch.diag_embed(torch.stack([1 / stretch, stretch], dim=1))
    second = _rotation(draw.uniform("rotate", math.pi, draw.half_share()))
    linear = mirror @ turn @ size @ first @ stretched @ second
    shift = torch.stack([draw.normal("shift", 2 * _SHIFT), draw.normal("shift", 2 * _SHIFT)], dim=1)
    return torch.cat([linear, shift[:, :, None]], dim=2)


def _rotation(angle: Float[Tensor, " B"]) -> Float[Tensor, "B 2 2"]:
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, -sin], dim=1), torch.stack([sin, cos], dim=1)], dim=1)


def _warp(pictures: Tensor, matrix: Tensor) -> Tensor:
    up, down = (layer.to(pictures.device) for layer in (Upsample(BLUR_TAPS), Downsample(BLUR_TAPS)))
    large = up(pictures)
    grid = F.affine_grid(matrix, list(large.shape), align_corners=False)
    return down(F.grid_sample(large, grid, mode="bilinear", padding_mode="reflection", align_corners=False))


def _colour_matrix(draw: _Draws) -> Float[Tensor, "B 3 4"]:
    """How colours change: a 3x3 part and what is added."""
    eye, luma = torch.eye(3), torch.tensor(_LUMA)
    onto_luma = torch.outer(luma, luma)
    contrast = torch.exp2(draw.normal("contrast", _CONTRAST))[:, None, None] * eye
    flip = eye - 2 * onto_luma * draw.whole("luma", 2)[:, None, None]
    hue = _turn_about(luma, draw.uniform("hue", math.pi))
    saturation = torch.exp2(draw.normal("saturation", 1.0))[:, None, None]
    linear = (onto_luma + (eye - onto_luma) * saturation) @ hue @ flip @ contrast
    lifted = (linear @ draw.normal("brightness", _BRIGHTNESS)[:, None, None].expand(-1, 3, 1)).squeeze(2)
    return torch.cat([linear, lifted[:, :, None]], dim=2)


def _turn_about(axis: Float[Tensor, "3"], angle: Float[Tensor, " B"]) -> Float[Tensor, "B 3 3"]:
    """Return rotations about an axis of length one (Rodrigues)."""
    x, y, z = axis.tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    sin, cos = angle.sin()[:, None, None], angle.cos()[:, None, None]
    return torch.eye(3) + sin * cross + (1 - cos) * (cross @ cross)


def _recolour(pictures: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("bij,bjhw->bihw", matrix[:, :, :3], pictures) + matrix[:, :, 3, None, None]
