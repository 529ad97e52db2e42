"""Programs of layers on the CPU: a table, a row a layer, that `run` goes through.

Maps are float32, pixel after pixel, the channels of a pixel together and a multiple of eight of them, with zeros round
the picture. A row knows each map by the address of its first pixel and three distances in bytes: from sample to sample,
line to line, pixel to pixel. Several threads share every layer and meet after it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from jaxtyping import Float32
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy import ndarray

from limner.runtime.maps import add_maps, blur, curve, enlarge, finish, measure, pool
from limner.runtime.products import (
    FETCHED,
    LINE,
    ROWS,
    WIDE,
    pixels_narrow,
    pixels_narrow_fewer,
    pixels_wide,
    pixels_wide_fewer,
    product_narrow,
    product_narrow_fewer,
    product_wide,
    product_wide_fewer,
)
from limner.runtime.vectors import INT, LANES, compiled, copy, get_integer, put_integer
from limner.runtime.winograd import (
    FOUR,
    SAME,
    SMALL,
    UP,
    patch_in_down,
    patch_in_four,
    patch_in_same,
    patch_in_small,
    patch_in_up,
    patch_out_down,
    patch_out_four,
    patch_out_same,
    patch_out_small,
    patch_out_up,
)

# x is read, r is added (address 0 where there is none), y is written.
_MAPS = [f"{letter}{part}" for letter in "xry" for part in ("", "_n", "_i", "_j")]
# What a sample has of its own has a distance from sample to sample.
_BEFORE = ["before_gain", "before_bias", "before_slope"]  # addresses, 0 where nothing is done before
_VECTORS = [*_BEFORE, "scale", "scale_n", "gain", "gain_n", "bias", "bias_n", "slope", "noise", "noise_n", "noise_i"]
_SIZES = ["units", "count", "height", "width", "inputs", "outputs", "rows", "columns"]
_KERNEL = ["wide", "wide_panels", "narrow", "narrow_n", "kernel_high", "kernel_broad", "stride", "padding"]
# Runs are eights of numbers in a line of the kernel, shares those among whom the panels of weights are dealt out.
_TILES = ["form", "span", "places", "tiles", "x_step", "y_step", "shift", "run", "shares"]


def _text_of_kernels() -> str:
    """A name for the text of all files whose code goes into `run`."""
    digest = hashlib.sha256()
    for name in ("maps", "products", "program", "vectors", "winograd"):
        file = Path(__file__).with_name(f"{name}.py")
        digest.update(file.read_bytes() if file.exists() else b"")  # a frozen application has none, and never changes
    return f"text_{digest.hexdigest()[:12]}"


# What numba keeps of compiled code it knows by the signature and the text of one file: without a field named after all
# of them, code of the version before would run where only another file has changed.
LAYER = np.dtype(
    [(name, np.int64) for name in ("kind", *_SIZES, *_MAPS, *_VECTORS, *_KERNEL, *_TILES, _text_of_kernels())]
    + [(name, np.float64) for name in ("a", "b", "c", "d")]
)
WINOGRAD, PLAIN, ADD, ENLARGE, BLUR, MEASURE, POOL, CURVE = range(8)

BLOCK = 17 * ROWS  # the most pixels that a panel of weights is used for while it is near
TABLE = 3 * BLOCK  # addresses of a block
APART = (
    16  # floats between what is made for one place of a tile and for the next, lest all fall on the same cache lines
)


def run_program(program: ndarray, space: Float32[ndarray, "P n"]) -> None:
    """Run a program of `LAYER` rows with as many threads as there are rows of scratch memory; see `run`."""
    meeting, count = np.zeros(1, np.int64), len(space)

    def leave() -> None:
        # After an interruption nobody may wait for who never came.
        meeting[0] = np.iinfo(np.int64).max // 2

    _share(lambda part: run(program, space, part, count, meeting), count, leave)


def run_tiles(row: Any, space: Float32[ndarray, "P n"]) -> None:
    """Run one row of the kind `WINOGRAD` like a program, for which no other layers need be compiled."""
    # An unsigned address, as `run` has them: one compiled function serves both.
    addresses, count = [np.uint64(part.ctypes.data) for part in space], len(space)
    steps = [int(row["units"]) * part // count for part in range(count + 1)]
    _share(lambda part: _winograd(row, addresses[part], steps[part], steps[part + 1]), count)


def _share(work: Callable[[int], None], parts: int, leave: Callable[[], None] = lambda: None) -> None:
    """Do parts of some work by a thread each, the first by this one, which leaves before it waits for the others."""
    others = [Thread(target=work, args=(part,)) for part in range(1, parts)]
    try:
        for other in others:
            other.start()
        work(0)
    finally:
        leave()
        for other in others:
            other.join()


@compiled
def run(program: ndarray, space: ndarray, part: int, parts: int, meeting: ndarray) -> None:
    """Run a program as one of `parts` threads, which all call this with the same arrays.

    Args:
        program: one `LAYER` each; the arrays whose addresses it holds must be kept alive.
        space: (parts, n) float32, scratch memory, n as the rows need, at least 2 * TABLE.
        part: which of the threads this is.
        parts: how many there are.
        meeting: one int64, zero before the first thread begins.
    """
    for index in range(program.shape[0]):
        row = program[index]
        start, stop = row.units * part // parts, row.units * (part + 1) // parts
        if row.kind == WINOGRAD:
            _winograd(row, space[part].ctypes.data, start, stop)
        elif row.kind == PLAIN:
            _plain(row, space[part].ctypes.data, start, stop)
        elif row.kind == ADD:
            add_maps(row, start, stop)
        elif row.kind == ENLARGE:
            enlarge(row, start, stop)
        elif row.kind == BLUR:
            blur(row, start, stop)
        elif row.kind == MEASURE:
            measure(row, space[part].ctypes.data, start, stop)
        elif row.kind == POOL:
            pool(row, start, stop)
        else:
            curve(row, start, stop)
        if parts > 1:
            _wait(meeting.ctypes.data, parts * (index + 1))


@compiled
def _cut(rows: int) -> tuple[int, int]:
    """Cut rows into bundles of six, the last ones of five, lest rows are made up: how many, and the first of five."""
    bundles = (rows + ROWS - 1) // ROWS
    missing = bundles * ROWS - rows
    return bundles, bundles - missing if missing <= bundles else bundles


@compiled
def _begin(bundle: int, fewer: int) -> int:
    """The first row of a bundle, the bundles from `fewer` on being of five."""
    return bundle * ROWS - max(bundle - fewer, 0)


@compiled
def _winograd(row: Any, patches: int, start: int, stop: int) -> None:
    """Convolve by tiles: blocks of them from `start` to `stop`."""
    inputs, outputs, tiles = row.inputs, row.outputs, row.tiles
    places, room = row.places, (tiles + ROWS - 1) // ROWS * ROWS
    patch_step, sum_step = room * inputs + APART, room * outputs + APART
    sums = patches + 4 * places * patch_step
    total = row.count * (-(-row.rows // row.span)) * (-(-row.columns // row.span))
    for first in range(start * tiles, min(stop * tiles, total), tiles):
        here = min(tiles, total - first)
        bundles, fewer = _cut(here)
        for bundle in range(bundles):
            begin, end = _begin(bundle, fewer), min(_begin(bundle + 1, fewer), here)
            for tile in range(begin, end):
                target = patches + 4 * (bundle * ROWS * inputs + (tile - begin) * LANES)
                _gather(row, first + tile, target, patch_step)
        for place in range(places):
            _products(row, place, here, patches + 4 * place * patch_step, sums + 4 * place * sum_step)
        for tile in range(here):
            _scatter(row, first + tile, sums + 4 * tile * outputs, sum_step)


@compiled
def _corner(row: Any, tile: int) -> tuple[int, int, int]:
    """Where a tile begins: sample, row and column.

    A last tile that would reach over the border is moved back instead, so some pixels are worked out twice and none is
    written outside.
    """
    span = row.span
    across = -(-row.columns // span)
    each = -(-row.rows // span) * across
    n, rest = tile // each, tile % each
    return n, min(span * (rest // across), row.rows - span), min(span * (rest % across), row.columns - span)


@compiled
def _gather(row: Any, tile: int, target: int, step: int) -> None:
    """Transform one patch, all channels."""
    n, i, j = _corner(row, tile)
    at = row.x + n * row.x_n + (i * row.x_step - row.shift) * row.x_i + (j * row.x_step - row.shift) * row.x_j
    line, column, scale = row.x_i // 4, row.x_j // 4, row.scale + n * row.scale_n
    for c in range(0, 4 * row.inputs, 4 * LANES):
        to = target + c * ROWS
        if row.form == SAME:
            patch_in_same(at + c, line, column, scale + c, to, step)
        elif row.form == UP:
            patch_in_up(at + c, line, column, scale + c, to, step)
        elif row.form == SMALL:
            patch_in_small(at + c, line, column, scale + c, to, step)
        elif row.form == FOUR:
            patch_in_four(at + c, line, column, scale + c, to, step)
        else:
            patch_in_down(at + c, line, column, scale + c, to, step)


@compiled
def _products(row: Any, place: int, here: int, a: int, out: int) -> None:
    """All patches times all panels at one of the places."""
    length, panels, step = row.inputs, row.wide_panels, row.outputs
    groups = length // LANES
    bundles, fewer = _cut(here)
    for panel in range(panels):
        weights = row.wide + 4 * (place * panels + panel) * length * WIDE
        ahead = weights + 4 * length * WIDE
        for bundle in range(bundles):
            at, to = a + 4 * bundle * ROWS * length, out + 4 * (_begin(bundle, fewer) * step + WIDE * panel)
            if bundle < fewer:
                product_wide(at, groups, weights, _soon(ahead, groups, bundle), to, step)
            else:
                product_wide_fewer(at, groups, weights, _soon(ahead, groups, bundle), to, step)
    if row.narrow:
        weights = row.narrow + 4 * place * length * LANES
        for bundle in range(bundles):
            at, to = a + 4 * bundle * ROWS * length, out + 4 * (_begin(bundle, fewer) * step + WIDE * panels)
            if bundle < fewer:
                product_narrow(at, groups, weights, weights, to, step)
            else:
                product_narrow_fewer(at, groups, weights, weights, to, step)


@compiled
def _soon(panel: int, groups: int, bundle: int) -> int:
    """What is fetched of the next panel while a bundle is multiplied: one part after the other, the last one again."""
    return panel + min(bundle * FETCHED, LANES - FETCHED) * groups * LINE


@compiled
def _scatter(row: Any, tile: int, source: int, step: int) -> None:
    """Transform the sums of one tile back, finish them and write the pixels."""
    n, i, j = _corner(row, tile)
    i, j = i * row.y_step, j * row.y_step
    out = row.y + n * row.y_n + i * row.y_i + j * row.y_j
    more = row.r + n * row.r_n + i * row.r_i + j * row.r_j if row.r else 0
    noise = row.noise + n * row.noise_n + i * row.noise_i + 4 * j if row.noise else 0
    gain, bias, slope = row.gain + n * row.gain_n, row.bias + n * row.bias_n, row.slope
    y_i, y_j, r_i, r_j, n_i = row.y_i // 4, row.y_j // 4, row.r_i // 4, row.r_j // 4, row.noise_i // 4
    for c in range(0, 4 * row.outputs, 4 * LANES):
        add = more + c if more else 0
        at, to, g, b, s = source + c, out + c, gain + c, bias + c, slope + c
        if row.form == SAME:
            patch_out_same(at, step, to, y_i, y_j, g, b, s, add, noise, r_i, r_j, n_i)
        elif row.form == UP:
            patch_out_up(at, step, to, y_i, y_j, g, b, s, add, noise, r_i, r_j, n_i)
        elif row.form == SMALL:
            patch_out_small(at, step, to, y_i, y_j, g, b, s, add, noise, r_i, r_j, n_i)
        elif row.form == FOUR:
            patch_out_four(at, step, to, y_i, y_j, g, b, s, add, noise, r_i, r_j, n_i)
        else:
            patch_out_down(at, step, to, y_i, y_j, g, b, s, add, noise, r_i, r_j, n_i)


@compiled
def _plain(row: Any, table: int, start: int, stop: int) -> None:
    """Convolve with any kernel: blocks of pixels from `start` to `stop`, six at once.

    A unit is a block, or one of its shares: every so manyth panel of weights.
    """
    apart = row.narrow_n or row.gain_n  # then the pixels of a sample stay apart from the others'
    each = row.height * row.width * (1 if apart else row.count)
    blocks = (each + row.tiles - 1) // row.tiles
    packed = table + 8 * TABLE
    groups = row.kernel_high * row.run
    for unit in range(start, stop):
        share, block = unit % row.shares, unit // row.shares
        n, first = block // blocks, block % blocks * row.tiles
        here = min(row.tiles, each - first)
        _addresses(row, table, n * each + first, here)
        _pack(row, table, packed, here)
        gain, bias, slope = row.gain + n * row.gain_n, row.bias + n * row.bias_n, row.slope
        bundles, fewer = _cut(here)
        for panel in range(share, row.wide_panels, row.shares):
            weights, shift = row.wide + 4 * panel * groups * LANES * WIDE, 4 * WIDE * panel
            ahead = weights + 4 * groups * LANES * WIDE * row.shares
            for bundle in range(bundles):
                at, to = packed + 4 * bundle * ROWS * groups * LANES, table + 8 * 3 * ROWS * bundle
                soon = _soon(ahead, groups, bundle)
                if bundle < fewer:
                    pixels_wide(at, groups, weights, soon, to, shift, gain, bias, slope)
                else:
                    pixels_wide_fewer(at, groups, weights, soon, to, shift, gain, bias, slope)
        if row.narrow and share == 0:
            weights, shift = row.narrow + n * row.narrow_n, 4 * WIDE * row.wide_panels
            for bundle in range(bundles):
                at, to = packed + 4 * bundle * ROWS * groups * LANES, table + 8 * 3 * ROWS * bundle
                if bundle < fewer:
                    pixels_narrow(at, groups, weights, weights, to, shift, gain, bias, slope)
                else:
                    pixels_narrow_fewer(at, groups, weights, weights, to, shift, gain, bias, slope)


@compiled
def _pack(row: Any, table: int, packed: int, here: int) -> None:
    """Copy what a block's pixels are made from, in the order in which it is multiplied."""
    step, length = 4 * LANES * ROWS, 4 * LANES * row.kernel_high * row.run
    high, run, line = row.kernel_high, 4 * LANES * row.run, row.x_i
    gain, bias, slope = row.before_gain, row.before_bias, row.before_slope
    bundles, fewer = _cut(here)
    for bundle in range(bundles):
        for place in range(ROWS if bundle < fewer else ROWS - 1):
            at = get_integer(table + 8 * (bundle * 3 * ROWS + place))
            to = packed + bundle * ROWS * length + 4 * LANES * place
            for _ in range(high):
                for c in range(0, run, 4 * LANES):
                    if gain:
                        finish(at + c, to, (gain + c, bias + c, slope + c), 0)
                    else:
                        copy(at + c, to)
                    to += step
                at += line


