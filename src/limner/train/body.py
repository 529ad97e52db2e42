"""The recipe of `limner train body`: HMR, which reads a body's shape and pose off one picture.

It does: the original's network and pytorch_HMR's with their own losses, crops and adversaries, and a light one for a
CPU, which lifts what the shipped pose network sees; joints in the picture, joints in space, SMPL's numbers, and an
adversary that sees every correction; mixed data sets, each with its share, and pictures that limner makes itself; the
free body and a user's SMPL file; starting weights, a mean theta from a file or from the adversary's poses; running
averages, bf16, parts of steps, several processes; validation by PA-MPJPE, or where nobody has labels in space by PCK;
pictures; resuming to the same numbers.

It does not: several people in one crop, supervision of an hourglass's stacks, fitting in the loop.

Errors, all before the first step unless said: `ConfigError` (all faults of a configuration), `DatasetError` (all faults
of a data set), `FileProblem` (something is missing; a picture that cannot be decoded also later), `WeightsError`
(starting weights or a checkpoint of another network), `InputError` (the folder holds another run; the loss is not
finite, later), `MissingExtra` (accelerate, or h5py for HDF5 files, is not installed).

Source: Kanazawa et al. 2018; akanazawa/hmr `src/main.py`, `src/trainer.py`; MandyMo/pytorch_HMR `src/trainer.py`.
Difference: a step of several parts averages the parts' own means, so that people without labels weigh a little more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from limner.body import HMR, SMPL, BodyDiscriminator, FastSMPL, load_body, plain_theta, read_mean_theta
from limner.checks import InputError
from limner.train.body_data import (
    BodyData,
    MadeUpPoses,
    RecordedPoses,
    crops_of,
    mean_pose,
    read_body_data,
    read_body_valid,
)
from limner.train.body_judge import BodyScores, Found, draw_bodies, judge_bodies, predict_bodies
from limner.train.body_settings import BodyConfig
from limner.train.body_step import ADVERSARY, NETWORK, SKELETON, make_step
from limner.train.log import logger
from limner.train.loop import finish, fit, start_run, try_judgement
from limner.train.machine import open_machine
from limner.train.resume import load_config_of_run, load_judged
from limner.train.run import Judgement, Run, RunOutcome, Watch


def train_body(config: BodyConfig, folder: str | Path | None = None, *, watch: Watch | None = None) -> RunOutcome:
    """Train HMR to the end of its configuration, or go on where its folder was left.

    Args:
        config: from `load_body_config`.
        folder: of the run; None takes the configuration's.
        watch: called as `(done, total, what)`.

    Raises:
        LimnerError: see the head of this file.
        KeyboardInterrupt: SIGINT or SIGTERM came; the run can go on from there.
    """
    folder = Path(folder or config.run or "runs/body")
    run, data = setup(config, folder)
    first = np.arange(min(2, len(data.valid)))
    try_judgement(run, lambda: predict_bodies(judged_network(run), data.valid, config, run.machine, rows=first))
    step = make_step(body_layer(config).to(run.machine.device))
    fast = FastSMPL(load_body(config.body))

    def judge(run: Run) -> Judgement:
        return validate(run, data, config, fast, watch=watch)

    fit(run, crops_of(config, data), step, judge, workers=config.data.workers, watch=watch)
    return finish(run, NETWORK)


def setup(config: BodyConfig, folder: Path) -> tuple[Run, BodyData]:
    """Read the data, make the networks, and take up the folder's checkpoint."""
    load_body(config.body)  # a body that is not there is said before a folder is made
    data = read_body_data(config)
    networks: dict[str, nn.Module] = {NETWORK: make_network(config, data.poses)}
    optimisers = {NETWORK: config.optimiser}
    if config.adversary is not None:
        networks[ADVERSARY], optimisers[ADVERSARY] = make_adversary(config), config.adversary.optimiser
    run = start_run(config, folder, networks, optimisers)
    if run.machine.is_main:
        mixed = [f"{source.name} {100 * chance:.0f}%" for source, chance in zip(data.train, data.chances, strict=True)]
        judged = f"judged by {len(data.valid)} of {data.valid.name}"
        logger.info("%s on %s; %s, %s", config.network.name, run.machine.where, ", ".join(mixed), judged)
    return run, data


