"""A pickle reader that runs no code: arrays, sparse matrices and chumpy's values come out, all else is refused.

Licensed SMPL files are pickles of Python 2, some with objects of chumpy, which no longer installs. Here a class name in
the file only ever picks an entry of a short table: numpy's own array builders, or an inert stand-in that keeps the
state it is given. Any other name ends the reading before anything is called.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray
from scipy.sparse import coo_matrix, csc_matrix, csr_matrix

from limner.checks import FileProblem, WeightsError, check_file

__all__ = ["dense", "read_pickle", "read_pickled", "sparse"]


class _Inert:
    """A stand-in that keeps the pickled state and does nothing."""

    def __setstate__(self, state: Any) -> None:
        state = state[0] if isinstance(state, tuple) and state else state
        self.state: dict[Any, Any] = state if isinstance(state, dict) else {}

    def get(self, *names: str) -> Any:
        state = getattr(self, "state", {})
        return next((state[name] for name in names if name in state), None)


class _Chumpy(_Inert):
    """Any object of chumpy: a plain value lies in `x` (or `r`), a selection in `a` and `idxs`."""


class _Csc(_Inert):
    pass


class _Csr(_Inert):
    pass


class _Coo(_Inert):
    pass


def _reconstruct_object(kind: type, base: type, state: Any) -> _Inert:
    """Stand in for `copy_reg._reconstructor`, for stand-ins only."""
    if not (isinstance(kind, type) and issubclass(kind, _Inert)):
        raise WeightsError("the pickle builds an object in a way that no SMPL file does; it was not read")
    return kind()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stand in for `_codecs.encode`, by which Python 3 writes bytes into old pickles."""
    return text.encode("latin1")


def _frombuffer(buffer: bytes, dtype: np.dtype, shape: tuple[int, ...], order: str) -> ndarray:
    return np.frombuffer(buffer, dtype).reshape(shape, order="F" if order == "F" else "C")


# Only the array builders are numpy's own; they allocate and fill, and call nothing that the file names.
_reconstruct_array = np.empty(0).__reduce__()[0]
_make_scalar = np.float64(0).__reduce__()[0]
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): ndarray,
    ("numpy", "dtype"): np.dtype,
    **{(module, "_reconstruct"): _reconstruct_array for module in _MULTIARRAY},
    **{(module, "scalar"): _make_scalar for module in _MULTIARRAY},
    **{(module, "_frombuffer"): _frombuffer for module in _NUMERIC},
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    **{(module, "_reconstructor"): _reconstruct_object for module in ("copy_reg", "copyreg")},
    **{(module, "object"): object for module in ("__builtin__", "builtins")},
}
_SPARSE = {"csc_matrix": _Csc, "csr_matrix": _Csr, "coo_matrix": _Coo}


class _Reader(pickle.Unpickler):
    """An unpickler whose every name comes from the table above."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        if module.split(".")[0] == "chumpy":
            return _Chumpy
        if module.startswith("scipy.sparse") and name in _SPARSE:
            return _SPARSE[name]
        raise WeightsError(f"the pickle asks for {module}.{name}, which no SMPL file needs; it was refused and not run")

    def persistent_load(self, pid: Any) -> Any:
        raise WeightsError("the pickle refers to objects outside itself; it was refused")


def read_pickle(path: str | Path) -> dict[str, Any]:
    """Read the dict in a pickle without running any of it.

    Returns:
        The dict; arrays are numpy's, other values may be stand-ins for `dense` and `sparse`.

    Raises:
        FileProblem: no such file, empty, or not a whole pickle.
        WeightsError: the file names anything but arrays, sparse matrices and chumpy objects, or holds no dict.
    """
    content = read_pickled(path)
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds a {type(content).__name__}, not a dict of arrays")
    return {key.decode("latin1") if isinstance(key, bytes) else str(key): value for key, value in content.items()}


def read_pickled(path: str | Path) -> Any:
    """Read whatever is in a pickle, without running any of it; see `read_pickle`.

    Raises:
        FileProblem: no such file, empty, or not a whole pickle.
        WeightsError: the file names anything but arrays, sparse matrices and chumpy objects.
    """
    path = check_file(path, "pickle")
    try:
        return _Reader(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise FileProblem(f"{path} is not a whole pickle of an SMPL body: {error}") from None
    except (MemoryError, OverflowError, RecursionError):
        raise FileProblem(f"{path} asks for more memory than a body needs; it was not read") from None


def _chumpy_value(value: _Chumpy) -> Any:
    plain = value.get("x", "r")
    if plain is not None:
        return dense(plain)
    source, places = value.get("a"), value.get("idxs")
    if source is None or places is None:
        raise WeightsError("a chumpy object holds neither a value nor a selection; save the file with plain arrays")
    chosen = np.asarray(dense(source)).ravel()[np.asarray(places)]
    shape = value.get("preferred_shape")
    return chosen if shape is None else chosen.reshape(shape)


def dense(value: Any) -> ndarray:
    """Turn a value of the file (array, chumpy object or sparse matrix) into a plain array.

    Raises:
        WeightsError: it is none of these.
    """
    if isinstance(value, _Chumpy):
        return _chumpy_value(value)
    if isinstance(value, (_Csc, _Csr, _Coo)):
        return sparse(value).toarray()
    if isinstance(value, _Inert):
        raise WeightsError("an object of an unknown kind stands where an array should be")
    array = np.asarray(value)
    if array.dtype == object:
        raise WeightsError("an array holds objects instead of numbers")
    return array


def sparse(value: Any) -> csr_matrix:
    """Turn a value of the file (sparse matrix in any scipy layout, or dense array) into a CSR matrix.

    Raises:
        WeightsError: its parts are missing or do not fit each other.
    """
    if not isinstance(value, (_Csc, _Csr, _Coo)):
        return csr_matrix(np.atleast_2d(dense(value)))
    # scipy called the size `shape` before 0.19 or so and `_shape` since; coordinates moved into `coords` in 1.13.
    shape = value.get("_shape", "shape")
    try:
        size = (int(shape[0]), int(shape[1]))
        if isinstance(value, _Coo):
            row, col = value.get("coords") or (value.get("row"), value.get("col"))
            return csr_matrix(coo_matrix((value.get("data"), (row, col)), shape=size))
        layout = csc_matrix if isinstance(value, _Csc) else csr_matrix
        matrix = layout((value.get("data"), value.get("indices"), value.get("indptr")), shape=size)
        matrix.check_format(full_check=True)
        return csr_matrix(matrix)
    except (TypeError, ValueError, IndexError) as error:
        raise WeightsError(f"a sparse matrix in the file is broken: {error}") from None
