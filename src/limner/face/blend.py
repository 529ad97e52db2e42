"""Two generators made one: coarse layers of the first, fine layers of the second.

A generator that was tuned to drawings keeps its relation to the one it came from, so that its shapes under the other's
colours, or the reverse, still make faces.

Source: Pinkney and Adler 2020, "Resolution Dependent GAN Interpolation for Controllable Image Synthesis".
"""

from __future__ import annotations

import math

import torch

from limner.checks import InputError
from limner.face.stylegan2 import FIRST_SIDE, Generator


def check_same_shape(first: Generator, second: Generator, what: str = "generator") -> None:
    """Refuse a generator that other styles steer.

    Raises:
        InputError: size or length of the styles differ.
    """
    ours, theirs = first.config, second.config
    if (ours.size, ours.style_dim) != (theirs.size, theirs.style_dim):
        raise InputError(
            f"the {what} makes {theirs.size} pixels from {theirs.num_rows} styles of {theirs.style_dim}, and the "
            f"encoder is for {ours.size} pixels and {ours.num_rows} styles of {ours.style_dim}: take one of that size"
        )


def blend_generators(coarse: Generator, fine: Generator, side: int, *, softness: float = 0.0) -> Generator:
    """Return a generator whose layers below `side` pixels are the first's and whose others are the second's.

    Args:
        coarse: gives shapes; also the mapping, so that its styles steer the result.
        fine: gives colours and texture.
        side: the first size of maps that the second gives, a power of two.
        softness: octaves over which one passes into the other; 0 changes at once.

    Raises:
        InputError: the generators differ in size, style or width, or the side is none of theirs.
    """
    check_same_shape(coarse, fine)
    sides = [2**level for level in range(3, coarse.config.size.bit_length())]
    if side not in sides or not softness >= 0:
        raise InputError(
            f"layers change hands at one of {sides} pixels, over at least 0 octaves; got {side}, {softness}"
        )
    own, other = coarse.state_dict(), fine.state_dict()
    if {key: value.shape for key, value in own.items()} != {key: value.shape for key, value in other.items()}:
        raise InputError("generators of different widths cannot be blended: take one that was tuned from the other")
    blended = Generator(coarse.config)
    blended.load_state_dict(
        {key: torch.lerp(value, other[key], _share(key, side, softness)) for key, value in own.items()}
    )
    return blended.eval()


def _share(key: str, side: int, softness: float) -> float:
    """How much of the second generator a layer gets, by the size of its maps."""
    layer = _layer_side(key)
    if layer is None or softness == 0:
        return float(layer is not None and layer >= side)
    return 1 / (1 + math.exp(-4 * (math.log2(layer / side) + 0.5) / softness))


def _layer_side(key: str) -> int | None:
    """The side of the maps that a key's layer makes; None for the mapping, which is the first's."""
    name, *rest = key.split(".")
    if name == "style":
        return None
    if name == "convs":
        return FIRST_SIDE * 2 ** (int(rest[0]) // 2 + 1)
    if name == "to_rgbs":
        return FIRST_SIDE * 2 ** (int(rest[0]) + 1)
    if name == "noises":
        return int(2 ** ((int(rest[0].removeprefix("noise_")) + 5) // 2))
    return FIRST_SIDE
