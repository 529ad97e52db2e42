"""Object keypoint similarity (OKS) between people, and suppression of doubles by it or by the overlap of boxes.

Notation (COCO keypoint evaluation): d the distance of a joint in two people, s^2 the area of a person in pixels,
k = 2 sigma a constant of the joint; OKS = mean over the joints of exp(-d^2 / (2 s^2 k^2)).

Sources: the COCO keypoint challenge; leoxiaobin/deep-high-resolution-net.pytorch `lib/nms/nms.py` for suppression.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64, Num
from numpy import ndarray

from limner.checks import InputError, ShapeError, check_shape
from limner.detection import distinct

# COCO's table: how far annotators differ from one another, relative to the person's size.
_SIGMAS = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
}
_COCO_JOINTS = ["nose", *(part for part in list(_SIGMAS)[1:] for _ in range(2))]
COCO_SIGMAS: Float64[ndarray, 17] = np.array([_SIGMAS[part] for part in _COCO_JOINTS])
"""The sigmas of COCO's 17 joints, in their order."""

_EPS = float(np.spacing(1))
_ROWS_AT_ONCE = 128
_SOFT_KEPT = 20


def oks_sigmas(joints: Sequence[str]) -> Float64[ndarray, "K"]:
    """Return the sigmas of joints by name, for a skeleton of one's own made of joints that COCO has.

    Raises:
        InputError: a joint is none of COCO's; its sigma is not known and must be given.
    """
    parts = [joint.removeprefix("left_").removeprefix("right_") for joint in joints]
    unknown = [joint for joint, part in zip(joints, parts, strict=True) if part not in _SIGMAS]
    if unknown:
        raise InputError(f"COCO has no OKS constant for {', '.join(unknown)}; give sigmas for all {len(parts)} joints")
    return np.array([_SIGMAS[part] for part in parts])


