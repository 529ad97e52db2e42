"""The StyleGAN2 discriminator: keys, sizes, groups, and both forms of its filters."""

from __future__ import annotations

import pytest
import torch

from limner.checks import ShapeError, WeightsError
from limner.face import Discriminator, GeneratorConfig, set_form
from limner.face.discriminator import group_spread

SMALL = GeneratorConfig(32, 16, 2, max_channels=8)


@pytest.fixture
def discriminator() -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(SMALL)


def test_keys_are_those_of_published_files() -> None:
    keys = Discriminator(GeneratorConfig(8, 16, 2, max_channels=4)).state_dict().keys()
    block = "conv1.0.weight conv1.1.bias conv2.0.kernel conv2.1.weight conv2.2.bias skip.0.kernel skip.1.weight"
    assert list(keys) == [
        "convs.0.0.weight",
        "convs.0.1.bias",
        *[f"convs.1.{key}" for key in block.split()],
        "final_conv.0.weight",
        "final_conv.1.bias",
        "final_linear.0.weight",
        "final_linear.0.bias",
        "final_linear.1.weight",
        "final_linear.1.bias",
    ]


def test_weights_of_1024_pixels_are_as_many_as_published() -> None:
    network = Discriminator(GeneratorConfig(1024))
    assert sum(weight.numel() for weight in network.parameters()) == 29_012_513


def test_both_forms_agree(discriminator: Discriminator) -> None:
    images = torch.randn(4, 3, 32, 32)
    fast = discriminator(images)
    set_form(discriminator, "published")
    assert fast.shape == (4, 1)
    assert torch.allclose(fast, discriminator(images), atol=1e-5)


def test_the_spread_is_nought_for_equal_pictures_and_grows_with_their_difference() -> None:
    one = torch.randn(1, 5, 4, 4)
    equal = group_spread(one.expand(4, -1, -1, -1))
    assert equal.shape == (4, 1, 4, 4)
    assert float(equal.max()) == pytest.approx(1e-4, rel=1e-3)  # the root of the epsilon
    factors = torch.tensor([-1.0, 1.0, -1.0, 1.0]).reshape(4, 1, 1, 1)
    assert torch.allclose(group_spread(one * factors), one.abs().mean().expand(4, 1, 4, 4), atol=1e-6)


def test_groups_take_every_other_picture() -> None:
    x = torch.zeros(8, 1, 2, 2)
    x[1::2] = torch.arange(4.0).reshape(4, 1, 1, 1)
    spread = group_spread(x)[:, 0, 0, 0]
    assert torch.allclose(spread[::2], torch.full((4,), 1e-4), rtol=1e-3)
    assert torch.allclose(spread[1::2], torch.full((4,), 1.25**0.5))


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 6])
def test_any_batch_is_taken(discriminator: Discriminator, batch: int) -> None:
    assert discriminator(torch.randn(batch, 3, 32, 32)).shape == (batch, 1)


def test_another_size_is_refused(discriminator: Discriminator) -> None:
    with pytest.raises(ShapeError, match="image"):
        discriminator(torch.randn(2, 3, 64, 64))


def test_a_training_checkpoint_loads(discriminator: Discriminator) -> None:
    other = Discriminator(SMALL)
    other.load_official({"d": discriminator.state_dict(), "g": {}})
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(other(images), discriminator(images))


def test_a_file_without_a_discriminator_is_refused(discriminator: Discriminator) -> None:
    with pytest.raises(WeightsError, match="holds no StyleGAN2 discriminator"):
        discriminator.load_official({"input.input": torch.zeros(1)})
