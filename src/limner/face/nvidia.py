"""Generators of NVIDIA's files under our keys: StyleGAN2's of TensorFlow, and StyleGAN2-ADA's of PyTorch.

TensorFlow's file is a tuple of networks, the last of which is the generator's average; its convolutions are (k, k, in,
out), those that enlarge are stored turned by half, and the biases of styles lack the one that is added to them.
PyTorch's is a table whose `G_ema` is a tree of modules; its kernels are as ours.

Source: Karras et al. 2020 (StyleGAN2; StyleGAN2-ADA), NVlabs/stylegan2 and NVlabs/stylegan2-ada-pytorch. Difference:
activations are not cut at 256, which ADA's layers in 16 bits do.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from limner.checks import WeightsError, check_file
from limner.face.pickles import PickledObject, read_pickle
from limner.face.stylegan2 import FIRST_SIDE, Generator, load_generator

_ADA_CLASSES = {
    *("Generator", "MappingNetwork", "SynthesisNetwork", "SynthesisBlock", "SynthesisLayer", "ToRGBLayer"),
    *("FullyConnectedLayer", "Conv2dLayer"),
}
_FILTER = "resample_filter"


def read_generator(path: str | Path) -> tuple[Generator, Tensor | None]:
    """Build the generator in a file of NVIDIA's or of rosinality's layout; code that it carries is never run.

    Args:
        path: a pickle (.pkl) of StyleGAN2 or StyleGAN2-ADA, or a PyTorch file with `g_ema`.

    Returns:
        The generator in evaluation mode, and the mean style, if the file has one.

    Raises:
        FileProblem: there is no such file.
        WeightsError: the file is damaged, asks for something unexpected, or holds no such generator.
    """
    path = check_file(path, "generator file")
    return load_generator(read_nvidia(path) if _is_pickle(path) else path)


def read_nvidia(path: str | Path) -> dict[str, Any]:
    """Read a pickle of NVIDIA's as rosinality's layout has it: `g_ema`, and `latent_avg`.

    Raises:
        FileProblem: there is no such file.
        WeightsError: the file is damaged, asks for something unexpected, or holds no StyleGAN2 generator.
    """
    content = read_pickle(path)
    if isinstance(content, Mapping) and isinstance(content.get("G_ema"), PickledObject):
        named = dict(_modules(content["G_ema"], str(path)))
    elif isinstance(content, tuple | list) and content and isinstance(content[-1], PickledObject):
        named = _from_tensorflow(dict(_variables(content[-1], str(path))))
    else:
        raise WeightsError(f"{path} holds no StyleGAN2: neither a table with G_ema nor a tuple of networks")
    state, mean = _renamed(named, str(path))
    return {"g_ema": state} if mean is None else {"g_ema": state, "latent_avg": mean}


def _is_pickle(path: Path) -> bool:
    """Whether a file is a bare pickle: PyTorch's files are archives, or begin with their own magic number."""
    if zipfile.is_zipfile(path) or path.suffix == ".safetensors":
        return False
    with path.open("rb") as file:
        start = file.read(32)
    return start[:1] == b"\x80" and b"\x19P\x86" not in start


