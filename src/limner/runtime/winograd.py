"""Winograd's convolutions in tiles: 3x3 of stride one, of stride two, and transposed of stride two; 4x4 of stride one.

With d a patch, g a kernel and m their product place by place, y = A^T [(G g G^T) * (B^T d B)] A. Along an axis:

    same    6 samples, 6 places, 4 results: F(4, 3), a quarter of the multiplications
    small   4 samples, 4 places, 2 results: F(2, 3), 0.44 of them and fewer weights, for maps of a few pixels
    down    9 samples, 9 places, 4 results: F(4, 2) on the odd samples, the even ones as they are; 0.56 of them
    up      5 samples, 9 places, 8 results: the even ones by F(4, 2), the odd ones from one sample each; 0.56 of them
    four    7 samples, 7 places, 4 results: F(4, 4) for kernels of four, 0.19 of them

Source: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", sections 4.1 (F(2, 3)) and 4.3
(F(4, 3)); the others by the same construction (Toom and Cook) with the points 0, 1, -1, 2 and infinity, F(4, 4) with -2
and 1/2, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from numba import types
from numba.extending import intrinsic
from numpy import ndarray

from limner.runtime.products import aligned
from limner.runtime.vectors import INT, Finish, float_pointer, fused, load, store

SAME, DOWN, UP, SMALL, FOUR = range(5)

_Step = Callable[[Any, list[Any]], list[Any]]


@dataclass(frozen=True)
class Tile:
    """What happens along one axis.

    Attributes:
        samples: read of the map.
        places: where the kernel's and the patch's numbers are multiplied.
        results: written.
        kernel: G.
        before: B^T d of vectors.
        after: A^T m of vectors.
    """

    samples: int
    places: int
    results: int
    kernel: Float[ndarray, "places k"]
    before: _Step
    after: _Step


def _before_three(builder: Any, d: list[Any]) -> list[Any]:
    multiply_add, add, sub = fused(builder), builder.fadd, builder.fsub
    even, odd = multiply_add(d[2], -4, d[4]), multiply_add(d[1], -4, d[3])
    far, near = sub(d[4], d[2]), sub(d[3], d[1])
    first = multiply_add(d[0], 4, multiply_add(d[2], -5, d[4]))
    last = multiply_add(d[1], 4, multiply_add(d[3], -5, d[5]))
    return [first, add(even, odd), sub(even, odd), multiply_add(near, 2, far), multiply_add(near, -2, far), last]


def _after_three(builder: Any, m: list[Any]) -> list[Any]:
    multiply_add, add, sub = fused(builder), builder.fadd, builder.fsub
    s1, d1, s2, d2 = add(m[1], m[2]), sub(m[1], m[2]), add(m[3], m[4]), sub(m[3], m[4])
    return [
        add(add(m[0], s1), s2),
        multiply_add(d2, 2, d1),
        multiply_add(s2, 4, s1),
        add(multiply_add(d2, 8, d1), m[5]),
    ]


def _before_small(builder: Any, d: list[Any]) -> list[Any]:
    add, sub = builder.fadd, builder.fsub
    return [sub(d[0], d[2]), add(d[1], d[2]), sub(d[2], d[1]), sub(d[1], d[3])]


def _after_small(builder: Any, m: list[Any]) -> list[Any]:
    add, sub = builder.fadd, builder.fsub
    return [add(add(m[0], m[1]), m[2]), sub(sub(m[1], m[2]), m[3])]


def _before_two(builder: Any, d: list[Any]) -> list[Any]:
    multiply_add, sub = fused(builder), builder.fsub
    low, high = sub(d[3], d[1]), sub(d[4], d[2])
    return [
        multiply_add(sub(d[0], d[2]), 2, low),
        multiply_add(d[1], -2, sub(d[3], d[2])),
        multiply_add(d[1], 2, multiply_add(d[2], -3, d[3])),
        low,
        multiply_add(low, -2, high),
    ]


def _after_two(builder: Any, m: list[Any]) -> list[Any]:
    multiply_add, add = fused(builder), builder.fadd
    both, apart = add(m[1], m[2]), builder.fsub(m[1], m[2])
    return [
        add(add(m[0], both), m[3]),
        multiply_add(m[3], 2, apart),
        multiply_add(m[3], 4, both),
        add(multiply_add(m[3], 8, apart), m[4]),
    ]


def _before_down(builder: Any, d: list[Any]) -> list[Any]:
    return [*_before_two(builder, d[0::2]), *d[1::2]]


def _after_down(builder: Any, m: list[Any]) -> list[Any]:
    return [builder.fadd(*pair) for pair in zip(_after_two(builder, m[:5]), m[5:], strict=True)]


def _before_up(builder: Any, d: list[Any]) -> list[Any]:
    return [*_before_two(builder, d), *d[1:]]


def _after_up(builder: Any, m: list[Any]) -> list[Any]:
    pairs = zip(_after_two(builder, m[:5]), m[5:], strict=True)
    return [value for pair in pairs for value in pair]


def _before_four(builder: Any, d: list[Any]) -> list[Any]:
    multiply_add, add, sub = fused(builder), builder.fadd, builder.fsub
    # For a point p the coefficients are those of the product of x - q over all other points q.
    low, middle, high = (multiply_add(d[i], 4, multiply_add(d[i + 2], -5, d[i + 4])) for i in range(3))
    upper = [multiply_add(d[i + 2], -0.5, d[i + 3]) for i in (1, 2)]
    lower = [multiply_add(d[i + 1], -2, d[i]) for i in (1, 2)]
    ones = [multiply_add(lower[i], 2, upper[i]) for i in range(2)]
    twos = [sub(multiply_add(d[i + 1], 0.5, upper[i]), d[i + 2]) for i in range(2)]
    return [
        multiply_add(low, -0.5, middle),
        add(ones[1], ones[0]),
        sub(ones[1], ones[0]),
        multiply_add(twos[0], 2, twos[1]),
        multiply_add(twos[0], -2, twos[1]),
        middle,
        multiply_add(middle, -0.5, high),
    ]


def _after_four(builder: Any, m: list[Any]) -> list[Any]:
    multiply_add, add, sub = fused(builder), builder.fadd, builder.fsub
    s1, d1, s2, d2 = add(m[1], m[2]), sub(m[1], m[2]), add(m[3], m[4]), sub(m[3], m[4])
    return [
        add(add(m[0], s1), add(s2, m[5])),
        multiply_add(m[5], 0.5, multiply_add(d2, 2, d1)),
        multiply_add(m[5], 0.25, multiply_add(s2, 4, s1)),
        multiply_add(m[5], 0.125, add(multiply_add(d2, 8, d1), m[6])),
    ]


_THREE = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
_SMALL = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]]) / 2
_TWO = np.array([[3, 0], [-3, -3], [-1, 1], [1, 2], [0, 6]]) / 6
_POINTS = np.array([0, 1, -1, 2, -2, 0.5])
_FOUR = np.array(
    [[p**k / np.prod([p - q for q in _POINTS if q != p]) for k in range(4)] for p in _POINTS] + [[0, 0, 0, 1]]
)
_MIDDLE = np.tile([[0.0, 1.0, 0.0]], (4, 1))


def _with_middle(first: int, second: int) -> ndarray:
    """G of F(4, 2) on two of a kernel's numbers, and of its middle number alone."""
    outer = np.zeros((5, 3))
    outer[:, first], outer[:, second] = _TWO[:, 0], _TWO[:, 1]
    return np.concatenate([outer, _MIDDLE])


