"""The body layer for drawing and video: numpy in, numpy out, blend shapes and skinning fused in one compiled pass."""

from __future__ import annotations

import torch
from jaxtyping import Float32
from numpy import ndarray

from limner.body.smpl import SMPL, BodyData

__all__ = ["FastSMPL"]


class FastSMPL:
    """The body layer without gradients."""

    def __init__(self, data: BodyData) -> None:
        self.data = data
        self._layer = SMPL(data)

    def __call__(
        self,
        betas: Float32[ndarray, "N S"],
        rotvec: Float32[ndarray, "N 24 3"],
        offsets: Float32[ndarray, "V 3"] | None = None,
    ) -> tuple[Float32[ndarray, "N V 3"], Float32[ndarray, "N 24 3"]]:
        """Shape and pose the body; see `limner.body.SMPL.forward`."""
        with torch.no_grad():
            out = self._layer(
                torch.as_tensor(betas, dtype=torch.float32),
                torch.as_tensor(rotvec, dtype=torch.float32),
                offsets=None if offsets is None else torch.as_tensor(offsets, dtype=torch.float32),
            )
        return out.vertices.numpy(), out.joints.numpy()
