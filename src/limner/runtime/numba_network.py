"""Networks of convolutions run by limner's own kernels: up to twice as fast as any library on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.runtime.layer_kinds import LayerList
from limner.runtime.layer_network import LayerNetwork
from limner.runtime.modules import check_batch

_ANY_SIDE = 64  # what a side of any length is tried with


class NumbaNetwork:
    """A network of one input run by `limner.runtime.program`.

    Attributes:
        input_shape: the shape of the input array, -1 for any length.
    """

    def __init__(self, network: LayerList, input_shape: Sequence[int], threads: int = 1) -> None:
        """Set memory aside for one sample, so that what the kernels cannot do is known at once.

        Raises:
            NotExpressible: there is no kernel for a layer at this shape.
        """
        self.input_shape = tuple(input_shape)
        self._source = network.sources[0]
        self._network = LayerNetwork(network, threads)
        sides = [_ANY_SIDE if n == -1 else n for n in self.input_shape[1:]]
        self._network.prepare({self._source: (max(self.input_shape[0], 1), *sides)})

    def __call__(self, batch: Float32[ndarray, "N C H W"]) -> tuple[Float32[ndarray, "..."], ...]:
        """Run the network on `batch` and return its outputs as arrays of their own.

        Raises:
            InputError: the array is of another shape than the network takes.
        """
        check_batch(batch, self.input_shape)
        if len(batch) == 0:
            return tuple(output[:0] for output in self(np.zeros((1, *batch.shape[1:]), np.float32)))
        return self._network({self._source: batch})