def make_network(config: BodyConfig, poses: MadeUpPoses | RecordedPoses | None = None) -> HMR:
    """Build the network with its starting weights and its mean theta.

    Raises:
        FileProblem: a file of starting weights or of mean parameters is missing.
        WeightsError: it holds another network.
    """
    section = config.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.loop.seed)
        network = HMR(section.table, starting_theta(config, poses))
    network.regressor.dropout.p = section.dropout
    if section.pretrained and section.pretrained_kind == "hmr":
        network.load_official(section.pretrained)
    elif section.pretrained:
        network.load_imagenet(section.pretrained)
    return network


def starting_theta(config: BodyConfig, poses: MadeUpPoses | RecordedPoses | None) -> np.ndarray:
    """Return where the regressor starts.

    Raises:
        FileProblem: the file of mean parameters is missing or damaged.
        InputError: the mean of the adversary's poses is asked for without an adversary.
    """
    mean = config.network.mean
    if mean not in ("plain", "poses"):
        return read_mean_theta(mean)
    theta = plain_theta(upright=not config.network.table.turn_base)
    if mean == "poses":
        if poses is None:
            raise InputError("network.mean is poses, but there are no poses to be averaged: name an adversary")
        rotvec, betas = mean_pose(poses, seed=config.loop.seed)
        theta[6:75], theta[75:] = rotvec.reshape(-1), betas[0]
    return theta


def make_adversary(config: BodyConfig) -> BodyDiscriminator:
    """Build the adversary."""
    assert config.adversary is not None, "asked for by the configuration"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.loop.seed + 1)
        return BodyDiscriminator(config.adversary.name)


def body_layer(config: BodyConfig) -> SMPL:
    """Return the differentiable body, of which only the keypoints' surroundings are posed."""
    return SMPL(load_body(config.body), skeletons=(SKELETON,), turn_base=config.network.table.turn_base)


def judged_network(run: Run) -> HMR:
    """Return the network that is validated and kept."""
    network = run.judged(NETWORK)
    assert isinstance(network, HMR), "made by this recipe"
    return network


def validate(run: Run, data: BodyData, config: BodyConfig, fast: FastSMPL, *, watch: Watch | None = None) -> Judgement:
    """Judge the network, and draw some people."""
    found = predict_bodies(judged_network(run), data.valid, config, run.machine, watch=watch)
    scores = judge_bodies(found, data.valid, config, fast)
    if config.loop.pictures and run.machine.is_main:
        run.log.picture("valid", run.position.step, draw_bodies(found, data.valid, config, fast, config.loop.pictures))
    return Judgement(scores.score, scores.numbers)


def evaluate_body(
    config: BodyConfig,
    folder: str | Path | None = None,
    *,
    weights: str | Path | None = None,
    which: str = "best",
    watch: Watch | None = None,
) -> BodyScores:
    """Judge the weights of a run, or any checkpoint of the configuration's network.

    Args:
        config: of the run, possibly with another test section or data set.
        folder: of the run; None where `weights` are given.
        weights: a checkpoint, ours or a published one.
        which: best or last, of a run.
        watch: called as `(done, total, what)`.

    Raises:
        InputError: neither a run nor weights are given, or there is nobody to judge by.
        FileProblem: weights or data are missing.
        WeightsError: the weights are of another network.
    """  # fmt: skip
    network = HMR(config.network.table)
    load_judged(network, folder, weights, which=which)
    people = read_body_valid(config)
    machine = open_machine(config.loop)
    found: Found = predict_bodies(network.to(machine.device), people, config, machine, watch=watch)
    machine.close()
    return judge_bodies(found, people, config, FastSMPL(load_body(config.body)))


def body_config_of_run(folder: str | Path, overrides: Sequence[str] = ()) -> BodyConfig:
    """Return the configuration of a run's folder, with overrides.

    Raises:
        FileProblem: the folder holds no run.
        ConfigError: an override does not fit.
    """
    return load_config_of_run(folder, BodyConfig, overrides)
