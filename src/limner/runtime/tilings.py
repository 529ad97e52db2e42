"""Which convolutions are worked out by tiles, by which, and how these are cut into blocks; see `winograd` for forms."""

from __future__ import annotations

from collections.abc import Sequence

from limner.runtime.layer_kinds import Convolution
from limner.runtime.products import ROWS
from limner.runtime.program import APART, WINOGRAD
from limner.runtime.vectors import LANES
from limner.runtime.winograd import DOWN, FOUR, SAME, SMALL, TILES, UP

# Tiles of a block. With few channels its patches and sums should lie in a core's second cache; with many the weights
# come from memory, and a block should be enough to use them for.
_TILES_OF_NARROW, _TILES_OF_BROAD, _BROAD = 18, 60, 257
_SPANS = {SAME: 4, DOWN: 4, UP: 4, SMALL: 2, FOUR: 4}  # pixels of a tile, of the smaller map
# With fewer tiles, reading Winograd's weights, several times the kernels', costs more than it saves.
_FEWEST = {SAME: 8, DOWN: 24, UP: 1, SMALL: 6, FOUR: 24}


def tiling(form: int, count: int, grid_hw: Sequence[int], channels: int, threads: int) -> tuple[dict[str, int], int]:
    """Return a row's fields of tiles over `count` grids, and the floats of scratch memory that each thread needs.

    The channels are those read and those written together; see `winograd` for forms.
    """
    span, places = _SPANS[form], TILES[form].places ** 2
    tiles = count_tiles(count, grid_hw, span)
    block = _TILES_OF_NARROW if channels < _BROAD else _TILES_OF_BROAD
    # Every thread is to have a block, and all blocks nearly one size.
    block = -(-tiles // (-(-tiles // (block * threads)) * threads))
    room = -(-block // ROWS) * ROWS
    fields = {"kind": WINOGRAD, "form": form, "span": span, "places": places, "rows": grid_hw[0], "columns": grid_hw[1]}
    return {**fields, "tiles": block, "units": -(-tiles // block)}, places * (room * channels + 2 * APART)


def form_of(layer: Convolution, count: int, broad: int, size_hw: Sequence[int]) -> int | None:
    """Return by which tiles a convolution of `count` maps of `broad` channels is worked out; None by none.

    The height and width are those of its result.
    """
    form = _form_of_kernel(layer)
    if form is None or broad % LANES:
        return None
    if form == SAME and (min(size_hw) < 4 or count_tiles(count, size_hw, 4) < _FEWEST[SAME]):
        form = SMALL
    if min(size_hw) < (6 if form == UP else _SPANS[form]):
        return None
    is_bound = layer.scale is not None or layer.noise is not None
    is_enough = count_tiles(count, size_hw, _SPANS[form]) >= _FEWEST[form]
    return form if is_bound or is_enough else None


def _form_of_kernel(layer: Convolution) -> int | None:
    if _is_four(layer):
        return FOUR
    if layer.weight.shape[2:] != (3, 3) or layer.padding > 1:
        return None
    return UP if layer.transposed else {1: SAME, 2: DOWN}.get(layer.stride)


def _is_four(layer: Convolution) -> bool:
    """Whether a kernel of five ends with zeros both ways, so that it is one of four."""
    is_five = layer.weight.shape[2:] == (5, 5) and (layer.stride, layer.padding, layer.transposed) == (1, 2, False)
    return is_five and not (layer.weight[:, :, 4].any() or layer.weight[:, :, :, 4].any())


def count_tiles(count: int, size_hw: Sequence[int], span: int) -> int:
    """Return how many tiles cover `count` maps."""
    return count * -(-size_hw[0] // span) * -(-size_hw[1] // span)
