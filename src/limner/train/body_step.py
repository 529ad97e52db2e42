"""One step of HMR's training: the network against its labels and its adversary, the adversary against both.

Both learn from one forward pass, as published: the network's step judges its bodies by the adversary as it is, the
adversary's step takes the same bodies without a gradient to the network.
Source: Kanazawa et al. 2018, section 3; akanazawa/hmr `src/trainer.py`; MandyMo/pytorch_HMR `src/trainer.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from limner.body import (
    SMPL,
    BodyDiscriminator,
    ThetaDetails,
    rotmat_from_rotvec,
    theta_details,
)
from limner.losses import (
    adversary_fake_loss,
    adversary_real_loss,
    joints_3d_loss,
    keypoints_l1_loss,
    parameters_loss,
)
from limner.train.body_settings import BodyConfig, BodyLossSection
from limner.train.loop import update
from limner.train.order import Batch
from limner.train.run import Cost, Run

SKELETON = "cocoplus19"
NETWORK, ADVERSARY = "network", "adversary"
_NUM_LSP = 14


@dataclass(frozen=True)
class Truth:
    """What is known of a batch's bodies.

    Attributes:
        keypoints: (x, y, weight) over the crop.
        joints: LSP's, metres.
        has_joints: weights of them.
        rotmats: 24 rotations, the root first, in the network's own convention.
        betas: shape numbers.
        has_smpl: weights of rotations and betas.
    """

    keypoints: Tensor
    joints: Tensor
    has_joints: Tensor
    rotmats: Tensor
    betas: Tensor
    has_smpl: Tensor


def truth_of(batch: Batch, body: SMPL) -> Truth:
    """Return a batch's labels; people with SMPL's numbers alone get their joints from the body."""
    rotmats = rotmat_from_rotvec(batch["rotvec"])
    if body.turn_base:
        signs = torch.tensor([1.0, -1.0, -1.0], device=rotmats.device)
        rotmats = torch.cat([rotmats[:, :1] * signs, rotmats[:, 1:]], 1)
    joints, has_joints, has_smpl = batch["joints"], batch["has_joints"], batch["has_smpl"]
    lacking = (has_smpl > 0) & (has_joints <= 0)
    if lacking.any():
        with torch.no_grad():
            posed = body.pose_body(*body.shape_body(batch["betas"]), rotmats)
            told = body.keypoints(posed.vertices, SKELETON)[:, :_NUM_LSP]
        joints = torch.where(lacking[:, None, None], told, joints)
        has_joints = torch.maximum(has_joints, has_smpl)
    return Truth(batch["keypoints"], joints, has_joints, rotmats, batch["betas"], has_smpl)


def body_losses(found: ThetaDetails, truth: Truth, loss: BodyLossSection) -> dict[str, Tensor]:
    """Return the terms of the last correction, without factors.

    Source: the two codes' `trainer.py`; see `limner.losses`.
    """
    count = loss.num_keypoints
    terms = {
        "keypoints": keypoints_l1_loss(found.keypoints_crop[:, :count], truth.keypoints[:, :count]),
        "joints": joints_3d_loss(found.keypoints, truth.joints, truth.has_joints),
    }
    first = 0 if loss.parameters == "joined" else 1  # pytorch_HMR leaves the root out
    rotations, wanted = found.rotmats[:, first:].flatten(1), truth.rotmats[:, first:].flatten(1)
    if loss.parameters == "joined":
        rotations, wanted = torch.cat([rotations, found.betas], 1), torch.cat([wanted, truth.betas], 1)
        return {**terms, "pose": parameters_loss(rotations, wanted, truth.has_smpl)}
    return {
        **terms,
        "pose": parameters_loss(rotations, wanted, truth.has_smpl),
        "shape": parameters_loss(found.betas, truth.betas, truth.has_smpl),
    }


def judged_bodies(thetas: list[Tensor]) -> Tensor:
    """Return the thetas of all corrections in one batch, as the adversary sees them."""
    return torch.cat([theta.float() for theta in thetas])


def real_poses(batch: Batch, share: float) -> tuple[Tensor, Tensor]:
    """Return a batch's real poses as rotation matrices and betas: `share` for each sample, rounded over the batch."""
    rotvec = batch["real_rotvec"].transpose(0, 1).flatten(0, 1)  # (R B, 23, 3)
    betas = batch["real_betas"].transpose(0, 1).flatten(0, 1)
    count = max(1, min(len(rotvec), round(share * len(batch["real_rotvec"]))))
    return rotmat_from_rotvec(rotvec[:count]), betas[:count]


