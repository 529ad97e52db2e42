"""Vectors of eight floats in the code that numba compiles: reading, writing, sums, and how a layer's result ends.

Every function takes LLVM's builder first. Addresses are integers; offsets count floats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
FLOAT = ir.FloatType()
VECTOR = ir.VectorType(FLOAT, LANES)
INT = ir.IntType(64)
ZERO = ir.Constant(VECTOR, [0.0] * LANES)

# Divisors are never zero, and errors would take code of their own.
compiled = njit(cache=True, nogil=True, error_model="numpy")


def float_pointer(builder: Any, address: Any) -> Any:
    """The address as a pointer to floats."""
    return builder.inttoptr(address, FLOAT.as_pointer())


def load(builder: Any, pointer: Any, offset: Any) -> Any:
    """Eight floats."""
    return builder.load(builder.bitcast(builder.gep(pointer, [offset]), VECTOR.as_pointer()), align=4)


def store(builder: Any, value: Any, pointer: Any, offset: Any) -> None:
    """Write eight floats."""
    builder.store(value, builder.bitcast(builder.gep(pointer, [offset]), VECTOR.as_pointer()), align=4)


def prefetch(builder: Any, address: Any) -> None:
    """Ask for the cache line at an address, which need not be anyone's, before it is needed."""
    byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [builder.inttoptr(address, byte), number(0), number(2), number(1)])


def fused(builder: Any) -> Callable[[Any, Any, Any], Any]:
    """Return a * b + c with one rounding, on vectors; a number b is spread over the lanes."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")

    def multiply_add(a: Any, b: Any, c: Any) -> Any:
        b = constant(b) if isinstance(b, int | float) else b
        return builder.call(function, [a, b, c])

    return multiply_add


def constant(number: float) -> Any:
    """The same known number in every lane."""
    return ir.Constant(VECTOR, [float(number)] * LANES)


def spread(builder: Any, number: Any) -> Any:
    """The same number in every lane."""
    nothing = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.IntType(32)(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


class Finish:
    """The end of a layer: y = act(gain * value + bias + residual + noise), eight channels of one pixel at a time.

    The activation multiplies what is below zero by the channel's slope; NaN stays NaN. It takes the addresses of gain,
    bias, slope, residual and, if there is any, noise, of which the last two may be 0.
    """

    def __init__(self, builder: Any, addresses: list[Any], vectors: int = 1) -> None:
        self._builder, self._fused = builder, fused(builder)
        gain, _, _, residual, *noise = addresses
        self._channels = [
            [load(builder, float_pointer(builder, address), INT(LANES * j)) for address in addresses[:3]]
            for j in range(vectors)
        ]
        self._residual = _optional(builder, residual, gain, lambda at, offset: load(builder, at, offset))
        self._noise = None
        if noise:
            read_one = lambda at, offset: spread(builder, load_one(builder, at, offset))  # noqa: E731
            self._noise = _optional(builder, noise[0], gain, read_one)

    def __call__(self, value: Any, residual_offset: Any, vector: int = 0, noise_offset: Any = None) -> Any:
        """Finish eight channels, the given ones of those that the addresses tell."""
        builder, (gain, bias, slope) = self._builder, self._channels[vector]
        value = builder.fadd(self._fused(value, gain, bias), self._residual(residual_offset))
        if self._noise is not None:
            value = builder.fadd(value, self._noise(noise_offset))
        return builder.select(builder.fcmp_ordered("<", value, ZERO), builder.fmul(value, slope), value)


def _optional(builder: Any, address: Any, instead: Any, read: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """A reader of what may not be there: of zeros where its address is 0, when `instead` is read and thrown away."""
    is_there = builder.icmp_signed("!=", address, INT(0))
    pointer = float_pointer(builder, builder.select(is_there, address, instead))
    return lambda offset: builder.select(is_there, read(pointer, builder.select(is_there, offset, INT(0))), ZERO)


def load_one(builder: Any, pointer: Any, offset: Any) -> Any:
    """One float."""
    return builder.load(builder.gep(pointer, [offset]), align=4)


@intrinsic
def put_float(typing, value, address):
    """Write one float."""
    signature = types.void(types.float64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, address = arguments
        builder.store(builder.fptrunc(value, FLOAT), float_pointer(builder, address), align=4)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def get_float(typing, address):
    """Read one float."""
    signature = types.float64(types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fpext(builder.load(float_pointer(builder, arguments[0]), align=4), ir.DoubleType())

    return signature, generate


@intrinsic
def put_integer(typing, value, address):
    """Write one integer."""
    signature = types.void(types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, address = arguments
        builder.store(value, builder.inttoptr(address, INT.as_pointer()))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def get_integer(typing, address):
    """Read one integer."""
    signature = types.int64(types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], INT.as_pointer()))

    return signature, generate


@intrinsic
def copy(typing, source, target):
    """Copy eight floats."""
    signature = types.void(types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        here, there = (float_pointer(builder, address) for address in arguments)
        store(builder, load(builder, here, INT(0)), there, INT(0))
        return context.get_dummy_value()

    return signature, generate