def _modules(module: Any, source: str, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of a tree of PyTorch modules."""
    if not isinstance(module, PickledObject) or module.name not in _ADA_CLASSES:
        found = module.name if isinstance(module, PickledObject) else type(module).__name__
        raise WeightsError(f"{source} holds a module of the class {found!r}, which StyleGAN2-ADA's generator has not")
    state = module.state if isinstance(module.state, Mapping) else {}
    for table in ("_parameters", "_buffers"):
        for name, value in (state.get(table) or {}).items():
            if isinstance(value, Tensor):
                yield f"{prefix}{name}", value
    for name, part in (state.get("_modules") or {}).items():
        yield from _modules(part, source, f"{prefix}{name}.")


def _variables(network: PickledObject, source: str, prefix: str = "") -> Iterator[tuple[str, ndarray]]:
    """Names and arrays of a TensorFlow network and of its components."""
    state = network.state
    if network.name != "Network" or not isinstance(state, Mapping) or "variables" not in state:
        raise WeightsError(f"{source} holds a network without variables")
    for name, value in state["variables"]:
        yield f"{prefix}{name}", np.asarray(value)
    for name, part in (state.get("components") or {}).items():
        yield from _variables(part, source, f"{prefix}{name}/")


def _from_tensorflow(variables: Mapping[str, ndarray]) -> dict[str, Tensor]:
    """TensorFlow's variables as StyleGAN2-ADA names and lays them out."""
    named = {}
    for name, value in variables.items():
        found = _tensorflow_name(name)
        if found is None:
            continue
        new, change = found
        named[new] = torch.from_numpy(np.array(_CHANGES[change](value), np.float32))
    return named


_CHANGES = {
    "as_is": lambda v: v,
    "turned": lambda v: v.T,
    "kernel": lambda v: v.transpose(3, 2, 0, 1),
    "kernel_up": lambda v: v[::-1, ::-1].transpose(3, 2, 0, 1),
    "plus_one": lambda v: v + 1,
    "first": lambda v: v[0],
    "map": lambda v: v[0, 0],
}
_LAYER = {
    "weight": ("weight", "kernel"),
    "bias": ("bias", "as_is"),
    "noise_strength": ("noise_strength", "as_is"),
    "mod_weight": ("affine.weight", "turned"),
    "mod_bias": ("affine.bias", "plus_one"),
}
_LAYERS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb"}


def _tensorflow_name(name: str) -> tuple[str, str] | None:
    """What a variable is called in StyleGAN2-ADA, and how it is laid out there; None for what has no use."""
    if name == "dlatent_avg":
        return "mapping.w_avg", "as_is"
    if match := re.fullmatch(r"mapping/Dense(\d+)/(weight|bias)", name):
        return f"mapping.fc{match[1]}.{match[2]}", "turned" if match[2] == "weight" else "as_is"
    if name == "synthesis/4x4/Const/const":
        return "synthesis.b4.const", "first"
    if match := re.fullmatch(r"synthesis/noise(\d+)", name):
        index = int(match[1])
        return f"synthesis.b{2 ** ((index + 5) // 2)}.conv{int(index % 2 == 0)}.noise_const", "map"
    if match := re.fullmatch(r"synthesis/(\d+)x\d+/(Conv|Conv0_up|Conv1|ToRGB)/(\w+)", name):
        if match[3] not in _LAYER:
            return name, "as_is"
        part, change = _LAYER[match[3]]
        change = "kernel_up" if match[2] == "Conv0_up" and change == "kernel" else change
        return f"synthesis.b{match[1]}.{_LAYERS[match[2]]}.{part}", change
    return None if name in ("lod", "synthesis/lod") else (name, "as_is")


def _renamed(named: Mapping[str, Tensor], source: str) -> tuple[dict[str, Tensor], Tensor | None]:
    """Our keys, and the mean style; what nobody knows keeps its name, so that the strict load tells of it."""
    if any(name.startswith("mapping.embed.") for name in named):
        raise WeightsError(f"{source} holds a generator of classes (mapping.embed), and limner has those without")
    state: dict[str, Tensor] = {}
    for name, value in named.items():
        if name != "mapping.w_avg" and not name.endswith(_FILTER):
            key, value = _ours(name, value.float())
            state[key] = value
    return state, named.get("mapping.w_avg")


def _ours(name: str, value: Tensor) -> tuple[str, Tensor]:
    if match := re.fullmatch(r"mapping\.fc(\d+)\.(weight|bias)", name):
        return f"style.{int(match[1]) + 1}.{match[2]}", value
    if name == "synthesis.b4.const":
        return "input.input", value[None]
    match = re.fullmatch(r"synthesis\.b(\d+)\.(conv0|conv1|torgb)\.(.+)", name)
    if match is None or int(match[1]) & (int(match[1]) - 1) or int(match[1]) < FIRST_SIDE:
        return name, value
    level, layer, part = int(math.log2(int(match[1]))) - 2, match[2], match[3]
    number = 2 * level - (layer == "conv0")  # of the convolution, the first one being 0
    if part == "noise_const":
        return f"noises.noise_{number}", value[None, None]
    if layer == "torgb":
        place = "to_rgb1" if level == 0 else f"to_rgbs.{level - 1}"
        return _part(place, part, value, bias=("bias", value.reshape(1, -1, 1, 1)))
    place = "conv1" if number == 0 else f"convs.{number - 1}"
    return _part(place, part, value, bias=("activate.bias", value))


def _part(place: str, part: str, value: Tensor, *, bias: tuple[str, Tensor]) -> tuple[str, Tensor]:
    if part == "bias":
        return f"{place}.{bias[0]}", bias[1]
    if part == "weight":
        return f"{place}.conv.weight", value[None]
    if part == "noise_strength":
        return f"{place}.noise.weight", value.reshape(1)
    return f"{place}.{part.replace('affine', 'conv.modulation')}", value
