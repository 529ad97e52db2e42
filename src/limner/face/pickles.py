"""Pickles of NVIDIA's and NumPy's programs, read without running them.

A pickle is a small program that names things to call. Here every name that may occur stands for something inert: a
table, an array made of bytes, a record of what a class would have been given. Source code that such a file carries is
kept as text and never looked at. A name that is not on the list ends the reading, and the message says which it was.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray

from limner.checks import WeightsError, check_file

_NUMBERS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
_MOST_BYTES = 8 << 30


@dataclass
class PickledObject:
    """What a class of the pickle would have been made of.

    Attributes:
        name: of the class.
        state: what it was given; for a network its tables of parameters, buffers and parts.
    """

    name: str
    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Refused(pickle.UnpicklingError):
    """A pickle asks for something that is not on the list."""


def read_pickle(path: str | Path) -> Any:
    """Read a pickle of an NVIDIA network or of a table of arrays; nothing in it is run.

    Returns:
        Tables, lists, numbers and texts as they are; arrays of NumPy; tensors; `PickledObject` for all else.

    Raises:
        FileProblem: there is no such file.
        WeightsError: it is no pickle, is damaged, or asks for anything beyond arrays, tables and NVIDIA's networks;
            the message names that.
    """
    path = check_file(path, "weight file")
    with path.open("rb") as file:
        return _read(file, str(path))


def read_pickled_npy(path: str | Path) -> dict[str, ndarray]:
    """Read an npy file that holds one table of arrays as an object, as MTCNN's weights are published.

    Raises:
        FileProblem: there is no such file.
        WeightsError: as for `read_pickle`, or the file holds something else.
    """
    path = check_file(path, "weight file")
    with path.open("rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
            shape, _, dtype = reader(file)
        except (ValueError, OSError) as error:
            raise WeightsError(f"{path} is no npy file that can be read: {error}") from None
        content = _read(file, str(path)) if dtype.hasobject and shape == () else None
    # An array of one object is pickled as that array; its only element is the table.
    table = content[0] if isinstance(content, list) and len(content) == 1 else content
    if not isinstance(table, dict) or not all(isinstance(value, ndarray) for value in table.values()):
        raise WeightsError(f"{path} holds no table of arrays")
    return {str(key): value for key, value in table.items()}


def _read(file: Any, name: str) -> Any:
    try:
        return _plain(_InertUnpickler(file).load())
    except Refused as error:
        raise WeightsError(f"{name} {error}; limner reads weights and runs nothing: it was refused") from None
    except WeightsError:
        raise
    except Exception as error:  # a damaged pickle fails in any way that its opcodes can
        raise WeightsError(
            f"{name} is no pickle of a network that can be read: {error or type(error).__name__}"
        ) from None


class _InertUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _INERT.get((module, name))
        if found is None and module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return name
        if found is None:
            raise Refused(f"asks for {module}.{name}")
        return found

    def persistent_load(self, pid: Any) -> Any:
        raise Refused(f"asks for something outside of it ({str(pid)[:40]!r})")


class _Table(dict):
    """A dictionary of any name."""

    def __setstate__(self, state: Any) -> None:
        self.update(state)


class _Dtype:
    """A NumPy type of numbers, by its letters."""

    def __init__(self, letters: Any = "", *_: Any) -> None:
        self.letters, self.order = str(letters), "<"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1] if state[1] in ("<", ">") else "<"

    def numpy(self) -> np.dtype[Any] | None:
        """The type itself; None for objects."""
        if self.letters in ("O", "O8"):
            return None
        if self.letters not in _NUMBERS:
            raise Refused(f"holds an array of the type {self.letters[:20]!r}")
        return np.dtype(self.order + self.letters)


class _Call:
    """A function that a pickle may call, and may not change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise Refused("changes what it is read by")


class _Array:
    """An array that is still to be given its bytes; `_plain` makes it one of NumPy's, or a list of objects."""

    value: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, by_columns, content = state
        kind, shape = dtype.numpy(), tuple(int(length) for length in shape)
        if kind is None:
            self.value = list(content)
            return
        data = content if isinstance(content, bytes) else bytes(content, "latin1")
        if len(data) != int(np.prod(shape, dtype=np.int64)) * kind.itemsize:
            raise Refused(f"holds an array of shape {shape} with {len(data)} bytes")
        self.value = np.frombuffer(data, kind).reshape(shape, order="F" if by_columns else "C")


def _scalar(dtype: _Dtype, content: Any = b"") -> Any:
    kind = dtype.numpy()
    data = content if isinstance(content, bytes) else bytes(content, "latin1")
    return None if kind is None else np.frombuffer(data, kind)[0].item()


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise Refused(f"encodes text as {encoding[:20]!r}")
    return text.encode("latin1")


def _persistent(meta: Mapping[str, Any]) -> PickledObject:
    """NVIDIA's `persistence`: a class by its source code, which stays unread, and its state."""
    return PickledObject(str(meta.get("class_name", "")), meta.get("state"))


def _reconstructed(kind: Any, *_: Any) -> Any:
    return kind()


class _Network(PickledObject):
    """TensorFlow's StyleGAN2: made without arguments, then given its state."""

    name = "Network"  # of the class, because a pickle makes instances without calling them

    def __init__(self, *_: Any) -> None:
        super().__init__("Network")


def _storage(data: Any) -> Any:
    """The numbers of tensors: a file of PyTorch's within the pickle, read by the reader that runs nothing."""
    if not isinstance(data, bytes) or len(data) > _MOST_BYTES:
        raise Refused("holds a tensor's storage that is no bytes")
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise Refused(
            f"holds a tensor whose storage asks for more than numbers ({str(error).splitlines()[0]})"
        ) from None


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> torch.Tensor:
    if not isinstance(storage, torch.storage.TypedStorage | torch.UntypedStorage):
        raise Refused("makes a tensor of something that is no storage")
    flat = torch.empty(0, dtype=getattr(storage, "dtype", torch.uint8)).set_(storage)
    size, stride = [int(n) for n in size], [int(n) for n in stride]
    reach = int(offset) + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if all(size) else 0
    if min([int(offset), *size, *stride, 0]) < 0 or reach >= max(flat.numel(), 1):
        raise Refused("makes a tensor that reaches beyond its storage")
    return flat.as_strided(size, stride, int(offset)).clone()


def _plain(value: Any) -> Any:
    """Replace the shells of arrays, in whatever tables they lie, by the arrays."""
    if isinstance(value, _Array):
        return _plain(value.value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, PickledObject):
        return PickledObject(value.name, _plain(value.state))
    return value


_ARRAYS: dict[tuple[str, str], Any] = {
    (f"numpy.{core}.multiarray", name): _Call(made)
    for core in ("core", "_core")
    for name, made in {"_reconstruct": lambda *_: _Array(), "scalar": _scalar}.items()
}
_INERT: dict[tuple[str, str], Any] = {
    **_ARRAYS,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Call(_encoded),
    ("collections", "OrderedDict"): _Table,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("builtins", "object"): object,
    ("__builtin__", "object"): object,
    ("copyreg", "_reconstructor"): _Call(_reconstructed),
    ("copy_reg", "_reconstructor"): _Call(_reconstructed),
    ("dnnlib.util", "EasyDict"): _Table,
    ("dnnlib.tflib.network", "Network"): _Network,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _Call(_persistent),
    ("torch._utils", "_rebuild_tensor_v2"): _Call(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Call(lambda data, *_: data),
    ("torch.storage", "_load_from_bytes"): _Call(_storage),
    ("torch", "device"): _Call(lambda *_: None),
}
