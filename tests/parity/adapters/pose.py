"""Adapters for the cases of the group `pose`."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import nn

from limner.losses import joints_mse, joints_ohkm
from limner.pose import (
    JOINT_WEIGHTS,
    SampleConfig,
    build_network,
    config_from_official,
    crop_matrix,
    decode,
    draw_numbers,
    find_peaks,
    flip_average,
    flip_back,
    flip_joints,
    half_body_crop,
    heatmap_accuracy,
    make_targets,
    move_points,
    plain_sample,
    train_sample,
)

from ..cases import Adapter, Case

Outputs = dict[str, Any]

SKELETON_OF = {16: "mpii16", 17: "coco17"}


def pose_network(case: Case) -> nn.Module:
    """The network of the case, its weights through the importer of official checkpoints."""
    network = build_network(config_from_official(case.inputs["config"]["MODEL"]))
    network.load_official({key: torch.from_numpy(array) for key, array in case.weights().items()})
    return network.eval()


def network_forward(case: Case) -> Outputs:
    network, results = pose_network(case), {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            many = {f"{name}[{i}]": each for i, each in enumerate(output)} if isinstance(output, list) else {}
            results.update({key: value.clone() for key, value in (many or {name: output}).items()})

        return hook

    for name in case.inputs.get("taps") or ():
        network.get_submodule(name).register_forward_hook(keep(name))
    with torch.no_grad():
        return {"heatmaps": network(torch.from_numpy(case.inputs["x"])), **results}


def train_steps(case: Case) -> Outputs:
    single = _train(case, torch.float32)
    double = _train(case, torch.float64)
    results = {**single, **{f"f64.{name}": value for name, value in double.items()}}
    results.pop("f64.param_mean_std_before")
    return {name: value for name, value in results.items() if name in case.spec["outputs"]}


def _train(case: Case, dtype: torch.dtype) -> Outputs:
    given, options = case.inputs, case.inputs["config"]["TRAIN"]
    network = pose_network(case).to(dtype).train()
    x, target = (torch.from_numpy(given[name]).to(dtype) for name in ("x", "target"))
    weight = torch.from_numpy(given["target_weight"]).to(dtype)[..., 0]
    parameters = dict(network.named_parameters())
    watched = [parameters[name] for name in given["parameters"]]
    optimiser = _optimiser(parameters.values(), options)
    results: Outputs = {"param_mean_std_before": _statistics(watched, lambda p: p.mean())}
    losses = []
    for step in range(given["steps"]):
        heatmaps = network(x)
        loss = joints_mse(heatmaps, target, weight)
        optimiser.zero_grad()
        loss.backward()
        if step == 0:
            gradients = [parameter.grad for parameter in watched]
            results["grad_absmean_std_step1"] = _statistics(gradients, lambda g: g.abs().mean())
            results["heatmaps_step1"] = heatmaps.detach().clone()
        optimiser.step()
        losses.append(loss.item())
    buffers = dict(network.named_buffers())
    results["param_mean_std"] = _statistics(watched, lambda p: p.mean())
    results |= {f"buffer:{name}": buffers[name].clone() for name in given["buffers"]}
    with torch.no_grad():
        results["loss_after"] = joints_mse(network(x), target, weight)
        after = network.eval()(x)
    results["eval_heatmaps_mean_std_after"] = np.array([after.mean(), after.std(correction=0)])
    return {**results, "loss": np.array(losses)}


def _optimiser(parameters: Any, options: dict[str, Any]) -> torch.optim.Optimizer:
    if options["OPTIMIZER"] == "adam":
        return torch.optim.Adam(parameters, lr=options["LR"])
    keys = {"momentum": "MOMENTUM", "weight_decay": "WD", "nesterov": "NESTEROV"}
    return torch.optim.SGD(parameters, lr=options["LR"], **{name: options[key] for name, key in keys.items()})


def _statistics(tensors: Any, first: Any) -> np.ndarray:
    return np.array([[first(tensor.detach()), tensor.detach().std()] for tensor in tensors])


def target(case: Case) -> Outputs:
    given = case.inputs
    weights = (
        JOINT_WEIGHTS[SKELETON_OF[given["joints"].shape[-2]]] if given.get("use_different_joints_weight") else None
    )
    made, weight = make_targets(
        given["joints"][..., :2],
        given["joints_vis"][..., 0],
        _hw(given["image_size"]),
        _hw(given["heatmap_size"]),
        sigma=given["sigma"],
        joint_weights=weights,
    )
    return {"target": made, "target_weight": weight[..., None]}


def loss_joints(case: Case) -> Outputs:
    given, results = case.inputs, {}
    goal, weight = (torch.from_numpy(given[name]) for name in ("target", "target_weight"))
    for name, each in (("weighted", weight[..., 0]), ("plain", None)):
        output = torch.from_numpy(given["output"]).requires_grad_()
        if case.kind.endswith("ohkm"):
            loss = joints_ohkm(output, goal, each, topk=given["topk"])
        else:
            loss = joints_mse(output, goal, each)
        loss.backward()
        results |= {f"loss_{name}": loss, f"grad_{name}": output.grad}
    return results


def accuracy(case: Case) -> Outputs:
    scores = heatmap_accuracy(case.inputs["output"], case.inputs["target"])
    acc = np.concatenate([[scores.mean], scores.per_joint])
    return {"acc": acc, "avg_acc": scores.mean, "cnt": scores.num_joints, "pred": scores.xy}


def get_max_preds(case: Case) -> Outputs:
    peaks = find_peaks(case.inputs["heatmaps"])
    return {"preds": peaks.xy, "maxvals": peaks.score[..., None]}


def get_final_preds(case: Case) -> Outputs:
    heatmaps, center, scale = (case.inputs[name] for name in ("heatmaps", "center", "scale"))
    post, plain = (decode(heatmaps, center, scale, method=method) for method in ("quarter", "plain"))
    return {"preds_post": post.xy, "preds_plain": plain.xy, "maxvals": post.score[..., None]}


def mirror_back(case: Case) -> Outputs:
    return {"out": flip_back(case.inputs["heatmaps"], case.inputs["flip_pairs"])}


def flip_test(case: Case) -> Outputs:
    given = case.inputs
    heatmaps = given["heatmaps"]
    if given["flip_test"]:
        mirrored, shift = given["heatmaps_mirrored"], given["shift_heatmap"]
        heatmaps = flip_average(heatmaps, mirrored, given["flip_pairs"], shift=shift)
    tensors = [torch.from_numpy(array) for array in (heatmaps, given["target"], given["target_weight"][..., 0])]
    scores = heatmap_accuracy(heatmaps, given["target"])
    method = "quarter" if given["post_process"] else "plain"
    found = decode(heatmaps, given["center"], given["scale"], method=method)
    area = np.prod(given["scale"] * 200, axis=1)
    return {
        "averaged": heatmaps,
        "loss": joints_mse(*tensors),
        "accuracy": np.array([scores.mean, scores.num_joints]),
        "all_preds": np.concatenate([found.xy, found.score[..., None]], axis=2),
        "all_boxes": np.column_stack([given["center"], given["scale"], area, given["score"]]),
    }


def fliplr_joints(case: Case) -> Outputs:
    given = case.inputs
    joints, visible = flip_joints(
        given["joints"][:, :2], given["joints_vis"][:, 0], given["width"], given["flip_pairs"]
    )
    return {"joints_out": _third(joints), "joints_vis_out": _both(visible)}


def affine_transform(case: Case) -> Outputs:
    given = case.inputs
    rows = zip(*(given[name] for name in ("center", "scale", "rot", "output_size", "shift", "inv")), strict=True)
    trans = np.stack(
        [
            crop_matrix(center, scale, _hw(size), rotation_deg=rot, shift=shift, inverse=bool(inverse))
            for center, scale, rot, size, shift, inverse in rows
        ]
    )
    return {"trans": trans, "points_out": move_points(given["points"], trans)}


def half_body(case: Case) -> Outputs:
    given = case.inputs
    draws, found = [], []
    width, height = given["image_size"]
    for joints, visible, seed in zip(given["joints"], given["joints_vis"], given["seed"], strict=True):
        draws.append(np.random.RandomState(seed).standard_normal())
        half = half_body_crop(
            joints[:, :2], visible[:, 0], given["upper_body_ids"], aspect=width / height, draw=draws[-1]
        )
        found.append(half)
    nothing = (np.full(2, np.nan), np.full(2, np.nan))
    center, scale = (np.stack([(half or nothing)[i] for half in found]) for i in (0, 1))
    return {
        "draw": np.array(draws),
        "found": np.array([f is not None for f in found]),
        "center": center,
        "scale": scale,
    }


def sample(case: Case) -> Outputs:
    given, results = case.inputs, {}
    config = SampleConfig(
        input_hw=_hw(given["image_size"]),
        heatmap_hw=_hw(given["heatmap_size"]),
        sigma=given["sigma"],
        flip_pairs=tuple(map(tuple, given["flip_pairs"])),
        upper_joints=tuple(given["upper_body_ids"]),
        scale_factor=given["scale_factor"],
        rotation_deg=given["rot_factor"],
        flip=given.get("flip", True),
        half_body_probability=given["prob_half_body"],
        half_body_min_joints=given["num_joints_half_body"],
        as_bgr=not given["color_rgb"],
    )
    image, visible = given["image_bgr"][..., ::-1], given["joints_vis"][:, 0]
    person = (image, given["joints"][:, :2], visible, given["center"], given["scale"])
    for k, seed in enumerate(given["seeds"]):
        if given["is_train"]:
            numbers, coin = np.random.RandomState(seed), random.Random(seed)
            draws = draw_numbers(config, int((visible > 0).sum()), numbers, coin)
            made = train_sample(*person, config=config, draws=draws)
            order = (draws.half_body, draws.half_body_side, draws.scale, draws.rotate, draws.rotation, draws.flip)
            results[f"draws[{k}]"] = np.array(order)
        else:
            made = plain_sample(*person, config=config)
        results |= {
            f"input[{k}]": made.image,
            f"target[{k}]": made.target,
            f"target_weight[{k}]": made.target_weight[:, None],
            f"joints[{k}]": _third(made.joints),
            f"joints_vis[{k}]": _both(made.visible),
            f"center[{k}]": made.center,
            f"scale[{k}]": made.scale,
            f"rotation[{k}]": made.rotation_deg,
        }
    return results


def _hw(size_wh: Any) -> tuple[int, int]:
    return int(size_wh[1]), int(size_wh[0])


def _third(joints: np.ndarray) -> np.ndarray:
    """Joints with the official third column, which is always zero."""
    return np.concatenate([joints, np.zeros((*joints.shape[:-1], 1))], axis=-1)


def _both(visible: np.ndarray) -> np.ndarray:
    """Visibility as the official columns: for x, for y, and zero."""
    return np.stack([visible, visible, np.zeros_like(visible)], axis=-1)


ADAPTERS: dict[str, Adapter] = {
    "pose/accuracy": accuracy,
    "pose/affine_transform": affine_transform,
    "pose/flip_back": mirror_back,
    "pose/flip_test": flip_test,
    "pose/fliplr_joints": fliplr_joints,
    "pose/get_final_preds": get_final_preds,
    "pose/get_max_preds": get_max_preds,
    "pose/half_body": half_body,
    "pose/hrnet": network_forward,
    "pose/loss_joints_mse": loss_joints,
    "pose/loss_joints_ohkm": loss_joints,
    "pose/pose_resnet": network_forward,
    "pose/sample": sample,
    "pose/target": target,
    "pose/train_steps": train_steps,
}
