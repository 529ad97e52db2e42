"""Winograd's weights for kernels that change at every step of training: read where they lie, packed as they are made.

Source: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy import ndarray
from torch import Tensor

from limner.runtime.products import NARROW, WIDE
from limner.runtime.program import LAYER
from limner.runtime.vectors import INT, LANES, VECTOR, compiled, constant, float_pointer, fused, load_one, store
from limner.runtime.winograd import SAME, TILES

PLACES = TILES[SAME].places ** 2
_NO_LAYERS = np.empty(0, LAYER)  # whose type tells numba by which version of the kernels' files code was compiled


def transformed_panels(
    weight: Float[Tensor, "O I 3 3"], memory: Float[Tensor, " n"]
) -> tuple[Float[Tensor, "36 n I 16"], Float[Tensor, "36 m I 8"]]:
    """Return G g G^T of all kernels in panels of sixteen outputs, and of eight where so many are left.

    Args:
        weight: a multiple of eight outputs, in any order in memory.
        memory: where the panels are written, `PLACES` O I numbers.
    """
    outputs, inputs = weight.shape[:2]
    cut = outputs // WIDE * WIDE
    wide, narrow = memory.split([PLACES * inputs * cut, PLACES * inputs * (outputs - cut)])
    return _panels_of(weight[:cut], WIDE, wide), _panels_of(weight[cut:], NARROW, narrow)


def _panels_of(weight: Tensor, lanes: int, memory: Tensor) -> Float[Tensor, "36 n I L"]:
    panels, inputs = len(weight) // lanes, weight.shape[1]
    _transform_all(weight.data_ptr(), weight.stride(), memory.data_ptr(), (panels, inputs), lanes == WIDE, _NO_LAYERS)
    return memory.view(PLACES, panels, inputs, lanes)


@compiled
def _transform_all(
    weight: int, steps: tuple[int, int, int, int], target: int, panels: tuple[int, int], is_wide: bool, layers: ndarray
) -> None:
    count, inputs = panels
    lanes = WIDE if is_wide else NARROW
    for panel in range(count):
        for index in range(inputs):
            source = weight + 4 * (panel * lanes * steps[0] + index * steps[1])
            to = target + 4 * (panel * inputs + index) * lanes
            if is_wide:
                _transform_wide(source, steps, to, count * inputs * lanes)
            else:
                _transform_narrow(source, steps, to, count * inputs * lanes)


def _make_transform(width: int) -> Any:
    """Make G g G^T of the kernels of `width` outputs and one input; results lie `step` floats apart."""
    matrix, vectors = TILES[SAME].kernel, range(width // LANES)

    @intrinsic
    def _transform(typing, source, steps, target, step):
        signature = types.void(types.int64, types.UniTuple(types.int64, 4), types.int64, types.int64)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            source, steps, target, step = arguments
            outputs, _, down, right = (builder.extract_value(steps, axis) for axis in range(4))
            here, there = float_pointer(builder, source), float_pointer(builder, target)

            def read(vector: int, i: int, j: int) -> Any:
                start = builder.add(builder.mul(down, INT(i)), builder.mul(right, INT(j)))
                value = ir.Constant(VECTOR, ir.Undefined)
                for lane in range(LANES):
                    offset = builder.add(start, builder.mul(outputs, INT(LANES * vector + lane)))
                    value = builder.insert_element(value, load_one(builder, here, offset), ir.IntType(32)(lane))
                return value

            def transform(vector: int) -> list[Any]:
                columns = [_times(builder, matrix, [read(vector, i, j) for i in range(3)]) for j in range(3)]
                return [one for row in zip(*columns, strict=True) for one in _times(builder, matrix, list(row))]

            # Written together: the places lie so far apart that a line would not stay near until its second half.
            for place, values in enumerate(zip(*map(transform, vectors), strict=True)):
                for vector, value in enumerate(values):
                    store(builder, value, there, builder.add(builder.mul(step, INT(place)), INT(LANES * vector)))
            return context.get_dummy_value()

        return signature, generate

    return _transform


def _times(builder: Any, matrix: Float[ndarray, "r c"], values: list[Any]) -> list[Any]:
    """A matrix of known numbers times vectors."""
    multiply_add, results = fused(builder), []
    for row in matrix:
        terms = [(number, value) for number, value in zip(row, values, strict=True) if number]
        total = builder.fmul(terms[0][1], constant(terms[0][0]))
        for number, value in terms[1:]:
            total = multiply_add(value, constant(number), total)
        results.append(total)
    return results


_transform_wide, _transform_narrow = _make_transform(WIDE), _make_transform(NARROW)