TILES = {
    SAME: Tile(6, 6, 4, _THREE, _before_three, _after_three),
    DOWN: Tile(9, 9, 4, _with_middle(0, 2), _before_down, _after_down),
    UP: Tile(5, 9, 8, _with_middle(2, 0), _before_up, _after_up),
    SMALL: Tile(4, 4, 2, _SMALL, _before_small, _after_small),
    FOUR: Tile(7, 7, 4, _FOUR, _before_four, _after_four),
}


def _make_patch_in(tile: Tile) -> Any:
    """Make B^T d B of one patch: eight channels, scaled first; results lie `step` floats apart."""

    @intrinsic
    def _patch_in(typing, source, row, column, scale, target, step):
        signature = types.void(*[types.int64] * 6)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            source, row, column, scale, target, step = arguments
            here, there = float_pointer(builder, source), float_pointer(builder, target)
            factor = load(builder, float_pointer(builder, scale), INT(0))

            def read(i: int, j: int) -> Any:
                offset = builder.add(builder.mul(row, INT(i)), builder.mul(column, INT(j)))
                return builder.fmul(load(builder, here, offset), factor)

            columns = [tile.before(builder, [read(i, j) for i in range(tile.samples)]) for j in range(tile.samples)]
            for i in range(tile.places):
                for j, value in enumerate(tile.before(builder, [column[i] for column in columns])):
                    store(builder, value, there, builder.mul(step, INT(tile.places * i + j)))
            return context.get_dummy_value()

        return signature, generate

    return _patch_in


def _make_patch_out(tile: Tile) -> Any:
    """Make A^T m A of one patch, eight channels, finished and written as pixels; see `Finish` for the addresses."""

    @intrinsic
    def _patch_out(
        typing, source, step, target, row, column, gain, bias, slope, residual, noise, r_row, r_column, n_row
    ):
        signature = types.void(*[types.int64] * 13)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            source, step, target, row, column_step = arguments[:5]
            r_row, r_column, n_row = arguments[10:]
            here, there = float_pointer(builder, source), float_pointer(builder, target)
            finish = Finish(builder, list(arguments[5:10]))

            def read(i: int, j: int) -> Any:
                return load(builder, here, builder.mul(step, INT(tile.places * i + j)))

            def offset(i: int, j: int, row: Any, column: Any) -> Any:
                return builder.add(builder.mul(row, INT(i)), builder.mul(column, INT(j)))

            columns = [tile.after(builder, [read(i, j) for i in range(tile.places)]) for j in range(tile.places)]
            for i in range(tile.results):
                for j, value in enumerate(tile.after(builder, [column[i] for column in columns])):
                    value = finish(value, offset(i, j, r_row, r_column), 0, offset(i, j, n_row, INT(1)))
                    store(builder, value, there, offset(i, j, row, column_step))
            return context.get_dummy_value()

        return signature, generate

    return _patch_out


patch_in_same, patch_in_down, patch_in_up, patch_in_small, patch_in_four = map(_make_patch_in, TILES.values())
patch_out_same, patch_out_down, patch_out_up, patch_out_small, patch_out_four = map(_make_patch_out, TILES.values())


def transform_panels(panels: Float32[ndarray, "K n I w"], kind: int = SAME) -> Float32[ndarray, "P n I w"]:
    """Return G g G^T of the kernels of packed panels, worked out in float64."""
    kernel = TILES[kind].kernel
    transform = np.kron(kernel, kernel)
    result = aligned((len(transform), *panels.shape[1:]))
    for panel in range(panels.shape[1]):  # one at a time, so that float64 needs little memory
        flat = panels[:, panel].reshape(len(panels), -1).astype(np.float64)
        result[:, panel] = (transform @ flat).reshape(len(transform), *panels.shape[2:])
    return result
