"""Convolutions on the CPU, made at run time: Winograd's for 3x3 kernels, a plain one for the rest, and sums of maps.

Maps are (N, H + 2 pad, W + 2 pad, C) float32 with zeros round them and, unless they are a network's input, a multiple
of eight channels. Weights come packed in panels of 16 output channels, and one of eight for what is left.
A network is a table, a row a layer, that `run` goes through; several threads share every layer and meet after it.

Winograd's F(4x4, 3x3) needs a quarter of the multiplications: with d a 6x6 patch, g a kernel and m their product
tile by tile, y = A^T [(G g G^T) * (B^T d B)] A.
Source: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.3 (its matrices).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float32
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy import ndarray

# The inner loop keeps 6 x 16 sums in twelve vector registers and needs three more: the sixteen of AVX2.
ROWS, WIDE, NARROW = 6, 16, 8
_LANES = 8
_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, _LANES)
_INT = ir.IntType(64)
_ZERO = ir.Constant(_VECTOR, [0.0] * _LANES)
_LOWEST = ir.Constant(_VECTOR, [float("-inf")] * _LANES)

compiled = njit(cache=True, nogil=True)


def _float_pointer(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _FLOAT.as_pointer())


def _load(builder: Any, pointer: Any, offset: Any) -> Any:
    return builder.load(builder.bitcast(builder.gep(pointer, [offset]), _VECTOR.as_pointer()), align=4)


def _store(builder: Any, value: Any, pointer: Any, offset: Any) -> None:
    builder.store(value, builder.bitcast(builder.gep(pointer, [offset]), _VECTOR.as_pointer()), align=4)


def _fused(builder: Any) -> Callable[[Any, Any, Any], Any]:
    """Return a * b + c with one rounding, on vectors; a number b is spread over the lanes."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{_LANES}f32")

    def fused(a: Any, b: Any, c: Any) -> Any:
        b = ir.Constant(_VECTOR, [float(b)] * _LANES) if isinstance(b, int) else b
        return builder.call(function, [a, b, c])

    return fused


