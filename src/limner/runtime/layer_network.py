"""Networks given as layers, run by limner's own kernels on the CPU."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from threading import Lock

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.runtime.layer_kinds import LayerList
from limner.runtime.plan import Plan, Weights
from limner.runtime.program import LAYER, run


def can_run() -> bool:
    """Return whether this processor multiplies and adds in one step, without which the kernels would crawl."""
    from llvmlite import binding

    is_x86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
    return bool(binding.get_host_cpu_features().get("fma")) if is_x86 else True


class LayerNetwork:
    """A list of layers ready to run; memory is set aside for one shape of inputs, and anew for another."""

    def __init__(self, network: LayerList, threads: int = 1) -> None:
        self._network = network
        self._threads = max(1, threads)
        self._weights: Weights = {}
        self._plan: Plan | None = None
        self._lock = Lock()
        # Compiles the kernels, which takes seconds the first time on a machine, or reads them from numba's cache.
        run(np.zeros(0, LAYER), np.zeros((1, 1), np.float32), 0, 1, np.zeros(1, np.int64))

    def __call__(self, inputs: Mapping[str, Float32[ndarray, "N C H W"]]) -> tuple[Float32[ndarray, "N C H W"], ...]:
        """Run the network and return its outputs as arrays of their own.

        Args:
            inputs: for every source of the list; a map of noise or of one pixel may be one for all samples.

        Raises:
            NotExpressible: the kernels cannot do what a layer asks for at these shapes.
        """
        with self._lock:
            plan = self._plan_for({name: values.shape for name, values in inputs.items()})
            for name, values in inputs.items():
                plan.set(name, values)
            return plan()

    def prepare(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Set memory aside for inputs of these shapes and work the weights out.

        Raises:
            NotExpressible: the kernels cannot do what a layer asks for at these shapes.
        """
        with self._lock:
            self._plan_for(shapes)

    def _plan_for(self, shapes: Mapping[str, Sequence[int]]) -> Plan:
        wanted = {name: tuple(shape) for name, shape in shapes.items()}
        if self._plan is None or self._plan.shapes != wanted:
            self._plan = None  # so that its memory is free first
            self._plan = Plan(self._network, wanted, self._threads, self._weights)
        return self._plan
