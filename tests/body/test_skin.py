"""Four bones a vertex and morph targets give the whole body back."""

from __future__ import annotations

import numpy as np
import pytest

from limner.body import BodyData, FastSMPL, bind_skin, load_body
from limner.body.lie import exp
from limner.checks import InputError

from .made_up import small_body


def by_four_bones(data: BodyData, skin, rotvec: np.ndarray, frame: int) -> np.ndarray:
    """Skin one frame about its pelvis by the definition of linear blending."""
    world = np.tile(np.eye(4), (24, 1, 1))
    for joint, parent in enumerate(data.parents):
        local = np.eye(4)
        local[:3, :3] = exp(rotvec[frame, joint])
        local[:3, 3] = skin.joints[joint] - (skin.joints[parent] if parent >= 0 else 0)
        world[joint] = local if parent < 0 else world[parent] @ local
    rest = skin.vertices + np.einsum("m,mvc->vc", skin.target_weights[frame], skin.targets)
    about = rest[:, None] - skin.joints[skin.bones]
    moved = np.einsum("vkab,vkb->vka", world[skin.bones][..., :3, :3], about) + world[skin.bones][..., :3, 3]
    return (skin.weights[..., None] * moved).sum(axis=1)


@pytest.mark.parametrize("data", [load_body("free"), small_body()], ids=["free", "with pose directions"])
def test_the_skin_meets_the_body(data: BodyData, rng: np.random.Generator) -> None:
    rotvec = rng.normal(0, 0.4, (8, 24, 3)).astype(np.float32)
    betas = rng.normal(size=10).astype(np.float32)
    skin = bind_skin(data, betas, rotvec)
    vertices, _ = FastSMPL(data)(np.repeat(betas[None], 8, axis=0), rotvec)
    for frame in (0, 7):
        assert np.abs(by_four_bones(data, skin, rotvec, frame) - vertices[frame]).max() < 1e-3
    assert skin.bones.shape[1] == 4 and np.allclose(skin.weights.sum(axis=1), 1, atol=1e-6)
    assert len(skin.targets) <= 8


def test_a_body_that_four_bones_carry_needs_no_targets(rng: np.random.Generator) -> None:
    data = small_body(with_pose=False)
    skin = bind_skin(data, np.zeros(10), rng.normal(0, 0.5, (4, 24, 3)))
    assert skin.targets.shape == (0, data.num_vertices, 3) and skin.target_weights.shape == (4, 0)


def test_where_the_body_turns_does_not_matter(rng: np.random.Generator) -> None:
    rotvec = rng.normal(0, 0.4, (5, 24, 3)).astype(np.float32)
    turned = rotvec.copy()
    turned[:, 0] += 2
    one, other = (bind_skin(small_body(), np.zeros(10), motion) for motion in (rotvec, turned))
    np.testing.assert_array_equal(one.targets, other.targets)


def test_no_frame_is_refused() -> None:
    with pytest.raises(InputError, match="at least one frame"):
        bind_skin(small_body(), np.zeros(10), np.zeros((0, 24, 3)))
