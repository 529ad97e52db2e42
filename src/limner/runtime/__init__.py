"""Runtime: the one door to whatever runs a network.

In: the path of a network file, or a torch module and its input's shape, and how many threads it may use. Out: a
`Network`, called with one float32 array in the source's own layout, answering a tuple of float32 arrays in its own
order. Computation is in float32, by limner's own kernels, by OpenVINO or by torch; converted and compiled networks are
kept under `$LIMNER_CACHE` or `~/.cache/limner`, and a cache that cannot be written is done without.
Paper: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks".
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from limner.runtime.modules import TorchNetwork, convert_module
from limner.runtime.network import Network, cache_folder, load_network
from limner.runtime.onnx_network import OnnxNetwork, write_onnx

if TYPE_CHECKING:
    from limner.runtime.numba_network import NumbaNetwork

__all__ = [
    "Network",
    "NumbaNetwork",
    "OnnxNetwork",
    "TorchNetwork",
    "cache_folder",
    "convert_module",
    "load_network",
    "write_onnx",
]


def __getattr__(name: str) -> Any:
    # numba's import takes half a second, which network files need not cost.
    if name == "NumbaNetwork":
        return import_module("limner.runtime.numba_network").NumbaNetwork
    raise AttributeError(f"module 'limner.runtime' has no attribute {name!r}")
