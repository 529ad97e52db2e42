"""Pixel2style2pixel: an encoder, the mean style, and a frozen generator.

Two successors share the layout: e4e takes all rows but the first as offsets from the first, and ReStyle looks several
times, each time at the picture beside what it has so far.

Sources: Richardson et al. 2021, "Encoding in Style"; Tov et al. 2021 (e4e); Alaluf et al. 2021 (ReStyle). The files of
eladrich/pixel2style2pixel, omertov/encoder4editing and yuval-alaluf/restyle-encoder (trunk IR-SE50) load as they are:
`state_dict` (encoder.*, decoder.*), `latent_avg`, `opts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from limner.checks import InputError, ShapeError, WeightsError
from limner.face.encoder import INPUT_SIDE, TRUNK_WIDTH, LastLayerStyleEncoder, TrunkMode, build_encoder, trunk_of
from limner.face.stylegan2 import Generator, GeneratorConfig, Noise, generator_config, generator_state
from limner.weights import LoadReport, load_strictly, read_checkpoint, read_content, source_name

RESIZED_SIDE = 256
_ITERATIONS = 5  # of ReStyle, where a file does not say
_MEAN_COUNT = 100_000  # normal vectors of the mean style where a file has none, as the published trainer draws


@dataclass(frozen=True)
class PspConfig:
    """What a network is built from.

    Attributes:
        generator: the generator's shape.
        encoder: the encoder's published name.
        input_channels: channels of the picture in.
        start_from_mean: whether the encoder's styles are offsets from the mean style.
        single_style: whether one style steers all rows (the published option learn_in_w).
        num_layers: depth of the encoder's trunk.
        mode: kind of its blocks.
        width: channels of its first maps.
        rows_from_first: whether all rows but the first are offsets from the first (e4e).
        iterations: how often the encoder looks; from 2 on it sees the picture beside what it has so far (ReStyle).
        input_side: side of the pictures that it was trained on.
    """

    generator: GeneratorConfig
    encoder: str = "GradualStyleEncoder"
    input_channels: int = 3
    start_from_mean: bool = True
    single_style: bool = False
    num_layers: int = 50
    mode: TrunkMode = "ir_se"
    width: int = TRUNK_WIDTH
    rows_from_first: bool = False
    iterations: int = 1
    input_side: int = INPUT_SIDE

    @property
    def source_channels(self) -> int:
        """Channels of the picture that the network is given; what it has so far stands beside it within."""
        return self.input_channels - (3 if self.iterations > 1 else 0)


@dataclass(frozen=True)
class StartReport:
    """Where the weights at the start of training come from; an encoder without a report starts at random."""

    encoder: LoadReport | None
    decoder: LoadReport


class Psp(nn.Module):
    """A picture to a picture, through the styles of a generator.

    Attributes:
        config: what it was built from.
        latent_avg: the mean style (R, D) or (D,), or None while there is none; a key of its own beside the weights'.
    """

    latent_avg: Tensor | None

    def __init__(self, config: PspConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = build_encoder(
            config.encoder,
            num_layers=config.num_layers,
            mode=config.mode,
            input_channels=config.input_channels,
            num_rows=config.generator.num_rows,
            style_dim=config.generator.style_dim,
            width=config.width,
        )
        self.decoder = Generator(config.generator)
        self.register_buffer("latent_avg", None)

    def encode(self, image: Float[Tensor, "B C H W"]) -> Float[Tensor, "B R D"]:
        """Return the styles of pictures, the mean style added where the network was trained so.

        Raises:
            ShapeError: the picture has other channels or another size.
            WeightsError: the network needs a mean style and has none.
        """
        if self.config.iterations > 1:
            return self._encode_again_and_again(image)
        codes = self._codes(image)
        return codes + self._mean_rows() if self.config.start_from_mean else codes

    def _codes(self, image: Tensor) -> Tensor:
        codes = self.decoder.rows([self.encoder(image)])
        if not self.config.rows_from_first:
            return codes
        return torch.cat([codes[:, :1], codes[:, :1] + codes[:, 1:]], dim=1)

    def _encode_again_and_again(self, image: Tensor) -> Tensor:
        """ReStyle's loop: what the encoder sees first beside the picture is the mean face."""
        wplus, (height, width) = self._mean_rows().expand(image.shape[0], -1, -1), image.shape[2:]
        for _ in range(self.config.iterations):
            so_far = F.adaptive_avg_pool2d(self.decode(wplus), (height, width))
            wplus = wplus + self._codes(torch.cat([image, so_far], dim=1))
        return wplus

    def _mean_rows(self) -> Tensor:
        if self.latent_avg is None:
            raise WeightsError("this network adds its styles to a mean style, and none was loaded: set latent_avg")
        return self.decoder.rows([self.latent_avg.reshape(1, *_row_shape(self.latent_avg))])

    def decode(
        self, wplus: Float[Tensor, "B R D"], *, noise: Noise = "fixed", resize: bool = False
    ) -> Float[Tensor, "B 3 S S"]:
        """Return the pictures of styles: RGB, nominally in [-1, 1]; with `resize` pooled to 256 pixels."""
        picture = self.decoder(wplus, noise)
        return F.adaptive_avg_pool2d(picture, RESIZED_SIDE) if resize else cast(Tensor, picture)

    def forward(
        self,
        image: Float[Tensor, "B C H W"],
        *,
        latent_mask: Sequence[int] = (),
        inject: Float[Tensor, "b R D"] | None = None,
        alpha: float | None = None,
        noise: Noise = "fixed",
        resize: bool = True,
    ) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B R D"]]:
        """Return pictures and their styles.

        Args:
            image: as the task's transform gives it.
            latent_mask: rows to overwrite.
            inject: what these rows get; nought where it is None.
            alpha: how much of `inject` the rows get; all of it where it is None.
            noise: where the generator's noise comes from.
            resize: whether pictures are pooled to 256 pixels, as for the training's losses.

        Raises:
            ShapeError: the picture or the injected styles have another shape.
            InputError: the mask names rows that there are not.
        """
        wplus = mix_rows(self.encode(image), latent_mask, inject, alpha)
        return self.decode(wplus, noise=noise, resize=resize), wplus

    def load_official(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Load the state dict and the mean style of a published checkpoint; strict but for noise maps and filters.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or a network of another kind.
        """
        content, name = read_content(weights), source_name(weights)
        state = read_checkpoint(content)
        # Published files hold the mean beside the weights, those of a run of ours among them.
        mean = state.pop("latent_avg", content.get("latent_avg"))
        self.latent_avg = None
        own = self.state_dict()
        spare = [key for key in own if key.startswith("decoder.noises.") or key.endswith(".kernel")]
        report = load_strictly(self, {**{key: own[key] for key in spare}, **state}, name)
        self.set_mean(mean)
        return report

    def set_mean(self, mean: Tensor | None) -> None:
        """Take a mean style: (D,), (1, D) or (R, D), or None.

        Raises:
            ShapeError: it has another shape.
        """
        rows, dim = self.config.generator.num_rows, self.config.generator.style_dim
        if mean is None:
            self.latent_avg = None
            return
        if tuple(mean.shape) not in ((dim,), (1, dim), (rows, dim)):
            raise ShapeError(f"a mean style must have shape ({dim},) or ({rows}, {dim}), got {tuple(mean.shape)}")
        self.latent_avg = mean.detach().to(self.decoder.input.input)

    def start_training(
        self,
        recogniser: str | Path | Mapping[str, Any] | None,
        generator: str | Path | Mapping[str, Any],
        *,
        seed: torch.Generator | None = None,
    ) -> StartReport:
        """Take the trunk from a face recogniser, and the generator and its mean style from a StyleGAN2 file.

        Args:
            recogniser: such as `model_ir_se50.pth`; None leaves the trunk as it is.
            generator: such as `stylegan2-ffhq-config-f.pt`.
            seed: draws the vectors of the mean style where the file has none.

        Raises:
            FileProblem: there is no such file.
            WeightsError: a file is damaged, holds code, or a network of another kind or size.
        """
        content = read_content(generator)
        of_encoder = None if recogniser is None else self.encoder.load_ir_se50(recogniser)
        report = StartReport(of_encoder, self.decoder.load_official(content))
        mean = content.get("latent_avg")
        mean = self.decoder.mean_style(_MEAN_COUNT, seed) if mean is None else mean.reshape(-1, mean.shape[-1])
        single = self.config.single_style or isinstance(self.encoder, LastLayerStyleEncoder)
        self.set_mean(mean if single else mean.expand(self.config.generator.num_rows, -1).clone())
        return report


def mix_rows(
    wplus: Float[Tensor, "B R D"],
    rows: Sequence[int],
    inject: Float[Tensor, "b R D"] | None = None,
    alpha: float | None = None,
) -> Float[Tensor, "B R D"]:
    """Return styles of which some rows are replaced; what is given stays as it is.

    Args:
        wplus: styles.
        rows: the rows to replace.
        inject: what they get; nought where it is None.
        alpha: its share; all where it is None.

    Raises:
        InputError: a row is not there.
        ShapeError: the injected styles have another shape.
    """
    if not rows:
        return wplus
    missing = [row for row in rows if not 0 <= row < wplus.shape[1]]
    if missing:
        raise InputError(f"styles have rows 0..{wplus.shape[1] - 1}, and the mask names {missing}")
    if inject is not None and (inject.shape[1:] != wplus.shape[1:] or inject.shape[0] not in (1, wplus.shape[0])):
        raise ShapeError(f"injected styles must have shape {tuple(wplus.shape)}, got {tuple(inject.shape)}")
    picked, mixed = list(rows), wplus.clone()
    source = torch.zeros_like(wplus) if inject is None else inject.expand_as(wplus)
    share = 1.0 if inject is None or alpha is None else alpha
    mixed[:, picked] = share * source[:, picked] + (1 - share) * wplus[:, picked]
    return mixed


def psp_config(weights: str | Path | Mapping[str, Any]) -> PspConfig:
    """Read from a published checkpoint what network it belongs to: shapes from its keys, choices from its options.

    Raises:
        FileProblem: there is no such file.
        WeightsError: the file is damaged, holds code, or holds no pixel2style2pixel network.
    """
    content, name = read_content(weights), source_name(weights)
    state, options = read_checkpoint(content), content.get("opts") or {}
    options = dict(options) if isinstance(options, Mapping) else {}
    first = state.get("encoder.input_layer.0.weight")
    if first is None:
        raise WeightsError(f"{name} holds no pixel2style2pixel network: it lacks encoder.input_layer.0.weight")
    decoder = {key.removeprefix("decoder."): value for key, value in state.items() if key.startswith("decoder.")}
    encoder = _encoder_name(state)
    num_layers, mode, width = trunk_of(state, "encoder.")
    return PspConfig(
        generator_config(decoder, name),
        encoder,
        first.shape[1],
        bool(options.get("start_from_latent_avg", content.get("latent_avg") is not None)),
        bool(options.get("learn_in_w", encoder == "BackboneEncoderUsingLastLayerIntoW")),
        num_layers,
        mode,
        width,
        _kind_of(options).startswith(("Encoder4Editing", "Progressive")),
        max(2, int(options.get("n_iters_per_batch", _ITERATIONS))) if _sees_itself(options, first) else 1,
        int(options.get("input_side", INPUT_SIDE)),
    )


def load_psp(weights: str | Path | Mapping[str, Any]) -> Psp:
    """Build the network that a published checkpoint holds, in evaluation mode; see `psp_config` for the errors."""
    content = read_content(weights)
    network = Psp(psp_config(content))
    network.load_official(content)
    return network.eval()


def start_psp(generator: str | Path | Mapping[str, Any], **options: Any) -> PspConfig:
    """Return the configuration of a new network over the generator in a StyleGAN2 file; `options` as in `PspConfig`."""
    return PspConfig(generator_config(generator_state(generator), source_name(generator)), **options)


def _encoder_name(state: Mapping[str, Tensor]) -> str:
    if "encoder.latlayer1.weight" in state:
        return "GradualStyleEncoder"
    if "encoder.styles.0.convs.0.weight" in state:
        return "BackboneEncoder"
    plus = "encoder.output_layer_2.3.weight" in state
    return "BackboneEncoderUsingLastLayerIntoWPlus" if plus else "BackboneEncoderUsingLastLayerIntoW"


def _kind_of(options: Mapping[str, Any]) -> str:
    return str(options.get("encoder_type", ""))


def _sees_itself(options: Mapping[str, Any], first: Tensor) -> bool:
    """Whether a checkpoint is of ReStyle: it says so, or its first layer has room for two pictures."""
    return "n_iters_per_batch" in options or (first.shape[1] == 6 and not options.get("label_nc"))


def _row_shape(mean: Tensor) -> tuple[int, ...]:
    return (mean.shape[-1],) if mean.ndim == 1 or mean.shape[0] == 1 else tuple(mean.shape)
