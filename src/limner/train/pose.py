"""The recipe of `limner train pose`: a network that finds one person's joints in a crop.

It does: HRNet and SimpleBaseline, from scratch, from ImageNet or from a published network; MPII, COCO, LSP,
LSP-extended and any json file in COCO's keypoint format; the published variations of samples; squared error as
published, its hardest joints alone, or a cross-entropy over each map's softmax; Adam, AdamW, SGD; steps, cosine,
warm-up; running averages, bf16, parts of steps, several processes; validation with the score of the data set; pictures;
resuming to the same numbers. Official experiment files run as they are (`limner.train.official`).

It does not: several people in one crop, boxes from a detector while training, losses between networks.

Errors, all before the first step unless said: `ConfigError` (all faults of a configuration), `DatasetError` (all faults
of an annotation file), `FileProblem` (something is missing; a picture that cannot be decoded also later),
`WeightsError` (starting weights or a checkpoint of another network), `InputError` (the folder holds another run; the
loss is not finite, later), `MissingExtra` (accelerate is not installed).

Source: Sun et al. 2019; Xiao et al. 2018; leoxiaobin/deep-high-resolution-net.pytorch `tools/train.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from limner.losses import joints_cross_entropy, joints_mse, joints_ohkm
from limner.pose import HRNet, PoseResNet, build_network, heatmap_accuracy, init_published
from limner.train.log import logger
from limner.train.loop import finish, fit, start_run, try_judgement, update
from limner.train.machine import open_machine
from limner.train.order import Batch
from limner.train.pose_data import PoseData, PosePictures, judged_only, read_pose_data, sample_config
from limner.train.pose_judge import PoseScores, draw_people, judge_predictions, predict_people
from limner.train.pose_settings import LossSection, PoseConfig, check_joints
from limner.train.resume import load_config_of_run, load_judged
from limner.train.run import Cost, Judgement, Run, RunOutcome, Watch


def train_pose(config: PoseConfig, folder: str | Path | None = None, *, watch: Watch | None = None) -> RunOutcome:
    """Train a pose network to the end of its configuration, or go on where its folder was left.

    Args:
        config: from `load_pose_config`.
        folder: of the run; None takes the configuration's.
        watch: called as `(done, total, what)`.

    Raises:
        LimnerError: see the head of this file.
        KeyboardInterrupt: SIGINT or SIGTERM came; the run can go on from there.
    """
    folder = Path(folder or config.run or "runs/pose")
    run, data = setup(config, folder)
    try_judgement(run, lambda: predict_people(run.judged(), data.valid[:2], config, run.machine))
    pictures = PosePictures(data.train, sample_config(config, data.train), config.loop.seed)

    def judge(run: Run) -> Judgement:
        return validate(run, data, config, watch=watch)

    fit(run, pictures, train_step, judge, workers=config.data.workers, watch=watch)
    return finish(run)


def setup(config: PoseConfig, folder: Path) -> tuple[Run, PoseData]:
    """Read the data, make the network, and take up the folder's checkpoint."""
    data = read_pose_data(config)
    network = make_network(config, check_joints(config, data.train.skeleton))
    run = start_run(config, folder, {"network": network}, {"network": config.optimiser})
    skeleton = data.train.skeleton
    run.facts = {"skeleton": {"name": skeleton.name, "joints": skeleton.joints, "limbs": skeleton.limbs}}
    if run.machine.is_main:
        told = f"{len(data.train)} people of {data.train.name}, judged by {len(data.valid)} of {data.valid.name}"
        logger.info("%s on %s; %s", config.network.title, run.machine.where, told)
    return run, data


def make_network(config: PoseConfig, num_joints: int) -> HRNet | PoseResNet:
    """Build the network with its starting weights.

    Raises:
        FileProblem: the file of starting weights is missing.
        WeightsError: it holds another network.
    """
    section = config.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.loop.seed)
        network = build_network(section.table(num_joints))
        if section.start == "published":
            init_published(network)
    if section.pretrained and section.pretrained_kind == "pose":
        network.load_official(section.pretrained)
    elif section.pretrained and isinstance(network, HRNet):
        network.load_imagenet(section.pretrained, section.pretrained_layers)
    elif section.pretrained:
        network.load_imagenet(section.pretrained)
    return network


