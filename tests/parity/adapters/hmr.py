"""Adapters for HMR in the group `mesh`: networks, discriminators, losses, crops, cameras, scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from limner.body import (
    HMR,
    HMR_NETWORKS,
    SMPL,
    BodyDiscriminator,
    body_from_hmr_weights,
    mean_theta,
    mean_theta_from_rot6d,
    plain_theta,
    rotmat_from_rot6d,
    rotmat_from_rotvec,
    theta_details,
)

from ..cases import Adapter, Case
from .mesh import body_data

Outputs = dict[str, Any]
Arrays = dict[str, np.ndarray]


def _tensors(case: Case, *names: str) -> list[torch.Tensor]:
    return [torch.from_numpy(np.array(case.inputs[name])) for name in names]


def _state(arrays: Arrays) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(np.array(value, order="C")) for key, value in arrays.items()}


def _body_state(body: Arrays) -> Arrays:
    """The body's buffers as the module of `hmr_tf2pt.pth` keeps them."""
    return {
        "smpl.v_template": body["v_template"],
        "smpl.shapedirs": body["shapedirs"].reshape(-1, 10).T,
        "smpl.J_regressor": body["J_regressor"].T,
        "smpl.posedirs": body["posedirs"].reshape(-1, 207).T,
        "smpl.weights": body["weights"],
        "smpl.joint_regressor": body["cocoplus_regressor"].T,
    }


@torch.no_grad()
def _run(network: HMR, image: torch.Tensor) -> Outputs:
    features = network.eval().encoder(image)
    return {"features": features} | {f"theta_{n}": theta for n, theta in enumerate(network.regressor(features), 1)}


def hmr_preact_resnet50(case: Case) -> Outputs:
    body = case.inputs["body"]
    state = _state({**case.weights(), **_body_state(body)})
    network = HMR()
    network.load_official(state)
    (image,) = _tensors(case, "image")
    results = _run(network, image)
    with torch.no_grad():
        results |= dict(zip(("stem", "layer1", "layer2", "layer3", "layer4"), network.encoder.maps(image), strict=True))
    details = theta_details(results["theta_3"], SMPL(body_from_hmr_weights(state, body["f"])))
    return results | {"j2d": details.keypoints_crop, "j3d": details.keypoints}


def hmr_tf_checkpoint(case: Case) -> Outputs:
    network = HMR()
    network.load_tensorflow(case.tensorflow_variables())
    return _run(network, *_tensors(case, "image"))


def pytorch_hmr_generator(case: Case) -> Outputs:
    mean = case.inputs["mean"]
    shapes = dict(case.spec["weights"]["keys"])
    rows = np.broadcast_to(mean_theta(mean["pose"], mean["shape"]).astype(np.float32), shapes["regressor.mean_theta"])
    state = {"regressor.mean_theta": rows, **case.weights()}
    network = HMR(HMR_NETWORKS["pytorch-hmr-resnet50"])
    network.load_official(_state({f"module.{key}": value for key, value in state.items()}))
    results = _run(network, *_tensors(case, "image"))
    layer = SMPL(body_data(case.inputs["body"]), turn_base=network.config.turn_base)
    for number in (1, 2, 3):
        details = theta_details(results[f"theta_{number}"], layer)
        results |= {f"j2d_{number}": details.keypoints_crop, f"j3d_{number}": details.keypoints}
    return results


def discriminator(case: Case) -> Outputs:
    network = BodyDiscriminator("hmr")
    network.load_tensorflow(case.weights())
    rotations, shapes = (t.requires_grad_() for t in _tensors(case, "rotations", "shapes"))
    out = network(rotations.unflatten(2, (3, 3)), shapes)
    out.sum().backward()
    return {"out": out, "grad_rotations": rotations.grad, "grad_shapes": shapes.grad}


def _pytorch_hmr_discriminator(case: Case) -> BodyDiscriminator:
    network = BodyDiscriminator("pytorch-hmr")
    network.load_official(_state(case.weights()))
    return network


def pytorch_hmr_discriminator(case: Case) -> Outputs:
    network = _pytorch_hmr_discriminator(case)
    theta = _tensors(case, "theta")[0].requires_grad_()
    out = network.judge_theta(theta)
    out.sum().backward()
    rotmats = rotmat_from_rotvec(theta[:, 6:75].reshape(-1, 23, 3))
    judged = network.judge(rotmats, theta[:, 75:])
    return {
        "out": out,
        "pose": judged.joints,
        "full": judged.pose,
        "shape": judged.shape,
        "inner": judged.inner.transpose(1, 2)[:, :, None],
        "grad_theta": theta.grad,
    }


def mean(case: Case) -> Outputs:
    pose, shape = case.inputs["pose"], case.inputs["shape"]
    return {"theta": mean_theta(pose, shape), "theta_without_file": plain_theta(upright=False)}


def published_mean(case: Case) -> Outputs:
    pose, shape, cam = (case.inputs[name] for name in ("pose", "shape", "cam"))
    rotmat = rotmat_from_rot6d(torch.from_numpy(np.array(pose)).reshape(24, 6))
    return {"R": rotmat, "theta": mean_theta_from_rot6d(pose, shape, cam)}


def rot6d(case: Case) -> Outputs:
    return {"R": rotmat_from_rot6d(*_tensors(case, "x"))}


ADAPTERS: dict[str, Adapter] = {
    "mesh/discriminator": discriminator,
    "mesh/hmr_preact_resnet50": hmr_preact_resnet50,
    "mesh/hmr_tf_checkpoint": hmr_tf_checkpoint,
    "mesh/mean_theta": mean,
    "mesh/published_mean": published_mean,
    "mesh/pytorch_hmr_discriminator": pytorch_hmr_discriminator,
    "mesh/pytorch_hmr_generator": pytorch_hmr_generator,
    "mesh/rot6d": rot6d,
}
