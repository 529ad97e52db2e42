"""The recipe of `limner train face`: pixel2style2pixel over a frozen generator, for each of its tasks.

It does: inversion, frontalisation, sketches and label maps to faces, super-resolution, colourisation, inpainting,
toonify, any pairs of pictures, other domains; the three encoders over a generator of any size, from a face recogniser
or at random, as offsets from the mean style; the published losses and their weights, and a structure loss for whom no
LPIPS weights are at hand; Ranger and others; validation by the same loss; sheets of results; resuming to the same
numbers. The best weights carry the mean style and load as a published checkpoint does.

It does not: adversarial losses, progressive training (e4e), refining in several passes (ReStyle).

Errors, all before the first step unless said: `ConfigError`, `FileProblem` (a folder or file is missing; later, a
picture that cannot be decoded), `DatasetError` (sources and targets do not belong together), `WeightsError` (a file of
another network or size), `InputError` (another run's folder; later, classes that there are not, or a loss that is not
finite), `MissingExtra` (accelerate is not installed).

Source: Richardson et al. 2021. Differences: frozen networks get no gradients, validation sees all of its pictures with
fixed noise, and a run goes on with its optimiser.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limner.checks import InputError
from limner.face import (
    LABEL_COLOURS,
    Psp,
    ir_se50,
    load_any_generator,
    load_psp,
    picture_of,
    picture_of_labels,
    picture_of_sketch,
    resize_8bit,
    start_psp,
)
from limner.losses import FaceLosses, Lpips, MocoFeatures
from limner.train.face_data import FacePairs, read_face_data
from limner.train.face_settings import FaceLossSection, FaceTrainConfig
from limner.train.log import logger
from limner.train.loop import finish, fit, start_run, update
from limner.train.order import Batch, batches, to_device
from limner.train.run import Cost, Judgement, Run, RunOutcome, Watch
from limner.train.sheets import picture_sheet
from limner.types import RgbImage

_SHOWN_SIDE = 128


def train_face(config: FaceTrainConfig, folder: str | Path | None = None, *, watch: Watch | None = None) -> RunOutcome:
    """Train an encoder to the end of its configuration, or go on where its folder was left.

    Args:
        config: from `load_config`.
        folder: of the run; None takes the configuration's.
        watch: called as `(done, total, what)`.

    Raises:
        LimnerError: see the head of this file.
        KeyboardInterrupt: SIGINT or SIGTERM came; the run can go on from there.
    """
    folder = Path(folder or config.run or f"runs/face-{config.task}")
    config.check_files()
    train, valid = read_face_data(config)
    run = start_run(config, folder, {"network": make_psp(config)}, {"network": config.optimiser})
    # After the run took up its checkpoint, which holds the mean style.
    losses = make_losses(config, cast(Psp, run.networks["network"]).latent_avg).to(run.machine.device)
    if run.machine.is_main:
        logger.info("%s on %d pictures, judged by %d", config.task, len(train), len(valid))

    def step(run: Run, parts: list[Batch]) -> Mapping[str, float]:
        return train_step(run, parts, losses)

    def judge(run: Run) -> Judgement:
        return validate(run, valid, losses)

    fit(run, train, step, judge, workers=config.data.workers, watch=watch)
    return finish(run)


def make_psp(config: FaceTrainConfig) -> Psp:
    """Build the network with its starting weights; its generator learns only where it is told to.

    Raises:
        InputError: the network to start from takes other channels than the task gives.
        FileProblem: a file is missing.
        WeightsError: a file holds another network.
    """
    section = config.network
    if section.pretrained:
        network = load_psp(section.pretrained).train()
    else:
        with torch.random.fork_rng(devices=[]):
            generator = _generator(section.generator)
            torch.manual_seed(config.loop.seed)
            network = Psp(
                start_psp(
                    generator,
                    encoder=section.encoder,
                    input_channels=config.input_channels,
                    start_from_mean=section.start_from_mean,
                    single_style=section.single_style,
                    num_layers=section.num_layers,
                    mode=section.mode,
                    width=section.width,
                )
            )
            seed = torch.Generator().manual_seed(config.loop.seed)
            network.start_training(section.recogniser or None, generator, seed=seed)
    if network.config.input_channels != config.input_channels:
        raise InputError(
            f"{section.pretrained} takes {network.config.input_channels} channels, and the task {config.task} gives "
            f"{config.input_channels}"
        )
    network.decoder.requires_grad_(section.train_decoder)
    return network


def _generator(source: str) -> dict[str, Any]:
    """What any file or name of a generator holds, as rosinality's layout has it."""
    generator, mean = load_any_generator(source)
    content: dict[str, Any] = {"g_ema": generator.state_dict()}
    return content if mean is None else {**content, "latent_avg": mean}


