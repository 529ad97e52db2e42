"""HMR's regressor: features in, the 85 numbers of a body out, found by repeated correction of a mean body.

Notation: theta (..., 85) is the weak camera (s, tx, ty), 24 axis-angles (72, root first) and 10 betas.
Source: Kanazawa et al. 2018, section 3.2; akanazawa/hmr `src/models.py`, `src/trainer.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor, nn

from limner.body.rotations import rotmat_from_rot6d, rotvec_from_rotmat
from limner.checks import FileProblem, InputError, MissingExtra, check_file, check_shape

__all__ = ["NUM_THETA", "Regressor", "mean_theta", "mean_theta_from_rot6d", "plain_theta", "read_mean_theta"]

NUM_THETA = 85
_SCALE = 0.9  # the published camera to start from
_HIDDEN = 1024
_NAMES = ("pose", "shape", "cam")  # arrays of a file of mean parameters; the last is not in every kind


class Regressor(nn.Module):
    """Three layers that correct theta again and again, with the same weights each time.

    Attributes:
        mean_theta: where the correction starts; a parameter if `train_mean`, else a buffer.
        num_features: width of the features.
        num_iterations: corrections (published: 3).
    """

    mean_theta: Float[Tensor, "85"]

    def __init__(
        self,
        num_features: int = 2048,
        mean: Float[ndarray, "85"] | None = None,
        *,
        num_iterations: int = 3,
        train_mean: bool = True,
        hidden: int = _HIDDEN,
    ) -> None:
        super().__init__()
        value = starting_theta(mean, num_iterations)
        self.num_features, self.num_iterations = num_features, num_iterations
        # Published: the original trains it and keeps it in its checkpoint; the other two hold it fixed.
        if train_mean:
            self.mean_theta = nn.Parameter(value)
        else:
            self.register_buffer("mean_theta", value)
        first, last = nn.Linear(num_features + NUM_THETA, hidden), nn.Linear(hidden, NUM_THETA)
        self.fc_blocks = nn.ModuleDict({"fc1": first, "fc2": nn.Linear(hidden, hidden), "fc3": last})
        self.dropout = nn.Dropout(0.5)
        # The first guess stays near the mean: variance scaling with factor 0.01, which is Xavier with a gain of 0.1.
        nn.init.xavier_uniform_(last.weight, gain=0.1)
        nn.init.zeros_(last.bias)

    def forward(self, features: Float[Tensor, "B D"]) -> list[Float[Tensor, "B 85"]]:
        """Return theta after each correction.

        Raises:
            ShapeError: the features are of another width than the regressor was made for.
        """
        check_shape(features, "features", ("B", self.num_features))
        theta = self.mean_theta.expand(features.shape[0], -1)  # not len, which a traced network keeps as a constant
        thetas = []
        for _ in range(self.num_iterations):
            x = torch.cat([features, theta], 1)
            for name in ("fc1", "fc2"):
                x = self.dropout(torch.relu_(self.fc_blocks[name](x)))
            theta = theta + self.fc_blocks["fc3"](x)
            thetas.append(theta)
        return thetas


def starting_theta(mean: Float[ndarray, "85"] | None, num_iterations: int) -> Float[Tensor, "85"]:
    """Return where a regressor starts that makes so many corrections; by default at `plain_theta`.

    Raises:
        InputError: it makes none.
        ShapeError: the mean has not 85 numbers.
    """
    if num_iterations < 1:
        raise InputError(f"a regressor needs at least one correction, got num_iterations {num_iterations}")
    start = plain_theta() if mean is None else mean
    check_shape(start, "the mean theta", (NUM_THETA,))
    return torch.tensor(np.asarray(start, np.float32))


def plain_theta(*, upright: bool = True) -> Float64[ndarray, "85"]:
    """Return the mean shape in the rest pose, for a start without a file of mean parameters.

    Args:
        upright: turn the root by (pi, 0, 0). Difference: the published codes leave it out here, and start head down.
    """
    theta = np.zeros(NUM_THETA)
    theta[0], theta[3] = _SCALE, math.pi if upright else 0.0
    return theta


def mean_theta(pose: Float[ndarray, "72"], shape: Float[ndarray, "10"]) -> Float64[ndarray, "85"]:
    """Return the theta that HMR starts from, of a mean pose and shape.

    Args:
        pose: axis-angles, root first; the root is dropped for (pi, 0, 0), upright in a picture whose y points down.
        shape: betas.

    Raises:
        ShapeError: the arrays have another number of numbers.

    Source: akanazawa/hmr `src/trainer.py` (load_mean_param).
    """
    check_shape(pose, "pose", (72,))
    check_shape(shape, "shape", (10,))
    return np.concatenate([[_SCALE, 0, 0, math.pi, 0, 0], pose[3:], shape]).astype(np.float64)


def mean_theta_from_rot6d(
    pose: Float[ndarray, "144"], shape: Float[ndarray, "10"], cam: Float[ndarray, "3"]
) -> Float64[ndarray, "85"]:
    """Return the same theta of the later repositories' mean parameters, whose root is already turned.

    Raises:
        ShapeError: the arrays have another number of numbers.
    """
    check_shape(pose, "pose", (144,))
    check_shape(shape, "shape", (10,))
    check_shape(cam, "cam", (3,))
    rotmat = rotmat_from_rot6d(torch.from_numpy(np.asarray(pose, np.float64)).reshape(24, 6))
    return np.concatenate([cam, rotvec_from_rotmat(rotmat).flatten().numpy(), shape]).astype(np.float64)


def read_mean_theta(path: str | Path) -> Float64[ndarray, "85"]:
    """Read a published file of mean parameters; it is never written to.

    Args:
        path: `neutral_smpl_mean_params.h5` (data sets `pose` [72] and `shape` [10]; needs h5py), an npz with the same
            two arrays, or `smpl_mean_params.npz` (`pose` [144] as six numbers a joint, `shape` [10], `cam` [3]).

    Raises:
        FileProblem: there is no such file, it is damaged, or it lacks an array.
        MissingExtra: the file is HDF5 and h5py is not installed.
    """
    path = check_file(path, "file of mean parameters")
    arrays = _read_h5(path) if path.suffix.lower() in (".h5", ".hdf5") else _read_npz(path)
    lacking = [name for name in _NAMES[:2] if name not in arrays]
    if lacking:
        raise FileProblem(f"{path} is no file of mean parameters: it lacks {' and '.join(lacking)}")
    pose, shape = arrays["pose"].reshape(-1), arrays["shape"].reshape(-1)
    if pose.size not in (72, 144) or shape.size != 10:
        raise FileProblem(
            f"{path} is no file of mean parameters: pose must have 72 or 144 numbers and shape 10, "
            f"got {pose.size} and {shape.size}"
        )
    if pose.size == 72:
        return mean_theta(pose, shape)
    return mean_theta_from_rot6d(pose, shape, arrays.get("cam", np.array([_SCALE, 0, 0])).reshape(-1))


def _read_npz(path: Path) -> Mapping[str, ndarray]:
    try:
        # Opened here, because numpy leaves the file open when it holds no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            return {name: np.asarray(content[name], np.float64) for name in content.files if name in _NAMES}
    except (OSError, ValueError, EOFError, AttributeError, TypeError, BadZipFile) as error:
        raise FileProblem(f"{path} is no npz file that can be read: it is damaged or of another kind") from error


def _read_h5(path: Path) -> Mapping[str, ndarray]:
    try:
        h5py: Any = import_module("h5py")
    except ImportError as error:
        raise MissingExtra(
            f"{path} is an HDF5 file, which needs h5py: install it (pip install h5py), or give an npz of its arrays"
        ) from error
    try:
        with h5py.File(path, "r") as content:
            return {name: np.asarray(content[name], np.float64) for name in _NAMES if name in content}
    except OSError as error:
        raise FileProblem(f"{path} is no HDF5 file that can be read: it is damaged or of another kind") from error
