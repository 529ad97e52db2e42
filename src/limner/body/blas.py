"""Many small matrix products and factors on one thread, numpy in and out.

numpy's own BLAS starts its threads for matrices of a few dozen rows, where they cost more than the work: a fit of
120 frames took 4 seconds of processor time on one thread and 34 on two busy cores. torch can be told to stay on one
thread and put back afterwards, which no call of numpy or scipy can.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy import ndarray

__all__ = ["einsum", "factor", "matmul", "one_thread", "solve", "solve_factored", "solve_half"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch on one thread inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _tensor(array: ndarray) -> torch.Tensor:
    # Negative strides and read-only arrays are refused by torch; both are rare here, so a copy is cheap.
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def einsum(formula: str, *arrays: ndarray) -> ndarray:
    """Return what `numpy.einsum` would."""
    return torch.einsum(formula, *(_tensor(array) for array in arrays)).numpy()


def matmul(left: ndarray, right: ndarray) -> ndarray:
    """Return `left @ right`."""
    return (_tensor(left) @ _tensor(right)).numpy()


def solve(matrix: ndarray, right: ndarray) -> ndarray:
    """Return what `numpy.linalg.solve` would, for one matrix or a stack of them."""
    return torch.linalg.solve(_tensor(matrix), _tensor(right)).numpy()


def factor(matrix: ndarray) -> ndarray:
    """Return the lower Cholesky factor of a positive definite matrix."""
    return torch.linalg.cholesky(_tensor(matrix)).numpy()


def solve_half(lower: ndarray, right: ndarray) -> ndarray:
    """Return L^-1 `right` for a lower triangular L."""
    return torch.linalg.solve_triangular(_tensor(lower), _tensor(right), upper=False).numpy()


def solve_factored(lower: ndarray, right: ndarray) -> ndarray:
    """Return (L L^T)^-1 `right`."""
    return np.ascontiguousarray(torch.cholesky_solve(_tensor(right), _tensor(lower)).numpy())
