"""HMR's adversary: does this pose, this shape, each of these joints' rotations look like a person's?

Notation: rotations of the joints 1 to 23 (the root and the camera have no part in it), betas; out come 25 numbers: one
for each of the 23 joints, one for the whole pose, one for the shape; near 1 for real, near 0 for made up.
Source: Kanazawa et al. 2018, section 3.3; akanazawa/hmr `src/models.py`; MandyMo/pytorch_HMR `src/Discriminator.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from limner.body.regressor import NUM_THETA
from limner.body.rotations import rotmat_from_rotvec
from limner.body.tensorflow_names import DISCRIMINATOR_NAMES, read_by_our_names
from limner.checks import InputError, check_shape
from limner.types import DiscriminatorName
from limner.weights import LoadReport, load_strictly, read_checkpoint, source_name

__all__ = ["BodyDiscriminator", "Judgement"]

_NUM_JOINTS = 23
_WIDTH = 32
_HIDDEN = 1024
_SHAPE_SIZES = {"hmr": (10, 10, 5, 1), "pytorch-hmr": (10, 5, 1)}

# Prefixes of pytorch_HMR's keys, and ours.
_OFFICIAL = {
    "pose_discriminator.conv_blocks.conv_": "joint_layers.",
    "pose_discriminator.fc_layer.": "joint_heads.",
    "full_pose_discriminator.fc_blocks.regressor_fc_": "pose_layers.",
    "shape_discriminator.fc_blocks.regressor_fc_": "shape_layers.",
}
# Variables of the original's checkpoint that belong to the network or to SMPL.
_NOT_THE_ADVERSARY = (
    "resnet_v2_50/", "3D_module/", "mean_param", "v_template", "shapedirs", "J_regressor", "posedirs", "lbs_weights",
    "cocoplus_regressor",
)  # fmt: skip


class Judgement(NamedTuple):
    """What the adversary finds, in parts.

    Attributes:
        joints: one number a joint.
        pose: one for all joints together.
        shape: one for the betas.
        inner: what the joints' shared layers give.
    """

    joints: Float[Tensor, "N 23"]
    pose: Float[Tensor, "N 1"]
    shape: Float[Tensor, "N 1"]
    inner: Float[Tensor, "N 23 32"]


class BodyDiscriminator(nn.Module):
    """Layers shared by the joints, a head a joint, and networks of the whole pose and of the shape.

    Parity: "pytorch-hmr" has no ReLU after the shared layers, gives the whole pose channel by channel instead of joint
    by joint, and has one hidden layer less for the shape; its weights need all three.
    """

    def __init__(self, name: DiscriminatorName = "hmr") -> None:
        super().__init__()
        if name not in _SHAPE_SIZES:
            raise InputError(f"there is no discriminator {name!r}; there are {', '.join(_SHAPE_SIZES)}")
        self.name = name
        self.joint_layers = _dense_row((9, _WIDTH, _WIDTH))
        self.joint_heads = nn.ModuleList(nn.Linear(_WIDTH, 1) for _ in range(_NUM_JOINTS))
        self.pose_layers = _dense_row((_WIDTH * _NUM_JOINTS, _HIDDEN, _HIDDEN, 1))
        self.shape_layers = _dense_row(_SHAPE_SIZES[name])
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, rotmats: Float[Tensor, "N 23 3 3"], betas: Float[Tensor, "N 10"]) -> Float[Tensor, "N 25"]:
        """Return the judgement: 23 joints, whole pose, shape.

        Raises:
            ShapeError: other shapes, such as 24 joints with the root.
        """
        judged = self.judge(rotmats, betas)
        return torch.cat([judged.joints, judged.pose, judged.shape], 1)

    def judge(self, rotmats: Float[Tensor, "N 23 3 3"], betas: Float[Tensor, "N 10"]) -> Judgement:
        """Return the judgement in parts.

        Raises:
            ShapeError: other shapes, such as 24 joints with the root.
        """
        check_shape(rotmats, "rotmats", ("N", _NUM_JOINTS, 3, 3))
        check_shape(betas, "betas", (len(rotmats), 10))
        is_original = self.name == "hmr"
        inner = rotmats.flatten(2)  # (N, 23, 9), row by row
        for layer in self.joint_layers:
            inner = torch.relu(layer(inner)) if is_original else layer(inner)
        joints = torch.cat([head(inner[:, joint]) for joint, head in enumerate(self.joint_heads)], 1)
        whole = inner.flatten(1) if is_original else inner.transpose(1, 2).flatten(1)
        return Judgement(joints, _relu_between(self.pose_layers, whole), _relu_between(self.shape_layers, betas), inner)

    def judge_theta(self, theta: Float[Tensor, "N 85"]) -> Float[Tensor, "N 25"]:
        """Return the judgement of thetas: camera and root have no effect.

        Raises:
            ShapeError: theta has not 85 numbers a row.
        """
        check_shape(theta, "theta", ("N", NUM_THETA))
        return self(rotmat_from_rotvec(theta[:, 6:75].unflatten(1, (_NUM_JOINTS, 3))), theta[:, 75:])

    def load_official(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Load a `<iteration>_<loss>_discriminator.pkl` of pytorch_HMR, or its content; strict.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or lacks or exceeds the network's keys.
        """
        state = {_our_key(key): value for key, value in read_checkpoint(weights).items()}
        for key, value in state.items():
            if key.startswith("joint_layers.") and value.ndim == 4:
                state[key] = value[:, :, 0, 0]
        return load_strictly(self, state, source_name(weights))

    def load_tensorflow(self, checkpoint: str | Path | Mapping[str, ndarray]) -> LoadReport:
        """Load the original's adversary from its checkpoint's prefix (`model.ckpt-667589`), or its variables; strict.

        Raises:
            FileProblem: there is no such checkpoint, or it is damaged.
            MissingExtra: a file is given and TensorFlow is not installed.
            WeightsError: variables are missing, surplus or of another shape.
        """
        state = read_by_our_names(checkpoint, DISCRIMINATOR_NAMES)
        return load_strictly(self, state, source_name(checkpoint), ignored=_NOT_THE_ADVERSARY)


def _our_key(key: str) -> str:
    for theirs, ours in _OFFICIAL.items():
        if key.startswith(theirs):
            return ours + key.removeprefix(theirs)
    return key


def _dense_row(sizes: tuple[int, ...]) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))


def _relu_between(layers: nn.ModuleList, x: Tensor) -> Tensor:
    for layer in list(layers)[:-1]:
        x = torch.relu(layer(x))
    return layers[-1](x)
