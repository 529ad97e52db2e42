"""The recipe of `limner train motion`: a painter of people in new poses, and a judge of its pictures.

It does: the published Liquid Warping recipe, the one with auxiliary backgrounds, the one over all sets (repaired: the
published program of it no longer runs), and the slim network, which corrects the warped composite. Data: iPER,
DeepFashion pairs, folders of backgrounds, of videos and of photos, made-up people; one or several sources of people
together. Adam with the published schedule, running averages, several processes, resuming to the same numbers. VGG's and
the face network's weights are given by the user; without them the recipe says what it leaves out.

It does not: several photos of a person at once, sequences of frames.

Errors, all before the first step unless said: `ConfigError`, `DatasetError` (all faults of a data set), `FileProblem`
(something is missing; a picture that cannot be decoded also later), `WeightsError` (weights of another network),
`InputError` (the folder holds another run; the loss is not finite, later), `MissingExtra` (accelerate is missing).

Source: Liu et al. 2019; svip-lab/impersonator `models/impersonator_trainer{,_aug}.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import nn

from limner.losses import VGGFeatures
from limner.motion import (
    DiscriminatorConfig,
    GlobalLocalDiscriminator,
    LiquidWarpingGenerator,
    PatchDiscriminator,
    SlimGenerator,
    SphereFace,
    init_published,
)
from limner.train.log import logger
from limner.train.loop import finish, fit, start_run, try_judgement, update
from limner.train.motion_data import MotionSamples, read_motion_data
from limner.train.motion_judge import validate
from limner.train.motion_settings import MotionConfig
from limner.train.motion_step import judge_loss, motion_batch, paint, painter_terms
from limner.train.motion_terms import Teachers, laid_over, slim_judged, slim_terms
from limner.train.order import Batch
from limner.train.resume import load_config_of_run
from limner.train.run import Cost, Run, RunOutcome, Watch
from limner.weights import load_strictly, read_checkpoint

PAINTER, JUDGE = "painter", "judge"


def train_motion(config: MotionConfig, folder: str | Path | None = None, *, watch: Watch | None = None) -> RunOutcome:
    """Train a painter to the end of its configuration, or go on where its folder was left.

    Args:
        config: from `load_motion_config`.
        folder: of the run; None takes the configuration's.
        watch: called as `(done, total, what)`.

    Raises:
        LimnerError: see the head of this file.
        KeyboardInterrupt: SIGINT or SIGTERM came; the run can go on from there.
    """
    folder = Path(folder or config.run or "runs/motion")
    data = read_motion_data(config, folder, watch=watch)
    run = setup(config, folder)
    teachers = make_teachers(config, run.machine.device)
    _tell(run, config, data, teachers)
    judge = partial(validate, config=config, samples=data.valid)
    try_judgement(run, lambda: validate(run, config, data.valid, first=2))
    step = partial(slim_step if config.recipe == "slim" else published_step, teachers=teachers)
    fit(run, data.train, step, judge, workers=config.data.workers, watch=watch)
    return finish(run, PAINTER)


def setup(config: MotionConfig, folder: Path) -> Run:
    """Make the networks with their starting weights, and take up the folder's checkpoint."""
    networks: dict[str, nn.Module] = {PAINTER: make_painter(config)}
    judge = make_judge(config)
    if judge is not None:
        networks[JUDGE] = judge
    optimisers = {name: getattr(config, name) for name in networks}
    return start_run(config, folder, networks, optimisers)


def make_painter(config: MotionConfig) -> LiquidWarpingGenerator:
    """Build the painter with its starting weights.

    Raises:
        FileProblem: the file of starting weights is missing.
        WeightsError: it holds another network.
    """
    section, is_slim = config.network, config.recipe == "slim"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.loop.seed)
        network = (SlimGenerator if is_slim else LiquidWarpingGenerator)(section.table(slim=is_slim))
        if not is_slim:
            network.init_published()
    if section.pretrained:
        state = {key: value.float() for key, value in read_checkpoint(section.pretrained).items()}
        load_strictly(network, state, section.pretrained)
    return network


def make_judge(config: MotionConfig) -> PatchDiscriminator | GlobalLocalDiscriminator | None:
    """Build the judge with its starting weights; None where the recipe goes without.

    Raises:
        FileProblem: the file of starting weights is missing.
        WeightsError: it holds another network.
    """
    section = config.network
    if not section.judge_width:
        return None
    judge: PatchDiscriminator | GlobalLocalDiscriminator
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.loop.seed + 1)
        if config.recipe in ("auxiliary", "all_sets"):
            judge = GlobalLocalDiscriminator(width=section.judge_width)
        else:
            judge = PatchDiscriminator(
                DiscriminatorConfig(width=section.judge_width, num_halvings=section.judge_halvings)
            )
        init_published(judge)
    if section.pretrained_judge:
        judge.load_official(section.pretrained_judge)
    return judge


