"""StyleGAN2: what a generator of 64 pixels does, both forms alike, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from limner.checks import InputError, ShapeError, WeightsError
from limner.face import Generator, GeneratorConfig, load_generator, set_form, upfirdn2d

SMALL = GeneratorConfig(16, style_dim=32, mapping_layers=2, max_channels=16)


@pytest.fixture
def generator() -> Generator:
    network = Generator(SMALL).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(("noise.weight", "bias")):
                parameter.normal_()
    return network


@pytest.mark.parametrize("noise", ["fixed", "list"])
def test_both_forms_make_the_same_picture_and_gradient(generator: Generator, noise: str) -> None:
    given = "fixed" if noise == "fixed" else [torch.randn(2, 1, side, side) for side in generator.noise_sides]
    answers = []
    for form in ("fast", "published"):
        set_form(generator, form)
        wplus = torch.randn(2, 6, 32, generator=torch.Generator().manual_seed(1), requires_grad=True)
        image = generator(wplus, given)
        answers.append(
            (image.detach(), *torch.autograd.grad(image.square().sum(), [wplus, generator.conv1.conv.weight]))
        )
    for fast, published in zip(*answers, strict=True):
        torch.testing.assert_close(fast, published, rtol=1e-4, atol=1e-4 * float(published.abs().max()))


def test_a_batch_is_its_samples(generator: Generator) -> None:
    wplus = torch.randn(3, 6, 32)
    with torch.no_grad():
        together, alone = generator(wplus), torch.cat([generator(one[None]) for one in wplus])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_an_empty_batch_gives_no_pictures(generator: Generator) -> None:
    assert generator(torch.zeros(0, 6, 32)).shape == (0, 3, 16, 16)


def test_seeded_noise_repeats_and_differs_from_other_noise(generator: Generator) -> None:
    wplus = torch.randn(1, 6, 32)
    first, again, other = (generator(wplus, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_only_the_last_row_leaves_the_activations_alone(generator: Generator) -> None:
    wplus = torch.randn(1, 6, 32)
    for row in range(6):
        changed = wplus.clone()
        changed[:, row] += 1
        same = torch.equal(generator.synthesise(changed)[1], generator.synthesise(wplus)[1])
        assert same == (row == 5)


def test_rows_truncate_and_mix(generator: Generator) -> None:
    a, b, mean = torch.ones(1, 32), torch.full((1, 6, 32), 3.0), torch.zeros(1, 32)
    mixed = generator.rows([a, b], truncation=0.5, truncation_style=mean, mix_from=2)
    assert mixed[0, :, 0].tolist() == [0.5, 0.5, 1.5, 1.5, 1.5, 1.5]
    with pytest.raises(InputError, match="truncation_style"):
        generator.rows([a], truncation=0.5)
    with pytest.raises(InputError, match="mix_from"):
        generator.rows([a, b])
    with pytest.raises(ShapeError, match=r"\(B, 6, 32\)"):
        generator.rows([torch.zeros(1, 5, 32)])


def test_mean_style_is_that_of_many_vectors(generator: Generator) -> None:
    mean = generator.mean_style(5000, torch.Generator().manual_seed(0))
    assert mean.shape == (1, 32)
    assert torch.equal(mean, generator.mean_style(5000, torch.Generator().manual_seed(0)))


def test_a_file_says_what_generator_it_holds(generator: Generator) -> None:
    state = {key: value for key, value in generator.state_dict().items() if not key.startswith("noises.")}
    read, mean = load_generator({"g_ema": state, "latent_avg": torch.ones(32)})
    assert (read.config.size, read.config.mapping_layers, read.config.max_channels) == (16, 2, 16)
    assert mean is not None and torch.equal(read.conv1.conv.weight, generator.conv1.conv.weight)


def test_importer_names_another_size_and_odd_keys(generator: Generator) -> None:
    larger = Generator(GeneratorConfig(32, style_dim=32, mapping_layers=2, max_channels=16))
    with pytest.raises(WeightsError, match="generator of 32 pixels"):
        generator.load_official({"g_ema": larger.state_dict()})
    state = generator.state_dict()
    del state["conv1.conv.weight"]
    with pytest.raises(WeightsError, match=r"lacks 1 keys \(conv1.conv.weight\)"):
        generator.load_official(state)
    with pytest.raises(WeightsError, match=r"surplus"):
        generator.load_official({**generator.state_dict(), "surplus": torch.zeros(1)})


@pytest.mark.parametrize("size", [0, 4, 24, -8])
def test_a_side_that_is_no_power_of_two_is_refused(size: int) -> None:
    with pytest.raises(InputError, match="power of two"):
        GeneratorConfig(size)


@pytest.mark.parametrize(("up", "down", "pad"), [(1, 1, (2, 1)), (2, 1, (2, 1)), (1, 2, (1, 1)), (3, 2, (-1, 4))])
def test_filters_are_alike_and_differentiable_in_both_forms(up: int, down: int, pad: tuple[int, int]) -> None:
    x, kernel = torch.randn(1, 2, 5, 6, dtype=torch.float64, requires_grad=True), torch.rand(3, 4, dtype=torch.float64)
    fast, published = (upfirdn2d(x, kernel, up=up, down=down, pad=pad, form=form) for form in ("fast", "published"))
    torch.testing.assert_close(fast, published)
    assert torch.autograd.gradcheck(lambda x: upfirdn2d(x, kernel, up=up, down=down, pad=pad), x)


def test_a_resampling_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1"):
        upfirdn2d(torch.zeros(1, 1, 4, 4), torch.ones(2, 2), up=0)
