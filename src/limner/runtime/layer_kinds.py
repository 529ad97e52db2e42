"""The layers that limner's own kernels know: what a network is described by before memory is given to it.

Every layer names its result and the maps that it reads. What stands under `slope` multiplies what is below zero, last
of all: 1 leaves it, 0 is a ReLU, an array gives each channel its own. A name under `gain`, `bias`, `scale` or `weights`
is that of a map of one pixel, so that each sample has its own numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeAlias

from jaxtyping import Float32
from numpy import ndarray

Slope: TypeAlias = float | Float32[ndarray, "C"]
Vector: TypeAlias = str | Float32[ndarray, "C"] | None


class NotExpressible(Exception):
    """A module does something that the layers here have no word for."""


@dataclass(frozen=True)
class Convolution:
    """A convolution of stride one or two, or a transposed one of stride two: twice the size, as with a padding of one.

    Attributes:
        output: the name of the result.
        source: the name of the map it works on.
        weight: kernels; where `weights` is given, only their shape counts.
        bias: one number for each kernel.
        stride: the same on both axes.
        padding: the same on all sides.
        residual: the name of a map to add, or None.
        slope: see above.
        transposed: whether it is.
        scale: multiplies the channels of the source.
        gain: multiplies the results, before the bias.
        noise: the name of a map of one channel to add to all.
        weights: each sample's own kernels of one pixel for at most eight results: (I, 8) numbers.
        before: what is done to each pixel of the source first: a gain, a bias and a slope; kernels of one pixel only.
    """

    output: str
    source: str
    weight: Float32[ndarray, "O I k l"]
    bias: Float32[ndarray, "O"]
    stride: int = 1
    padding: int = 0
    residual: str | None = None
    slope: Slope = 1.0
    transposed: bool = False
    scale: str | None = None
    gain: str | None = None
    noise: str | None = None
    weights: str | None = None
    before: Addition | None = None


@dataclass(frozen=True)
class Addition:
    """gain * first + bias + second, each of which but the first may lack.

    Attributes:
        output: the name of the result.
        first: the name of a map of the result's size.
        second: the name of a map whose pixels are repeated, or None.
        repeat: how many times, along both axes.
        gain: for each channel.
        bias: for each channel.
        slope: see above.
    """

    output: str
    first: str
    second: str | None = None
    repeat: int = 1
    gain: Vector = None
    bias: Vector = None
    slope: Slope = 1.0


@dataclass(frozen=True)
class Enlargement:
    """Bilinear sampling: to twice the size with zeros round the map, or to the size of `like` with aligned corners."""

    output: str
    source: str
    like: str | None = None


@dataclass(frozen=True)
class Blur:
    """The filter outer, inner, inner, outer along both axes after a transposed convolution, over all it reached.

    Attributes:
        output: the name of the result.
        source: the name of the transposed convolution's result.
        outer: the first and the last tap.
        inner: the two between.
        bias: for each channel.
        gain: multiplies the results, before the bias.
        noise: the name of a map of one channel to add to all.
        slope: see above.
    """

    output: str
    source: str
    outer: float
    inner: float
    bias: Float32[ndarray, "C"]
    gain: str | None = None
    noise: str | None = None
    slope: Slope = 1.0


@dataclass(frozen=True)
class Measurement:
    """The mean of each channel as a map of one pixel; or what norms a channel, a factor and a summand.

    Attributes:
        output: the name of the mean, or of the factor.
        source: the name of the map.
        summand: the name of the summand; None asks for the mean.
        weight: of the normed channels.
        bias: of the normed channels.
        epsilon: added to the variance.
    """

    output: str
    source: str
    summand: str | None = None
    weight: Float32[ndarray, "C"] | None = None
    bias: Float32[ndarray, "C"] | None = None
    epsilon: float = 0.0


@dataclass(frozen=True)
class Pooling:
    """The largest pixel of every window; windows may reach over the border.

    Attributes:
        output: the name of the result.
        source: the name of the map.
        kernel: side of the window.
        stride: from window to window.
        padding: how far the first one reaches over the border.
        ceil: whether a last window that is not full counts.
    """

    output: str
    source: str
    kernel: int
    stride: int
    padding: int = 0
    ceil: bool = False


@dataclass(frozen=True)
class Curve:
    """a / (1 + exp(b x)) + c: a sigmoid with 1, -1, 0, a hyperbolic tangent with 2, -2, -1."""

    output: str
    source: str
    a: float = 1.0
    b: float = -1.0
    c: float = 0.0


@dataclass(frozen=True)
class Every:
    """Every `step`-th pixel along both axes, without a copy."""

    output: str
    source: str
    step: int


Layer: TypeAlias = Convolution | Addition | Enlargement | Blur | Measurement | Pooling | Curve | Every


@dataclass(frozen=True)
class LayerList:
    """A network as layers in the order of their work.

    Attributes:
        sources: the names of the inputs, a network's only one or its first the picture.
        layers: each uses only what stands before it.
        outputs: the names of the results; several names together are stacked, vectors one below another.
        vectors: those of the names whose maps of one pixel are given as vectors.
    """

    sources: tuple[str, ...]
    layers: tuple[Layer, ...]
    outputs: tuple[tuple[str, ...], ...]
    vectors: tuple[str, ...] = ()


_READ = ("source", "residual", "scale", "gain", "bias", "noise", "weights", "first", "second")


def names_read(layer: Layer) -> tuple[str, ...]:
    """Return the names of the maps that a layer reads."""
    values = [getattr(layer, field.name) for field in fields(layer) if field.name in _READ]
    return tuple(value for value in values if isinstance(value, str))


def names_written(layer: Layer) -> tuple[str, ...]:
    """Return the names of the maps that a layer writes."""
    if isinstance(layer, Measurement) and layer.summand is not None:
        return layer.output, layer.summand
    return (layer.output,)
