"""The Liquid Warping generator: its streams agree, features warp, checkpoints load strictly, odd sizes are refused."""

from __future__ import annotations

import pytest
import torch

from limner.checks import InputError, ShapeError, WeightsError
from limner.motion.generator import SLIM_GENERATOR, GeneratorConfig, LiquidWarpingGenerator, Painting

TINY = GeneratorConfig(width=4, num_blocks=2)


@pytest.fixture
def network() -> LiquidWarpingGenerator:
    network = LiquidWarpingGenerator(TINY)
    network.init_published(generator=torch.Generator().manual_seed(0))
    return network.eval()


def _inputs(batch: int = 2, size: int = 16) -> tuple[torch.Tensor, ...]:
    drawn = torch.Generator().manual_seed(1)
    shapes = ((batch, 4, size, size), (batch, 6, size, size), (batch, 6, size, size), (batch, size, size, 2))
    return tuple(torch.rand(shape, generator=drawn) * 2 - 1 for shape in shapes)


@torch.no_grad()
def test_a_photo_encoded_once_gives_the_same_frame_as_training_does(network) -> None:
    background, source, transfer, flow = _inputs()
    whole = network(background, source, transfer, flow)
    frame = network.transfer(transfer, [(network.encode_source(source), flow)])
    assert torch.equal(frame.colour, whole.transfer.colour)
    assert torch.equal(frame.mask, whole.transfer.mask)
    assert whole.background.shape == (2, 3, 16, 16)
    assert ((whole.source.mask > 0) & (whole.source.mask < 1)).all()


@torch.no_grad()
def test_a_batch_is_its_samples(network) -> None:
    _, source, transfer, flow = _inputs()
    both = network.transfer(transfer, [(network.encode_source(source), flow)]).colour
    each = [network.transfer(t[None], [(network.encode_source(s[None]), f[None])]).colour
            for s, t, f in zip(source, transfer, flow, strict=True)]  # fmt: skip
    torch.testing.assert_close(both, torch.cat(each), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_source_that_is_nowhere_changes_nothing(network) -> None:
    # The coarsest map needs three pixels a side: on two, the flow's "nowhere" still lies half a pixel off the border.
    _, source, transfer, flow = _inputs(batch=1, size=24)
    features = network.encode_source(source)
    alone = network.transfer(transfer, [(features, flow)]).colour
    joined = network.transfer(transfer, [(features, flow), (features, torch.full_like(flow, -2.0))]).colour
    assert torch.equal(alone, joined)
    assert not torch.equal(alone, network.transfer(transfer, []).colour)


def test_the_mask_says_how_much_background_shows() -> None:
    colour, background = torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    mask = torch.tensor([[[[0.0, 0.25], [0.5, 1.0]]]])
    assert torch.equal(Painting(colour, mask).over(background)[0, 0], torch.tensor([[1.0, 0.75], [0.5, 0.0]]))


def test_gradients_reach_every_weight(network) -> None:
    out = network(*_inputs())
    (out.background.sum() + out.source.over(out.background).sum() + out.transfer.over(out.background).sum()).backward()
    assert [key for key, weight in network.named_parameters() if weight.grad is None] == []


@torch.no_grad()
def test_the_slim_network_reads_a_mask_and_a_texture_too() -> None:
    network = LiquidWarpingGenerator(SLIM_GENERATOR).eval()
    features = network.encode_source(torch.zeros(1, 6, 32, 24))
    frame = network.transfer(torch.zeros(1, 10, 32, 24), [(features, torch.zeros(1, 32, 24, 2))])
    assert frame.colour.shape == (1, 3, 32, 24)


def test_a_checkpoint_of_several_devices_loads_and_keys_are_accounted_for(network) -> None:
    state = {key: value.clone() for key, value in network.state_dict().items()}
    fresh = LiquidWarpingGenerator(TINY)
    report = fresh.load_official({f"module.{key}": value for key, value in state.items()})
    assert set(report.loaded) == set(state)
    assert torch.equal(fresh.state_dict()["tsf_model.attetion_reg.0.weight"], state["tsf_model.attetion_reg.0.weight"])
    state["bg_model.extra"] = state.pop("src_model.img_reg.0.weight")
    with pytest.raises(WeightsError, match=r"src_model\.img_reg\.0\.weight.*bg_model\.extra"):
        fresh.load_official(state)


def test_bad_inputs_are_refused(network) -> None:
    background, source, transfer, flow = _inputs()
    with pytest.raises(ShapeError, match=r"multiples of 8, got \(12, 16\)"):
        network.encode_source(source[:, :, :12])
    with pytest.raises(ShapeError, match="background"):
        network(background[:, :3], source, transfer, flow)
    with pytest.raises(ShapeError, match="source_from_target"):
        network.transfer(transfer, [(network.encode_source(source), flow[:, :8])])
    with pytest.raises(InputError, match="num_blocks"):
        GeneratorConfig(num_blocks=0)
