"""Checkpoints: everything that a run needs to go on with the same numbers, in one safetensors file.

Tensors (weights, averages, optimisers, random states) stand under dotted names; all else is JSON in the file's
metadata. Nothing in it can act. A file is written beside its name and renamed, so a kill leaves the old one whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from limner.checks import WeightsError, check_file
from limner.media import written_beside

FORMAT = 1
"""Version of the layout; a file of another one is refused."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """The content of a file.

    Attributes:
        tensors: by name, on the CPU.
        facts: the rest.
    """

    tensors: dict[str, Tensor]
    facts: Json


def write_stored(path: Path, stored: Stored) -> None:
    """Write a file, whole or not at all, and only then under its name.

    Raises:
        FileProblem: the folder is missing or cannot be written.
    """
    from safetensors.torch import save_file

    tensors = {name: value.detach().cpu().contiguous() for name, value in stored.tensors.items()}
    metadata = {"format": "pt", "limner": json.dumps({**stored.facts, "format": FORMAT})}
    with written_beside(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file(tensors, temporary, metadata)
        temporary.chmod(mode)  # safetensors makes files that only their owner may read
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # a rename that reaches the disk before its data is an empty checkpoint


def read_stored(path: Path) -> Stored:
    """Read a file that `write_stored` wrote.

    Raises:
        FileProblem: there is no such file.
        WeightsError: it is damaged, or of another kind or version.
    """
    from safetensors import SafetensorError, safe_open

    check_file(path, "checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("limner")
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is no checkpoint that can be read: it is truncated or damaged") from error
    facts = json.loads(text) if text else {}
    if facts.get("format") != FORMAT:
        raise WeightsError(f"{path} is no checkpoint of this version of limner; start the run anew in another folder")
    return Stored(tensors, facts)


def network_tensors(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    """Return a network's weights and buffers under `prefix`."""
    return {f"{prefix}.{key}": value for key, value in network.state_dict().items()}


def restore_network(prefix: str, network: nn.Module, stored: Stored) -> None:
    """Load what `network_tensors` gave.

    Raises:
        WeightsError: the file holds another network.
    """
    state = _below(prefix, stored.tensors)
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise WeightsError(
            f"the checkpoint holds another network than the configuration: {_first_line(error)}"
        ) from None


def optimiser_content(prefix: str, optimiser: Optimizer) -> tuple[dict[str, Tensor], Json]:
    """Return an optimiser's tensors under `prefix`, and its groups as JSON."""
    state = optimiser.state_dict()
    tensors, numbers = {}, {}
    for index, values in state["state"].items():
        for name, value in values.items():
            place = f"{index}.{name}"
            if isinstance(value, Tensor):
                tensors[f"{prefix}.{place}"] = value
            else:
                numbers[place] = value
    return tensors, {"groups": state["param_groups"], "numbers": numbers}


def restore_optimiser(prefix: str, optimiser: Optimizer, stored: Stored, facts: Json) -> None:
    """Load what `optimiser_content` gave.

    Raises:
        WeightsError: the optimiser is another one.
    """
    state: dict[int, Json] = {}
    for place, value in {**facts["numbers"], **_below(prefix, stored.tensors)}.items():
        index, name = place.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    try:
        optimiser.load_state_dict({"state": state, "param_groups": facts["groups"]})
    except (ValueError, KeyError) as error:
        raise WeightsError(
            f"the checkpoint holds another optimiser than the configuration: {_first_line(error)}"
        ) from None
    _lay_out_as_weights(optimiser)


def _lay_out_as_weights(optimiser: Optimizer) -> None:
    """Give moments the memory layout of their weights, as the optimiser made them: other kernels round otherwise."""
    for weight, values in optimiser.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                values[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def random_state(device: torch.device) -> Tensor:
    """Return PyTorch's random states of this process, the CPU's and then the device's, as bytes."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return torch.cat([state.cpu() for state in states])


def restore_random_state(state: Tensor, device: torch.device) -> None:
    """Set what `random_state` gave; a device that the run had not is left as it is."""
    size = torch.get_rng_state().numel()
    torch.set_rng_state(state[:size].clone())
    if device.type == "cuda" and state.numel() > size:
        torch.cuda.set_rng_state(state[size:].clone(), device)


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 else lines[0]
