"""The recipe of `limner train generator`: StyleGAN2 from any folder of pictures.

It does: generator and discriminator of any power of two, from scratch or from a generator of the same shape; the loss
that does not saturate, R1 and path lengths, each taken once in a while and counted that often; mixed styles; running
average; adaptive augmentation; several processes; sheets of samples; resuming to the same numbers.

It does not: labels, growing pictures, the Inception distance (it is named when judged with weights of the user's).

Errors, all before the first step unless said: `ConfigError`, `FileProblem` (no such folder, no picture; later, one that
cannot be decoded), `WeightsError` (starting weights of another shape), `InputError` (too few pictures, another run's
folder; later, a loss that is not finite), `MissingExtra` (accelerate is not installed).

Source: Karras et al. 2020 (StyleGAN2, and StyleGAN2-ADA).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32
from numpy import ndarray
from torch import Tensor, nn

from limner.checks import InputError
from limner.data import PictureFolder, read_folder
from limner.face import Discriminator, Generator, load_any_generator, picture_of, resize_8bit
from limner.losses import (
    discriminator_logistic,
    generator_nonsaturating,
    path_lengths,
    path_penalty,
    r1_penalty,
)
from limner.metrics import frechet_distance
from limner.train.augment import augment, next_probability
from limner.train.generator_settings import GeneratorTrainConfig
from limner.train.log import logger
from limner.train.loop import finish, fit, start_run, update
from limner.train.order import Batch
from limner.train.run import Cost, Judgement, Run, RunOutcome, Watch
from limner.train.settings import OptimiserConfig
from limner.train.sheets import picture_sheet
from limner.types import RgbImage

CostOf = Callable[[nn.Module, Batch], Cost]

_POOLED_SIDE = 8  # of the pictures that a validation compares
_JUDGED_AT_ONCE = 16


class Pace(nn.Module):
    """What the game remembers between steps, so that checkpoints hold it: buffers without weights.

    Attributes:
        probability: of augmentation.
        sureness: sum of the signs of D on real pictures, and their number.
        path_mean: running mean of path lengths.
    """

    probability: Tensor
    sureness: Tensor
    path_mean: Tensor

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.register_buffer("probability", torch.tensor(float(probability), dtype=torch.float64))
        self.register_buffer("sureness", torch.zeros(2, dtype=torch.float64))
        self.register_buffer("path_mean", torch.zeros(()))


@dataclass(frozen=True)
class FolderPictures:
    """Pictures of a folder as samples: cut square, resized, mirrored half the time.

    Attributes:
        pictures: the folder.
        size: side of a sample.
        step: samples of a step; every epoch has whole steps, and begins with what the last one left out.
        seed: of the run.
        flip: whether samples are mirrored.
    """

    pictures: PictureFolder
    size: int
    step: int
    seed: int = 0
    flip: bool = True

    def __len__(self) -> int:
        return len(self.pictures) // self.step * self.step

    def sample(self, index: int, epoch: int) -> dict[str, ndarray]:
        """Return one picture, in [-1, 1].

        Raises:
            FileProblem: it is gone or cannot be decoded.
        """
        place = (index + epoch * len(self)) % len(self.pictures)
        picture = square_picture(self.pictures.read(place), self.size)
        if self.flip and np.random.default_rng([self.seed, epoch, index, 2]).random() < 0.5:
            picture = picture[:, ::-1]
        return {"image": picture.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1}


def square_picture(image: RgbImage, size: int) -> RgbImage:
    """Return the middle square of a picture, resized."""
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return resize_8bit(image[top : top + side, left : left + side], (size, size))


def train_generator(
    config: GeneratorTrainConfig, folder: str | Path | None = None, *, watch: Watch | None = None
) -> RunOutcome:
    """Train a StyleGAN2 generator to the end of its configuration, or go on where its folder was left.

    Args:
        config: from `load_config`.
        folder: of the run; None takes the configuration's.
        watch: called as `(done, total, what)`.

    Raises:
        LimnerError: see the head of this file.
        KeyboardInterrupt: SIGINT or SIGTERM came; the run can go on from there.
    """
    folder = Path(folder or config.run or "runs/generator")
    run, samples = setup(config, folder)
    real = _pooled_reals(samples, config.judged_pictures)

    def judge(run: Run) -> Judgement:
        return validate(run, real)

    fit(run, samples, train_step, judge, workers=config.data.workers, watch=watch)
    return finish(run, "generator")


def setup(config: GeneratorTrainConfig, folder: Path) -> tuple[Run, FolderPictures]:
    """Read the folder, make both networks, and take up the run's checkpoint."""
    pictures = read_folder(config.data.root)
    if config.data.limit and config.data.limit < len(pictures):
        pictures = pictures[np.linspace(0, len(pictures) - 1, config.data.limit).round().astype(int).tolist()]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.loop.seed)
        generator = Generator(config.network.table())
        discriminator = Discriminator(config.network.table())
    if config.network.pretrained:
        given, _ = load_any_generator(config.network.pretrained)
        generator.load_official({"g_ema": given.state_dict()})
    networks = {"generator": generator, "discriminator": discriminator, "pace": Pace(config.augment.probability)}
    run = start_run(config, folder, networks, _optimisers(config))
    step = run.settings.batch * run.settings.accumulate * run.machine.num_processes
    if len(pictures) < step:
        raise InputError(f"{config.data.root} has {len(pictures)} pictures, and a step takes {step}: lower loop.batch")
    if run.machine.is_main:
        logger.info("StyleGAN2 of %d pixels on %d pictures of %s", config.network.size, len(pictures), config.data.root)
    return run, FolderPictures(pictures, config.network.size, step, config.loop.seed, config.data.flip)


