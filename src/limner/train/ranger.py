"""Ranger: RAdam with centralised gradients, and slow weights that look ahead.

Sources: Liu et al. 2020 (RAdam), Zhang et al. 2019 (Lookahead), Yong et al. 2020 (gradient centralisation); put
together as in eladrich/pixel2style2pixel, `training/ranger.py`, to the number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from limner.checks import InputError


class Ranger(torch.optim.Optimizer):
    """The optimiser of the published recipes.

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        alpha: how far the slow weights go towards the fast ones.
        k: steps between two looks ahead.
        threshold: length of the averaged window below which a step is plain momentum.
        betas: decay of the first and second moment.
        eps: added to the root of the second moment.
        weight_decay: decoupled, scaled by the learning rate.
        centralise_from: gradients of at least so many axes lose their mean over all axes but the first; 4 for
            convolutions only.

    Raises:
        InputError: an option is out of its range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        *,
        alpha: float = 0.5,
        k: int = 6,
        threshold: float = 5.0,
        betas: tuple[float, float] = (0.95, 0.999),
        eps: float = 1e-5,
        weight_decay: float = 0.0,
        centralise_from: int = 2,
    ) -> None:
        if not (lr > 0 and eps > 0 and k >= 1 and 0 <= alpha <= 1 and all(0 <= beta < 1 for beta in betas)):
            raise InputError(
                "Ranger needs lr and eps above nought, k from 1, alpha in 0..1 and betas in [0, 1), got "
                f"lr {lr}, eps {eps}, k {k}, alpha {alpha}, betas {betas}"
            )
        options = {"lr": lr, "alpha": alpha, "k": k, "threshold": threshold, "betas": betas, "eps": eps}
        super().__init__(params, {**options, "weight_decay": weight_decay, "centralise_from": centralise_from})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; `closure`, if given, computes the loss with gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[parameter], group["betas"]
        if not state:
            state |= {"step": 0, "exp_avg": torch.zeros_like(parameter), "exp_avg_sq": torch.zeros_like(parameter)}
            state["slow_buffer"] = parameter.clone()
        if gradient.ndim >= group["centralise_from"]:
            gradient = gradient - gradient.mean(dim=tuple(range(1, gradient.ndim)), keepdim=True)
        state["step"] += 1
        state["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        state["exp_avg"].mul_(beta1).add_(gradient, alpha=1 - beta1)
        rectified, size = _step_size(state["step"], beta1, beta2, group["threshold"])
        if group["weight_decay"]:
            parameter.mul_(1 - group["weight_decay"] * group["lr"])
        if rectified:
            scale = state["exp_avg_sq"].sqrt().add_(group["eps"])
            parameter.addcdiv_(state["exp_avg"], scale, value=-size * group["lr"])
        else:
            parameter.add_(state["exp_avg"], alpha=-size * group["lr"])
        if state["step"] % group["k"] == 0:
            state["slow_buffer"].lerp_(parameter, group["alpha"])
            parameter.copy_(state["slow_buffer"])


def _step_size(step: int, beta1: float, beta2: float, threshold: float) -> tuple[bool, float]:
    """Whether the second moment can be trusted after `step` steps, and what the learning rate is multiplied by.

    Source: Liu et al. 2020, algorithm 2.
    """
    decay, longest = beta2**step, 2 / (1 - beta2) - 1
    window = longest - 2 * step * decay / (1 - decay)
    unbias = 1 / (1 - beta1**step)
    if window <= threshold:
        return False, unbias
    variance = (1 - decay) * (window - 4) / (longest - 4) * (window - 2) / window * longest / (longest - 2)
    return True, unbias * math.sqrt(variance)
