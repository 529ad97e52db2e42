"""Runtime: the one door to whatever runs a network.

In: the path of a network file, and how many threads it may use. Out: a `Network`, called with one float32 array in the
file's own layout, answering a tuple of float32 arrays in the file's own order. Computation is in float32 by OpenVINO on
the CPU; compiled networks are kept under `$LIMNER_CACHE` or `~/.cache/limner`, and a cache that cannot be written is
done without.
"""

from limner.runtime.network import Network, cache_folder, load_network

__all__ = ["Network", "cache_folder", "load_network"]
