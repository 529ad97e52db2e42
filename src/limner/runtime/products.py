"""The inner products that all convolutions come down to: a few rows of numbers times a panel of weights.

Weights come packed in panels of 16 output channels, and one of eight for what is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float32
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy import ndarray

from limner.runtime.vectors import INT, LANES, ZERO, Finish, float_pointer, fused, load, load_one, spread, store

# The inner loop keeps 6 x 16 sums in twelve vector registers and needs three more: the sixteen of AVX2.
ROWS, WIDE, NARROW = 6, 16, 8


def _sums(builder: Any, starts: list[Any], spans: list[Any], panel: Any, width: int) -> list[list[Any]]:
    """Multiply rows of numbers with a panel of weights; the sums stay in registers.

    Args:
        builder: LLVM's.
        starts: where each row begins, as pointers.
        spans: how many runs of numbers make a row (the kernel's height), their distance and their length.
        panel: the address of the weights.
        width: of the panel.
    """
    runs, run_step, length = spans
    vectors, multiply_add = range(width // LANES), fused(builder)
    panel_pointer = float_pointer(builder, panel)
    sums = [[cgutils.alloca_once_value(builder, ZERO) for _ in vectors] for _ in starts]
    with cgutils.for_range(builder, runs, intp=INT) as outer:
        start, first = builder.mul(outer.index, run_step), builder.mul(outer.index, length)
        with cgutils.for_range(builder, length, intp=INT) as inner:
            at = builder.mul(builder.add(first, inner.index), INT(width))
            weights = [load(builder, panel_pointer, builder.add(at, INT(LANES * j))) for j in vectors]
            place = builder.add(start, inner.index)
            for row, pointer in zip(sums, starts, strict=True):
                number = spread(builder, load_one(builder, pointer, place))
                for j in vectors:
                    builder.store(multiply_add(number, weights[j], builder.load(row[j])), row[j])
    return [[builder.load(one) for one in row] for row in sums]


def _make_product(width: int) -> Any:
    """Make the product of six rows, `a_row` floats apart, with a panel, written as it is."""

    @intrinsic
    def _product(typing, a, a_row, length, panel, out, out_row):
        signature = types.void(*[types.int64] * 6)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, a_row, length, panel, out, out_row = arguments
            first, pointer = float_pointer(builder, a), float_pointer(builder, out)
            starts = [builder.gep(first, [builder.mul(a_row, INT(row))]) for row in range(ROWS)]
            for row, values in enumerate(_sums(builder, starts, [INT(1), INT(0), length], panel, width)):
                for j, value in enumerate(values):
                    store(builder, value, pointer, builder.add(builder.mul(out_row, INT(row)), INT(LANES * j)))
            return context.get_dummy_value()

        return signature, generate

    return _product


def _make_pixels(width: int) -> Any:
    """Make six pixels of a convolution, finished: `_sums`, then `Finish`.

    A table of addresses tells where the six rows begin, where they go, and what is added; the last may be 0. `shift` is
    the place of the panel's first channel, in bytes.
    """

    @intrinsic
    def _pixels(typing, table, runs, run_step, length, panel, shift, gain, bias, slope):
        signature = types.void(*[types.int64] * 9)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            table, runs, run_step, length, panel, shift, *channels = arguments
            addresses = builder.inttoptr(table, INT.as_pointer())
            known = [builder.load(builder.gep(addresses, [INT(place)])) for place in range(3 * ROWS)]
            starts = [float_pointer(builder, address) for address in known[:ROWS]]
            sums = _sums(builder, starts, [runs, run_step, length], panel, width)
            gain, bias, slope = (builder.add(address, shift) for address in channels)
            for row, values in enumerate(sums):
                out, residual = known[ROWS + row], known[2 * ROWS + row]
                finish = Finish(builder, [gain, bias, slope, residual], width // LANES)
                pointer = float_pointer(builder, builder.add(out, shift))
                for j, value in enumerate(values):
                    more = builder.add(builder.sdiv(shift, INT(4)), INT(LANES * j))
                    store(builder, finish(value, more, j), pointer, INT(LANES * j))
            return context.get_dummy_value()

        return signature, generate

    return _pixels


product_wide, product_narrow = _make_product(WIDE), _make_product(NARROW)
pixels_wide, pixels_narrow = _make_pixels(WIDE), _make_pixels(NARROW)


def pack_panels(matrices: Float32[ndarray, "P K C"]) -> tuple[Float32[ndarray, "P n K 16"], Float32[ndarray, "P m 8"]]:
    """Cut matrices into panels of sixteen columns and, where eight are left, one of eight, as the kernels read them.

    The number of columns must be a multiple of eight. Without a rest the second array has no rows.
    """
    places, length, columns = matrices.shape
    panels, rest = divmod(columns, WIDE)
    wide = matrices[:, :, : panels * WIDE].reshape(places, length, panels, WIDE).transpose(0, 2, 1, 3)
    narrow = matrices[:, :, panels * WIDE :] if rest else np.zeros((places, 0, NARROW), np.float32)
    return np.ascontiguousarray(wide, np.float32), np.ascontiguousarray(narrow, np.float32)
