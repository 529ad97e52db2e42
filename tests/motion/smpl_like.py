"""The free body in the layout of an SMPL file, and a generator that shows what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from torch import Tensor

from limner.body import load_body
from limner.motion import GeneratorConfig, LiquidWarpingGenerator, Painting, PublishedPainter, SourceFeatures
from limner.render import FaceLabels

TINY = GeneratorConfig(width=4, num_blocks=1)


def write_smpl(path: Path) -> Path:
    """Write the free body under SMPL's names."""
    body = load_body("free")
    parents = np.array(body.parents, np.int64)
    parents[0] = 2**32 - 1
    np.savez(
        path,
        v_template=body.v_template,
        shapedirs=body.shapedirs[..., :10],
        posedirs=np.zeros((body.num_vertices, 3, 207), np.float32),
        J_regressor=body.J_regressor.toarray(),
        weights=body.weights,
        kintree_table=np.stack([parents, np.arange(24)]).astype(np.uint32),
        f=body.faces.astype(np.uint32),
    )
    return path


@lru_cache(maxsize=1)
def labels() -> FaceLabels:
    """Atlas and parts of the free body's faces."""
    return FaceLabels.from_body(load_body("free"))


class Echo(LiquidWarpingGenerator):
    """Shows the warped photos on the body and the background elsewhere, so that flows can be seen."""

    def __init__(self) -> None:
        super().__init__(TINY)

    def transfer(self, transfer: Tensor, sources: Sequence[tuple[SourceFeatures, Tensor]]) -> Painting:
        return Painting(transfer[:, :3], transfer[:, -1:])


def echo_painter(smpl: str) -> PublishedPainter:
    """A painter that shows warped photos."""
    return PublishedPainter(Echo(), load_body(smpl), labels())
