"""A few steps of descent on the styles after the encoder: nearer to the picture, at the cost of time.

Source: Karras et al. 2020, appendix D (projection); here it starts from the encoder's styles and stays near them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limner.checks import InputError
from limner.face.latent import Latent
from limner.face.stylegan2 import Generator

Distance: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Two batches of pictures in [-1, 1] to one number that gradients pass, such as `limner.losses.Lpips`."""

_LARGEST = 256  # pixels that distances are taken at


@dataclass(frozen=True)
class Refinement:
    """What a refinement did.

    Attributes:
        steps: how many were made.
        before: each distance of the encoder's own picture; "l2" is the mean squared difference in [-1, 1].
        after: of the best picture on the way.
    """

    steps: int
    before: dict[str, float]
    after: dict[str, float]


def refine_latent(
    generator: Generator,
    latent: Latent,
    target: Float[Tensor, "1 3 H W"],
    *,
    steps: int = 20,
    rate: float = 0.02,
    distances: Mapping[str, tuple[float, Distance]] | None = None,
) -> tuple[Latent, Refinement]:
    """Move the styles of one face so that its picture comes nearer to the target; the best on the way is returned.

    Args:
        generator: in evaluation mode; its weights stay as they are.
        latent: where to start.
        target: the aligned picture in [-1, 1].
        steps: of Adam.
        rate: of Adam; it falls to nought by a cosine.
        distances: beside the mean squared difference: name to weight and function.

    Raises:
        InputError: steps or rate are below nought, or there is more than one face.
    """
    if steps < 0 or not rate > 0 or len(latent) != 1:
        raise InputError(f"a refinement takes one face, at least 0 steps and a rate above 0, got {steps} and {rate}")
    side = min(_LARGEST, generator.config.size)
    wanted = F.interpolate(target, (side, side), mode="bilinear", antialias=True, align_corners=False)
    terms = {"l2": (1.0, F.mse_loss), **(distances or {})}
    wplus = latent.wplus.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([wplus], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(steps, 1))
    best, best_total = latent.wplus, float("inf")
    first: dict[str, float] = {}
    kept: dict[str, float] = {}
    for step in range(steps + 1):
        picture = F.adaptive_avg_pool2d(generator(wplus), side)
        values = {name: (weight, distance(picture, wanted)) for name, (weight, distance) in terms.items()}
        total = torch.stack([weight * value for weight, value in values.values()]).sum()
        numbers = {name: float(value.detach()) for name, (_, value) in values.items()}
        first = first or numbers
        if float(total.detach()) < best_total:
            best, best_total, kept = wplus.detach().clone(), float(total.detach()), numbers
        if step < steps:
            (wplus.grad,) = torch.autograd.grad(total, [wplus])
            optimiser.step()
            schedule.step()
    return Latent(best), Refinement(steps, first, kept)
