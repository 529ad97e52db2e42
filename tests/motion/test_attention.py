"""Attention over several photos: one photo and photos that do not meet are the plain sum, and shares can be learned."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from limner.checks import InputError
from limner.motion import GeneratorConfig, LiquidWarpingGenerator
from limner.motion.attention import SourceMix, SourceSpade

TINY = GeneratorConfig(width=4, num_blocks=2, num_halvings=2)
SIDE = 16


def generators(sources: str) -> tuple[LiquidWarpingGenerator, LiquidWarpingGenerator]:
    """The plain generator, and one with attention and otherwise the same weights."""
    torch.manual_seed(3)
    plain, attentive = LiquidWarpingGenerator(TINY), LiquidWarpingGenerator(replace(TINY, sources=sources))
    missing, surplus = attentive.load_state_dict(plain.state_dict(), strict=False)
    assert not surplus and all("attention" in key for key in missing)
    return plain.eval(), attentive.eval()


def identity() -> Tensor:
    steps = (torch.arange(SIDE) + 0.5) / SIDE * 2 - 1
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)[None]


def left_half(flow: Tensor, *, left: bool) -> Tensor:
    keep = (torch.arange(SIDE) < SIDE // 2) == left
    return torch.where(keep[None, None, :, None], flow, torch.full_like(flow, -2.0))


@torch.no_grad()
def test_one_photo_is_the_plain_sum() -> None:
    plain, attentive = generators("mix")
    person, pose = torch.rand(1, 6, SIDE, SIDE), torch.rand(1, 6, SIDE, SIDE)
    source = [(plain.encode_source(person), identity())]
    for name in ("colour", "mask"):
        torch.testing.assert_close(
            getattr(attentive.transfer(pose, source), name), getattr(plain.transfer(pose, source), name)
        )


def test_photos_that_do_not_meet_are_summed() -> None:
    x, a, b = (torch.randn(1, 8, 6, 6) for _ in range(3))
    reach = (torch.arange(6) < 3)[None, None, None].expand(1, 1, 6, 6)
    mix = SourceMix(8)
    torch.nn.init.normal_(mix.fq.weight)
    got = mix(x, [a * reach, b * ~reach], [reach, ~reach])
    torch.testing.assert_close(got, x + a * reach + b * ~reach)


def test_two_photos_start_as_their_mean() -> None:
    x, a, b = (torch.randn(2, 8, 5, 7) for _ in range(3))
    there = torch.ones(2, 1, 5, 7, dtype=torch.bool)
    torch.testing.assert_close(SourceMix(8)(x, [a, b], [there, there]), x + (a + b) / 2)


@pytest.mark.parametrize("kind", [SourceMix, SourceSpade])
def test_the_order_of_photos_does_not_matter(kind: type) -> None:
    torch.manual_seed(0)
    x, a, b = (torch.randn(1, 8, 5, 7) for _ in range(3))
    there, some = torch.ones(1, 1, 5, 7, dtype=torch.bool), torch.rand(1, 1, 5, 7) > 0.5
    attention = kind(8)
    torch.nn.init.normal_(attention.fq.weight)
    torch.testing.assert_close(attention(x, [a, b], [there, some]), attention(x, [b, a], [some, there]))


def test_attention_learns_which_photo_to_believe() -> None:
    """One photo is noise and can be told by its first channel; the other is what is wanted."""
    torch.manual_seed(0)
    mix = SourceMix(8)
    optimiser = torch.optim.Adam(mix.parameters(), 0.05)
    there = torch.ones(4, 1, 6, 6, dtype=torch.bool)

    def loss() -> Tensor:
        x, good, bad = torch.ones(4, 8, 6, 6), torch.randn(4, 8, 6, 6), torch.randn(4, 8, 6, 6)
        good[:, 0], bad[:, 0] = 2, -2
        return (mix(x, [bad, good], [there, there]) - x - good).square().mean()

    first = loss().item()
    for _ in range(40):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    assert loss().item() < 0.05 * first


@torch.no_grad()
@pytest.mark.parametrize("sources", ["mix", "spade"])
def test_a_generator_takes_any_number_of_photos(sources: str) -> None:
    _, attentive = generators(sources)
    pose = torch.rand(1, 6, SIDE, SIDE)
    flows = [left_half(identity(), left=True), left_half(identity(), left=False), identity()]
    photos = [(attentive.encode_source(torch.rand(1, 6, SIDE, SIDE)), flow) for flow in flows]
    shown = [attentive.transfer(pose, photos[:count]).colour for count in (1, 2, 3)]
    assert all(torch.isfinite(one).all() and one.shape == (1, 3, SIDE, SIDE) for one in shown)
    assert not torch.allclose(shown[0], shown[1]) and not torch.allclose(shown[1], shown[2])


def test_unknown_ways_to_join_are_refused() -> None:
    with pytest.raises(InputError, match="sum, mix, spade"):
        GeneratorConfig(sources="loudest")
