"""Pixel2style2pixel: codes over the mean style, rows replaced, checkpoints that say what they hold."""

from __future__ import annotations

import pytest
import torch

from limner.checks import InputError, ShapeError, WeightsError
from limner.face import GeneratorConfig, Psp, PspConfig, build_encoder, load_psp, mix_rows, psp_config

TINY = PspConfig(GeneratorConfig(8, mapping_layers=1), "BackboneEncoderUsingLastLayerIntoW", single_style=True)


@pytest.fixture(scope="module")
def network() -> Psp:
    torch.manual_seed(0)
    return Psp(TINY).eval()


def test_a_checkpoint_builds_its_own_network(network: Psp) -> None:
    file = {"state_dict": network.state_dict(), "latent_avg": torch.ones(512), "opts": {"learn_in_w": True}}
    assert psp_config(file) == TINY
    read, image = load_psp(file), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        picture, rows = read(image, resize=False)
        offset = rows - network.decoder.rows([network.encoder(image)])
    assert picture.shape == (2, 3, 8, 8)
    torch.testing.assert_close(offset, torch.ones(2, 4, 512), rtol=0, atol=1e-5)
    assert torch.equal(read.state_dict()["latent_avg"], torch.ones(512))


def test_a_mean_style_that_is_missing_is_named(network: Psp) -> None:
    network.set_mean(None)
    with pytest.raises(WeightsError, match="mean style"):
        network.encode(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ShapeError, match="mean style"):
        network.set_mean(torch.zeros(3, 512))


def test_surplus_keys_of_a_checkpoint_are_named(network: Psp) -> None:
    with pytest.raises(WeightsError, match=r"encoder\.extra"):
        network.load_official({"state_dict": {**network.state_dict(), "encoder.extra": torch.zeros(1)}})
    with pytest.raises(WeightsError, match="no pixel2style2pixel network"):
        psp_config({"state_dict": {"a": torch.zeros(1)}})


def test_rows_are_replaced_in_a_copy() -> None:
    rows, inject = torch.ones(2, 4, 3), torch.full((1, 4, 3), 5.0)
    assert mix_rows(rows, [1], inject)[:, :, 0].tolist() == [[1, 5, 1, 1]] * 2
    assert mix_rows(rows, [1, 3], inject, 0.25)[0, :, 0].tolist() == [1, 2, 1, 2]
    assert mix_rows(rows, [0])[0, :, 0].tolist() == [0, 1, 1, 1]
    assert torch.equal(rows, torch.ones(2, 4, 3))
    with pytest.raises(InputError, match=r"rows 0\.\.3"):
        mix_rows(rows, [4])
    with pytest.raises(ShapeError, match="injected"):
        mix_rows(rows, [0], torch.zeros(1, 5, 3))


@pytest.mark.parametrize("shape", [(1, 3, 512, 512), (1, 3, 40, 64), (1, 1, 64, 64)])
def test_pictures_of_another_size_are_refused(network: Psp, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="an encoder takes"):
        network.encoder(torch.zeros(shape))


def test_an_unknown_encoder_is_refused() -> None:
    with pytest.raises(InputError, match="no encoder named"):
        build_encoder("resnet")


def test_the_fine_map_steers_the_rows_from_the_eighth() -> None:
    encoder, image = build_encoder(num_rows=8, input_channels=1).eval(), torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        codes = encoder(image)
        encoder.latlayer2.bias.add_(1)
        moved = (encoder(image) - codes).abs().amax(dim=(0, 2)) > 0
    assert codes.shape == (1, 8, 512)
    assert moved.tolist() == [False] * 7 + [True]


SMALL = {"width": 16}


def small(**options):
    generator = GeneratorConfig(16, style_dim=16, mapping_layers=1, max_channels=8)
    network = Psp(PspConfig(generator, **SMALL, **options)).eval()
    network.set_mean(torch.linspace(-1, 1, 16))
    return network


def test_e4e_reads_rows_as_offsets_from_the_first() -> None:
    plain = small()
    file = {
        "state_dict": plain.state_dict(),
        "latent_avg": plain.latent_avg,
        "opts": {"encoder_type": "Encoder4Editing", "start_from_latent_avg": True},
    }
    shifted, image = load_psp(file), torch.rand(1, 3, 32, 32)
    assert shifted.config.rows_from_first
    with torch.no_grad():
        rows, base = shifted.encode(image), plain.encode(image)
        mean = plain.decoder.rows([plain.latent_avg[None]])
    torch.testing.assert_close(rows[:, 0], base[:, 0])
    torch.testing.assert_close(rows[:, 1:], base[:, 1:] + base[:, :1] - mean[:, 1:], atol=1e-5, rtol=1e-5)


def test_restyle_looks_at_what_it_has_so_far() -> None:
    network = small(encoder="BackboneEncoder", input_channels=6, iterations=2)
    file = {
        "state_dict": network.state_dict(),
        "latent_avg": network.latent_avg,
        "opts": {"encoder_type": "BackboneEncoder", "n_iters_per_batch": 2},
    }
    assert psp_config(file) == network.config and network.config.source_channels == 3
    image = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        found = load_psp(file).encode(image)
        rows = network.decoder.rows([network.latent_avg[None]]).expand(2, -1, -1)
        for _ in range(2):
            so_far = torch.nn.functional.interpolate(network.decode(rows), scale_factor=2.0)
            rows = rows + network.encoder(torch.cat([image, so_far], dim=1))
    torch.testing.assert_close(found, rows, atol=1e-5, rtol=1e-5)


def test_restyle_needs_a_mean() -> None:
    network = small(encoder="BackboneEncoder", input_channels=6, iterations=2)
    network.set_mean(None)
    with pytest.raises(WeightsError, match="mean style"):
        network.encode(torch.zeros(1, 3, 32, 32))
