"""Adapters for the cases of the group `face`: the losses, and the optimiser Ranger."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limner.losses import (
    FaceLosses,
    FaceLossWeights,
    Likeness,
    Lpips,
    MocoFeatures,
    crop_face,
    face_features,
    likeness,
    w_norm,
)
from limner.train import Ranger

from ..cases import Adapter, Case
from .face import recogniser, tensors

Outputs = dict[str, Any]

# The published names of the parts' weights, and of the parts in the log.
LAMBDAS = {
    "l2_lambda": "l2",
    "lpips_lambda": "lpips",
    "id_lambda": "identity",
    "l2_lambda_crop": "l2_crop",
    "lpips_lambda_crop": "lpips_crop",
    "w_norm_lambda": "w_norm",
    "moco_lambda": "moco",
}
PARTS = {"identity": "loss_id", "improvement": "id_improve"}


def pictures(case: Case, *names: str) -> list[Tensor]:
    return [torch.from_numpy(case.inputs[name]) for name in names]


def lpips(case: Case) -> Outputs:
    network = Lpips("alex")
    network.load_official(tensors(case.weights()))
    y, y_hat = pictures(case, "y", "y_hat")
    y_hat.requires_grad_()
    loss = network(y_hat, y)
    return {
        "loss": loss.reshape(1),
        "grad_y_hat": torch.autograd.grad(loss, y_hat)[0],
        "loss_crop": network(crop_face(y_hat), crop_face(y)).reshape(1),
        "l2": F.mse_loss(y_hat, y).reshape(1),
        "l2_crop": F.mse_loss(crop_face(y_hat), crop_face(y)).reshape(1),
        "per_layer": network.layers(y_hat, y),
        "feature_0": network.features(y_hat)[0],
    }


def _alike(case: Case, features: Any) -> Outputs:
    x, y, y_hat = pictures(case, "x", "y", "y_hat")
    y_hat.requires_grad_()
    found: Likeness = likeness(features, y_hat, y, x)
    gradient = torch.autograd.grad(found.loss, y_hat)[0]
    return {
        "loss": found.loss.reshape(1),
        "sim_improvement": found.improvement.reshape(1),
        "logs": torch.stack([found.to_target, found.to_source, found.target_to_source], dim=1),
        "features_y": features(y),
        "grad_y_hat": gradient,
    }


def identity(case: Case) -> Outputs:
    network = recogniser(tensors(case.weights(), "facenet.")).requires_grad_(False)
    return _alike(case, lambda image: face_features(network, image))


def moco_network(weights: dict[str, np.ndarray], prefix: str = "") -> MocoFeatures:
    network = MocoFeatures()
    network.load_official(tensors(weights, prefix))
    return network.eval()


def moco(case: Case) -> Outputs:
    return _alike(case, moco_network(case.weights()))


def norm(case: Case) -> Outputs:
    results: Outputs = {}
    for from_mean in (True, False):
        latent, mean = pictures(case, "latent", "latent_avg")
        loss = w_norm(latent.requires_grad_(), mean if from_mean else None)
        results[f"loss_{from_mean}"] = loss.reshape(1)
        results[f"grad_{from_mean}"] = torch.autograd.grad(loss, latent)[0]
    return results


def total(case: Case) -> Outputs:
    """In float64: float32 convolutions of oneDNN move some of the recogniser's gradients by 8.5e-7 of 6.9e-4."""
    weights, results = case.weights(), {}
    look = Lpips("alex")
    look.load_official(tensors(weights, "lpips_loss."))
    face = tensors(weights, "id_loss.facenet.")
    networks: dict[str, nn.Module | None] = {
        "lpips": look,
        "recogniser": recogniser(face) if face else None,
        "moco": None if face else moco_network(weights, "moco_loss."),
    }
    for call in case.spec["calls"]:
        counts = FaceLossWeights(**{"l2": 0.0, "lpips": 0.0, **{LAMBDAS[key]: v for key, v in call["args"].items()}})
        x, y, y_hat, latent, mean = pictures(case, "x", "y", "y_hat", "latent", "latent_avg")
        losses = FaceLosses(counts, mean=mean, **networks).double()
        x, y, y_hat, latent = (tensor.double() for tensor in (x, y, y_hat, latent))
        loss, parts = losses(x, y, y_hat.requires_grad_(), latent.requires_grad_())
        named = {PARTS.get(name, f"loss_{name}"): part.reshape(1) for name, part in parts.items()}
        gradients = torch.autograd.grad(loss, (y_hat, latent), allow_unused=True)
        named |= {"total": loss.reshape(1), "grad_y_hat": gradients[0], "grad_latent": gradients[1]}
        results |= {f"{call['name']}_{name}": value for name, value in named.items() if value is not None}
    return results


def ranger_steps(case: Case) -> Outputs:
    results: Outputs = {}
    starts = {key[3:]: value for key, value in case.inputs.items() if key.startswith("p0_")}
    for call in case.spec["calls"]:
        shapes = {name: () if name == "scalar" else start.shape for name, start in starts.items()}
        parameters = {
            name: nn.Parameter(torch.from_numpy(start.copy()).reshape(shapes[name])) for name, start in starts.items()
        }
        optimiser = Ranger(parameters.values(), **call["args"])
        for step in range(12):
            for name, parameter in parameters.items():
                parameter.grad = torch.as_tensor(case.inputs[f"grad_{name}"][step]).reshape(shapes[name]).clone()
            optimiser.step()
            for name, parameter in parameters.items():
                results[f"{call['name']}_{name}_step{step + 1}"] = (
                    parameter.detach().clone().reshape(starts[name].shape)
                )
        for kind in ("exp_avg", "exp_avg_sq", "slow_buffer"):
            results[f"{call['name']}_linear_{kind}"] = optimiser.state[parameters["linear"]][kind]
    return results


def ranger_problem(case: Case) -> Outputs:
    network = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(100, 3))
    network.load_state_dict(tensors(case.weights()))
    x, target = pictures(case, "x", "t")
    optimiser, losses = Ranger(network.parameters(), lr=0.01), []
    for _ in range(12):
        loss = F.mse_loss(network(x), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    final = {f"final_{key.replace('.', '_')}": value for key, value in network.state_dict().items()}
    return {"losses": np.array(losses, np.float32), **final}


ADAPTERS: dict[str, Adapter] = {
    "face/loss_lpips": lpips,
    "face/loss_identity": identity,
    "face/loss_moco": moco,
    "face/loss_w_norm": norm,
    "face/loss_total": total,
    "face/ranger_steps": ranger_steps,
    "face/ranger_problem": ranger_problem,
}