def oks(
    first: Num[ndarray, "N K 3"],
    second: Num[ndarray, "M K 3"],
    first_area: Num[ndarray, "N"],
    second_area: Num[ndarray, "M"],
    *,
    sigmas: Num[ndarray, "K"] | None = None,
    min_score: float | None = None,
    only_second: bool = False,
) -> Float64[ndarray, "N M"]:
    """Compare people with people.

    Args:
        first: joints (x, y, score) in pixels.
        second: joints of the others.
        first_area: area of each person in square pixels; the mean of a pair's areas counts.
        second_area: areas of the others.
        sigmas: constants of the joints; None takes COCO's 17.
        min_score: leave out joints that do not score above it; None counts every joint.
        only_second: ask for `min_score` of `second` alone.

    Returns:
        Similarities from 0 to 1; 0 where no joint is left to compare.

    Raises:
        ShapeError: the numbers of joints, people or areas differ.

    Source: leoxiaobin/deep-high-resolution-net.pytorch `oks_iou`. Parity: `only_second` is what its code does where it
        means both, by joining two lists with "and"; its evaluation sets no `min_score`.
    """
    sigmas = _checked_sigmas(first, "first", sigmas)
    check_shape(second, "second", ("M", first.shape[1], 3))
    check_shape(first_area, "first_area", (len(first),))
    check_shape(second_area, "second_area", (len(second),))
    similarity = np.zeros((len(first), len(second)))
    for start in range(0, len(first), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        squared = ((first[rows, None, :, :2].astype(float) - second[None, :, :, :2]) ** 2).sum(axis=3)  # (N, M, K)
        area = (first_area[rows, None] + second_area[None]) / 2 + _EPS
        closeness = np.exp(-squared / (2 * sigmas) ** 2 / area[..., None] / 2)
        similarity[rows] = _mean_counted(closeness, first[rows, :, 2], second[..., 2], min_score, only_second)
    return similarity


def _mean_counted(
    closeness: ndarray, first_score: ndarray, second_score: ndarray, min_score: float | None, only_second: bool
) -> Float64[ndarray, "N M"]:
    if min_score is None:
        return closeness.mean(axis=2)
    counted = np.broadcast_to((second_score > min_score)[None], closeness.shape)
    if not only_second:
        counted = counted & (first_score > min_score)[:, None]
    return np.where(counted, closeness, 0).sum(axis=2) / np.maximum(counted.sum(axis=2), 1)


def oks_nms(
    keypoints: Num[ndarray, "N K 3"],
    score: Num[ndarray, "N"],
    area: Num[ndarray, "N"],
    threshold: float,
    *,
    sigmas: Num[ndarray, "K"] | None = None,
    min_score: float | None = None,
    only_second: bool = False,
) -> Int64[ndarray, "M"]:
    """Drop people who are too similar to one with a higher score.

    Args:
        keypoints: joints (x, y, score) in pixels of the people of one picture.
        score: confidence of each person; equal scores stay in the order given.
        area: area of each person in square pixels.
        threshold: a similarity up to it is kept.
        sigmas: see `oks`.
        min_score: see `oks`.
        only_second: see `oks`.

    Returns:
        Indices of the kept people, best first.
    """
    order = _best_first(keypoints, score, area)
    ranked, sizes = keypoints[order], area[order]
    overlap = oks(ranked, ranked, sizes, sizes, sigmas=sigmas, min_score=min_score, only_second=only_second)
    return order[distinct(~(overlap <= threshold))]


def soft_oks_nms(
    keypoints: Num[ndarray, "N K 3"],
    score: Num[ndarray, "N"],
    area: Num[ndarray, "N"],
    threshold: float,
    *,
    sigmas: Num[ndarray, "K"] | None = None,
    min_score: float | None = None,
    only_second: bool = False,
) -> Int64[ndarray, "M"]:
    """Rank people by scores that fade with the similarity to better ones, and keep the first twenty.

    Args:
        keypoints: see `oks_nms`.
        score: confidence of each person.
        area: area of each person in square pixels.
        threshold: a score is multiplied by exp(-similarity^2 / threshold) for every person ranked before.
        sigmas: see `oks`.
        min_score: see `oks`.
        only_second: see `oks`.

    Returns:
        Indices of the kept people in the order of the faded scores; nothing else drops anybody.

    Source: leoxiaobin/deep-high-resolution-net.pytorch `soft_oks_nms`, which reports the scores unfaded.
    """
    order = _best_first(keypoints, score, area)
    overlap = oks(keypoints, keypoints, area, area, sigmas=sigmas, min_score=min_score, only_second=only_second)
    faded = np.asarray(score, float)[order]
    kept: list[int] = []
    while order.size and len(kept) < _SOFT_KEPT:
        best, order = order[0], order[1:]
        kept.append(int(best))
        faded = rescore(overlap[best, order], faded[1:], threshold)
        again = np.argsort(-faded, kind="stable")
        order, faded = order[again], faded[again]
    return np.array(kept, np.int64)


def box_nms(boxes_xyxy: Num[ndarray, "N 4"], score: Num[ndarray, "N"], threshold: float) -> Int64[ndarray, "M"]:
    """Drop boxes that overlap too much with one of a higher score.

    Args:
        boxes_xyxy: left, top, right, bottom in pixels, the right and bottom pixels included: a side is x2 - x1 + 1.
        score: confidence of each box; equal scores stay in the order given.
        threshold: an intersection over union up to it is kept.

    Returns:
        Indices of the kept boxes, best first.
    """
    check_shape(boxes_xyxy, "boxes_xyxy", ("N", 4))
    check_shape(score, "score", (len(boxes_xyxy),))
    order = np.argsort(-np.asarray(score, float), kind="stable")
    boxes = np.asarray(boxes_xyxy, float)[order]
    area = (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)
    corner = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    inside = np.maximum(corner - np.maximum(boxes[:, None, :2], boxes[None, :, :2]) + 1, 0).prod(axis=2)
    return order[distinct(~(inside / (area[:, None] + area[None] - inside) <= threshold))]


def rescore(
    overlap: Num[ndarray, "N"],
    score: Num[ndarray, "N"],
    threshold: float,
    kind: Literal["gaussian", "linear"] = "gaussian",
) -> Float64[ndarray, "N"]:
    """Return scores lowered by the overlap with a better person.

    Args:
        overlap: 0 to 1.
        score: the scores.
        threshold: of `gaussian` the width in exp(-overlap^2 / threshold); of `linear` the overlap from which a score is
            multiplied by 1 - overlap.
        kind: how the scores fade.

    Raises:
        InputError: another kind.
        ShapeError: the lengths differ.
    """
    check_shape(score, "score", overlap.shape)
    if kind == "gaussian":
        return score * np.exp(-(overlap**2) / threshold)
    if kind == "linear":
        return np.where(overlap >= threshold, score * (1 - overlap), score)
    raise InputError(f"scores fade by 'gaussian' or 'linear', not by {kind!r}")


def _best_first(keypoints: ndarray, score: ndarray, area: ndarray) -> Int64[ndarray, "N"]:
    check_shape(keypoints, "keypoints", ("N", "K", 3))
    check_shape(score, "score", (len(keypoints),))
    check_shape(area, "area", (len(keypoints),))
    return np.argsort(-np.asarray(score, float), kind="stable")


def _checked_sigmas(keypoints: ndarray, name: str, sigmas: ndarray | None) -> Float64[ndarray, "K"]:
    check_shape(keypoints, name, ("N", "K", 3))
    joints = keypoints.shape[1]
    if sigmas is None and joints != len(COCO_SIGMAS):
        raise ShapeError(f"{joints} joints are not COCO's 17; give sigmas for them", expected="(17,)", actual=(joints,))
    chosen = COCO_SIGMAS if sigmas is None else np.asarray(sigmas, float)
    check_shape(chosen, "sigmas", (joints,))
    return chosen
