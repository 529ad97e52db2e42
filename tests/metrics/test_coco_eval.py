"""COCO's statistics: equal to a plain reading of the rules, and to pycocotools where it is installed."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.checks import FileProblem, InputError, ShapeError
from limner.metrics import STAT_NAMES, coco_results, evaluate_coco, image_id_of, mean_joint_score, write_coco_results

AREAS = ((0, 1e10), (32**2, 96**2), (96**2, 1e10))


def made_up(seed: int, pictures: int = 12) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Crowds, people without joints, doubles, equal scores, shuffled lists, two categories."""
    rng = np.random.default_rng(seed)
    truth: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for picture in range(1, pictures + 1):
        here = [_person(rng, picture, len(truth) + i + 1) for i in range(rng.integers(0, 5))]
        truth += here
        results += [_found(rng, picture, here) for _ in range(rng.integers(0, 26))]
    rng.shuffle(truth)
    images = [{"id": i} for i in rng.permutation(np.arange(1, pictures + 1)).tolist()]
    return {"images": images, "annotations": truth, "categories": [{"id": 1}, {"id": 2}]}, results


def _person(rng: np.random.Generator, picture: int, number: int) -> dict[str, Any]:
    side = np.exp(rng.normal(4.3, 0.8, 2))
    joints = np.concatenate([rng.uniform(0, side, (17, 2)), rng.integers(0, 3, (17, 1))], axis=1)
    if rng.random() < 0.3:
        joints[:] = 0
    return {
        "id": number,
        "image_id": picture,
        "category_id": int(rng.integers(1, 3)),
        "iscrowd": int(rng.random() < 0.15),
        "area": float(side.prod()),
        "bbox": [0.0, 0.0, *side.tolist()],
        "num_keypoints": int((joints[:, 2] > 0).sum()),
        "keypoints": joints.reshape(-1).tolist(),
    }


def _found(rng: np.random.Generator, picture: int, here: list[dict[str, Any]]) -> dict[str, Any]:
    joints = rng.uniform(0, 80, (17, 3))
    category = int(rng.integers(1, 3))
    if here and rng.random() < 0.8:
        like = here[rng.integers(len(here))]
        category = like["category_id"]
        joints = np.array(like["keypoints"]).reshape(17, 3) + rng.normal(0, rng.choice((0, 2, 8)), (17, 3))
    score = float(rng.integers(0, 8)) / 8
    return {"image_id": picture, "category_id": category, "keypoints": joints.reshape(-1).tolist(), "score": score}


@pytest.mark.parametrize("seed", range(6))
def test_statistics_equal_those_of_pycocotools(seed: int) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    truth, results = made_up(seed)
    with contextlib.redirect_stdout(io.StringIO()):
        annotations = coco.COCO()
        annotations.dataset = copy.deepcopy(truth)
        annotations.createIndex()
        theirs = cocoeval.COCOeval(annotations, annotations.loadRes(copy.deepcopy(results)), "keypoints")
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
    np.testing.assert_allclose(evaluate_coco(truth, results).stats, theirs.stats, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_matches_equal_those_of_the_rules_read_person_by_person(seed: int) -> None:
    truth, results = made_up(seed)
    scores = evaluate_coco(truth, results)
    for c, category in enumerate((1, 2)):
        for a, area in enumerate(AREAS):
            for t in (0, 5, 9):
                hits, to_find = _plain_hits(truth, results, category, area, 0.5 + 0.05 * t)
                expected = hits / to_find if to_find else -1
                assert scores.recall[t, c, a] == pytest.approx(expected, abs=1e-12)


def _plain_hits(truth: dict, results: list, category: int, area: tuple[float, float], threshold: float):
    hits = to_find = 0
    for image in truth["images"]:
        real = [g for g in truth["annotations"] if (g["image_id"], g["category_id"]) == (image["id"], category)]
        found = [d for d in results if (d["image_id"], d["category_id"]) == (image["id"], category)]
        found = sorted(found, key=lambda d: -d["score"])[:20]
        ignored = [g["iscrowd"] or not g["num_keypoints"] or not area[0] <= g["area"] <= area[1] for g in real]
        to_find += len(real) - sum(map(bool, ignored))
        taken: set[int] = set()
        for d in found:
            for wanted in (False, True):
                near = [
                    (_plain_oks(g, d), i)
                    for i, g in enumerate(real)
                    if bool(ignored[i]) == wanted and (i not in taken or g["iscrowd"])
                ]
                near = [pair for pair in near if pair[0] >= threshold]
                if near:
                    taken.add(max(near)[1])
                    hits += not wanted
                    break
    return hits, to_find


def _plain_oks(real: dict[str, Any], found: dict[str, Any]) -> float:
    sigmas = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
    g, d = (np.array(one["keypoints"]).reshape(17, 3) for one in (real, found))
    away, seen = d[:, :2] - g[:, :2], g[:, 2] > 0
    if not seen.any():
        x, y, w, h = real["bbox"]
        low, high = np.array([x - w, y - h]), np.array([x + 2 * w, y + 2 * h])
        away, seen = np.maximum(low - d[:, :2], 0) + np.maximum(d[:, :2] - high, 0), np.ones(17, bool)
    return float(np.exp(-(away**2).sum(axis=1) / (2 * sigmas) ** 2 / real["area"] / 2)[seen].mean())


def perfect() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    joints = np.concatenate([np.random.default_rng(0).uniform(0, 60, (17, 2)), np.full((17, 1), 2)], axis=1)
    base = {"image_id": 1, "category_id": 1, "keypoints": joints.reshape(-1).tolist()}
    person = {**base, "id": 1, "area": 2000.0, "bbox": [0, 0, 50, 60], "iscrowd": 0}
    return {"images": [{"id": 1}], "annotations": [person], "categories": [{"id": 1}]}, [{**base, "score": 0.4}]


def test_a_perfect_result_scores_one_where_there_is_somebody_of_that_size() -> None:
    scores = evaluate_coco(*perfect())
    expected = dict(zip(STAT_NAMES, [1, 1, 1, 1, -1, 1, 1, 1, 1, -1], strict=True))
    assert scores.named() == pytest.approx(expected, abs=1e-12)
    assert scores.ap == scores.stats[0]


def test_no_results_score_zero_and_nobody_scores_minus_one() -> None:
    truth, results = perfect()
    assert evaluate_coco(truth, []).stats[[0, 4, 5, 9]].tolist() == [0, -1, 0, -1]
    truth["annotations"] = []
    assert (evaluate_coco(truth, results).stats == -1).all()


def test_only_the_best_twenty_of_a_picture_count() -> None:
    truth, results = perfect()
    far = {**results[0], "keypoints": [900.0] * 51, "score": 0.9}
    assert evaluate_coco(truth, [far] * 19 + results).stats[5] == 1.0
    assert evaluate_coco(truth, [far] * 20 + results).stats[5] == 0.0


def test_inputs_are_not_changed() -> None:
    truth, results = made_up(0)
    before = json.dumps([truth, results])
    evaluate_coco(truth, results)
    assert json.dumps([truth, results]) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 5}, "such as 5"),
        ({"keypoints": [1, 2, 3]}, "must hold 51 numbers, got 3"),
        ({"keypoints": [float("nan")] * 51}, "not finite"),
        ({"score": float("inf")}, "not finite"),
    ],
)
def test_wrong_results_are_named(change: dict[str, Any], message: str) -> None:
    truth, results = perfect()
    with pytest.raises(InputError, match=message):
        evaluate_coco(truth, [{**results[0], **change}])


