"""The atlas of squares for bodies that have none: every face has texels of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from limner.body import BodyData
from limner.motion.atlas import grid_atlas, with_atlas
from limner.render import rasterise_uv


@pytest.mark.parametrize("num_faces", [1, 2, 7, 100, 1001])
def test_every_face_owns_texels(num_faces: int) -> None:
    uv = grid_atlas(num_faces)
    assert uv.shape == (num_faces, 3, 2) and uv.dtype == np.float32 and 0 <= uv.min() and uv.max() <= 1
    side = 12 * int(np.ceil(np.sqrt((num_faces + 1) // 2)))
    owners = np.bincount(rasterise_uv(uv, (side, side)).face_index.ravel() + 1, minlength=num_faces + 1)[1:]
    assert owners.min() >= 12 and owners.max() < 1.5 * owners.min()


def test_faces_do_not_touch() -> None:
    face_index = rasterise_uv(grid_atlas(8), (80, 80)).face_index
    right, below = face_index[:, 1:], face_index[1:]
    for one, other in ((face_index[:, :-1], right), (face_index[:-1], below)):
        assert not ((one >= 0) & (other >= 0) & (one != other)).any()


def test_a_body_keeps_its_own_atlas(body: BodyData) -> None:
    assert with_atlas(body) is body
    assert with_atlas(replace(body, uv=None)).uv.shape == (len(body.faces), 3, 2)
