"""Adapters for the cases of the group `pose` that are about data sets and scores."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from limner.data import PoseSamples, read_coco, read_mpii, read_mpii_truth, write_mpii_predictions
from limner.metrics import (
    STAT_NAMES,
    box_nms,
    coco_results,
    evaluate_coco,
    oks,
    oks_nms,
    pckh,
    rescore,
    soft_oks_nms,
    write_coco_results,
)

from ..cases import Adapter, Case

Outputs = dict[str, Any]


def coco_db(case: Case) -> Outputs:
    inputs = case.inputs
    config = inputs["config"]
    width, height = config["image_size"]
    samples = read_coco(
        case.folder,
        config["image_set"],
        annotations=inputs["annotations"],
        detections=None if config["USE_GT_BBOX"] else inputs["detections"],
        min_box_score=config["IMAGE_THRE"],
        zipped=config.get("DATA_FORMAT") == "zip",
        image_hw=(height, width),
        check=False,
    )
    return {
        **_records(samples, ""),
        "image_id": samples.image_id,
        "score": samples.score,
        "paths": list(samples.picture),
    }


def mpii_db(case: Case) -> Outputs:
    results: Outputs = {}
    for part, path in case.inputs["files"].items():
        results |= _records(read_mpii(case.folder, part, annotations=path, check=False), f"{part}/")
    return results


def _records(samples: PoseSamples, prefix: str) -> Outputs:
    def with_zeros(array: np.ndarray) -> np.ndarray:
        return np.concatenate([array, np.zeros((*array.shape[:2], 1))], axis=2)

    return {
        f"{prefix}center": samples.center,
        f"{prefix}scale": samples.scale,
        f"{prefix}joints_3d": with_zeros(samples.joints),
        f"{prefix}joints_3d_vis": with_zeros(np.repeat(samples.visible[..., None], 2, axis=2)),
        f"{prefix}selected_by_SELECT_DATA": samples.typical(),
    }


def coco_eval(case: Case, folder: Path) -> Outputs:
    inputs = case.inputs
    config = inputs["config"]
    results = coco_results(
        inputs["preds"],
        inputs["all_boxes"],
        inputs["image_id"],
        min_score=config["IN_VIS_THRE"],
        oks_threshold=config["OKS_THRE"],
        soft=config["SOFT_NMS"],
    )
    write_coco_results(folder / "results.json", results)
    written = json.loads((folder / "results.json").read_text())
    scores = evaluate_coco(json.loads(inputs["annotations"].read_text()), written)
    return {
        "names": list(STAT_NAMES),
        "stats": scores.stats,
        "perf_indicator": scores.ap,
        "result_keys": list(written[0]),
        "result_category_id": sorted({entry["category_id"] for entry in written}),
        **{
            f"result_{name}": np.array([entry[name] for entry in written])
            for name in ("image_id", "score", "keypoints", "center", "scale")
        },
    }


def mpii_pckh(case: Case, folder: Path) -> Outputs:
    truth = read_mpii_truth(case.inputs["gt_mat"])
    write_mpii_predictions(folder / "pred.mat", case.inputs["preds"][..., :2])
    predicted = scipy.io.loadmat(folder / "pred.mat")["preds"]
    scores = pckh(predicted, truth.joints, truth.visible, truth.head_boxes, truth.joint_names)
    return {
        "names": list(scores.named()),
        "values": list(scores.named().values()),
        "perf_indicator": scores.mean,
        "pred_mat_preds": predicted,
    }


def oks_iou(case: Case) -> Outputs:
    inputs = case.inputs
    people = [inputs[name].reshape(len(inputs[name]), -1, 3) for name in ("g", "d")]
    areas = inputs["g_area"], inputs["d_area"]
    return {
        "default": oks(*people, *areas),
        "vis_threshold": oks(*people, *areas, min_score=inputs["in_vis_thre"], only_second=True),
        "own_sigmas": oks(*people, *areas, sigmas=inputs["sigmas"]),
    }


def oks_suppression(case: Case) -> Outputs:
    inputs = case.inputs
    people = inputs["keypoints"], inputs["score"], inputs["area"]
    results: Outputs = {}
    for threshold in inputs["thresholds"]:
        results[f"oks_nms@{threshold}"] = oks_nms(*people, threshold)
        results[f"soft_oks_nms@{threshold}"] = soft_oks_nms(*people, threshold)
    first = inputs["thresholds"][0]
    results[f"oks_nms_vis@{first}"] = oks_nms(*people, first, min_score=inputs["in_vis_thre"], only_second=True)
    return results


def box_suppression(case: Case) -> Outputs:
    inputs = case.inputs
    boxes = inputs["dets"]
    results: Outputs = {f"keep@{t}": box_nms(boxes[:, :4], boxes[:, 4], t) for t in inputs["thresholds"]}
    for kind in ("linear", "gaussian"):
        results[f"rescore_{kind}"] = rescore(inputs["overlap"], inputs["scores"], inputs["rescore_thresh"], kind)
    return results


def _in_folder(adapter: Callable[[Case, Path], Outputs]) -> Adapter:
    def run(case: Case) -> Outputs:
        with tempfile.TemporaryDirectory() as folder:
            return adapter(case, Path(folder))

    return run


ADAPTERS: dict[str, Adapter] = {
    "pose/box_nms": box_suppression,
    "pose/coco_db_det": coco_db,
    "pose/coco_db_gt": coco_db,
    "pose/coco_eval": _in_folder(coco_eval),
    "pose/mpii_db": mpii_db,
    "pose/mpii_pckh": _in_folder(mpii_pckh),
    "pose/oks_iou": oks_iou,
    "pose/oks_nms": oks_suppression,
}
