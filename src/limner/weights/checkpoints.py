"""Official checkpoints: read without running anything, and loaded so that every key is accounted for both ways."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from limner.checks import WeightsError, check_file

if TYPE_CHECKING:
    from torch import Tensor, nn

# How torch says that a file asks for more than tensors.
_FOUND_CODE = ("Unsupported global", "Unsupported class", "unrecognized function", "blocklisted")
_NAMED = 4  # keys that a message names before it counts the rest


@dataclass(frozen=True)
class LoadReport:
    """What became of the keys of a checkpoint and of a network.

    Attributes:
        loaded: keys taken from the file.
        ignored: keys of the file that the network has no use for, as its importer says.
        kept: keys of the network that keep the values they had.
    """

    loaded: tuple[str, ...]
    ignored: tuple[str, ...]
    kept: tuple[str, ...]


def read_checkpoint(source: str | Path | Mapping[str, Any]) -> dict[str, Tensor]:
    """Read the weights in a PyTorch or safetensors file, without executing what the file may hold.

    Args:
        source: the file, or what was read from one: a flat state dict, or a training checkpoint with one under
            `state_dict`; the prefix `module.`, which several devices leave, is taken off.

    Returns:
        Tensors on the CPU by their official keys.

    Raises:
        FileProblem: there is no such file.
        WeightsError: the file is truncated, holds code, or holds no weights.
    """
    import torch  # here, because the names and licences of weights are told without it

    content = read_content(source)
    path = source_name(source)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds no weights: a mapping of names to tensors is needed")
    odd = [
        str(key) for key, value in content.items() if not isinstance(key, str) or not isinstance(value, torch.Tensor)
    ]
    if odd:
        raise WeightsError(f"{path} is no mapping of names to tensors: {_list(odd)} {_are(odd)} something else")
    wrapped = all(key.startswith("module.") for key in content)
    return {key.removeprefix("module.") if wrapped else key: value for key, value in content.items()}


def read_content(source: str | Path | Mapping[str, Any]) -> Any:
    """Read whatever a weight file holds beside tensors (numbers, texts, tables), without executing any of it.

    Raises:
        FileProblem: there is no such file.
        WeightsError: the file is truncated, or holds code.
    """
    return source if isinstance(source, Mapping) else _read(check_file(source, "weight file"))


def source_name(source: str | Path | Mapping[str, Any]) -> str:
    """Return what messages call a checkpoint: its path, or that it came from memory."""
    return "the state dict" if isinstance(source, Mapping) else str(source)


def load_strictly(
    network: nn.Module,
    state: Mapping[str, Tensor],
    source: str,
    *,
    ignored: Sequence[str] = (),
    kept: Sequence[str] = (),
    layers: Sequence[str] = ("*",),
) -> LoadReport:
    """Load `state` into `network`; every key of either must fit the other or be named as an exception.

    Args:
        network: changed in place, and only if everything fits.
        state: tensors by key.
        source: what messages call the file.
        ignored: prefixes of keys in the file that the network has no use for.
        kept: prefixes of keys in the network that the file is not to set.
        layers: first pieces of the keys to load; "*" in front is all.

    Returns:
        What became of the keys. Counters of norms (`num_batches_tracked`), which old files lack, may be missing.

    Raises:
        WeightsError: keys are missing, surplus or of another shape; the message names them.
    """
    own = network.state_dict()
    everything = not layers or layers[0] == "*"
    skipped = {
        key for key in {*own, *state} if key.startswith(tuple(kept)) or not (everything or key.split(".")[0] in layers)
    }
    dropped = {key for key in state if key in skipped or (key not in own and key.startswith(tuple(ignored)))}
    wanted, given = own.keys() - skipped, state.keys() - dropped
    missing = [key for key in own if key in wanted - given and not key.endswith(".num_batches_tracked")]
    surplus = [key for key in state if key in given - wanted]
    reshaped = [key for key in own if key in wanted & given and own[key].shape != state[key].shape]
    _refuse(network, source, missing, surplus, [_reshaped(key, state[key], own[key]) for key in reshaped])
    loaded = [key for key in own if key in wanted & given]
    network.load_state_dict({**own, **{key: state[key] for key in loaded}}, strict=True)
    return LoadReport(tuple(loaded), tuple(sorted(dropped)), tuple(key for key in own if key not in given))


def _refuse(network: nn.Module, source: str, missing: list[str], surplus: list[str], reshaped: list[str]) -> None:
    faults = []
    if missing:
        faults.append(f"it lacks {len(missing)} keys ({_list(missing)})")
    if surplus:
        faults.append(f"it has {len(surplus)} that the network does not know ({_list(surplus)})")
    if reshaped:
        faults.append(f"{len(reshaped)} have another shape ({_list(reshaped)})")
    if faults:
        raise WeightsError(
            f"{source} holds the weights of another network than this {type(network).__name__}: " + "; ".join(faults)
        )


def _reshaped(key: str, got: Tensor, wanted: Tensor) -> str:
    return f"{key}: {tuple(got.shape)} instead of {tuple(wanted.shape)}"


def _list(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    import torch

    try:
        with torch.serialization.safe_globals(_numpy_scalars()), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about foreign pickles, which are refused right after
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if any(words in str(error) for words in _FOUND_CODE):
            raise WeightsError(
                f"{path} holds code or objects beside tensors, which limner never runs: "
                "save the network's state_dict() alone, with the program that wrote the file"
            ) from error
        raise WeightsError(f"{path} is no weight file that can be read: it is damaged or of another kind") from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, OSError, TypeError, IndexError) as error:
        raise WeightsError(f"{path} is no weight file that can be read: it is truncated or of another kind") from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is no safetensors file that can be read: it is truncated or damaged") from error


def _numpy_scalars() -> list[Any]:
    """What a number of numpy is rebuilt from: the official trainer keeps its best score as one. None of it can act."""
    scalar = np._core.multiarray.scalar
    kinds = [type(np.dtype(name)) for name in ("float64", "float32", "int64")]
    return [(scalar, "numpy.core.multiarray.scalar"), scalar, np.dtype, *kinds]
