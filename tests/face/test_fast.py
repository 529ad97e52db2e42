"""The fast generator paints what the module paints: any batch, styles, noise, and where the kernels cannot do it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from limner.checks import ShapeError
from limner.face import FastGenerator, Generator, GeneratorConfig, set_form

# The worst measured is 8e-6 of the largest value, at 64 pixels with the published widths.
SHARE = 2e-5


def made_up(size: int = 16, **options) -> Generator:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(size, 32, 2, **{"max_channels": 24, **options})).eval()
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith(("noise.weight", "bias")):
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
    set_form(generator, "published")
    return generator


@pytest.mark.parametrize(("size", "batch", "threads"), [(8, 1, 1), (16, 4, 1), (32, 2, 2)])
def test_pictures_are_those_of_the_published_form(size: int, batch: int, threads: int) -> None:
    generator = made_up(size)
    fast = FastGenerator(generator, threads=threads)
    wplus = torch.randn(batch, generator.config.num_rows, 32)
    noise = [torch.randn(batch, 1, side, side) for side in generator.noise_sides]
    for how in ("fixed", noise):
        with torch.no_grad():
            wanted = generator(wplus, how).numpy()
        got = fast(wplus, how)
        assert fast.is_fast and got.shape == (batch, 3, size, size) and got.dtype == np.float32
        assert np.abs(got - wanted).max() < SHARE * np.abs(wanted).max()


def test_noise_by_a_seed_and_one_style_for_all_rows() -> None:
    generator = made_up()
    w = torch.randn(2, 32)
    with torch.no_grad():
        wanted = generator(w, torch.Generator().manual_seed(3)).numpy()
    got = FastGenerator(generator)(w.numpy(), torch.Generator().manual_seed(3))
    assert np.abs(got - wanted).max() < SHARE * np.abs(wanted).max()
    assert FastGenerator(generator)(w[:0]).shape == (0, 3, 16, 16)


@pytest.mark.parametrize("options", [{"max_channels": 12}, {"blur_kernel": (1.0, 2.0, 1.0, 1.0)}])
def test_other_widths_and_filters_are_left_to_torch(options: dict) -> None:
    generator = made_up(**options)
    fast, w = FastGenerator(generator), torch.randn(1, 32)
    with torch.no_grad():
        np.testing.assert_array_equal(fast(w), generator(w).numpy())
    assert not fast.is_fast


def test_styles_of_another_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match="styles must have shape"):
        FastGenerator(made_up())(torch.zeros(1, 3, 32))