def make_teachers(config: MotionConfig, device: torch.device) -> Teachers:
    """Load the frozen networks whose features teach, where their weights are given.

    Raises:
        FileProblem: a file is missing.
        WeightsError: it holds another network.
    """
    vgg, face = None, None
    if config.loss.vgg:
        vgg = VGGFeatures()
        vgg.load_official(config.loss.vgg)
        vgg.eval().requires_grad_(False).to(device)
    if config.loss.face and config.recipe != "slim":
        face = SphereFace()
        face.load_official(config.loss.face)
        face.eval().requires_grad_(False).to(device)
    return Teachers(vgg, face)


def _tell(run: Run, config: MotionConfig, data: MotionSamples, teachers: Teachers) -> None:
    if not run.machine.is_main:
        return
    logger.info(
        "the recipe %s on %s; %d samples to learn from, judged by %d",
        config.recipe,
        run.machine.where,
        len(data.train),
        len(data.valid),
    )
    if teachers.vgg is None:
        instead = "no perceptual term" if config.recipe == "slim" else "the plain absolute difference in its place"
        logger.info("no weights of VGG-19 (loss.vgg): %s", instead)
    if teachers.face is None and config.recipe != "slim" and config.loss.weights.face:
        logger.info("no weights of a face network (loss.face): the face term is left out")


def published_step(run: Run, parts: list[Batch], *, teachers: Teachers) -> Mapping[str, float]:
    """Make the painter's step, then the judge's on the pictures of before it, as published."""
    config: MotionConfig = run.config  # type: ignore[assignment]
    judge, made, told = run.networks[JUDGE], [], {}

    def painter_cost(network: nn.Module, batch: Batch) -> Cost:
        inputs = motion_batch(batch)
        pictures = paint(network, inputs)  # type: ignore[arg-type]
        made.append((pictures, inputs))
        terms = painter_terms(
            pictures, inputs, judge, vgg=teachers.vgg, face=teachers.face, weights=config.loss.weights
        )
        told.update({name: float(term.detach()) for name, term in terms.items()})
        return Cost(torch.stack(list(terms.values())).sum(), len(inputs.source))

    measured = {"loss": _unjudged(run, parts, painter_cost)}
    waiting = iter(made)

    def judge_cost(network: nn.Module, batch: Batch) -> Cost:
        pictures, inputs = next(waiting)
        loss, real, fake = judge_loss(pictures, inputs, network)
        told.update(judged_real=float(real), judged_made=float(fake))
        return Cost(loss, len(inputs.source))

    measured["judge"] = update(run, parts, judge_cost, name=JUDGE)
    return {**measured, **told} if run.machine.num_processes == 1 else measured


def slim_step(run: Run, parts: list[Batch], *, teachers: Teachers) -> Mapping[str, float]:
    """Make the painter's step, and where there is a judge its step on the pictures of before."""
    config: MotionConfig = run.config  # type: ignore[assignment]
    judge, made, told = run.networks.get(JUDGE), [], {}

    def painter_cost(network: nn.Module, batch: Batch) -> Cost:
        painting = network(batch["source"], batch["transfer"], batch["flow"])
        picture = laid_over(painting, batch)
        made.append(picture.detach())
        terms = slim_terms(painting, picture, batch, config.slim, vgg=teachers.vgg, judge=judge)
        told.update({name: float(term.detach()) for name, term in terms.items()})
        return Cost(torch.stack(list(terms.values())).sum(), len(picture))

    measured = {"loss": _unjudged(run, parts, painter_cost)}
    if judge is not None:
        waiting = iter(made)
        measured["judge"] = update(
            run,
            parts,
            lambda network, batch: Cost(slim_judged(network, next(waiting), batch), len(batch["mask"])),
            name=JUDGE,
        )
    return {**measured, **told} if run.machine.num_processes == 1 else measured


def _unjudged(run: Run, parts: list[Batch], cost: Callable[[nn.Module, Batch], Cost]) -> float:
    """Make the painter's step; the judge's weights take no gradient from it."""
    judge = run.networks.get(JUDGE)
    if judge is None:
        return update(run, parts, cost, name=PAINTER)
    judge.requires_grad_(False)
    try:
        return update(run, parts, cost, name=PAINTER)
    finally:
        judge.requires_grad_(True)


def motion_config_of_run(folder: str | Path, overrides: tuple[str, ...] = ()) -> MotionConfig:
    """Return the configuration of a run's folder, with overrides.

    Raises:
        FileProblem: the folder holds no run.
        ConfigError: an override does not fit.
    """
    return load_config_of_run(folder, MotionConfig, overrides)
