"""SPIN's network: HMR's loop over rotations of six numbers, as nkolot/SPIN publishes its weights.

Source: Kolotouros et al. 2019; nkolot/SPIN `models/hmr.py`. Parity: its three layers have no ReLU between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limner.body.encoder import ResNet50
from limner.body.hmr import HMRConfig
from limner.body.rotations import rotmat_from_rot6d, rotvec_from_rotmat
from limner.checks import WeightsError
from limner.weights import LoadReport, load_strictly, read_checkpoint, read_content, source_name

__all__ = ["SPIN", "SPIN_CONFIG"]

SPIN_CONFIG = HMRConfig("resnet50", person_px=187.0)
"""Boxes of joints, 1.2 times as wide as they are, fill SPIN's crops."""

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_WIDTHS = {"pose": 144, "shape": 10, "cam": 3}
_HIDDEN, _CORRECTIONS = 1024, 3


class SPIN(nn.Module):
    """ResNet-50 and a regressor with a head each for pose, shape and camera.

    Attributes:
        config: what it expects; pictures in [-1, 1] are brought to ImageNet's statistics inside.
    """

    def __init__(self) -> None:
        super().__init__()
        self.config = SPIN_CONFIG
        self.encoder = ResNet50()
        inputs = self.encoder.num_features + sum(_WIDTHS.values())
        self.fc1, self.fc2 = nn.Linear(inputs, _HIDDEN), nn.Linear(_HIDDEN, _HIDDEN)
        self.dropout = nn.Dropout(0.5)
        for name, width in _WIDTHS.items():
            head = nn.Linear(_HIDDEN, width)
            nn.init.xavier_uniform_(head.weight, gain=0.01)
            self.add_module(f"dec{name}", head)
            self.register_buffer(f"init_{name}", torch.zeros(1, width))

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 85"]:
        """Return theta: camera, axis-angles and betas; pictures are RGB in [-1, 1].

        Raises:
            ShapeError: there are not three channels, or a side is no multiple of 32.
        """
        mean, std = (image.new_tensor(values)[:, None, None] for values in (_MEAN, _STD))
        features = self.encoder(((image + 1) / 2 - mean) / std)
        found = {name: getattr(self, f"init_{name}").expand(image.shape[0], -1) for name in _WIDTHS}
        for _ in range(_CORRECTIONS):
            x = torch.cat([features, *found.values()], 1)
            x = self.dropout(self.fc2(self.dropout(self.fc1(x))))
            found = {name: value + getattr(self, f"dec{name}")(x) for name, value in found.items()}
        rotvec = rotvec_from_rotmat(rotmat_from_rot6d(found["pose"].unflatten(1, (24, 6))))
        return torch.cat([found["cam"], rotvec.flatten(1), found["shape"]], 1)

    def load_official(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Load `model_checkpoint.pt`, or its content; strict.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or lacks or exceeds the network's keys.
        """
        content = read_content(weights)
        state = read_checkpoint(content["model"] if isinstance(content, Mapping) and "model" in content else weights)
        own = ("fc1.", "fc2.", "dec", "init_", "encoder.")
        named = {key if key.startswith(own) else f"encoder.{key}": value for key, value in state.items()}
        if not any(key.startswith("decpose") for key in named):
            raise WeightsError(f"{source_name(weights)} is no checkpoint of SPIN: it has no head decpose")
        return load_strictly(self, named, source_name(weights))
