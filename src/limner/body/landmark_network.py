"""HMR's light network: it lifts what the shipped pose network saw of a person, and learns in minutes on a CPU.

The pose network stays as it is, so that only a regressor is learned: from 33 points over the crop, how visible they
are, and the same points in metres. The metres are also given in the axes of the torso that they show, and the root is
corrected from there, so that a pose looks the same from wherever it is seen.
Notation: landmarks (..., 33, 6) are x and y over the crop, the visibility, and metres (x right, y down, z away).
Sources: Kanazawa et al. 2018 (the repeated correction); Zhou et al. 2019 (rotations as six numbers); Bazarevsky et al.
2020 (the landmarks).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from limner.body.regressor import starting_theta
from limner.body.rotations import rot6d_from_rotmat, rotmat_from_rot6d, rotmat_from_rotvec, rotvec_from_rotmat
from limner.checks import check_shape
from limner.pose import SKELETONS

__all__ = ["LandmarkEncoder", "LandmarkRegressor", "torso_axes"]

NUM_LANDMARKS, NUM_VALUES = 33, 6
_NAMES = SKELETONS["blazepose33"].joints
_SHOULDERS = [_NAMES.index("left_shoulder"), _NAMES.index("right_shoulder")]
_HIPS = [_NAMES.index("left_hip"), _NAMES.index("right_hip")]
_AXES = 9
_STRETCH = 2.0  # of places, which lie within half a unit, beside visibilities from 0 to 1
_NUM_ROTATIONS = 24
_STATE = 3 + 6 * _NUM_ROTATIONS + 10


class LandmarkEncoder(nn.Module):
    """Landmarks as features; nothing in it is learned.

    Attributes:
        num_features: numbers a person; the first nine are the torso's axes.
    """

    num_features = _AXES + NUM_LANDMARKS * (NUM_VALUES + 3)

    def forward(self, landmarks: Float[Tensor, "B 33 6"]) -> Float[Tensor, "B D"]:
        """Return the features of each person.

        Raises:
            ShapeError: other landmarks.
        """
        check_shape(landmarks, "landmarks", ("B", NUM_LANDMARKS, NUM_VALUES))
        places, seen, world = landmarks[..., :2], landmarks[..., 2], landmarks[..., 3:]
        axes = torso_axes(world)
        parts = [axes, seen, _STRETCH * places, _STRETCH * world, _STRETCH * (world @ axes)]
        return torch.cat([part.flatten(1) for part in parts], 1)


class LandmarkRegressor(nn.Module):
    """Corrects a mean body three times with the same layers, as the published regressor does, rotations as six numbers.

    Attributes:
        mean_theta: where the correction starts; its root is left out for the torso's axes.
        num_features: width of the features.
        num_iterations: corrections.
    """

    mean_theta: Float[Tensor, "85"]

    def __init__(
        self,
        num_features: int,
        mean: Float[ndarray, "85"] | None = None,
        *,
        num_iterations: int = 3,
        hidden: int = 1024,
    ) -> None:
        super().__init__()
        self.register_buffer("mean_theta", starting_theta(mean, num_iterations))
        self.num_features, self.num_iterations = num_features, num_iterations
        self.first, self.second = nn.Linear(num_features + _STATE, hidden), nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, _STATE)
        self.dropout = nn.Dropout(0.5)
        # The first guess stays near the mean, as in the published regressor.
        nn.init.xavier_uniform_(self.last.weight, gain=0.1)
        nn.init.zeros_(self.last.bias)

    def forward(self, features: Float[Tensor, "B D"]) -> list[Float[Tensor, "B 85"]]:
        """Return theta after each correction.

        Raises:
            ShapeError: the features are of another width than the regressor was made for.
        """
        check_shape(features, "features", ("B", self.num_features))
        axes = features[:, :_AXES].unflatten(1, (3, 3))
        state = self._start().expand(features.shape[0], -1)
        thetas = []
        for _ in range(self.num_iterations):
            x = torch.cat([features, state], 1)
            for layer in (self.first, self.second):
                x = self.dropout(torch.relu_(layer(x)))
            state = state + self.last(x)
            thetas.append(_theta(state, axes))
        return thetas

    def _start(self) -> Float[Tensor, "S"]:
        """The mean body with the root along the torso's axes."""
        rotvec = torch.cat([torch.zeros_like(self.mean_theta[:3]), self.mean_theta[6:75]])
        rot6d = rot6d_from_rotmat(rotmat_from_rotvec(rotvec.unflatten(0, (_NUM_ROTATIONS, 3))))
        return torch.cat([self.mean_theta[:3], rot6d.flatten(), self.mean_theta[75:]])


def _theta(state: Float[Tensor, "B S"], axes: Float[Tensor, "B 3 3"]) -> Float[Tensor, "B 85"]:
    rotmats = rotmat_from_rot6d(state[:, 3:-10].unflatten(1, (_NUM_ROTATIONS, 6)))
    rotmats = torch.cat([(axes @ rotmats[:, 0])[:, None], rotmats[:, 1:]], 1)
    return torch.cat([state[:, :3], rotvec_from_rotmat(rotmats).flatten(1), state[:, -10:]], 1)


def torso_axes(world: Float[Tensor, "B 33 3"]) -> Float[Tensor, "B 3 3"]:
    """Return the body's left, up and front as columns, in the axes of the landmarks.

    A torso without a height or a width, which no picture shows, has some axes, orthonormal or zero, and no NaN.
    """
    shoulders, hips = world[:, _SHOULDERS], world[:, _HIPS]
    up = _unit(shoulders.mean(1) - hips.mean(1))
    left = (shoulders[:, 0] - shoulders[:, 1]) + (hips[:, 0] - hips[:, 1])
    left = _unit(left - (left * up).sum(1, keepdim=True) * up)
    return torch.stack([left, up, torch.linalg.cross(left, up)], 2)


def _unit(vector: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3"]:
    return nn.functional.normalize(vector, dim=1, eps=1e-4)
