"""Time COCO keypoint evaluation against pycocotools: CPU time of one thread, rounds of the two interleaved.

Run `python benchmarks/coco_eval.py [--rounds N] [--pictures N]` with pycocotools installed. Both sides get the parsed
annotations and the parsed results (made up, as large as val2017 with detected boxes), and their ten statistics must be
equal. The must is 1.9 times pycocotools.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from limner.metrics import evaluate_coco
from timing import cpu_ms, machine, report

MUST, STRETCH = 1.9, 20
SHARE_WITH_PEOPLE = 2693 / 5000  # of val2017's pictures
PEOPLE, DETECTIONS = 4.0, 20.0  # a picture that has any; a picture, after suppression


def made_up(pictures: int, seed: int = 0) -> tuple[dict, list[dict]]:
    """Return annotations and results of about the shape of val2017: crowds, people without joints, many false finds."""
    rng = np.random.default_rng(seed)
    annotations: list[dict] = []
    results: list[dict] = []
    for picture in range(1, pictures + 1):
        people = int(rng.poisson(PEOPLE - 1)) + 1 if rng.random() < SHARE_WITH_PEOPLE else 0
        real = [person(rng, picture, len(annotations) + 1 + i) for i in range(people)]
        annotations += real
        for _ in range(int(rng.poisson(DETECTIONS))):
            results.append(found(rng, picture, real))
    images = [{"id": i, "width": 640, "height": 480, "file_name": f"{i:012d}.jpg"} for i in range(1, pictures + 1)]
    categories = [{"id": 1, "name": "person"}]
    return {"images": images, "annotations": annotations, "categories": categories}, results


def person(rng: np.random.Generator, picture: int, number: int) -> dict:
    size = np.exp(rng.normal(4.6, 0.9, 2))
    corner = rng.uniform(0, (600, 440))
    joints = np.zeros((17, 3))
    if rng.random() < 0.6:
        joints[:, :2] = np.round(corner + rng.random((17, 2)) * size)
        joints[:, 2] = rng.choice(3, 17, p=(0.25, 0.1, 0.65))
        joints[joints[:, 2] == 0] = 0
    return {
        "id": number,
        "image_id": picture,
        "category_id": 1,
        "iscrowd": int(rng.random() < 0.02),
        "area": float(size.prod() * 0.55),
        "bbox": [*corner.tolist(), *size.tolist()],
        "num_keypoints": int((joints[:, 2] > 0).sum()),
        "keypoints": joints.reshape(-1).tolist(),
    }


def found(rng: np.random.Generator, picture: int, real: list[dict]) -> dict:
    joints = rng.uniform(0, 480, (17, 3))
    labelled = [one for one in real if one["num_keypoints"]]
    if labelled and rng.random() < 0.4:
        like = labelled[rng.integers(len(labelled))]
        truth = np.array(like["keypoints"]).reshape(17, 3)
        away = rng.normal(0, rng.choice((0.02, 0.08, 0.3)) * np.sqrt(like["area"]), (17, 2))
        joints[:, :2] = np.where(truth[:, 2:] > 0, truth[:, :2] + away, joints[:, :2])
    joints[:, 2] = rng.random(17)
    keypoints = joints.astype(np.float32).reshape(-1).tolist()
    return {"image_id": picture, "category_id": 1, "keypoints": keypoints, "score": round(float(rng.random()), 3)}


def by_pycocotools(truth: dict, results: list[dict]) -> np.ndarray:
    with contextlib.redirect_stdout(io.StringIO()):
        annotations = COCO()
        annotations.dataset = truth
        annotations.createIndex()
        evaluation = COCOeval(annotations, annotations.loadRes(results), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=5000)
    options = parser.parse_args()
    truth, results = made_up(options.pictures)
    times: dict[str, list[float]] = {"pycocotools": [], "limner": []}
    stats: dict[str, np.ndarray] = {}
    for _ in range(options.rounds):
        given = copy.deepcopy(truth), copy.deepcopy(results)  # pycocotools writes into what it is given
        times["pycocotools"].append(cpu_ms(lambda given=given: stats.update(theirs=by_pycocotools(*given))))
        times["limner"].append(cpu_ms(lambda: stats.update(ours=evaluate_coco(truth, results).stats)))
    gap = np.abs(stats["ours"] - stats["theirs"]).max()
    print(f"{machine()}; one thread")
    print(f"{len(truth['annotations'])} people and {len(results)} results in {options.pictures} pictures")
    print(f"  largest difference {gap:.1e}")
    report(times, slow="pycocotools", fast="limner", must=MUST, stretch=STRETCH)


if __name__ == "__main__":
    main()
