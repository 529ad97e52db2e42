"""COCO keypoint evaluation: average precision and recall over OKS thresholds, areas and recall levels.

All pictures are matched at once: detections that come near no person at the lowest threshold cannot match and are only
counted, and the rest is matched in rounds, each round taking the next-best detection of every picture.

Source: the COCO keypoint challenge in the form of pycocotools' COCOeval, whose statistics these equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from limner.checks import InputError
from limner.metrics.oks import COCO_SIGMAS

OKS_THRESHOLDS: Float64[ndarray, 10] = np.linspace(0.5, 0.95, 10)
RECALL_LEVELS: Float64[ndarray, 101] = np.linspace(0.0, 1.0, 101)
AREAS: dict[str, tuple[float, float]] = {"all": (0, 1e10), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
"""Least and largest area in square pixels, both included."""
MAX_PEOPLE = 20
"""Detections of a picture beyond the best twenty do not count."""

# Parity: the second name is spelt so in the published result table.
STAT_NAMES = ("AP", "Ap .5", "AP .75", "AP (M)", "AP (L)", "AR", "AR .5", "AR .75", "AR (M)", "AR (L)")
_STAT_CUTS = ((None, 0), (0, 0), (5, 0), (None, 1), (None, 2))  # threshold (None: all) and area of each statistic

_PAIRS_AT_ONCE = 20_000
_EPS = float(np.spacing(1))


@dataclass(frozen=True)
class CocoScores:
    """What an evaluation found; -1 where there was nobody to find.

    Attributes:
        precision: by threshold (`OKS_THRESHOLDS`), recall level (`RECALL_LEVELS`), category and area (`AREAS`).
        recall: by threshold, category and area.
    """

    precision: Float64[ndarray, "T R C A"]
    recall: Float64[ndarray, "T C A"]

    @property
    def stats(self) -> Float64[ndarray, 10]:
        """The ten statistics in the order of `STAT_NAMES`."""
        return np.array([_mean_known(table, *cut) for table in (self.precision, self.recall) for cut in _STAT_CUTS])

    @property
    def ap(self) -> float:
        """The mean average precision, by which networks are ranked."""
        return float(self.stats[0])

    def named(self) -> dict[str, float]:
        """The statistics by name."""
        return dict(zip(STAT_NAMES, self.stats.tolist(), strict=True))


def _mean_known(table: ndarray, threshold: int | None, area: int) -> float:
    values = table[..., area] if threshold is None else table[threshold][..., area]
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0


@dataclass(frozen=True)
class _People:
    """People of one category, sorted by picture; `start[i]:start[i + 1]` are those of picture i."""

    keypoints: Float64[ndarray, "N K 3"]
    area: Float64[ndarray, "N"]
    picture: Int64[ndarray, "N"]
    start: Int64[ndarray, "P"]


@dataclass(frozen=True)
class _Truth(_People):
    box: Float64[ndarray, "N 4"]
    crowd: Bool[ndarray, "N"]
    unlabelled: Bool[ndarray, "N"]
    counts: Bool[ndarray, "N"]
    ignored: Bool[ndarray, "A N"]


@dataclass(frozen=True)
class _Found(_People):
    score: Float64[ndarray, "N"]


def evaluate_coco(
    truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    *,
    sigmas: Float64[ndarray, "K"] | None = None,
) -> CocoScores:
    """Score keypoint results against annotations.

    Args:
        truth: the parsed annotation file: `images`, `annotations` and `categories` in COCO's keypoint format.
        results: the parsed result file: `image_id`, `category_id`, `keypoints` (x, y, score of every joint), `score`.
        sigmas: constants of the joints; None takes COCO's 17.

    Returns:
        Precision and recall; `stats` are pycocotools' ten numbers.

    Raises:
        InputError: a result names a picture that the annotations lack, a number of joints is wrong, a number is not
            finite, or a field is missing.

    Source: pycocotools 2.0 COCOeval. Parity: an annotation whose id is 0 counts as not found, as there.
    """
    sigmas = COCO_SIGMAS if sigmas is None else np.asarray(sigmas, float)
    _check_lists(truth)
    places = {image: place for place, image in enumerate(sorted({_field(i, "id", "image") for i in truth["images"]}))}
    categories = sorted({_field(category, "id", "category") for category in truth["categories"]})
    _check_pictures(results, places)
    precision = -np.ones((len(OKS_THRESHOLDS), len(RECALL_LEVELS), len(categories), len(AREAS)))
    recall = -np.ones((len(OKS_THRESHOLDS), len(categories), len(AREAS)))
    for c, category in enumerate(categories):
        real = _read_truth(
            [a for a in truth["annotations"] if _field(a, "category_id", "annotation") == category], places, len(sigmas)
        )
        found = _read_found([r for r in results if _field(r, "category_id", "result") == category], places, len(sigmas))
        precision[:, :, c], recall[:, c] = _score_category(real, found, sigmas)
    return CocoScores(precision, recall)


def _check_lists(truth: Mapping[str, Any]) -> None:
    absent = [name for name in ("images", "annotations", "categories") if not isinstance(truth.get(name), list)]
    if absent:
        raise InputError(f"annotations in COCO's format need the lists {', '.join(absent)}; got {', '.join(truth)}")


def _field(record: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in record:
        raise InputError(f"an entry of the {what}s lacks the field {name!r}; it has {', '.join(record) or 'none'}")
    return record[name]


def _check_pictures(results: Sequence[Mapping[str, Any]], places: Mapping[int, int]) -> None:
    unknown = sorted({_field(result, "image_id", "result") for result in results} - places.keys())
    if unknown:
        some = ", ".join(str(image) for image in unknown[:5])
        raise InputError(f"results name {len(unknown)} pictures that the annotations lack, such as {some}")


def _numbers(records: Sequence[Mapping[str, Any]], name: str, width: int, what: str) -> Float64[ndarray, "N W"]:
    """The lists `name` of all records as one array; the quick way through one flat iterator."""
    lists = [_field(record, name, what) for record in records]
    wrong = next((len(one) for one in lists if len(one) != width), None)
    if wrong is not None:
        raise InputError(f"{name} of {what}s must hold {width} numbers, got {wrong}")
    values = np.fromiter(chain.from_iterable(lists), np.float64, count=width * len(lists))
    if not np.isfinite(values).all():
        raise InputError(f"{name} of {what}s hold numbers that are not finite")
    return values.reshape(-1, width)


def _column(records: Sequence[Mapping[str, Any]], name: str, what: str) -> Float64[ndarray, "N"]:
    values = np.array([_field(record, name, what) for record in records], np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{name} of {what}s hold numbers that are not finite")
    return values


def _read_truth(annotations: list[Mapping[str, Any]], places: Mapping[int, int], joints: int) -> _Truth:
    picture = np.array([places.get(_field(a, "image_id", "annotation"), -1) for a in annotations], np.int64)
    order = np.argsort(picture, kind="stable")
    order = order[picture[order] >= 0]
    people = [annotations[i] for i in order]
    keypoints = _numbers(people, "keypoints", 3 * joints, "annotation").reshape(-1, joints, 3)
    unlabelled = ~(keypoints[..., 2] > 0).any(axis=1)
    area = _column(people, "area", "annotation")
    crowd = np.array([bool(a.get("iscrowd", 0)) for a in people], bool)
    empty = unlabelled | np.array([a.get("num_keypoints") == 0 for a in people], bool)
    outside = np.array([(area < low) | (area > high) for low, high in AREAS.values()])
    return _Truth(
        keypoints=keypoints,
        area=area,
        picture=picture[order],
        start=np.searchsorted(picture[order], np.arange(len(places) + 1)),
        box=_numbers(people, "bbox", 4, "annotation"),
        crowd=crowd,
        unlabelled=unlabelled,
        counts=np.array([a["id"] != 0 if "id" in a else True for a in people], bool),
        ignored=crowd | empty | outside,
    )


def _read_found(results: list[Mapping[str, Any]], places: Mapping[int, int], joints: int) -> _Found:
    score = _column(results, "score", "result")
    picture = np.array([places[result["image_id"]] for result in results], np.int64)
    order = np.lexsort((-score, picture))
    start = np.searchsorted(picture[order], np.arange(len(places) + 1))
    rank = np.arange(len(order)) - start[picture[order]]
    order = order[rank < MAX_PEOPLE]
    keypoints = _numbers([results[i] for i in order], "keypoints", 3 * joints, "result").reshape(-1, joints, 3)
    # An area range is asked of the extent of a detection's joints, whatever its score: nobody annotated its outline.
    x, y = np.ascontiguousarray(keypoints[..., :2].transpose(2, 1, 0))
    kept = picture[order]
    start = np.searchsorted(kept, np.arange(len(places) + 1))
    return _Found(keypoints, np.ptp(x, axis=0) * np.ptp(y, axis=0), kept, start, score[order])


def _score_category(
    real: _Truth, found: _Found, sigmas: Float64[ndarray, "K"]
) -> tuple[Float64[ndarray, "T R A"], Float64[ndarray, "T A"]]:
    matched, ignored = _match(real, found, sigmas)
    order = np.argsort(-found.score, kind="stable")
    precision = -np.ones((len(OKS_THRESHOLDS), len(RECALL_LEVELS), len(AREAS)))
    recall = -np.ones((len(OKS_THRESHOLDS), len(AREAS)))
    for a in range(len(AREAS)):
        to_find = int((~real.ignored[a]).sum())
        if to_find:
            counted = ~ignored[a][:, order]
            hits = matched[a][:, order] & counted
            for t in range(len(OKS_THRESHOLDS)):
                precision[t, :, a], recall[t, a] = _curve(hits[t], counted[t], to_find)
    return precision, recall


def _curve(hits: Bool[ndarray, "N"], counted: Bool[ndarray, "N"], to_find: int) -> tuple[ndarray, float]:
    """Precision at the recall levels, and the recall in the end, of detections from the best to the worst."""
    # Only a hit moves the recall, and between two hits the precision falls, so the curve is known by its hits.
    at = np.flatnonzero(hits)
    true = np.arange(1, len(at) + 1, dtype=float)
    false = np.cumsum(counted)[at] - true
    precise = true / (false + true + _EPS)
    precise = np.maximum.accumulate(precise[::-1])[::-1]
    reached = np.searchsorted(true / to_find, RECALL_LEVELS, side="left")
    levels = np.zeros(len(RECALL_LEVELS))
    inside = reached < len(at)
    levels[inside] = precise[reached[inside]]
    return levels, len(at) / to_find


def _match(
    real: _Truth, found: _Found, sigmas: Float64[ndarray, "K"]
) -> tuple[Bool[ndarray, "A T N"], Bool[ndarray, "A T N"]]:
    """Say of every detection, by area and threshold, whether it found somebody and whether it is left out."""
    shape = (len(AREAS), len(OKS_THRESHOLDS), len(found.score))
    matched, left_out = np.zeros(shape, bool), np.zeros(shape, bool)
    detection, person, similarity = _near_pairs(real, found, sigmas)
    taken = np.zeros((len(AREAS), len(OKS_THRESHOLDS), len(real.area)), bool)
    near, first, count = np.unique(detection, return_index=True, return_counts=True)
    preference = _preferences(real.ignored[:, person], similarity, detection, first, count)
    rank = _rank_in_group(found.picture[near])
    for turn in range(int(rank.max(initial=-1)) + 1):
        rows = np.flatnonzero(rank == turn)
        pair = first[rows, None] + np.arange(count[rows].max())[None]
        real_pair = pair < (first + count)[rows, None]
        pair = np.where(real_pair, pair, 0)
        who = person[pair]
        open_to = (real.crowd[who] | ~taken[:, :, who]) & real_pair
        open_to &= similarity[pair] >= OKS_THRESHOLDS[:, None, None]
        wish = np.where(open_to, preference[:, None, pair], 0)
        choice = wish.argmax(axis=3)[..., None]
        hit = np.take_along_axis(wish, choice, 3)[..., 0] > 0
        chosen = np.take_along_axis(np.broadcast_to(who, wish.shape), choice, 3)[..., 0]
        a, t, n = np.nonzero(hit)
        chosen = chosen[a, t, n]
        taken[a, t, chosen] = True
        matched[a, t, near[rows][n]] = real.counts[chosen]
        left_out[a, t, near[rows][n]] = real.ignored[a, chosen]
    outside = np.array([(found.area < low) | (found.area > high) for low, high in AREAS.values()])
    return matched, left_out | (~matched & outside[:, None])


def _rank_in_group(group: Int64[ndarray, "N"]) -> Int64[ndarray, "N"]:
    """The place of every entry in its run of equal numbers; the numbers ascend."""
    return np.arange(len(group)) - np.searchsorted(group, group)


def _preferences(
    ignored: Bool[ndarray, "A P"], similarity: ndarray, detection: ndarray, first: ndarray, count: ndarray
) -> Int64[ndarray, "A P"]:
    """Rank the people near each detection, by area, from 1 upwards.

    Somebody who counts goes before somebody who is ignored, then the more similar, then the later in the file.
    """
    ranks = np.empty(ignored.shape, np.int64)
    start = np.repeat(first, count)
    for a, row in enumerate(ignored):
        order = np.lexsort((similarity, ~row, detection))
        ranks[a, order] = np.arange(len(order)) - start + 1
    return ranks


def _near_pairs(
    real: _Truth, found: _Found, sigmas: Float64[ndarray, "K"]
) -> tuple[Int64[ndarray, "P"], Int64[ndarray, "P"], Float64[ndarray, "P"]]:
    """Detections and people of one picture whose similarity reaches the lowest threshold, in the order of both."""
    here = real.start[found.picture]
    count = real.start[found.picture + 1] - here
    detection = np.repeat(np.arange(len(count)), count)
    person = np.arange(len(detection)) + np.repeat(here - (np.cumsum(count) - count), count)
    similarity = np.empty(len(detection))
    for start in range(0, len(detection), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        similarity[part] = _similarity(real, found, person[part], detection[part], sigmas)
    near = similarity >= OKS_THRESHOLDS[0]
    return detection[near], person[near], similarity[near]


def _similarity(
    real: _Truth, found: _Found, person: ndarray, detection: ndarray, sigmas: Float64[ndarray, "K"]
) -> Float64[ndarray, "P"]:
    labelled = (real.keypoints[..., 2] > 0) | real.unlabelled[:, None]
    bare = np.flatnonzero(real.unlabelled[person])
    squared = np.zeros((len(person), len(sigmas)))
    for axis in range(2):
        seen, meant = found.keypoints[..., axis][detection], real.keypoints[..., axis][person]
        away = seen - meant
        if bare.size:
            # Nobody labelled this person's joints: what lies within a box three times as large is forgiven.
            start, side = real.box[person[bare], axis], real.box[person[bare], axis + 2]
            low, high = (start - side)[:, None], (start + 2 * side)[:, None]
            away[bare] = np.maximum(low - seen[bare], 0) + np.maximum(seen[bare] - high, 0)
        squared += away**2
    closeness = np.exp(-(squared / (2 * sigmas) ** 2 / (real.area[person] + _EPS)[:, None] / 2))
    return np.einsum("pk,pk->p", closeness, labelled[person].astype(float)) / labelled.sum(axis=1)[person]
