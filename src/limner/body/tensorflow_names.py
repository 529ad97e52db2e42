"""The original's TensorFlow checkpoint: its variables by name, and which tensor of ours each of them is.

TensorFlow keeps convolutions as (height, width, in, out) and dense layers as (in, out); torch has the outputs first.
Source: akanazawa/hmr `src/models.py`; tf-slim's ResNet v2. The name of every variable is published in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from limner.checks import FileProblem, MissingExtra, WeightsError

__all__ = [
    "DISCRIMINATOR_NAMES",
    "NETWORK_NAMES",
    "read_by_our_names",
    "read_tensorflow_variables",
    "tensors_by_our_names",
]

Variables = Mapping[str, ndarray]

# Our key, and how the array becomes ours.
_Target = tuple[str, Callable[[ndarray], ndarray]]

_UNITS = (3, 4, 6, 3)
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
# What an optimiser leaves beside a variable, and what a trainer counts.
_SLOTS = ("/Adam", "/Adam_1", "/Momentum", "/RMSProp", "/RMSProp_1", "/ExponentialMovingAverage")
_COUNTERS = ("global_step", "beta1_power", "beta2_power")


def _conv(array: ndarray) -> ndarray:
    return array.transpose(3, 2, 0, 1)


def _dense(array: ndarray) -> ndarray:
    return array.T


def _pointwise(array: ndarray) -> ndarray:
    """A 1x1 convolution, which is a dense layer here."""
    return array.reshape(array.shape[-2:]).T


def _as_it_is(array: ndarray) -> ndarray:
    return array


def _row(array: ndarray) -> ndarray:
    return array.reshape(-1)


def _norm_names(variable: str, key: str) -> dict[str, _Target]:
    return {f"{variable}/{theirs}": (f"{key}.{ours}", _as_it_is) for theirs, ours in _NORM.items()}


def _layer_names(
    variable: str, key: str, turn: Callable[[ndarray], ndarray], *, bias: bool = True
) -> dict[str, _Target]:
    names = {f"{variable}/weights": (f"{key}.weight", turn)}
    return {**names, f"{variable}/biases": (f"{key}.bias", _as_it_is)} if bias else names


def _unit_names(block: int, unit: int) -> dict[str, _Target]:
    theirs = f"resnet_v2_50/block{block + 1}/unit_{unit + 1}/bottleneck_v2"
    ours = f"encoder.layer{block + 1}.{unit}"
    names = _norm_names(f"{theirs}/preact", f"{ours}.bn1")
    for number in (1, 2):
        names |= _layer_names(f"{theirs}/conv{number}", f"{ours}.conv{number}", _conv, bias=False)
        names |= _norm_names(f"{theirs}/conv{number}/BatchNorm", f"{ours}.bn{number + 1}")
    names |= _layer_names(f"{theirs}/conv3", f"{ours}.conv3", _conv)
    return names | (_layer_names(f"{theirs}/shortcut", f"{ours}.shortcut.0", _conv) if unit == 0 else {})


def _network_names() -> dict[str, _Target]:
    names = _layer_names("resnet_v2_50/conv1", "encoder.conv1", _conv)
    for block, count in enumerate(_UNITS):
        for unit in range(count):
            names |= _unit_names(block, unit)
    names |= _norm_names("resnet_v2_50/postnorm", "encoder.post_bn")
    for number in (1, 2, 3):
        names |= _layer_names(f"3D_module/fc{number}", f"regressor.fc_blocks.fc{number}", _dense)
    return {**names, "mean_param": ("regressor.mean_theta", _row)}


def _discriminator_names() -> dict[str, _Target]:
    names: dict[str, _Target] = {}
    for number in (1, 2):
        names |= _layer_names(f"D/D_conv{number}", f"joint_layers.{number - 1}", _pointwise)
        names |= _layer_names(f"D/D_alljoints_fc{number}", f"pose_layers.{number - 1}", _dense)
        names |= _layer_names(f"D/shape_fc1/shape_fc1_{number}", f"shape_layers.{number - 1}", _dense)
    for joint in range(23):
        names |= _layer_names(f"D/pose_out_j{joint}", f"joint_heads.{joint}", _dense)
    names |= _layer_names("D/D_alljoints_out", "pose_layers.2", _dense)
    return names | _layer_names("D/shape_final", "shape_layers.2", _dense)


NETWORK_NAMES = _network_names()
"""By TensorFlow's name: our key in `HMR` with the pre-activation encoder, and how the array is turned."""

DISCRIMINATOR_NAMES = _discriminator_names()
"""The same for the discriminator."""


def tensors_by_our_names(variables: Variables, names: Mapping[str, _Target]) -> dict[str, Tensor]:
    """Return the variables as tensors under our keys.

    Args:
        variables: arrays by TensorFlow's names; what optimisers and trainers leave beside them is dropped.
        names: `NETWORK_NAMES` or `DISCRIMINATOR_NAMES`. Variables that are in neither keep their names and lose their
            numbers, for the strict load to judge.

    Raises:
        WeightsError: an array has too few axes for its layer.
    """
    found = {}
    for name, array in variables.items():
        if name in names:
            key, turn = names[name]
            value = np.asarray(array)
            if value.ndim < 2 and turn not in (_as_it_is, _row):
                raise WeightsError(f"the variable {name} has the shape {value.shape}, which is no layer's weights")
            found[key] = torch.from_numpy(np.ascontiguousarray(turn(value), dtype=np.float32))
        elif not name.endswith(_SLOTS) and not name.startswith(_COUNTERS):
            found[name] = torch.empty(0)
    return found


def read_by_our_names(checkpoint: str | Path | Variables, names: Mapping[str, _Target]) -> dict[str, Tensor]:
    """Return what `tensors_by_our_names` makes of a checkpoint, given by its prefix or as its variables.

    Raises:
        FileProblem: there is no such checkpoint, or it is damaged.
        MissingExtra: a prefix is given and TensorFlow is not installed.
        WeightsError: an array has too few axes for its layer.
    """
    variables = checkpoint if isinstance(checkpoint, Mapping) else read_tensorflow_variables(checkpoint)
    return tensors_by_our_names(variables, names)


def read_tensorflow_variables(prefix: str | Path) -> dict[str, ndarray]:
    """Read every variable of a TensorFlow checkpoint, such as `model.ckpt-667589`.

    Args:
        prefix: the path without `.index` or `.data-00000-of-00001`.

    Raises:
        FileProblem: there is no such checkpoint, or it is damaged.
        MissingExtra: TensorFlow, which alone reads its checkpoints here, is not installed.
    """
    prefix = Path(str(prefix).removesuffix(".index"))
    # The older format, in which ImageNet's weights were handed out, is one file of that name.
    if not prefix.with_name(f"{prefix.name}.index").is_file() and not prefix.is_file():
        raise FileProblem(f"no TensorFlow checkpoint at {prefix}: there is no {prefix.name}.index beside it")
    try:
        reader_of: Any = import_module("tensorflow").train.load_checkpoint
    except ImportError as error:
        raise MissingExtra(
            f"{prefix} is a TensorFlow checkpoint, which needs TensorFlow once: install it (pip install tensorflow), "
            "or give the network's PyTorch file hmr_tf2pt.pth"
        ) from error
    try:
        reader = reader_of(str(prefix))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (ValueError, RuntimeError, OSError) as error:
        raise FileProblem(f"{prefix} is no TensorFlow checkpoint that can be read: it is damaged") from error
