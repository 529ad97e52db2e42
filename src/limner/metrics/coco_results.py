"""From a network's joints to a COCO result list: rescoring, suppression of doubles, and the file.

Source: leoxiaobin/deep-high-resolution-net.pytorch `lib/dataset/coco.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Num
from numpy import ndarray

from limner.checks import InputError, check_shape
from limner.media import check_output, written_beside
from limner.metrics.oks import oks_nms, soft_oks_nms

DIGITS_OF_ID = 12


def mean_joint_score(score: Num[ndarray, "N K"], min_score: float) -> Float64[ndarray, "N"]:
    """Return the mean of every person's joint scores above `min_score`; 0 where none is."""
    counted = score > min_score
    total = np.where(counted, score, 0).sum(axis=1, dtype=float)
    return total / np.maximum(counted.sum(axis=1), 1)


def coco_results(
    keypoints: Num[ndarray, "N K 3"],
    boxes: Num[ndarray, "N 6"],
    image_id: Sequence[int] | Num[ndarray, "N"],
    *,
    min_score: float = 0.2,
    oks_threshold: float = 0.9,
    soft: bool = False,
    sigmas: Num[ndarray, "K"] | None = None,
    category_id: int = 1,
) -> list[dict[str, Any]]:
    """Rescore people, drop doubles, and return COCO's result list.

    Args:
        keypoints: joints (x, y, score), x and y in pixels of the picture.
        boxes: centre x and y in pixels, scale x and y (sides over 200), area in square pixels, score of the box.
        image_id: the picture of each person.
        min_score: joints above it enter the person's score (TEST.IN_VIS_THRE).
        oks_threshold: people more similar than this are doubles (TEST.OKS_THRE).
        soft: rank by faded scores instead and keep the first twenty (TEST.SOFT_NMS).
        sigmas: constants of the joints; None takes COCO's 17.
        category_id: COCO's number of the class.

    Returns:
        One entry a kept person, pictures in the order of their first person, people of a picture best first. A score is
        that of the box times the mean of its joints' scores.

    Raises:
        ShapeError: the numbers of people differ.
        InputError: a number is not finite.

    Source: `COCODataset.evaluate`. Parity: the area of suppression is that of the padded box, and no joint is left out.
    """
    keypoints, boxes, pictures = np.asarray(keypoints), np.asarray(boxes, float), np.asarray(image_id)
    check_shape(keypoints, "keypoints", ("N", "K", 3))
    check_shape(boxes, "boxes", (len(keypoints), 6))
    check_shape(pictures, "image_id", (len(keypoints),))
    if not (np.isfinite(keypoints).all() and np.isfinite(boxes).all()):
        raise InputError("keypoints or boxes hold numbers that are not finite")
    score = mean_joint_score(keypoints[..., 2], min_score) * boxes[:, 5]
    suppress = soft_oks_nms if soft else oks_nms
    results = []
    for people in _by_picture(pictures):
        kept = suppress(keypoints[people], score[people], boxes[people, 4], oks_threshold, sigmas=sigmas)
        results += [_entry(keypoints[i], boxes[i], int(pictures[i]), score[i], category_id) for i in people[kept]]
    return results


def _by_picture(pictures: ndarray) -> list[ndarray]:
    """Indices of the people of each picture, pictures in the order of their first person."""
    _, first, place = np.unique(pictures, return_index=True, return_inverse=True)
    order = np.argsort(first[place], kind="stable")
    borders = np.flatnonzero(np.diff(first[place][order])) + 1
    return np.split(order, borders) if len(order) else []


def _entry(keypoints: ndarray, box: ndarray, image_id: int, score: float, category_id: int) -> dict[str, Any]:
    return {
        "image_id": image_id,
        "category_id": category_id,
        "keypoints": keypoints.reshape(-1).tolist(),
        "score": float(score),
        "center": box[:2].tolist(),
        "scale": box[2:4].tolist(),
    }


def write_coco_results(path: str | Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Write a result list as COCO's evaluation server reads it: keys sorted, four spaces, whole or not at all.

    Raises:
        FileProblem: the folder is missing or cannot be written.
        InputError: the name does not end in .json.
    """
    path = check_output(path, (".json",))
    with written_beside(path) as temporary:
        temporary.write_text(json.dumps(list(results), sort_keys=True, indent=4), encoding="utf-8")


def image_id_of(name: str) -> int:
    """Return COCO's number of a picture: the last twelve digits of its file's name.

    Raises:
        InputError: the name does not end so.
    """
    digits = Path(name).stem[-DIGITS_OF_ID:]
    if not digits.isdecimal():
        raise InputError(f"{name} is not named as COCO names pictures: its name must end in the picture's number")
    return int(digits)
