"""A texture atlas for bodies that have none, such as SMPL files: a grid of small squares, two triangles in each."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.body import BodyData

BORDER = 0.12
"""Share of a square's side kept free round its triangles, so that filtering does not mix squares."""


def with_atlas(body: BodyData) -> BodyData:
    """The body itself where it has an atlas, else with one of squares."""
    return body if body.uv is not None else replace(body, uv=grid_atlas(len(body.faces)))


@lru_cache(maxsize=2)
def grid_atlas(num_faces: int) -> Float32[ndarray, "F 3 2"]:
    """Texture coordinates that give every face its own half of a square."""
    squares = -(-num_faces // 2)
    across = int(np.ceil(np.sqrt(squares)))
    lower = np.array([[BORDER, BORDER], [1 - 2 * BORDER, BORDER], [BORDER, 1 - 2 * BORDER]])
    upper = 1 - lower
    faces = np.arange(num_faces)
    corner = np.stack([(faces // 2) % across, (faces // 2) // across], axis=1)
    inside = np.where((faces % 2 == 0)[:, None, None], lower[None], upper[None])
    return ((corner[:, None] + inside) / across).astype(np.float32)
