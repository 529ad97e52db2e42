"""Features of a face for the face loss: the twenty-layer network of SphereFace.

Source: Liu et al. 2017, "SphereFace"; svip-lab/impersonator `networks/facenet.py`. Parameters stand under the keys of
the published checkpoint `sphere20a_20171020.pth`; its classifier `fc6` is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from limner.checks import check_shape
from limner.weights import LoadReport, load_strictly, read_checkpoint, source_name

FACE_SIZE_HW = (112, 96)
_WIDTHS = (64, 128, 256, 512)
_PAIRS = (1, 2, 4, 1)
_HALVED = 16  # the last stage's share of the picture's side


class SphereFace(nn.Module):
    """Four stages of residual pairs, then one full layer.

    Args:
        width: channels of the first stage; 64 as published.
    """

    def __init__(self, width: int = _WIDTHS[0]) -> None:
        super().__init__()
        self.stages: list[list[str]] = []
        before = 3
        for stage, (published, pairs) in enumerate(zip(_WIDTHS, _PAIRS, strict=True), start=1):
            channels = published * width // _WIDTHS[0]
            names = [f"{stage}_{layer}" for layer in range(1, 2 * pairs + 2)]
            for layer, name in enumerate(names):
                conv = nn.Conv2d(before if layer == 0 else channels, channels, 3, 2 if layer == 0 else 1, 1)
                self.add_module(f"conv{name}", conv)
                self.add_module(f"relu{name}", nn.PReLU(channels))
            self.stages.append(names)
            before = channels
        height, breadth = (side // _HALVED for side in FACE_SIZE_HW)
        self.fc5 = nn.Linear(before * height * breadth, before)

    def forward(self, face: Float[Tensor, "B 3 112 96"]) -> list[Tensor]:
        """Return the map after each stage, finest first, then the full layer's vector.

        Args:
            face: RGB in [-1, 1], 112 high and 96 wide.

        Raises:
            ShapeError: the picture has another shape.
        """
        check_shape(face, "face", ("B", 3, *FACE_SIZE_HW))
        features, x = [], face
        for first, *pairs in self.stages:
            x = self._layer(first, x)
            for one, other in zip(pairs[::2], pairs[1::2], strict=True):
                x = x + self._layer(other, self._layer(one, x))
            features.append(x)
        return [*features, self.fc5(x.flatten(1))]

    def _layer(self, name: str, x: Tensor) -> Tensor:
        return self.get_submodule(f"relu{name}")(self.get_submodule(f"conv{name}")(x))

    def load_official(self, source: str | Path | Mapping[str, Any]) -> LoadReport:
        """Take the weights of the published checkpoint.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or keys are missing, surplus or of another shape.
        """
        return load_strictly(self, read_checkpoint(source), source_name(source), ignored=("fc6.",))
