"""How good a pose network is: joints of everybody in a data set, and the score that belongs to the set.

MPII's validation part is scored by PCKh, data in COCO's format by AP, all else by PCK in torsos, or, where a skeleton
has none, in boxes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float32, Float64
from numpy import ndarray
from torch import Tensor, nn

from limner.checks import InputError
from limner.data import PoseSamples, read_mpii_truth
from limner.metrics import (
    CocoScores,
    EvaluationProtocol,
    PckhScores,
    PckScores,
    coco_results,
    evaluate_coco,
    oks_sigmas,
    pck,
    pck_by_torso,
    pckh,
    score_table,
)
from limner.pose import crop_matrix, cut_out, decode, draw_keypoints, flip_average, move_points, peaked
from limner.records import Keypoints
from limner.train.machine import Machine
from limner.train.order import judged_batches
from limner.train.pose_data import PosePictures, coco_truth, sample_config
from limner.train.pose_settings import PoseConfig
from limner.train.run import Cost, Watch
from limner.types import RgbImage

PIXEL_STD = 200.0  # pixels that a scale of one stands for
BOX_SHARE = 0.05
"""Largest distance of a hit, in sides of the crop, where a skeleton has no torso to measure by."""

PoseCost = Callable[[Tensor, dict[str, Tensor]], Cost]


@dataclass(frozen=True)
class Predictions:
    """Joints of everybody in a data set.

    Attributes:
        keypoints: (x, y, score), x and y in pixels of the picture.
        loss: mean over the people; NaN where they have no joints to compare with.
    """

    keypoints: Float32[ndarray, "N J 3"]
    loss: float


@dataclass(frozen=True)
class PoseScores:
    """What a judgement found.

    Attributes:
        score: the one number that runs are compared by; larger is better.
        score_name: its name.
        numbers: all numbers by name.
        text: the table for people, with its protocol.
    """

    score: float
    score_name: str
    numbers: dict[str, float]
    text: str


@torch.no_grad()
def predict_people(
    network: nn.Module,
    people: PoseSamples,
    config: PoseConfig,
    machine: Machine,
    *,
    cost: PoseCost | None = None,
    watch: Watch | None = None,
) -> Predictions:
    """Find the joints of everybody in a data set; processes share the work.

    Args:
        network: on the machine's device; left in evaluation mode.
        people: of the data set.
        config: of the run.
        machine: device and processes.
        cost: of heatmaps, for the loss.
        watch: called after every batch.

    Raises:
        FileProblem: a picture is missing or cannot be decoded.
    """
    network.eval()
    size, test = sample_config(config, people), config.test
    pictures = PosePictures(people, size, augment=False)
    found = np.zeros((len(people), len(people.skeleton), 3), np.float32)
    sums = torch.zeros(2, dtype=torch.float64)
    for part, batch in judged_batches(pictures, test.batch, machine, workers=config.data.workers, watch=watch):
        heatmaps, raw = _heatmaps(network, batch["image"], config, machine, size.flip_pairs)
        if cost is not None:
            mean, weight = cost(raw, batch)
            sums += torch.tensor([float(mean) * float(weight), float(weight)], dtype=torch.float64)
        peaks = decode(heatmaps, people.center[part], people.scale[part], method=test.decoding, sigma=size.sigma)
        found[part] = np.concatenate([peaks.xy, peaks.score[..., None]], axis=2)
    total, weight_sum = machine.total(sums.float().to(machine.device)).tolist()
    return Predictions(machine.joined(found), total / weight_sum if weight_sum else math.nan)


def _heatmaps(
    network: nn.Module,
    image: Tensor,
    config: PoseConfig,
    machine: Machine,
    flip_pairs: tuple[tuple[int, int], ...],
) -> tuple[Float32[ndarray, "N J h w"], Tensor]:
    """Heatmaps as they are decoded, and as the network gave them for the pictures as they are."""
    both = torch.cat([image, image.flip(3)]) if config.test.flip else image
    with machine.autocast():
        raw = network(both).float()
    maps = raw.cpu().numpy()
    if config.loss.name == "cross_entropy":
        maps = peaked(maps, config.input.sigma)
    if not config.test.flip:
        return maps, raw
    count = len(image)
    return flip_average(maps[:count], maps[count:], flip_pairs, shift=config.test.shift), raw[:count]


def judge_predictions(
    keypoints: Float32[ndarray, "N J 3"], people: PoseSamples, config: PoseConfig, *, is_whole: bool
) -> PoseScores:
    """Score predictions by the measure of their data set.

    Args:
        keypoints: of everybody in `people`.
        people: who was looked at.
        config: of the run.
        is_whole: whether they are everybody of their part; AP and MPII's PCKh need that.

    Raises:
        InputError: the measure has nobody to score.
    """
    truth_file = Path(config.data.valid_root or config.data.root) / "annot" / "gt_valid.mat"
    if is_whole and people.skeleton.name == "mpii16" and people.name == "MPII valid" and truth_file.exists():
        return _by_head(keypoints, people, config, truth_file)
    truth = coco_truth(config) if is_whole else None
    if truth is not None:
        scores = _by_oks(keypoints, people, config, truth)
        if scores is not None:
            return scores
    if people.score.min() < 1 or not people.visible.any():
        raise InputError(f"{people.name} has no annotated joints to be judged by")
    has_torso = all(
        f"{side}_{part}" in people.skeleton.joints for side in ("left", "right") for part in ("shoulder", "hip")
    )
    return _by_torso(keypoints, people, config) if has_torso else _by_box(keypoints, people, config)


def _by_head(keypoints: ndarray, people: PoseSamples, config: PoseConfig, path: Path) -> PoseScores:
    truth = read_mpii_truth(path)
    # MPII's annotations count pixels from 1.
    scores = pckh(keypoints[..., :2] + 1, truth.joints, truth.visible, truth.head_boxes, truth.joint_names)
    return _told(scores, scores.mean, "PCKh", people, config)


def _by_oks(keypoints: ndarray, people: PoseSamples, config: PoseConfig, truth: Mapping[str, Any]) -> PoseScores | None:
    """AP, or None where the skeleton has joints without an OKS constant."""
    try:
        sigmas = oks_sigmas(people.skeleton.joints)
    except InputError:
        return None
    shown = set(people.image_id.tolist())
    images = [image for image in truth["images"] if image["id"] in shown]
    if len(images) != len(shown):
        return None  # pictures are not numbered, so results cannot name them
    annotated = [person for person in truth["annotations"] if person["image_id"] in shown]
    cut = {**truth, "images": images, "annotations": annotated}
    area = (people.scale.prod(axis=1) * PIXEL_STD**2)[:, None]
    boxes = np.concatenate([people.center, people.scale, area, people.score[:, None]], axis=1)
    test = config.test
    category = annotated[0]["category_id"] if annotated else 1
    results = coco_results(
        keypoints,
        boxes,
        people.image_id,
        min_score=test.min_joint_score,
        oks_threshold=test.oks_threshold,
        soft=test.soft_oks,
        sigmas=sigmas,
        category_id=category,
    )
    scores = evaluate_coco(cut, results, sigmas=sigmas)
    kind = "soft OKS suppression" if test.soft_oks else "OKS suppression"
    note = f"box score x mean of joints above {test.min_joint_score:g}, {kind} at {test.oks_threshold:g}"
    return _told(scores, scores.ap, "AP", people, config, suppression=note)


def _by_torso(keypoints: ndarray, people: PoseSamples, config: PoseConfig) -> PoseScores:
    visible = people.visible > 0
    scores = pck_by_torso(keypoints[..., :2], people.joints, visible, people.skeleton.joints)
    return _told(scores, scores.mean, "PCK@0.2", people, config)


def _by_box(keypoints: ndarray, people: PoseSamples, config: PoseConfig) -> PoseScores:
    visible = people.visible > 0
    side = people.scale.max(axis=1) * PIXEL_STD
    share = pck(keypoints[..., :2], people.joints, visible, side, np.array([BOX_SHARE]))[0]
    mean = float(100 * np.nansum(share * visible.sum(axis=0)) / visible.sum())
    name = f"PCK@{BOX_SHARE:g} of the crop's longer side"
    text = f"{_protocol(people, config).text()}\n{name}: {mean:.2f}"
    return PoseScores(mean, name, {"Mean": mean}, text)


def _told(
    scores: CocoScores | PckhScores | PckScores,
    score: float,
    name: str,
    people: PoseSamples,
    config: PoseConfig,
    *,
    suppression: str = "",
) -> PoseScores:
    text = score_table(scores, _protocol(people, config, suppression))
    return PoseScores(score, name, {key: float(value) for key, value in scores.named().items()}, text)


def _protocol(people: PoseSamples, config: PoseConfig, suppression: str = "") -> EvaluationProtocol:
    names = {"quarter": "quarter-cell shift", "plain": "highest cell", "dark": "unbiased (DARK)"}
    return EvaluationProtocol(
        dataset=people.name,
        network=config.network.title,
        input_hw=config.input.input_hw,
        boxes=people.boxes,
        flip_test=config.test.flip,
        decoding=names[config.test.decoding],
        suppression=suppression,
    )


def draw_people(keypoints: Float32[ndarray, "N J 3"], people: PoseSamples, config: PoseConfig, count: int) -> RgbImage:
    """Return a sheet of crops: each with the joints found, and below it with the joints annotated."""
    chosen = np.linspace(0, len(people) - 1, min(count, len(people))).round().astype(int)
    columns = [_drawn_person(keypoints[index], people, index, config.input.input_hw) for index in chosen]
    return np.concatenate(columns, axis=1)


def _drawn_person(
    keypoints: Float32[ndarray, "J 3"], people: PoseSamples, index: int, size_hw: tuple[int, int]
) -> RgbImage:
    height, width = size_hw
    matrix = crop_matrix(people.center[index], people.scale[index], size_hw)
    crop = cut_out(people.read_picture(index), matrix, size_hw)
    zoom = max(1, round(256 / height))
    large = cv2.resize(crop, (width * zoom, height * zoom), interpolation=cv2.INTER_LINEAR)
    rows = []
    for xy, score in (
        (keypoints[:, :2], np.ones(len(keypoints))),
        (people.joints[index], (people.visible[index] > 0).astype(float)),
    ):
        points: Float64[ndarray, "J 2"] = move_points(np.asarray(xy, float), matrix) * zoom
        # An annotation that is not visible may lie anywhere, and is not drawn.
        placed = np.where(score[:, None] > 0, points, 0)
        drawn = Keypoints(placed[None], score[None], people.skeleton.name)
        rows.append(draw_keypoints(large, drawn, skeleton=people.skeleton))
    return np.concatenate(rows, axis=0)
