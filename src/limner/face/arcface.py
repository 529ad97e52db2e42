"""ArcFace: an aligned face to a vector whose angle says who it is.

Two published files: IR-SE50 (`model_ir_se50.pth`), which the training's identity loss asks, and IR-101
(`CurricularFace_Backbone.pth`), which the evaluation asks; they are not exchangeable.

Sources: Deng et al. 2019 (ArcFace); Huang et al. 2020 (CurricularFace); keys of eladrich/pixel2style2pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limner.checks import InputError, check_shape
from limner.face.encoder import TrunkMode, input_layer, trunk_blocks
from limner.weights import LoadReport, load_strictly, read_checkpoint, source_name

_DIM = 512
_SIDES = (112, 224)


class ArcFace(nn.Module):
    """A face recogniser.

    Args:
        num_layers: depth of the trunk: 50, 100 or 152.
        mode: kind of its blocks.
        side: side of the face in pixels, 112 or 224.
        affine: whether the last norm has a scale and a bias; not in CurricularFace.
        dropout: share of the last map's values that training drops.
    """

    def __init__(
        self,
        num_layers: int = 50,
        mode: TrunkMode = "ir_se",
        *,
        side: int = 112,
        affine: bool = True,
        dropout: float = 0.6,
    ) -> None:
        super().__init__()
        if side not in _SIDES:
            raise InputError(f"a face recogniser sees faces of 112 or 224 pixels, got {side}")
        self.side = side
        self.input_layer = input_layer(3)
        self.body = trunk_blocks(num_layers, mode)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(_DIM),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(_DIM * (side // 16) ** 2, _DIM),
            nn.BatchNorm1d(_DIM, affine=affine),
        )

    def features(self, face: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B 512"]:
        """Return the vectors before they are brought to length one."""
        check_shape(face, "an aligned face", ("B", 3, self.side, self.side))
        return cast(Tensor, self.output_layer(self.body(self.input_layer(face))))

    def forward(self, face: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B 512"]:
        """Return vectors of length one; their dot products are the similarities.

        Args:
            face: aligned faces, RGB in [-1, 1].

        Raises:
            ShapeError: the faces have another size.
        """
        features = self.features(face)
        return features / torch.linalg.vector_norm(features, dim=1, keepdim=True)

    def load_official(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Load a published recogniser, strictly.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or is a recogniser of another kind.
        """
        return load_strictly(self, read_checkpoint(weights), source_name(weights))


def ir_se50() -> ArcFace:
    """Return the recogniser of the identity loss, without weights."""
    return ArcFace(50, "ir_se")


def ir_101() -> ArcFace:
    """Return the recogniser of the identity score, without weights."""
    return ArcFace(100, "ir", affine=False, dropout=0.4)