@compiled
def _addresses(row: Any, table: int, first: int, here: int) -> None:
    """Write down where the pixels of a block begin; what is left of the last six is the last pixel again."""
    height, width, residual = row.height, row.width, row.r
    n, rest = first // (height * width), first % (height * width)
    i, j = rest // width, rest % width
    x, y = row.x - row.padding * (row.x_i + row.x_j), row.y
    x_n, x_i, x_j = row.x_n, row.x_i * row.stride, row.x_j * row.stride
    y_n, y_i, y_j, r_n, r_i, r_j = row.y_n, row.y_i, row.y_j, row.r_n, row.r_i, row.r_j
    bundles, fewer = _cut(here)
    for bundle in range(bundles):
        begin = _begin(bundle, fewer)
        for index in range(begin, _begin(bundle + 1, fewer)):
            at = table + 8 * (bundle * 3 * ROWS + index - begin)
            put_integer(x + n * x_n + i * x_i + j * x_j, at)
            put_integer(y + n * y_n + i * y_i + j * y_j, at + 8 * ROWS)
            put_integer(residual + n * r_n + i * r_i + j * r_j, at + 16 * ROWS)  # distances are 0 where it is
            # Divisions would take longer than all the rest.
            if index < here - 1:
                j += 1
                if j == width:
                    i, j = i + 1, 0
                if i == height:
                    n, i = n + 1, 0