def train_step(run: Run, parts: list[Batch]) -> Mapping[str, float]:
    """Make one step; with a line of the log due, also tell how often peaks are near the targets' (a share)."""
    seen: list[tuple[Tensor, Tensor]] = []
    config: PoseConfig = run.config  # type: ignore[assignment]

    def cost(network: nn.Module, batch: Batch) -> Cost:
        heatmaps = network(batch["image"])
        if run.logs_next:
            seen.append((heatmaps.detach().float(), batch["target"]))
        return pose_cost(config.loss, heatmaps, batch)

    measured = {"loss": update(run, parts, cost)}
    if seen:
        heatmaps, targets = (torch.cat(maps).cpu().numpy() for maps in zip(*seen, strict=True))
        measured["accuracy"] = heatmap_accuracy(heatmaps, targets).mean
    return measured


def pose_cost(loss: LossSection, heatmaps: Tensor, batch: Batch) -> Cost:
    """Return what heatmaps cost against a batch's targets."""
    target = batch["target"]
    weight = batch["weight"] if loss.use_visibility else None
    if loss.name == "mse":
        return Cost(joints_mse(heatmaps, target, weight), len(target))
    if loss.name == "ohkm":
        return Cost(joints_ohkm(heatmaps, target, weight, topk=loss.topk), len(target))
    counted = (target.flatten(2).amax(dim=2) > 0).float()
    return Cost(joints_cross_entropy(heatmaps, target, weight), (counted if weight is None else counted * weight).sum())


def validate(run: Run, data: PoseData, config: PoseConfig, *, watch: Watch | None = None) -> Judgement:
    """Judge the network by the data set's own score, and draw some people."""

    def cost(heatmaps: Tensor, batch: Batch) -> Cost:
        return pose_cost(config.loss, heatmaps, batch)

    has_joints = config.data.detections is None
    found = predict_people(
        run.judged(), data.valid, config, run.machine, cost=cost if has_joints else None, watch=watch
    )
    scores = judge_predictions(found.keypoints, data.valid, config, is_whole=data.is_whole)
    if config.loop.pictures and run.machine.is_main:
        run.log.picture(
            "valid", run.position.step, draw_people(found.keypoints, data.valid, config, config.loop.pictures)
        )
    numbers = {"loss": found.loss, **scores.numbers} if has_joints else scores.numbers
    return Judgement(scores.score, numbers)


def evaluate_pose(
    config: PoseConfig,
    folder: str | Path | None = None,
    *,
    weights: str | Path | None = None,
    which: str = "best",
    watch: Watch | None = None,
) -> PoseScores:
    """Judge the weights of a run, or any checkpoint of the configuration's network.

    Args:
        config: of the run, possibly with another test section or data set.
        folder: of the run; None where `weights` are given.
        weights: a checkpoint, ours or an official one.
        which: best or last, of a run.
        watch: called as `(done, total, what)`.

    Raises:
        InputError: neither a run nor weights are given, or there is nobody to judge by.
        FileProblem: weights or data are missing.
        WeightsError: the weights are of another network.
    """  # fmt: skip
    people, is_whole = judged_only(config)
    network = build_network(config.network.table(check_joints(config, people.skeleton)))
    load_judged(network, folder, weights, which=which)
    machine = open_machine(config.loop)
    found = predict_people(network.to(machine.device), people, config, machine, watch=watch)
    machine.close()
    return judge_predictions(found.keypoints, people, config, is_whole=is_whole)


def config_of_run(folder: str | Path, overrides: Sequence[str] = ()) -> PoseConfig:
    """Return the configuration of a run's folder, with overrides.

    Raises:
        FileProblem: the folder holds no run.
        ConfigError: an override does not fit.
    """
    return load_config_of_run(folder, PoseConfig, overrides)
