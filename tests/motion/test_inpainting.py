"""The gated inpainter: what lies in a hole is not looked at, known pixels stay, checkpoints load strictly."""

from __future__ import annotations

import pytest
import torch

from limner.checks import ShapeError, WeightsError
from limner.motion.inpainting import GatedInpainter


@pytest.fixture
def network() -> GatedInpainter:
    torch.manual_seed(0)
    return GatedInpainter(width=8).eval()


def _picture_and_hole() -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.rand(1, 3, 32, 24, generator=torch.Generator().manual_seed(2)) * 2 - 1
    hole = torch.zeros(1, 1, 32, 24)
    hole[..., 8:20, 6:15] = 1
    return image, hole


@torch.no_grad()
def test_what_lies_in_the_hole_is_not_looked_at_and_the_rest_stays(network) -> None:
    image, hole = _picture_and_hole()
    filled, other = network(image, hole), network(torch.where(hole > 0, -image, image), hole)
    assert torch.equal(filled.refined, other.refined)
    assert torch.equal(filled.composite * (1 - hole), image * (1 - hole))
    assert torch.equal(filled.composite * hole, filled.refined * hole)
    assert filled.coarse.abs().max() <= 1


@torch.no_grad()
def test_far_pixels_are_seen_through_the_attention(network) -> None:
    image, hole = _picture_and_hole()
    network.refine_attn.gamma.fill_(1.0)
    before = network.refine_attn(torch.zeros(1, 32, 2, 3))
    changed = torch.zeros(1, 32, 2, 3)
    changed[..., 1, 2] = 1
    assert not torch.equal(network.refine_attn(changed)[..., 0, 0], before[..., 0, 0])
    assert network(image, hole).refined.isfinite().all()


def test_bad_sizes_and_checkpoints_are_refused(network) -> None:
    image, hole = _picture_and_hole()
    with pytest.raises(ShapeError, match=r"multiples of 4, got \(30, 24\)"):
        network(image[..., :30, :], hole[..., :30, :])
    with pytest.raises(ShapeError, match="hole"):
        network(image, hole[..., :20])
    state = dict(network.state_dict())
    state["coarse_net.17.conv2d.weight"] = state.pop("refine_attn.gamma")
    with pytest.raises(WeightsError, match=r"refine_attn\.gamma.*coarse_net\.17"):
        network.load_official(state)
