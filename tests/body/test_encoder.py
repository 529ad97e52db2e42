"""HMR's encoders: sizes, padding, the published shortcuts, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from limner.body import ENCODERS, PreactResNet50, ResNet50, build_encoder
from limner.body.encoder import PreactBottleneck
from limner.checks import InputError, ShapeError


@pytest.fixture(scope="module")
def preact() -> PreactResNet50:
    torch.manual_seed(0)
    return PreactResNet50().eval()


@torch.no_grad()
def test_maps_halve_at_the_last_unit_of_the_first_three_stages(preact) -> None:
    sizes = [tuple(x.shape[1:]) for x in preact.maps(torch.zeros(1, 3, 64, 96))]
    assert sizes == [(64, 16, 24), (256, 8, 12), (512, 4, 6), (1024, 2, 3), (2048, 2, 3)]


@torch.no_grad()
def test_features_are_the_mean_over_the_whole_map_at_any_size(preact) -> None:
    image = torch.rand(2, 3, 64, 96) * 2 - 1
    last = preact.maps(image)[-1]
    torch.testing.assert_close(preact(image), torch.relu(preact.post_bn(last)).mean((2, 3)))
    assert preact(image).shape == (2, preact.num_features)


def test_stem_pads_on_the_right_and_below_only(preact) -> None:
    with torch.no_grad():
        ramp = torch.arange(36.0).reshape(1, 1, 6, 6)
        # Windows start at 0, 2, 4; the last one reaches one row and one column beyond the map.
        assert preact.maxpool(ramp).flatten().tolist() == [14, 16, 17, 26, 28, 29, 32, 34, 35]


@torch.no_grad()
def test_a_plain_shortcut_takes_every_second_pixel() -> None:
    block = PreactBottleneck(8, 2, stride=2).eval()
    nn.init.zeros_(block.conv3.weight)
    nn.init.zeros_(block.conv3.bias)
    x = torch.rand(1, 8, 4, 6)
    torch.testing.assert_close(block(x), x[:, :, ::2, ::2])
    assert block.shortcut is None


@torch.no_grad()
def test_a_widening_shortcut_starts_from_the_normed_map() -> None:
    block = PreactBottleneck(4, 2).eval()
    nn.init.zeros_(block.conv3.weight)
    nn.init.zeros_(block.conv3.bias)
    x = torch.randn(1, 4, 3, 5)
    torch.testing.assert_close(block(x), block.shortcut(torch.relu(block.bn1(x))))
    assert block.shortcut[0].bias is not None and block.conv1.bias is None


@pytest.mark.parametrize(("kind", "entries"), [(PreactResNet50, 319), (ResNet50, 318)])
def test_state_has_the_published_number_of_keys(kind, entries) -> None:
    with torch.device("meta"):
        assert len(kind().state_dict()) == entries


def test_every_name_is_built() -> None:
    with torch.device("meta"):
        assert {name: type(build_encoder(name)) for name in ENCODERS} == ENCODERS


@pytest.mark.parametrize("shape", [(1, 3, 60, 64), (1, 1, 64, 64), (3, 64, 64), (1, 3, 0, 64)])
def test_other_sizes_are_refused(preact, shape) -> None:
    with pytest.raises(ShapeError, match="HMR's encoder takes"):
        preact(torch.zeros(shape))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="no encoder 'vgg'"):
        build_encoder("vgg")
