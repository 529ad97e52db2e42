"""Networks as layers, kept on disk: tracing a module takes seconds."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy import ndarray

from limner.runtime.cache import mark_used
from limner.runtime.layer_kinds import Layer, LayerList
from limner.runtime.modules import kept_name
from limner.runtime.reading import read_layers

if TYPE_CHECKING:
    from torch import nn


_logger = logging.getLogger(__name__)

_LARGEST = 400 << 20  # bytes of weights; larger ones are traced again sooner than read


def kept_layers(module: nn.Module, input_shape: Sequence[int], folder: Path | None) -> LayerList:
    """Return `read_layers(module)`, from `folder` where they were kept there before; None keeps nothing.

    Raises:
        NotExpressible: as `read_layers`.
    """
    if folder is None:
        return read_layers(module, input_shape)
    kept = folder / kept_name(module, input_shape, ".npz")
    if kept.exists():
        try:
            mark_used(kept)
            return _load(kept)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            _logger.warning("the kept layers %s are damaged and made anew: %s", kept, error)
    layers = read_layers(module, input_shape)
    _save(layers, kept)
    return layers


def _load(path: Path) -> LayerList:
    kinds = {kind.__name__: kind for kind in get_args(Layer)}
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        sources, outputs, vectors, table = json.loads(str(file["table"]))
        arrays = {name: file[name] for name in file.files if name != "table"}
    layers = [
        kinds[kind](**values, **{field: arrays[name] for field, name in names.items()}) for kind, values, names in table
    ]
    return LayerList(tuple(sources), tuple(layers), tuple(map(tuple, outputs)), tuple(vectors))


def _save(network: LayerList, path: Path) -> None:
    table: list[tuple[str, dict[str, Any], dict[str, str]]] = []
    arrays: dict[str, ndarray] = {}  # by what they hold: a layer that is run again and again has its weights once
    for layer in network.layers:
        values = {field.name: getattr(layer, field.name) for field in fields(layer)}
        names = {field: _content(value) for field, value in values.items() if isinstance(value, ndarray)}
        arrays |= {name: values.pop(field) for field, name in names.items()}
        table.append((type(layer).__name__, values, names))
    if sum(array.nbytes for array in arrays.values()) > _LARGEST:
        return
    beside = path.with_name(f".{path.stem}-{os.getpid()}.npz")
    try:
        np.savez(
            beside, table=np.array(json.dumps((network.sources, network.outputs, network.vectors, table))), **arrays
        )
        os.replace(beside, path)
    except OSError as error:
        _logger.warning("layers cannot be kept in %s: %s", path.parent, error)
    finally:
        beside.unlink(missing_ok=True)


def _content(array: ndarray) -> str:
    digest = hashlib.sha256(repr((array.shape, array.dtype)).encode())
    digest.update(np.ascontiguousarray(array).reshape(-1))
    return digest.hexdigest()[:32]
