"""The user's own weights are kept: NAME.safetensors, and its record in NAME.json in the form of the package's cards."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from limner.checks import FileProblem, InputError, WeightsError
from limner.types import PrecisionName
from limner.weights.registry import WeightRecord, checksum

if TYPE_CHECKING:
    from torch import Tensor


def save_weights(
    record: WeightRecord,
    state: Mapping[str, Tensor],
    folder: Path,
    *,
    precision: PrecisionName = "fp32",
    facts: Mapping[str, Any] | None = None,
) -> WeightRecord:
    """Keep weights in `folder` under their record's name; a file of that name is replaced.

    Args:
        record: what is known of them; its checksum is set here.
        state: tensors by key.
        folder: made if need be.
        precision: fp16 halves the file: kernels are rounded, norms and biases stay as they are.
        facts: what keys and shapes do not say of the network; JSON in the file's metadata under `limner`.

    Returns:
        The record with the name and the checksum of the file.

    Raises:
        FileProblem: the folder cannot be written.
        WeightsError: a kernel is too large for 16 bits.
    """
    from safetensors.torch import save_file

    from limner.media import written_beside  # here, because listing weights needs no pictures

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileProblem(f"the weights folder {folder} cannot be made: {error.strerror}") from None
    path = folder / f"{record.name}.safetensors"
    tensors = _rounded(state, record.name) if precision == "fp16" else dict(state)
    with written_beside(path) as temporary:
        metadata = {"format": "pt"} if facts is None else {"format": "pt", "limner": json.dumps(dict(facts))}
        save_file({key: value.contiguous() for key, value in tensors.items()}, temporary, metadata)
        record = dataclasses.replace(record, file=path.name, sha256=checksum(temporary))
    with written_beside(path.with_suffix(".json")) as card:
        card.write_text(json.dumps(dataclasses.asdict(record), indent=2) + "\n", encoding="utf-8")
    return record


def check_precision(precision: str) -> None:
    """Raise `InputError` unless weights can be kept so."""
    if precision not in get_args(PrecisionName):
        raise InputError(f"precision must be fp32 or fp16, got {precision!r}")


def read_facts(path: Path) -> dict[str, Any]:
    """Return the facts that `save_weights`, or a training run, wrote beside the tensors.

    Returns:
        Nothing where the file says nothing, or is no safetensors file.

    Raises:
        WeightsError: it is truncated or damaged.
    """
    if path.suffix != ".safetensors":
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as opened:
            facts = json.loads((opened.metadata() or {}).get("limner", "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is no safetensors file that can be read: it is truncated or damaged") from error
    return facts if isinstance(facts, dict) else {}


def _rounded(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    import torch

    rounded = {key: value.half() if value.ndim > 1 else value for key, value in state.items()}
    if any(not torch.isfinite(value).all() for value in rounded.values() if value.is_floating_point()):
        raise WeightsError(f"{name} has kernels beyond the range of 16 bits; keep it in fp32")
    return rounded
