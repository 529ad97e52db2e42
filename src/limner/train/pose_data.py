"""The people a pose run learns from and is judged by, as samples of a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy import ndarray

from limner.checks import InputError
from limner.data import BodySamples, PoseSamples, read_coco, read_keypoint_json, read_samples
from limner.pose import SampleConfig, draw_numbers, plain_sample, train_sample
from limner.train.pose_settings import PoseConfig

People = TypeVar("People", PoseSamples, BodySamples)
_BLOCK = 20
"""Neighbouring pictures of a data set show the same scene, so those kept for judging are taken in runs of so many."""


@dataclass(frozen=True)
class PoseData:
    """What a run needs of its data sets.

    Attributes:
        train: who is learned from.
        valid: who it is judged by.
        is_whole: whether `valid` is everybody of its part, as published scores need.
    """

    train: PoseSamples
    valid: PoseSamples
    is_whole: bool


def read_pose_data(config: PoseConfig) -> PoseData:
    """Read and check the annotations of a run.

    Raises:
        DatasetError: annotations have faults; the message has all of a file's.
        FileProblem: a data set is missing.
        InputError: a part does not exist, nobody is left, or the two parts have different joints.
    """
    data, image_hw = config.data, config.input.input_hw
    train = read_samples(data.root, data.train, images=data.images, image_hw=image_hw)
    if data.valid is None and data.valid_root is None:
        train, valid = part_pictures(train, data.valid_share)
    else:
        valid = read_valid(config)
    if train.skeleton.joints != valid.skeleton.joints:
        raise InputError(f"{train.name} and {valid.name} have different joints; a network can learn one set of them")
    if data.only_typical:
        train = train[train.typical()]
    train, valid = _limited(train, data.limit), _limited(valid, data.limit)
    for people, what in ((train, "learn from"), (valid, "be judged by")):
        if not len(people):
            raise InputError(f"{people.name} leaves nobody to {what}; look at data.limit and data.valid_share")
    return PoseData(train, valid, is_whole=not data.limit)


def read_valid(config: PoseConfig) -> PoseSamples:
    """Read the people a run is judged by.

    Raises:
        DatasetError: annotations have faults.
        FileProblem: the data set is missing.
    """
    data, image_hw = config.data, config.input.input_hw
    root = data.valid_root or data.root
    if Path(root).is_file() and data.valid_root is None:
        raise InputError(f"{root} has no parts: name the json file to be judged by as data.valid_root")
    if data.detections is None:
        return read_samples(root, data.valid, images=data.images, image_hw=image_hw)
    detected = {"image_hw": image_hw, "detections": data.detections, "min_box_score": data.min_box_score}
    if Path(root).is_file():
        return read_keypoint_json(root, data.images, **detected)  # type: ignore[arg-type]
    return read_coco(root, data.valid or "val2017", **detected)  # type: ignore[arg-type]


def judged_only(config: PoseConfig) -> tuple[PoseSamples, bool]:
    """Return whom a finished run is judged by, and whether that is everybody of the part, without reading more."""
    data = config.data
    if data.valid is None and data.valid_root is None:
        return read_pose_data(config).valid, not data.limit
    return _limited(read_valid(config), data.limit), not data.limit


def part_pictures(samples: People, share: float) -> tuple[People, People]:
    """Part people into those to learn from and those to be judged by, whole pictures at a time.

    Args:
        samples: of one data set, in its order.
        share: of the pictures that are judged by; 0 takes everybody for both.
    """
    if not share:
        return samples, samples
    places = {name: place for place, name in enumerate(dict.fromkeys(samples.picture))}
    block = np.array([places[name] for name in samples.picture]) // min(_BLOCK, max(1, int(len(places) * share)))
    kept = np.floor((block + 1) * share) > np.floor(block * share)
    return samples[~kept], samples[kept]


def _limited(samples: PoseSamples, limit: int) -> PoseSamples:
    if not limit or limit >= len(samples):
        return samples
    return samples[np.linspace(0, len(samples) - 1, limit).round().astype(int)]


def sample_config(config: PoseConfig, samples: PoseSamples) -> SampleConfig:
    """Return how samples of a data set are made."""
    return config.samples(samples.skeleton, samples.upper_joints, samples.joint_weights)


@dataclass(frozen=True)
class PosePictures:
    """People as samples; random numbers come from the seed, the epoch and the person alone.

    Attributes:
        people: of a data set.
        config: how samples are made.
        seed: of the run.
        augment: whether samples are varied.
    """

    people: PoseSamples
    config: SampleConfig
    seed: int = 0
    augment: bool = True

    def __len__(self) -> int:
        return len(self.people)

    def sample(self, index: int, epoch: int) -> dict[str, ndarray]:
        """Return image, target and weight of one person.

        Raises:
            FileProblem: the picture is missing or cannot be decoded.
        """
        people = self.people
        person = (people.joints[index], people.visible[index], people.center[index], people.scale[index])
        picture = people.read_picture(index)
        if self.augment:
            numbers = np.random.default_rng([self.seed, epoch, index, 1])
            draws = draw_numbers(self.config, int((person[1] > 0).sum()), numbers)
            made = train_sample(picture, *person, config=self.config, draws=draws)
        else:
            made = plain_sample(picture, *person, config=self.config)
        return {"image": made.image, "target": made.target, "weight": made.target_weight}


def coco_truth(config: PoseConfig) -> Mapping[str, Any] | None:
    """Return the annotation file that AP is taken from; None where the data set is not in COCO's format."""
    root = Path(config.data.valid_root or config.data.root)
    if root.is_dir():
        part = config.data.valid if config.data.valid or config.data.valid_root else config.data.train
        root = root / "annotations" / f"person_keypoints_{part or 'val2017'}.json"
    return json.loads(root.read_bytes()) if root.is_file() else None