def make_losses(config: FaceTrainConfig, mean: Tensor | None) -> FaceLosses:
    """Build the task's losses with their networks.

    Raises:
        FileProblem: a file is missing.
        WeightsError: a file holds another network.
    """
    section, weights = config.loss, config.loss_weights
    return FaceLosses(
        weights,
        lpips=load_lpips(section) if weights.lpips or weights.lpips_crop else None,
        recogniser=_loaded(ir_se50(), section.recogniser) if weights.identity else None,
        moco=_loaded(MocoFeatures(), section.moco) if weights.moco else None,
        mean=mean if config.network.start_from_mean else None,
    )


def load_lpips(section: FaceLossSection) -> Lpips:
    """Build LPIPS on AlexNet from the files that a section names."""
    lpips = Lpips("alex")
    lpips.load_parts(section.lpips, section.lpips_linear)
    return lpips


def _loaded(network: nn.Module, path: str) -> nn.Module:
    network.load_official(path)  # type: ignore[operator]
    return network


def train_step(run: Run, parts: list[Batch], losses: FaceLosses) -> Mapping[str, float]:
    """Make one step; what each part of the loss measured stands beside the sum."""
    measured: defaultdict[str, list[float]] = defaultdict(list)

    def cost(network: nn.Module, batch: Batch) -> Cost:
        pictures, wplus = network(batch["source"], noise="random", resize=False)
        total, each = compare(losses, batch, pictures, wplus, run)
        for name, value in each.items():
            measured[name].append(float(value.detach()))
        return Cost(total, len(pictures))

    loss = update(run, parts, cost)
    return {"loss": loss, **{name: sum(values) / len(values) for name, values in measured.items()}}


def compare(
    losses: FaceLosses, batch: Batch, pictures: Tensor, wplus: Tensor, run: Run
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return what pictures cost at the side that the configuration compares at, and each part of it."""
    side = cast(FaceTrainConfig, run.config).loss.side
    pooled = F.adaptive_avg_pool2d(pictures.float(), side)
    return losses(batch["source"], batch["target"], pooled, wplus.float())


@torch.no_grad()
def validate(run: Run, pairs: FacePairs, losses: FaceLosses) -> Judgement:
    """Return the mean loss over all pictures, and draw some: what came in, what came out, what was wanted."""
    network = cast(Psp, run.judged()).eval()
    sums: defaultdict[str, float] = defaultdict(float)
    columns: list[list[RgbImage]] = []
    size = run.settings.batch
    places = [torch.arange(start, min(start + size, len(pairs))).numpy() for start in range(0, len(pairs), size)]
    for read in batches(pairs, places, 0):
        batch = to_device(read, run.machine.device)
        pictures, wplus = network(batch["source"], noise="fixed", resize=False)
        total, each = compare(losses, batch, pictures, wplus, run)
        for name, value in {"loss": total, **each}.items():
            sums[name] += float(value) * len(pictures)
        shown = max(0, run.settings.pictures - len(columns))
        columns += [_column(*row) for row in zip(batch["source"], pictures, batch["target"], strict=True)][:shown]
    if columns and run.machine.is_main:
        run.log.picture("valid", run.position.step, picture_sheet(list(zip(*columns, strict=True))))
    numbers = {name: value / len(pairs) for name, value in sums.items()}
    return Judgement(-numbers["loss"], numbers)


def _column(source: Tensor, result: Tensor, target: Tensor) -> list[RgbImage]:
    """One picture after the other from top to bottom, at one size."""
    return [resize_8bit(picture, (_SHOWN_SIDE,) * 2) for picture in (shown(source), picture_of(result), shown(target))]


def shown(source: Tensor) -> RgbImage:
    """Return what comes into a network as a picture."""
    if len(source) == 1:
        return picture_of_sketch(source)
    if len(source) == 3:
        return picture_of(source)
    colours = LABEL_COLOURS if len(source) <= len(LABEL_COLOURS) else LABEL_COLOURS.repeat(-(-len(source) // 19), 0)
    return picture_of_labels(source, colours)
