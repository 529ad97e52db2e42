from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from limner.body import SMPL, BodyData, FastSMPL, load_body
from limner.checks import InputError, ShapeError

from .made_up import small_body

# What is promised; float32 sums of some 250 terms were seen to differ by 2e-6 at most.
ATOL_M = 1e-5


def _inputs(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 10)).astype(np.float32), rng.normal(0, 0.6, (count, 24, 3)).astype(np.float32)


def _assert_same(data: BodyData, betas: np.ndarray, rotvec: np.ndarray, offsets: np.ndarray | None = None) -> None:
    vertices, joints = FastSMPL(data)(betas, rotvec, offsets)
    tensors = [None if a is None else torch.from_numpy(a).double() for a in (betas, rotvec, offsets)]
    wanted = SMPL(data).double()(tensors[0], tensors[1], offsets=tensors[2])
    np.testing.assert_allclose(vertices, wanted.vertices, atol=ATOL_M, rtol=0)
    np.testing.assert_allclose(joints, wanted.joints, atol=ATOL_M, rtol=0)
    assert vertices.dtype == joints.dtype == np.float32


@pytest.mark.parametrize("count", [0, 1, 17])
@pytest.mark.parametrize("with_pose", [True, False])
def test_fast_equals_the_readable_layer(count: int, with_pose: bool) -> None:
    _assert_same(small_body(with_pose=with_pose), *_inputs(count))


def test_fast_equals_the_readable_layer_on_the_free_body() -> None:
    _assert_same(load_body("free"), *_inputs(3))


def test_dense_skinning_weights_stay_exact() -> None:
    data = small_body()
    dense = np.random.default_rng(0).uniform(size=data.weights.shape)
    _assert_same(replace(data, weights=dense / dense.sum(1, keepdims=True)), *_inputs(2))


def test_pose_directions_that_fade_are_left_out_unnoticed() -> None:
    data = small_body()
    faded = data.posedirs * 10.0 ** -np.linspace(0, 10, 207, dtype=np.float32)
    fading = replace(data, posedirs=faded)
    assert len(FastSMPL(fading)._chunks[1]) < len(FastSMPL(data)._chunks[1])
    _assert_same(fading, *_inputs(2))


def test_offsets_rest_pose_and_tiny_turns() -> None:
    data = small_body()
    betas, rotvec = _inputs(2)
    _assert_same(data, betas, rotvec, np.full((120, 3), 0.03, np.float32))
    _assert_same(data, betas[:, :4], rotvec * 1e-7)
    _assert_same(data, betas * 0, rotvec * 0)


def test_input_is_unchanged_and_may_be_strided() -> None:
    data = small_body()
    betas, rotvec = _inputs(4)
    before = rotvec.copy()
    strided = FastSMPL(data)(betas[::2], rotvec[::2])[0]
    np.testing.assert_array_equal(strided, FastSMPL(data)(betas[[0, 2]], rotvec[[0, 2]])[0])
    np.testing.assert_array_equal(rotvec, before)


def test_wrong_input_is_refused() -> None:
    fast = FastSMPL(small_body())
    betas, rotvec = _inputs(2)
    with pytest.raises(ShapeError, match="rotvec"):
        fast(betas, rotvec.reshape(2, 72))
    with pytest.raises(ShapeError, match="at most"):
        fast(np.zeros((2, 11)), rotvec)
    with pytest.raises(ShapeError, match="offsets"):
        fast(betas, rotvec, np.zeros((5, 3)))
    with pytest.raises(InputError, match="finite"):
        fast(betas * np.nan, rotvec)