def test_missing_fields_are_named() -> None:
    truth, results = perfect()
    for name in ("image_id", "category_id", "keypoints", "score"):
        with pytest.raises(InputError, match=f"lacks the field '{name}'"):
            evaluate_coco(truth, [{k: v for k, v in results[0].items() if k != name}])
    with pytest.raises(InputError, match="need the lists images"):
        evaluate_coco({"annotations": [], "categories": []}, results)


def test_people_are_rescored_and_doubles_dropped(rng: np.random.Generator) -> None:
    keypoints = rng.uniform(0, 50, (4, 17, 3)).astype(np.float32)
    keypoints[..., 2] = 0.5
    keypoints[0, :9, 2] = 0.1
    keypoints[2] = keypoints[1]
    boxes = np.tile([25, 25, 0.3, 0.4, 4800.0, 0.8], (4, 1))
    boxes[2, 5] = 0.9
    results = coco_results(keypoints, boxes, [7, 3, 3, 7])
    assert [(r["image_id"], round(r["score"], 6)) for r in results] == [(7, 0.4), (7, 0.4), (3, 0.45)]
    assert results[0]["keypoints"] == keypoints[0].reshape(-1).tolist() and results[0]["scale"] == [0.3, 0.4]
    soft = coco_results(keypoints, boxes, [7, 3, 3, 7], soft=True)
    assert [r["image_id"] for r in soft] == [7, 7, 3, 3]
    assert coco_results(keypoints[:0], boxes[:0], []) == []


def test_a_person_without_a_good_joint_scores_zero() -> None:
    assert mean_joint_score(np.array([[0.1, 0.2], [0.1, 0.4]]), 0.2).tolist() == [0.0, 0.4]


def test_results_that_fit_nothing_are_refused() -> None:
    with pytest.raises(ShapeError, match="boxes"):
        coco_results(np.zeros((2, 17, 3)), np.zeros((2, 5)), [1, 1])
    with pytest.raises(InputError, match="not finite"):
        coco_results(np.full((1, 17, 3), np.nan), np.zeros((1, 6)), [1])


def test_the_file_has_sorted_keys_and_four_spaces(tmp_path: Path) -> None:
    write_coco_results(tmp_path / "r.json", perfect()[1])
    text = (tmp_path / "r.json").read_text()
    assert json.loads(text) == perfect()[1] and text.startswith(
        '[\n    {\n        "category_id": 1,\n        "image_id"'
    )
    with pytest.raises(FileProblem, match="does not exist"):
        write_coco_results(tmp_path / "none" / "r.json", [])


def test_the_number_of_a_picture_ends_its_name() -> None:
    assert image_id_of("images/val2014/COCO_val2014_000000000139.jpg") == 139
    with pytest.raises(InputError, match="number"):
        image_id_of("a.jpg")
