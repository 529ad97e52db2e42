"""A generator whose frames are painted by compiled layers: the same walk, its parts run through the runtime's door.

Parts that look at one map alone (convolutions with their norms, residual blocks, heads) are compiled one by one; the
warps between them stay torch's, with one grid a scale. The first frames are painted as before, because compiling takes
as long as several of them.
"""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limner.motion.generator import LiquidWarpingGenerator
from limner.runtime import load_network

PATIENCE = 6
"""Frames after which compiling pays; one of the published size takes it about 15 seconds when nothing is kept yet."""


class CompiledPart(nn.Module):
    """A module of one map, run by torch at first and then by whatever runs it fastest here.

    Args:
        module: without gradients.
        threads: how many one call may use; None takes all cores.
    """

    def __init__(self, module: nn.Module, threads: int | None = None) -> None:
        super().__init__()
        self._module, self._threads = module, threads
        self._calls = 0
        self._networks: dict[tuple[int, ...], object] = {}

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return what the module makes of x."""
        self._calls += 1
        if self._calls <= PATIENCE or x.device.type != "cpu":
            return self._module(x)
        shape = tuple(x.shape)
        if shape not in self._networks:
            self._networks[shape] = load_network(self._module, input_shape=shape, threads=self._threads)
        network = self._networks[shape]
        return torch.from_numpy(network(x.numpy())[0])  # type: ignore[operator]


def compile_frames(generator: LiquidWarpingGenerator, *, threads: int | None = None) -> LiquidWarpingGenerator:
    """Return the generator with a transfer stream that compiles itself as frames go through it.

    Args:
        generator: in evaluation mode, without gradients; it shares its other streams, and is left as it is.
        threads: how many one part may use; None takes all cores.
    """
    compiled = copy.copy(generator)
    compiled._modules = dict(generator._modules)
    stream = copy.copy(generator.tsf_model)
    stream._modules = {
        name: nn.ModuleList(CompiledPart(one, threads) for one in part)
        if isinstance(part, nn.ModuleList)
        else CompiledPart(part, threads)
        for name, part in generator.tsf_model.named_children()
    }
    compiled.tsf_model = stream
    return compiled
