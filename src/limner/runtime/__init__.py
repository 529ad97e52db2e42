"""Runtime: the one door to whatever runs a network.

In: the path of a network file, or a torch module and its input's shape, and how many threads it may use. Out: a
`Network`, called with one float32 array in the source's own layout, answering a tuple of float32 arrays in its own
order. Computation is in float32, by OpenVINO on the CPU or by torch; converted and compiled networks are kept under
`$LIMNER_CACHE` or `~/.cache/limner`, and a cache that cannot be written is done without.
"""

from limner.runtime.modules import TorchNetwork, convert_module
from limner.runtime.network import Network, cache_folder, load_network

__all__ = ["Network", "TorchNetwork", "cache_folder", "convert_module", "load_network"]
