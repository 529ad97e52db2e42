"""The inner products that all convolutions come down to: six rows of numbers times a panel of weights.

Weights come packed in panels of 16 output channels, and one of eight for what is left. Rows come packed in bundles of
six: eight numbers of each, then the next eight of each, so that all is read in the order in which it lies. The last
bundles may have five rows, their sixth place being left alone. While one panel is multiplied the next one is fetched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import Float32
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy import ndarray

from limner.runtime.vectors import (
    INT,
    LANES,
    ZERO,
    Finish,
    float_pointer,
    fused,
    load,
    load_one,
    prefetch,
    spread,
    store,
)

# The inner loop keeps 6 x 16 sums in twelve vector registers and needs three more: the sixteen of AVX2.
ROWS, WIDE, NARROW = 6, 16, 8
FETCHED = 3  # cache lines fetched ahead for every eight numbers of a row, which take eight of a wide panel's
LINE = 64  # bytes that come into a cache together


def _sums(builder: Any, factors: list[Any], width: int, count: int) -> list[list[Any]]:
    """Multiply the first rows of six packed ones with a panel of weights; the sums stay in registers.

    Args:
        builder: LLVM's.
        factors: the address of the rows, eight numbers of each of the six, then the next eight of each; how many eights
            there are; the address of the weights; that of what will be read soon.
        width: of the panel.
        count: of the rows.
    """
    rows, groups, panel, ahead = factors
    vectors, multiply_add = range(width // LANES), fused(builder)
    row_pointer, panel_pointer = float_pointer(builder, rows), float_pointer(builder, panel)
    # A sum can take its next summand only after four cycles, so a narrow panel has two for every number.
    copies = range(WIDE // width)
    sums = [[[cgutils.alloca_once_value(builder, ZERO) for _ in vectors] for _ in range(count)] for _ in copies]
    with cgutils.for_range(builder, groups, intp=INT) as loop:
        first = builder.mul(loop.index, INT(LANES * ROWS))
        at = builder.mul(loop.index, INT(LANES * width))
        soon = builder.add(ahead, builder.mul(loop.index, INT(FETCHED * LINE)))
        for line in range(FETCHED):
            prefetch(builder, builder.add(soon, INT(LINE * line)))
        for k in range(LANES):
            weights = [load(builder, panel_pointer, builder.add(at, INT(width * k + LANES * j))) for j in vectors]
            for index, row in enumerate(sums[k % len(copies)]):
                number = spread(builder, load_one(builder, row_pointer, builder.add(first, INT(LANES * index + k))))
                for j in vectors:
                    builder.store(multiply_add(number, weights[j], builder.load(row[j])), row[j])
    values = [[[builder.load(one) for one in row] for row in copy] for copy in sums]
    return [[reduce(builder.fadd, same) for same in zip(*rows, strict=True)] for rows in zip(*values, strict=True)]


def _make_product(width: int, count: int) -> Any:
    """Make the product of packed rows with a panel, written as it is, the results `out_row` floats apart."""

    @intrinsic
    def _product(typing, rows, groups, panel, ahead, out, out_row):
        signature = types.void(*[types.int64] * 6)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            *factors, out, out_row = arguments
            pointer = float_pointer(builder, out)
            for row, values in enumerate(_sums(builder, factors, width, count)):
                for j, value in enumerate(values):
                    store(builder, value, pointer, builder.add(builder.mul(out_row, INT(row)), INT(LANES * j)))
            return context.get_dummy_value()

        return signature, generate

    return _product


def _make_pixels(width: int, count: int) -> Any:
    """Make some pixels of a convolution, finished: `_sums`, then `Finish`.

    A table of addresses tells where six pixels begin that are worked on, where they go, and what is added; the last may
    be 0. `shift` is the place of the panel's first channel, in bytes.
    """

    @intrinsic
    def _pixels(typing, rows, groups, panel, ahead, table, shift, gain, bias, slope):
        signature = types.void(*[types.int64] * 9)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            *factors, table, shift, gain, bias, slope = arguments
            addresses = builder.inttoptr(table, INT.as_pointer())
            places = [[kind * ROWS + row for row in range(count)] for kind in (1, 2)]
            known = [[builder.load(builder.gep(addresses, [INT(place)])) for place in row] for row in places]
            for address in chain(*known):
                prefetch(builder, builder.add(address, shift))
            sums = _sums(builder, factors, width, count)
            gain, bias, slope = (builder.add(address, shift) for address in (gain, bias, slope))
            for out, residual, values in zip(*known, sums, strict=True):
                finish = Finish(builder, [gain, bias, slope, residual], width // LANES)
                pointer = float_pointer(builder, builder.add(out, shift))
                for j, value in enumerate(values):
                    more = builder.add(builder.sdiv(shift, INT(4)), INT(LANES * j))
                    store(builder, finish(value, more, j), pointer, INT(LANES * j))
            return context.get_dummy_value()

        return signature, generate

    return _pixels


product_wide, product_narrow = _make_product(WIDE, ROWS), _make_product(NARROW, ROWS)
product_wide_fewer, product_narrow_fewer = _make_product(WIDE, ROWS - 1), _make_product(NARROW, ROWS - 1)
pixels_wide, pixels_narrow = _make_pixels(WIDE, ROWS), _make_pixels(NARROW, ROWS)
pixels_wide_fewer, pixels_narrow_fewer = _make_pixels(WIDE, ROWS - 1), _make_pixels(NARROW, ROWS - 1)


def aligned(shape: Sequence[int]) -> Float32[ndarray, "..."]:
    """Return memory of zeros that begins with a cache line: vectors that lie in two lines take twice as long."""
    size, step = math.prod(shape), LINE // 4
    memory = np.zeros(size + step, np.float32)
    start = -memory.ctypes.data // 4 % step
    return memory[start : start + size].reshape(shape)


def pack_panels(matrices: Float32[ndarray, "P K C"]) -> tuple[Float32[ndarray, "P n K 16"], Float32[ndarray, "P m 8"]]:
    """Cut matrices into panels of sixteen columns and, where eight are left, one of eight, as the kernels read them.

    The number of columns must be a multiple of eight. Without a rest the second array has no rows.
    """
    places, length, columns = matrices.shape
    panels, rest = divmod(columns, WIDE)
    wide = matrices[:, :, : panels * WIDE].reshape(places, length, panels, WIDE).transpose(0, 2, 1, 3)
    narrow = matrices[:, :, panels * WIDE :] if rest else np.zeros((places, 0, NARROW), np.float32)
    packed = aligned(wide.shape), aligned(narrow.shape)
    for target, values in zip(packed, (wide, narrow), strict=True):
        target[...] = values
    return packed