def make_step(body: SMPL) -> Callable[[Run, list[Batch]], Mapping[str, float]]:
    """Return the function that makes one step of both networks.

    Args:
        body: the layer, for cocoplus19 and on the run's device.
    """

    def step(run: Run, parts: list[Batch]) -> Mapping[str, float]:
        return _step(run, parts, body)

    return step


def _step(run: Run, parts: list[Batch], body: SMPL) -> Mapping[str, float]:
    config: BodyConfig = run.config  # type: ignore[assignment]
    adversary = run.networks.get(ADVERSARY)
    made: list[tuple[Tensor, Batch]] = []
    told: dict[str, list[float]] = {}

    def cost(network: nn.Module, batch: Batch) -> Cost:
        corrections: list[Tensor] = network(batch[config.network.table.takes], in_full=True)
        # Bodies are posed in full precision whatever the network runs in.
        with torch.autocast(batch["keypoints"].device.type, enabled=False):
            total, terms = _network_cost(corrections, batch, config.loss, body, adversary)
            made.append((judged_bodies(corrections).detach(), batch))
        if run.logs_next:
            for name, value in terms.items():
                told.setdefault(name, []).append(float(value.detach()))
        return Cost(total, len(batch["keypoints"]))

    measured = {"loss": update(run, parts, cost, name=NETWORK)}
    if adversary is not None:
        measured["adversary"] = _adversary_step(run, made, config)
    return {**measured, **{name: sum(values) / len(values) for name, values in told.items()}}


def _network_cost(
    corrections: list[Tensor], batch: Batch, loss: BodyLossSection, body: SMPL, adversary: nn.Module | None
) -> tuple[Tensor, dict[str, Tensor]]:
    thetas = [theta.float() for theta in corrections]
    terms = body_losses(theta_details(thetas[-1], body, skeleton=SKELETON), truth_of(batch, body), loss)
    if isinstance(adversary, BodyDiscriminator) and loss.adversarial:
        # All corrections in one batch: the sum over the adversary's outputs, the mean over the bodies.
        terms["adversarial"] = adversary_real_loss(adversary.judge_theta(judged_bodies(thetas)))
    total = torch.stack([getattr(loss, name) * value for name, value in terms.items()]).sum()
    return total, terms


def _adversary_step(run: Run, made: list[tuple[Tensor, Batch]], config: BodyConfig) -> float:
    assert config.adversary is not None, "there is an adversary"
    share = config.adversary.real
    parts = [
        {**batch, "made": thetas.unflatten(0, (-1, len(batch["keypoints"]))).transpose(0, 1)} for thetas, batch in made
    ]

    def cost(adversary: nn.Module, batch: Batch) -> Cost:
        with torch.autocast(batch["made"].device.type, enabled=False):
            rotmats, betas = real_poses(batch, share)
            fakes = batch["made"].flatten(0, 1)
            fake_rotmats = rotmat_from_rotvec(fakes[:, 6:75].unflatten(1, (23, 3)))
            judged = adversary(torch.cat([rotmats, fake_rotmats]), torch.cat([betas, fakes[:, 75:]]))
            real, fake = judged[: len(rotmats)], judged[len(rotmats) :]
            return Cost(adversary_real_loss(real) + adversary_fake_loss(fake), len(batch["keypoints"]))

    return update(run, parts, cost, name=ADVERSARY)
