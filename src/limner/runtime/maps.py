"""What is done to maps besides convolutions: sums and affine steps, changes of size, filters, statistics, pooling.

Each function goes through its share of a layer's units, from `start` to `stop`; see `limner.runtime.program` for rows.
"""

from __future__ import annotations

import math
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from limner.runtime.vectors import (
    FLOAT,
    INT,
    LANES,
    ZERO,
    Finish,
    compiled,
    constant,
    float_pointer,
    fused,
    get_float,
    load,
    put_float,
    spread,
    store,
)

_STEP = 4 * LANES
BLURRED = 8  # pixels that are filtered at once
_LINES = 2


@intrinsic
def finish(typing, source, target, affine, residual):
    """Finish eight channels of a pixel; `affine` holds the places of their gain, bias and slope."""
    signature = types.void(types.int64, types.int64, types.UniTuple(types.int64, 3), types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, target, affine, residual = arguments
        addresses = [*cgutils.unpack_tuple(builder, affine), residual]
        value = load(builder, float_pointer(builder, source), INT(0))
        store(builder, Finish(builder, addresses)(value, INT(0)), float_pointer(builder, target), INT(0))
        return context.get_dummy_value()

    return signature, generate


@compiled
def add_maps(row: Any, start: int, stop: int) -> None:
    """Finish map x; the pixels of the map r are repeated along both axes. A unit is a line of the result."""
    for line in range(start, stop):
        n, i = line // row.height, line % row.height
        x, y = row.x + n * row.x_n + i * row.x_i, row.y + n * row.y_n + i * row.y_i
        r, gain, bias = row.r + n * row.r_n + i // row.stride * row.r_i, row.gain + n * row.gain_n, row.bias
        bias += n * row.bias_n
        for j in range(row.width):
            more = r + j // row.stride * row.r_j if row.r else 0
            for c in range(0, 4 * row.outputs, _STEP):
                add = more + c if more else 0
                finish(x + j * row.x_j + c, y + j * row.y_j + c, (gain + c, bias + c, row.slope + c), add)


@intrinsic
def _blend(typing, source, line, column, down, right, target):
    """Weigh four pixels by how far the point between them lies down and to the right, eight channels."""
    signature = types.void(*[types.int64] * 3, types.float64, types.float64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, line, column, down, right, target = arguments
        here, multiply_add = float_pointer(builder, source), fused(builder)
        down, right = (spread(builder, builder.fptrunc(number, FLOAT)) for number in (down, right))
        pairs = []
        for start in (INT(0), line):
            left, beside = load(builder, here, start), load(builder, here, builder.add(start, column))
            pairs.append(multiply_add(builder.fsub(beside, left), right, left))
        value = multiply_add(builder.fsub(pairs[1], pairs[0]), down, pairs[0])
        store(builder, value, float_pointer(builder, target), INT(0))
        return context.get_dummy_value()

    return signature, generate


@compiled
def enlarge(row: Any, start: int, stop: int) -> None:
    """Sample map x bilinearly at a i + c, b j + c; zeros lie round it. A unit is a line of the result."""
    for line in range(start, stop):
        n, i = line // row.height, line % row.height
        high = row.a * i + row.c
        top = math.floor(high)
        x, y = row.x + n * row.x_n + int(top) * row.x_i, row.y + n * row.y_n + i * row.y_i
        for j in range(row.width):
            across = row.b * j + row.c
            left = math.floor(across)
            at = x + int(left) * row.x_j
            for c in range(0, 4 * row.outputs, _STEP):
                _blend(at + c, row.x_i // 4, row.x_j // 4, high - top, across - left, y + j * row.y_j + c)


@intrinsic
def _blur(typing, source, line, column, outer, inner, target, y_i, y_j, gain, bias, slope, noise, n_row):
    """Filter two lines of eight pixels with the taps outer, inner, inner, outer along both axes, and finish them."""
    signature = types.void(*[types.int64] * 3, types.float64, types.float64, *[types.int64] * 8)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, line, column, outer, inner, target, y_i, y_j, gain, bias, slope, noise, n_row = arguments
        here, there, multiply_add = float_pointer(builder, source), float_pointer(builder, target), fused(builder)
        taps = [spread(builder, builder.fptrunc(number, FLOAT)) for number in (outer, inner)]
        finish = Finish(builder, [gain, bias, slope, INT(0), noise])

        def weigh(a: Any, b: Any, c: Any, d: Any) -> Any:
            return multiply_add(builder.fadd(b, c), taps[1], builder.fmul(builder.fadd(a, d), taps[0]))

        sums: list[list[Any]] = [[] for _ in range(_LINES)]
        for j in range(BLURRED + 3):
            at = builder.mul(column, INT(j))
            lines = [load(builder, here, builder.add(builder.mul(line, INT(i)), at)) for i in range(_LINES + 3)]
            for i, row in enumerate(sums):
                row.append(weigh(*lines[i : i + 4]))
                if j < 3:
                    continue
                value = finish(weigh(*row[-4:]), INT(0), 0, builder.add(builder.mul(n_row, INT(i)), INT(j - 3)))
                offset = builder.add(builder.mul(y_i, INT(i)), builder.mul(y_j, INT(j - 3)))
                store(builder, value, there, offset)
        return context.get_dummy_value()

    return signature, generate


@compiled
def blur(row: Any, start: int, stop: int) -> None:
    """Filter map x with the taps a, b, b, a, the first of them on the pixel before. A unit is two lines."""
    pairs = row.height // 2
    for line in range(start, stop):
        n, i = line // pairs, 2 * (line % pairs)
        x, y = row.x + n * row.x_n + (i - 1) * row.x_i, row.y + n * row.y_n + i * row.y_i
        gain, bias = row.gain + n * row.gain_n, row.bias + n * row.bias_n
        for begin in range(0, row.width, BLURRED):
            j = min(begin, row.width - BLURRED)
            noise = row.noise + n * row.noise_n + i * row.noise_i + 4 * j if row.noise else 0
            at, to = x + (j - 1) * row.x_j, y + j * row.y_j
            for c in range(0, 4 * row.outputs, _STEP):
                _blur(
                    at + c, row.x_i // 4, row.x_j // 4, row.a, row.b, to + c, row.y_i // 4, row.y_j // 4,
                    gain + c, bias + c, row.slope + c, noise, row.noise_i // 4,
                )  # fmt: skip


@intrinsic
def _sum_line(typing, source, step, count, first, target):
    """Add up a line's differences from the first pixel, and their squares: sixteen numbers for eight channels."""
    signature = types.void(*[types.int64] * 5)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, step, count, first, target = arguments
        here, there, multiply_add = float_pointer(builder, source), float_pointer(builder, target), fused(builder)
        base = load(builder, float_pointer(builder, first), INT(0))
        total, squares = (cgutils.alloca_once_value(builder, ZERO) for _ in range(2))
        with cgutils.for_range(builder, count, intp=INT) as loop:
            value = builder.fsub(load(builder, here, builder.mul(step, loop.index)), base)
            builder.store(builder.fadd(builder.load(total), value), total)
            builder.store(multiply_add(value, value, builder.load(squares)), squares)
        for place, sums in enumerate((total, squares)):
            store(builder, builder.load(sums), there, INT(LANES * place))
        return context.get_dummy_value()

    return signature, generate


@compiled
def measure(row: Any, table: int, start: int, stop: int) -> None:
    """Write the mean of each channel to y; or, where there is r, what norms it: a factor to y, a summand to r.

    A unit is eight channels of a sample. Sums are of differences from the first pixel, so that a mean far from zero
    does not drown the deviation.
    """
    groups, count = row.outputs // LANES, row.rows * row.columns
    for unit in range(start, stop):
        n, c = unit // groups, _STEP * (unit % groups)
        first = row.x + n * row.x_n + c
        sums, totals = table, table + 8 * LANES
        for lane in range(2 * LANES):
            put_float(0.0, totals + 4 * lane)
        for i in range(row.rows):
            _sum_line(first + i * row.x_i, row.x_j // 4, row.columns, first, sums)
            for lane in range(2 * LANES):
                put_float(get_float(totals + 4 * lane) + get_float(sums + 4 * lane), totals + 4 * lane)
        for lane in range(LANES):
            shift = get_float(totals + 4 * lane) / count
            mean, at = get_float(first + 4 * lane) + shift, c + 4 * lane
            if not row.r:
                put_float(mean, row.y + n * row.y_n + at)
                continue
            variance = max(get_float(totals + 4 * (LANES + lane)) / count - shift * shift, 0.0)
            factor = get_float(row.gain + at) / math.sqrt(variance + row.d)
            put_float(factor, row.y + n * row.y_n + at)
            put_float(get_float(row.bias + at) - mean * factor, row.r + n * row.r_n + at)


@intrinsic
def _maximum(typing, source, line, column, high, broad, target):
    """The largest of a window's pixels, eight channels; what is no number wins."""
    signature = types.void(*[types.int64] * 6)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, line, column, high, broad, target = arguments
        here = float_pointer(builder, source)
        largest = cgutils.alloca_once_value(builder, constant(float("-inf")))
        with cgutils.for_range(builder, high, intp=INT) as i:
            with cgutils.for_range(builder, broad, intp=INT) as j:
                offset = builder.add(builder.mul(line, i.index), builder.mul(column, j.index))
                value, known = load(builder, here, offset), builder.load(largest)
                builder.store(builder.select(builder.fcmp_unordered(">", value, known), value, known), largest)
        store(builder, builder.load(largest), float_pointer(builder, target), INT(0))
        return context.get_dummy_value()

    return signature, generate


@compiled
def pool(row: Any, start: int, stop: int) -> None:
    """Write the largest of every window; what lies outside of map x does not count. A unit is a line of the result."""
    for line in range(start, stop):
        n, i = line // row.height, line % row.height
        top = i * row.stride - row.padding
        high = min(top + row.kernel_high, row.rows)
        top = max(top, 0)
        for j in range(row.width):
            left = j * row.stride - row.padding
            broad = min(left + row.kernel_broad, row.columns)
            left = max(left, 0)
            at = row.x + n * row.x_n + top * row.x_i + left * row.x_j
            to = row.y + n * row.y_n + i * row.y_i + j * row.y_j
            for c in range(0, 4 * row.outputs, _STEP):
                _maximum(at + c, row.x_i // 4, row.x_j // 4, high - top, broad - left, to + c)


@compiled
def curve(row: Any, start: int, stop: int) -> None:
    """Write a / (1 + exp(b x)) + c of every number. A unit is a line of the result."""
    for line in range(start, stop):
        n, i = line // row.height, line % row.height
        x, y = row.x + n * row.x_n + i * row.x_i, row.y + n * row.y_n + i * row.y_i
        for j in range(row.width):
            for c in range(0, 4 * row.outputs, 4):
                number = row.b * get_float(x + j * row.x_j + c)
                put_float(row.a / (1.0 + math.exp(min(number, _STEEP))) + row.c, y + j * row.y_j + c)


_STEEP = 80.0  # beyond it the exponential has no float, and the quotient is nought anyway