def _spread(builder: Any, number: Any) -> Any:
    """The same number in every lane."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.IntType(32)(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES))


def _finish(builder: Any, value: Any, bias: Any, residual: Any, offset: Any, floor: Any) -> Any:
    """Add what is to be added and cut below the floor; NaN stays NaN."""
    value = builder.fadd(builder.fadd(value, bias), residual(offset))
    return builder.select(builder.fcmp_ordered("<", value, floor), floor, value)


def _residual(builder: Any, address: Any, instead: Any) -> Callable[[Any], Any]:
    """A reader of the map to add; of zeros where its address is 0."""
    is_there = builder.icmp_signed("!=", address, _INT(0))
    pointer = _float_pointer(builder, builder.select(is_there, address, instead))
    return lambda offset: builder.select(is_there, _load(builder, pointer, offset), _ZERO)


def _floor(builder: Any, relu: Any) -> Any:
    return builder.select(builder.icmp_signed("!=", relu, _INT(0)), _ZERO, _LOWEST)


def _make_tile(rows: int, width: int) -> Any:
    """Make the inner product of a few rows with a panel.

    The result takes, as integers: the address of the first row and the distance between rows; how many runs of numbers
    make a row (the kernel's height), their distance and their length; the panel; where to write, and the distance
    there; the address of the biases or 0, of a map to add or 0, and whether to cut below zero. Distances count floats.
    """
    vectors = range(width // _LANES)

    @intrinsic
    def _tile(typing, a, a_row, runs, run_step, length, panel, out, out_row, bias, residual, relu):
        signature = types.void(*[types.int64] * 11)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, a_row, runs, run_step, length, panel, out, out_row, bias, residual, relu = arguments
            fused = _fused(builder)
            a_pointer, panel_pointer = _float_pointer(builder, a), _float_pointer(builder, panel)
            sums = [[cgutils.alloca_once_value(builder, _ZERO) for _ in vectors] for _ in range(rows)]
            with cgutils.for_range(builder, runs, intp=_INT) as outer:
                start = builder.mul(outer.index, run_step)
                first = builder.mul(outer.index, length)
                with cgutils.for_range(builder, length, intp=_INT) as inner:
                    at = builder.mul(builder.add(first, inner.index), _INT(width))
                    weights = [_load(builder, panel_pointer, builder.add(at, _INT(_LANES * j))) for j in vectors]
                    place = builder.add(start, inner.index)
                    for row in range(rows):
                        offset = builder.add(place, builder.mul(a_row, _INT(row)))
                        number = _spread(builder, builder.load(builder.gep(a_pointer, [offset]), align=4))
                        for j in vectors:
                            builder.store(fused(number, weights[j], builder.load(sums[row][j])), sums[row][j])
            pointer, add, floor = _float_pointer(builder, out), _residual(builder, residual, out), _floor(builder, relu)
            biases = [_residual(builder, bias, panel)(_INT(_LANES * j)) for j in vectors]
            for row in range(rows):
                for j in vectors:
                    offset = builder.add(builder.mul(out_row, _INT(row)), _INT(_LANES * j))
                    value = _finish(builder, builder.load(sums[row][j]), biases[j], add, offset, floor)
                    _store(builder, value, pointer, offset)
            return context.get_dummy_value()

        return signature, generate

    return _tile


_tile_wide, _tile_narrow = _make_tile(ROWS, WIDE), _make_tile(ROWS, NARROW)
_line_wide, _line_narrow = _make_tile(1, WIDE), _make_tile(1, NARROW)


def _forward_transform(builder: Any, d: list[Any]) -> list[Any]:
    """B^T d of six vectors."""
    fused, add, sub = _fused(builder), builder.fadd, builder.fsub
    even, odd = fused(d[2], -4, d[4]), fused(d[1], -4, d[3])
    far, near = sub(d[4], d[2]), sub(d[3], d[1])
    first, last = fused(d[0], 4, fused(d[2], -5, d[4])), fused(d[1], 4, fused(d[3], -5, d[5]))
    return [first, add(even, odd), sub(even, odd), fused(near, 2, far), fused(near, -2, far), last]


def _backward_transform(builder: Any, m: list[Any]) -> list[Any]:
    """A^T m of six vectors."""
    fused, add, sub = _fused(builder), builder.fadd, builder.fsub
    s1, d1, s2, d2 = add(m[1], m[2]), sub(m[1], m[2]), add(m[3], m[4]), sub(m[3], m[4])
    return [add(add(m[0], s1), s2), fused(d2, 2, d1), fused(s2, 4, s1), add(fused(d2, 8, d1), m[5])]


@intrinsic
def _patch_in(typing, source, row, column, target, step):
    """B^T d B of one patch, eight channels at a time; the 36 results lie `step` floats apart."""
    signature = types.void(*[types.int64] * 5)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, row, column, target, step = arguments
        here, there = _float_pointer(builder, source), _float_pointer(builder, target)

        def read(i: int, j: int) -> Any:
            return _load(builder, here, builder.add(builder.mul(row, _INT(i)), builder.mul(column, _INT(j))))

        columns = [_forward_transform(builder, [read(i, j) for i in range(6)]) for j in range(6)]
        for i in range(6):
            for j, value in enumerate(_forward_transform(builder, [column[i] for column in columns])):
                _store(builder, value, there, builder.mul(step, _INT(6 * i + j)))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _patch_out(typing, source, step, target, row, column, bias, residual, relu):
    """A^T m A of one patch, eight channels at a time, finished and written as 4x4 pixels."""
    signature = types.void(*[types.int64] * 8)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, step, target, row, column_step, bias, residual, relu = arguments
        here, there = _float_pointer(builder, source), _float_pointer(builder, target)
        biases = _load(builder, _float_pointer(builder, bias), _INT(0))
        add, floor = _residual(builder, residual, target), _floor(builder, relu)

        def read(i: int, j: int) -> Any:
            return _load(builder, here, builder.mul(step, _INT(6 * i + j)))

        columns = [_backward_transform(builder, [read(i, j) for i in range(6)]) for j in range(6)]
        for i in range(4):
            for j, value in enumerate(_backward_transform(builder, [column[i] for column in columns])):
                offset = builder.add(builder.mul(row, _INT(i)), builder.mul(column_step, _INT(j)))
                _store(builder, _finish(builder, value, biases, add, offset, floor), there, offset)
        return context.get_dummy_value()

    return signature, generate


# What is known of a layer. A map is told by its address, its height and width with the zeros round them, its channels
# and its zeros: x is read, r is added (address 0 where there is none), y is written.
_MAP_FIELDS = [f"{letter}{part}" for letter in "xry" for part in ("", "_high", "_broad", "_channels", "_pad")]
_WEIGHT_FIELDS = ["wide", "wide_panels", "narrow", "bias", "kernel_high", "kernel_broad", "stride", "padding"]
LAYER = np.dtype(
    [(name, np.int64) for name in ("kind", "units", "count", "relu", "tiles", "scale", *_MAP_FIELDS, *_WEIGHT_FIELDS)]
)
WINOGRAD, PLAIN, ADD = range(3)


@compiled
def run(program: ndarray, space: ndarray, part: int, parts: int, meeting: ndarray) -> None:
    """Run a program as one of `parts` threads, which all call this with the same arrays.

    Args:
        program: one `LAYER` each; the arrays whose addresses it holds must be kept alive.
        space: (parts, n) float32, scratch memory for Winograd's patches and sums.
        part: which of the threads this is.
        parts: how many there are.
        meeting: one int64, zero before the first thread begins.
    """
    for index in range(program.shape[0]):
        row = program[index]
        start, stop = row.units * part // parts, row.units * (part + 1) // parts
        if row.kind == WINOGRAD:
            _winograd(row, space[part], start, stop)
        elif row.kind == PLAIN:
            _plain(row, start, stop)
        else:
            _add_maps(row, start, stop)
        if parts > 1:
            _wait(meeting.ctypes.data, parts * (index + 1))


@intrinsic
def _wait(typing, address, until):
    """Count one more thread as done, and stay until `until` are."""
    signature = types.void(types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, until = arguments
        counter = builder.inttoptr(address, _INT.as_pointer())
        builder.atomic_rmw("add", counter, _INT(1), "seq_cst")
        give_way = ir.FunctionType(ir.IntType(32), [])
        yielding = cgutils.get_or_insert_function(
            builder.module, give_way, "SwitchToThread" if os.name == "nt" else "sched_yield"
        )
        turns = cgutils.alloca_once_value(builder, _INT(0))
        check, again, patient, done = (
            builder.append_basic_block(name) for name in ("check", "again", "patient", "done")
        )
        builder.branch(check)
        builder.position_at_end(check)
        is_done = builder.icmp_signed(">=", builder.load_atomic(counter, "acquire", 8), until)
        builder.cbranch(is_done, done, again)
        builder.position_at_end(again)
        turn = builder.add(builder.load(turns), _INT(1))
        builder.store(turn, turns)
        # Others are done within microseconds, unless the machine is so busy that they do not run at all.
        builder.cbranch(builder.icmp_signed("<", turn, _INT(_TURNS)), check, patient)
        builder.position_at_end(patient)
        builder.call(yielding, [])
        builder.branch(check)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return signature, generate


_TURNS = 2000  # about ten microseconds


@compiled
def _x_address(row: Any, n: int, i: int, j: int) -> int:
    return row.x + 4 * ((n * row.x_high + i) * row.x_broad + j) * row.x_channels


@compiled
def _r_address(row: Any, n: int, i: int, j: int) -> int:
    """The place in the map to add; 0 where there is none."""
    place = ((n * row.r_high + i + row.r_pad) * row.r_broad + j + row.r_pad) * row.r_channels
    return row.r + 4 * place if row.r else 0


@compiled
def _y_address(row: Any, n: int, i: int, j: int) -> int:
    place = ((n * row.y_high + i + row.y_pad) * row.y_broad + j + row.y_pad) * row.y_channels
    return row.y + 4 * place


@compiled
def _winograd(row: Any, space: ndarray, start: int, stop: int) -> None:
    """Convolve with 3x3 kernels, stride 1 and padding 1: blocks of tiles from `start` to `stop`."""
    inputs, outputs, tiles = row.x_channels, row.y_channels, row.tiles
    height, width = row.y_high - 2 * row.y_pad, row.y_broad - 2 * row.y_pad
    patches = space.ctypes.data
    sums = patches + 4 * 36 * tiles * inputs
    total = row.count * ((height + 3) // 4) * ((width + 3) // 4)
    for first in range(start * tiles, min(stop * tiles, total), tiles):
        here = min(tiles, total - first)
        for tile in range(here):
            n, i, j = _corner(first + tile, height, width)
            at = _x_address(row, n, i + row.x_pad - 1, j + row.x_pad - 1)
            for c in range(0, inputs, _LANES):
                target = patches + 4 * (tile * inputs + c)
                _patch_in(at + 4 * c, row.x_broad * inputs, inputs, target, tiles * inputs)
        for place in range(36):
            for six in range(0, here, ROWS):
                a, out = patches + 4 * (place * tiles + six) * inputs, sums + 4 * (place * tiles + six) * outputs
                _products(row, place, a, out)
        for tile in range(here):
            n, i, j = _corner(first + tile, height, width)
            out, add = _y_address(row, n, i, j), _r_address(row, n, i, j)
            for c in range(0, outputs, _LANES):
                source, more, bias = sums + 4 * (tile * outputs + c), add + 4 * c if add else 0, row.bias + 4 * c
                _patch_out(source, tiles * outputs, out + 4 * c, row.y_broad * outputs, outputs, bias, more, row.relu)


@compiled
def _corner(tile: int, height: int, width: int) -> tuple[int, int, int]:
    """Where a tile begins: picture, row and column.

    A last tile that would reach over the border is moved back instead, so some pixels are worked out twice and none is
    written outside.
    """
    across = (width + 3) // 4
    each = (height + 3) // 4 * across
    n, rest = tile // each, tile % each
    return n, min(4 * (rest // across), height - 4), min(4 * (rest % across), width - 4)


@compiled
def _products(row: Any, place: int, a: int, out: int) -> None:
    """Six patches times all panels at one of the 36 places."""
    length, panels, step = row.x_channels, row.wide_panels, row.y_channels
    for panel in range(panels):
        weights = row.wide + 4 * (place * panels + panel) * length * WIDE
        _tile_wide(a, length, 1, 0, length, weights, out + 4 * WIDE * panel, step, 0, 0, 0)
    if row.narrow:
        weights = row.narrow + 4 * place * length * NARROW
        _tile_narrow(a, length, 1, 0, length, weights, out + 4 * WIDE * panels, step, 0, 0, 0)


@compiled
def _plain(row: Any, start: int, stop: int) -> None:
    """Convolve with any kernel: rows of the result from `start` to `stop`."""
    length = row.kernel_broad * row.x_channels
    height = row.y_high - 2 * row.y_pad
    for first in range(start, stop, _BLOCK):
        for panel in range(row.wide_panels + (row.narrow != 0)):
            is_wide = panel < row.wide_panels
            weights = row.wide + 4 * panel * row.kernel_high * length * WIDE if is_wide else row.narrow
            for line in range(first, min(first + _BLOCK, stop)):
                _plain_line(row, is_wide, weights, 4 * WIDE * panel, line // height, line % height)


@compiled
def _plain_line(row: Any, is_wide: bool, weights: int, shift: int, n: int, i: int) -> None:
    """One row of pixels times one panel, six pixels at once; the last six once more rather than fewer than six."""
    high, inputs, outputs, relu = row.kernel_high, row.x_channels, row.y_channels, row.relu
    width, step, run = row.y_broad - 2 * row.y_pad, row.x_broad * inputs, row.stride * inputs
    length, bias, before = row.kernel_broad * inputs, row.bias + shift, row.x_pad - row.padding
    many = width >= ROWS
    for start in range(0, width, ROWS if many else 1):
        j = min(start, width - ROWS) if many else start
        a, out = (
            _x_address(row, n, row.stride * i + before, row.stride * j + before),
            _y_address(row, n, i, j) + shift,
        )
        add = _r_address(row, n, i, j)
        add = add + shift if add else 0
        if many and is_wide:
            _tile_wide(a, run, high, step, length, weights, out, outputs, bias, add, relu)
        elif many:
            _tile_narrow(a, run, high, step, length, weights, out, outputs, bias, add, relu)
        elif is_wide:
            _line_wide(a, run, high, step, length, weights, out, outputs, bias, add, relu)
        else:
            _line_narrow(a, run, high, step, length, weights, out, outputs, bias, add, relu)


_BLOCK = 8  # rows that a panel of weights is used for while it is near


@compiled
def _add_maps(row: Any, start: int, stop: int) -> None:
    """Add to map x the map r, whose pixels are repeated along both axes: rows of the result from `start` to `stop`."""
    height, width = row.y_high - 2 * row.y_pad, row.y_broad - 2 * row.y_pad
    for line in range(start, stop):
        n, i = line // height, line % height
        for j in range(width):
            x = _x_address(row, n, i + row.x_pad, j + row.x_pad)
            r, y = _r_address(row, n, i // row.scale, j // row.scale), _y_address(row, n, i, j)
            for c in range(0, 4 * row.y_channels, 4 * _LANES):
                _sum(x + c, r + c, y + c, row.relu)


@intrinsic
def _sum(typing, first, second, target, relu):
    """The sum of eight channels, cut below zero where asked for."""
    signature = types.void(*[types.int64] * 4)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first, second, target, relu = arguments
        value = _load(builder, _float_pointer(builder, first), _INT(0))
        value = _finish(builder, value, _ZERO, _residual(builder, second, first), _INT(0), _floor(builder, relu))
        _store(builder, value, _float_pointer(builder, target), _INT(0))
        return context.get_dummy_value()

    return signature, generate


def pack_panels(matrices: Float32[ndarray, "P K C"]) -> tuple[Float32[ndarray, "P n K 16"], Float32[ndarray, "P m 8"]]:
    """Cut matrices into panels of sixteen columns and, where eight are left, one of eight, as the kernels read them.

    The number of columns must be a multiple of eight. Without a rest the second array has no rows.
    """
    places, length, columns = matrices.shape
    panels, rest = divmod(columns, WIDE)
    wide = matrices[:, :, : panels * WIDE].reshape(places, length, panels, WIDE).transpose(0, 2, 1, 3)
    narrow = matrices[:, :, panels * WIDE :] if rest else np.zeros((places, 0, NARROW), np.float32)
    return np.ascontiguousarray(wide, np.float32), np.ascontiguousarray(narrow, np.float32)


_G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24


def transform_weights(weights: Float32[ndarray, "O I 3 3"]) -> Float32[ndarray, "36 I O"]:
    """Return G g G^T of every kernel, worked out in float64."""
    outputs, inputs = weights.shape[:2]
    both = weights.reshape(outputs * inputs, 9).astype(np.float64) @ np.kron(_G, _G).T
    return both.reshape(outputs, inputs, 36).transpose(2, 1, 0).astype(np.float32)
