"""Adapters for the cases of the group `face`: alignment, MTCNN and the tasks' transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from limner.face import (
    ARCFACE_POINTS,
    LABEL_COLOURS,
    OutputNet,
    ProposalNet,
    RefineNet,
    align_ffhq,
    bicubic_taps,
    cut_out,
    draw_factor,
    face_tensor,
    grey,
    label_tensor,
    low_resolution,
    make_square,
    move_boxes,
    one_hot,
    picture_of,
    picture_of_labels,
    picture_of_sketch,
    proposals,
    resize_labels,
    shrink_bicubic,
    sketch_edges,
    sketch_tensor,
    suppress,
    upscale_tensor,
    warp_arcface,
)
from limner.weights import load_strictly

from ..cases import Adapter, Case
from .face import tensors

Outputs = dict[str, Any]


def ffhq(case: Case) -> Outputs:
    results: Outputs = {}
    for call in case.spec["calls"]:
        name = call["name"]
        face = align_ffhq(case.inputs[f"image_{name}"], case.inputs[f"landmarks_{name}"])
        results |= {
            f"quad_{name}": face.quad,
            f"quad_in_working_image_{name}": face.working_quad.ravel(),
            f"working_image_size_{name}": np.array(face.working_size),
            f"crop_{name}": face.image,
        }
    return results


def arcface_warp(case: Case) -> Outputs:
    results: Outputs = {"reference": ARCFACE_POINTS}
    for key, points in case.inputs.items():
        if key.startswith("points_"):
            crop, matrix = warp_arcface(case.inputs["image"], points)
            results |= {f"crop_{key[7:]}": crop, f"matrix_{key[7:]}": matrix}
    return results


@torch.no_grad()
def mtcnn_nets(case: Case) -> Outputs:
    weights, results = case.weights(), {}
    given = {key: torch.from_numpy(value) for key, value in case.inputs.items()}
    for name, kind in {"pnet": ProposalNet, "rnet": RefineNet, "onet": OutputNet}.items():
        network = kind().eval()
        load_strictly(network, tensors(weights, f"{name}."), name)
        parts = ("landmarks", "offsets", "prob") if name == "onet" else ("offsets", "prob")
        answers = zip(parts, network(given[name[0]]), strict=True)
        results |= {f"{name}_{part}": answer for part, answer in answers}
    return results


def mtcnn_boxes(case: Case) -> Outputs:
    given = case.inputs
    boxes, squares = given["boxes"], make_square(given["boxes"])
    return {
        "nms_union": suppress(boxes, 0.5),
        "nms_min": suppress(boxes, 0.5, "min"),
        "square": squares,
        "calibrated": move_boxes(boxes, given["offsets"]),
        "cutouts": cut_out(given["image"], np.round(squares), 24),
        "generated": proposals(given["prob"], given["poff"], float(given["scale"][0]), 0.6),
    }


def transforms(case: Case) -> Outputs:
    given, config = case.inputs, case.config
    image, labels, labels_256 = given["image"], given["labels"][..., 0], given["labels_256"][..., 0]
    random = np.random.RandomState(7)
    results = {
        "gray": grey(image),
        "encode_target_test": face_tensor(image),
        "encode_inference": face_tensor(image),
        "sketch_source": sketch_tensor(image),
        "seg_source": label_tensor(labels, config["label_nc"], "published"),
        "seg_source_256": label_tensor(labels_256, config["label_nc"], "published"),
        "seg_labels_after_resize": resize_labels(labels, "published"),
        "factor_draws": np.array([draw_factor(random, tuple(config["factors"])) for _ in range(8)]),
    }
    for factor in config["factors"]:
        results |= {f"sr_source_x{factor}": upscale_tensor(image, factor)}
        results |= {f"sr_low_x{factor}": low_resolution(image, factor)}
    return results


def bicubic(case: Case) -> Outputs:
    results: Outputs = {}
    for call in case.spec["calls"]:
        name, options = call["name"], call["args"]
        x = torch.from_numpy(case.inputs[f"x_{name}"])
        results[f"k_{name}"] = bicubic_taps(options["factor"])
        results[f"y_{name}"] = shrink_bicubic(x, options["factor"], bytes_between=options.get("clip_round", False))
    return results


def hot(case: Case) -> Outputs:
    labels = case.inputs["labels"][..., 0]
    classes = len(np.unique(labels))
    return {
        "one_hot_5": one_hot(labels, 5),
        "one_hot_auto": one_hot(labels, classes),
        "auto_classes": np.array([classes]),
    }


def edges(case: Case) -> Outputs:
    image = case.inputs["image"]
    # The gray picture of this case is OpenCV's, which rounds otherwise than the transforms' loader.
    import cv2

    return {"gray": cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), "edges": sketch_edges(image)}


def visualise(case: Case) -> Outputs:
    given = {key: torch.from_numpy(value) for key, value in case.inputs.items()}
    return {
        "image": picture_of(given["rgb"]),
        "map": picture_of_labels(given["onehot"], LABEL_COLOURS),
        "sketch": picture_of_sketch(given["sketch"]),
        "colours": LABEL_COLOURS,
    }


ADAPTERS: dict[str, Adapter] = {
    "face/ffhq_alignment": ffhq,
    "face/arcface_warp": arcface_warp,
    "face/mtcnn_nets": mtcnn_nets,
    "face/mtcnn_boxes": mtcnn_boxes,
    "face/data_transforms": transforms,
    "face/data_bicubic_down": bicubic,
    "face/data_one_hot": hot,
    "face/data_sketch_edges": edges,
    "face/data_visualise": visualise,
}
