"""Small networks of random numbers in the layouts of the published files."""

from __future__ import annotations

import torch

from limner.face import GeneratorConfig, Psp, PspConfig


def tiny_psp(size: int = 32, seed: int = 0, **options: object) -> Psp:
    """A network whose pictures depend on its styles, and its styles on the picture."""
    torch.manual_seed(seed)
    generator = GeneratorConfig(size, style_dim=16, mapping_layers=2, max_channels=16)
    given = {"width": 16, "num_layers": 18, "input_side": 64, **options}
    network = Psp(PspConfig(generator, **given)).eval()  # type: ignore[arg-type]
    network.set_mean(0.1 * torch.randn(16))
    return network


def tiny_checkpoint(network: Psp, **options: object) -> dict[str, object]:
    """The network as pixel2style2pixel's trainer writes it."""
    state = {key: value for key, value in network.state_dict().items() if key != "latent_avg"}
    config = network.config
    opts = {
        "start_from_latent_avg": config.start_from_mean,
        "learn_in_w": config.single_style,
        "input_side": config.input_side,
        "encoder_type": config.encoder,
        "device": "cuda:0",
        **options,
    }
    return {"state_dict": state, "opts": opts, "latent_avg": network.latent_avg}