def _optimisers(config: GeneratorTrainConfig) -> dict[str, OptimiserConfig]:
    """Rates and decays such that steps with a penalty beside them, taken together, move as one step would."""
    game = config.game
    return {
        "generator": _paced(config.generator, game.path_every if game.path else 0),
        "discriminator": _paced(config.discriminator, game.r1_every if game.r1 else 0),
    }


def _paced(optimiser: OptimiserConfig, every: int) -> OptimiserConfig:
    ratio = every / (every + 1) if every else 1.0
    betas = (optimiser.betas[0] ** ratio, optimiser.betas[1] ** ratio)
    return replace(optimiser, lr=optimiser.lr * ratio, betas=betas)


def train_step(run: Run, parts: list[Batch]) -> Mapping[str, float]:
    """Make one step of both networks, with the penalties that are due."""
    config = _config(run)
    game, step = config.game, run.position.step
    measured = {"discriminator": update(run, parts, _discriminator_cost(run), name="discriminator")}
    if game.r1 and step % game.r1_every == 0:
        measured["r1"] = update(run, parts, _r1_cost(run), name="discriminator")
    run.networks["discriminator"].requires_grad_(False)
    measured["generator"] = update(run, parts, _generator_cost(run), name="generator")
    if game.path and step % game.path_every == 0:
        measured["path"] = update(run, parts, _path_cost(run), name="generator")
    run.networks["discriminator"].requires_grad_(True)
    if config.augment.adaptive and (step + 1) % config.augment.every == 0:
        measured["sureness"] = _follow_sureness(run)
    return {**measured, "augmented": float(_pace(run).probability)}


def _discriminator_cost(run: Run) -> CostOf:
    def cost(network: nn.Module, batch: Batch) -> Cost:
        real = batch["image"]
        with torch.no_grad():
            fake = _generated(run, run.networks["generator"], len(real))
        of_real, of_fake = (network(_varied(run, pictures)).float() for pictures in (real, fake))
        _pace(run).sureness += torch.stack([of_real.detach().sign().sum().double(), of_real.new_tensor(len(real))])
        return Cost(discriminator_logistic(of_real, of_fake), len(real))

    return cost


def _r1_cost(run: Run) -> CostOf:
    game = _config(run).game

    def cost(network: nn.Module, batch: Batch) -> Cost:
        # By what the discriminator sees: a warp has no second derivative in PyTorch.
        pictures = _varied(run, batch["image"]).detach().requires_grad_()
        penalty = r1_penalty(network(pictures).float(), pictures)
        return Cost(penalty * (game.r1 / 2 * game.r1_every), len(pictures))

    return cost