@intrinsic
def _wait(typing, address, until):
    """Count one more thread as done, and stay until `until` are."""
    signature = types.void(types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, until = arguments
        counter = builder.inttoptr(address, INT.as_pointer())
        builder.atomic_rmw("add", counter, INT(1), "seq_cst")
        give_way = ir.FunctionType(ir.IntType(32), [])
        yielding = cgutils.get_or_insert_function(
            builder.module, give_way, "SwitchToThread" if os.name == "nt" else "sched_yield"
        )
        turns = cgutils.alloca_once_value(builder, INT(0))
        check, again, patient, done = (
            builder.append_basic_block(name) for name in ("check", "again", "patient", "done")
        )
        builder.branch(check)
        builder.position_at_end(check)
        is_done = builder.icmp_signed(">=", builder.load_atomic(counter, "acquire", 8), until)
        builder.cbranch(is_done, done, again)
        builder.position_at_end(again)
        turn = builder.add(builder.load(turns), INT(1))
        builder.store(turn, turns)
        # Others are done within microseconds, unless the machine is so busy that they do not run at all.
        builder.cbranch(builder.icmp_signed("<", turn, INT(_TURNS)), check, patient)
        builder.position_at_end(patient)
        builder.call(yielding, [])
        builder.branch(check)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return signature, generate


_TURNS = 2000  # about ten microseconds
