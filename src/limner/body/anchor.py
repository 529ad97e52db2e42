"""A network's prediction as something that a fit starts from and is held near.

The prediction is trusted as far as such networks err: a joint may leave it at a price that stops growing where the
prediction is plainly wrong (Geman and McClure). Source: the idea is that of SPIN (Kolotouros et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from limner.body import blas, lie
from limner.body.limits import ACTIVE_JOINTS
from limner.records import Bodies

if TYPE_CHECKING:
    from limner.body.solver import NormalEquations

__all__ = ["DEFAULT_ANCHOR", "Anchor", "anchor_of"]

DEFAULT_ANCHOR = 0.3
"""How much a prediction counts unless told otherwise.

More brings made-up people nearer to the truth, but bends the knees of people who stand straight in photos: the shipped
network believes the landmarks' depth there, which the fit knows to lean.
"""

_ACTIVE = np.array(ACTIVE_JOINTS)
_SPREAD = 0.35  # radians by which a joint of a prediction errs
_CUT = 2.0  # spreads at which a joint starts to be taken for a mistake
_BETAS_SPREAD = 1.0


@dataclass(frozen=True)
class Anchor:
    """What was predicted for T frames of one person.

    Attributes:
        rotmats: relative to the parents.
        betas: of the person; None where the prediction says nothing of the fitted body's shape.
        camera: (log s, u, v) of x = s X + u in the picture frame.
        confidence: of each frame, 0 where nothing was predicted.
        weight: how much the prediction counts.
    """

    rotmats: Float[ndarray, "T 24 3 3"]
    betas: Float[ndarray, "S"] | None
    camera: Float[ndarray, "T 3"]
    confidence: Float[ndarray, "T"]
    weight: float = 1.0

    def __getitem__(self, frames: slice | ndarray) -> Anchor:
        return replace(
            self, rotmats=self.rotmats[frames], camera=self.camera[frames], confidence=self.confidence[frames]
        )

    def add_pose(self, rotmats: Float[ndarray, "T 24 3 3"], cost: ndarray, normal: NormalEquations | None) -> None:
        """Add the price of leaving the predicted rotations to the cost of each frame, and to its normal equations."""
        away = lie.log(self.rotmats[:, _ACTIVE].swapaxes(-1, -2) @ rotmats[:, _ACTIVE])  # (T, J, 3)
        squared = (away**2).sum(-1) / _SPREAD**2
        share = _CUT**2 / (_CUT**2 + squared)
        trust = self.weight * self.confidence[:, None]
        cost += 0.5 * (trust * squared * share).sum(1)
        if normal is None:
            return
        turn = lie.inverse_right_jacobian(away)
        pull = (trust * share**2 / _SPREAD**2)[..., None] * away
        blocks = blas.einsum("tjab,tja,tjac->tjbc", turn, np.repeat((trust * share**2)[..., None], 3, -1), turn)
        for n in range(len(_ACTIVE)):
            columns = slice(3 + 3 * n, 6 + 3 * n)
            normal.diagonal[:, columns, columns] += blocks[:, n] / _SPREAD**2
        normal.gradient[:, 3:] += blas.einsum("tjab,tja->tjb", turn, pull).reshape(len(away), -1)

    def add_shape(self, betas: Float[ndarray, "S"], cost: ndarray, normal: NormalEquations | None) -> None:
        """Add the price of leaving the predicted shape, once a frame."""
        if self.betas is None:
            return
        share = self.weight * self.confidence / _BETAS_SPREAD**2
        away = betas - self.betas
        cost += 0.5 * share * (away**2).sum()
        if normal is not None:
            normal.corner += np.eye(len(betas)) * share.sum()
            normal.gradient_betas += share.sum() * away


def anchor_of(
    prediction: Bodies, weight: float, confidence: Float[ndarray, "T"], *, num_betas: int, has_shape: bool
) -> Anchor:
    """Make an anchor of predicted bodies.

    Args:
        prediction: one body a frame.
        weight: how much it counts.
        confidence: of each frame.
        num_betas: shape numbers of the fitted body.
        has_shape: whether the prediction's shape numbers are those of the fitted body.
    """
    camera = prediction.weak_camera.astype(np.float64)
    scale = np.maximum(camera[:, :1], 1e-4)
    betas = None
    if has_shape and confidence.any():
        mean = np.average(prediction.betas.astype(np.float64), axis=0, weights=confidence)
        betas = np.zeros(num_betas)
        betas[: min(num_betas, len(mean))] = mean[:num_betas]
    return Anchor(
        lie.exp(prediction.rotvec.astype(np.float64)),
        betas,
        np.concatenate([np.log(scale), scale * camera[:, 1:]], 1),
        confidence,
        weight,
    )