def _generator_cost(run: Run) -> CostOf:
    def cost(network: nn.Module, batch: Batch) -> Cost:
        fake = _generated(run, network, len(batch["image"]))
        answers = run.networks["discriminator"](_varied(run, fake))
        return Cost(generator_nonsaturating(answers.float()), len(fake))

    return cost


def _path_cost(run: Run) -> CostOf:
    game = _config(run).game

    def cost(network: nn.Module, batch: Batch) -> Cost:
        count = max(1, round(len(batch["image"]) * game.path_share))
        wplus = _styles(run, count)
        pictures = network(wplus, "random")
        lengths = path_lengths(pictures.float(), wplus, torch.randn_like(pictures))
        pace = _pace(run)
        mean = pace.path_mean.lerp(lengths.mean(), game.path_decay)
        pace.path_mean.copy_(mean.detach())
        return Cost(path_penalty(lengths, mean) * (game.path * game.path_every), count)

    return cost


def _generated(run: Run, network: nn.Module, count: int) -> Tensor:
    return cast(Tensor, network(_styles(run, count), "random"))


def _styles(run: Run, count: int) -> Tensor:
    """Return styles for each row, of two vectors for some batches."""
    generator, device = cast(Generator, run.networks["generator"]), run.machine.device
    shape = (count, generator.config.style_dim)
    first = generator.map_z(torch.randn(shape, device=device))
    if float(torch.rand(())) >= _config(run).game.mixing:
        return generator.rows([first])
    second = generator.map_z(torch.randn(shape, device=device))
    return generator.rows([first, second], mix_from=int(torch.randint(1, generator.config.num_rows, ())))


def _varied(run: Run, pictures: Tensor) -> Tensor:
    return augment(pictures, float(_pace(run).probability), _config(run).augment.variations)


def _follow_sureness(run: Run) -> float:
    """Move the probability of augmentation; return how sure the discriminator was since the last time."""
    section, pace = _config(run).augment, _pace(run)
    signs, count = run.machine.total(pace.sureness).tolist()
    pace.sureness.zero_()
    sureness = signs / max(count, 1)
    moved = next_probability(
        float(pace.probability), sureness, target=section.target, pictures=int(count), length=section.length
    )
    pace.probability.fill_(moved)
    return sureness


def _config(run: Run) -> GeneratorTrainConfig:
    return cast(GeneratorTrainConfig, run.config)


def _pace(run: Run) -> Pace:
    return cast(Pace, run.networks["pace"])


@torch.no_grad()
def validate(run: Run, real: Float32[ndarray, "N D"]) -> Judgement:
    """Compare generated pictures with real ones, and draw some.

    The distance is Frechet's on pictures pooled to 8x8 colours: it sees a collapse and wrong colours, not detail.

    Args:
        run: under way.
        real: pooled real pictures.
    """
    generator = cast(Generator, run.judged("generator")).eval()
    numbers = torch.Generator().manual_seed(run.settings.seed)
    pooled, drawn = [], []
    for start in range(0, len(real), _JUDGED_AT_ONCE):
        count = min(_JUDGED_AT_ONCE, len(real) - start)
        z = torch.randn(count, generator.config.style_dim, generator=numbers).to(run.machine.device)
        pictures = generator(generator.map_z(z), "fixed").clamp(-1, 1)
        pooled.append(F.adaptive_avg_pool2d(pictures, _POOLED_SIDE).flatten(1).cpu().numpy())
        if start < run.settings.pictures:
            drawn.extend(pictures[: run.settings.pictures - start].cpu())
    features = np.concatenate(pooled)
    spread = float(features.std(axis=0).mean() / real.std(axis=0).mean())
    distance = frechet_distance(features, real)
    if drawn and run.machine.is_main:
        run.log.picture("samples", run.position.step, picture_sheet([[picture_of(one) for one in drawn]], wrap=8))
    return Judgement(-distance, {"pooled_frechet": distance, "spread": spread})


def _pooled_reals(samples: FolderPictures, count: int) -> Float32[ndarray, "N D"]:
    places = np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int)
    pictures = torch.from_numpy(np.stack([samples.sample(int(place), 0)["image"] for place in places]))
    return F.adaptive_avg_pool2d(pictures, _POOLED_SIDE).flatten(1).numpy()
