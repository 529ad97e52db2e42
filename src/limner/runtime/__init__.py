"""Runtime: the one door to whatever runs a network.

In: the path of a network file, or a torch module and its input's shape, and how many threads it may use. Out: a
`Network`, called with one float32 array in the source's own layout, answering a tuple of float32 arrays in its own
order. Computation is in float32, by limner's own kernels, by OpenVINO or by torch; converted and compiled networks are
kept under `$LIMNER_CACHE` or `~/.cache/limner`, 2 GB of them; a cache that cannot be written is done without.
Paper: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks".
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from limner.runtime.cache import cache_folder
from limner.runtime.layer_kinds import (
    Addition,
    Blur,
    Convolution,
    Curve,
    Enlargement,
    Every,
    Layer,
    LayerList,
    Measurement,
    NotExpressible,
    Pooling,
)
from limner.runtime.modules import TorchNetwork, convert_module
from limner.runtime.network import Network, load_network
from limner.runtime.onnx_network import OnnxNetwork, write_onnx

if TYPE_CHECKING:
    from limner.runtime.layer_network import LayerNetwork, can_run
    from limner.runtime.numba_network import NumbaNetwork
    from limner.runtime.training import speed_up_training

__all__ = [
    "Addition",
    "Blur",
    "Convolution",
    "Curve",
    "Enlargement",
    "Every",
    "Layer",
    "LayerList",
    "LayerNetwork",
    "Measurement",
    "Network",
    "NotExpressible",
    "NumbaNetwork",
    "OnnxNetwork",
    "Pooling",
    "TorchNetwork",
    "cache_folder",
    "can_run",
    "convert_module",
    "load_network",
    "speed_up_training",
    "write_onnx",
]


_WITH_NUMBA = {
    "LayerNetwork": "layer_network",
    "NumbaNetwork": "numba_network",
    "can_run": "layer_network",
    "speed_up_training": "training",
}


def __getattr__(name: str) -> Any:
    # numba's import takes half a second, which network files need not cost.
    if name in _WITH_NUMBA:
        return getattr(import_module(f"limner.runtime.{_WITH_NUMBA[name]}"), name)
    raise AttributeError(f"module 'limner.runtime' has no attribute {name!r}")
