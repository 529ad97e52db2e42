"""Adapters for training steps and personalisation of the group `imitate`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from limner.motion import flow, masks
from limner.motion.discriminator import DiscriminatorConfig, GlobalLocalDiscriminator, PatchDiscriminator
from limner.motion.tuning import TUNE_BETAS, TUNE_RATE, TUNE_WEIGHTS, TunePair, tune_terms
from limner.render import condition_map, face_table
from limner.train.motion_step import MotionBatch, PainterWeights, judge_loss, paint, painter_terms

from ..cases import Adapter, Case
from .imitate import set_labels
from .liquid_warping import face_network, generator_of, tensors, vgg_network, vgg_weights, weights_below

Outputs = dict[str, Any]

NAMES = {
    "source": "g_rec",
    "transfer": "g_tsf",
    "style": "g_style",
    "face": "g_face",
    "adversarial": "g_adv",
    "mask": "g_mask",
    "smoothness": "g_mask_smooth",
}


def _discriminator(state: dict[str, Tensor]) -> nn.Module:
    network: PatchDiscriminator | GlobalLocalDiscriminator
    if "global_model.model.0.weight" in state:
        network = GlobalLocalDiscriminator(width=state["global_model.model.0.bias"].shape[0])
    else:
        network = PatchDiscriminator(DiscriminatorConfig(width=state["model.0.bias"].shape[0]))
    network.load_official(state)
    return network


def _batch(given: dict[str, Any]) -> MotionBatch:
    return MotionBatch(
        given["real_src"],
        given["real_tsf"],
        given["input_G_bg"],
        given["input_G_src"],
        given["input_G_tsf"],
        given["T"],
        given["bg_mask"].float(),
        given["head_bbox"],
        given.get("body_bbox"),
        given.get("real_bg"),
    )


def _weights(options: dict[str, Any]) -> PainterWeights:
    return PainterWeights(
        source=options["lambda_rec"],
        transfer=options["lambda_tsf"],
        style=options["lambda_style"] if options["use_style"] else 0.0,
        face=options["lambda_face"] if options["use_face"] else 0.0,
        mask=options["lambda_mask"],
        smoothness=options["lambda_mask_smooth"],
        adversarial=options["lambda_D_prob"],
        mask_cross_entropy=options["mask_bce"],
    )


def train_step(case: Case) -> Outputs:
    given, wanted = tensors(case), case.spec["outputs"]
    options, batch = given["options"], _batch(given)
    generator, discriminator = (
        generator_of(weights_below(case, "G.")).train(),
        _discriminator(weights_below(case, "D.")),
    )
    vgg = vgg_network(vgg_weights(case)) if options["use_vgg"] else None
    face = face_network(weights_below(case, "face.")) if options["use_face"] else None
    networks = {"G": generator, "D": discriminator}
    optimisers = {
        name: torch.optim.Adam(
            network.parameters(), options[f"lr_{name}"], (options[f"{name}_adam_b1"], options[f"{name}_adam_b2"])
        )
        for name, network in networks.items()
    }
    stepped = any(name.startswith("step") for name in wanted)
    steps = 1 + max((int(name[4]) for name in wanted if name.startswith("step")), default=0)
    results: Outputs = {}
    for step in range(steps):
        prefix = f"step{step}_" if stepped else ""
        pictures = paint(generator, batch)
        terms = painter_terms(pictures, batch, discriminator, vgg=vgg, face=face, weights=_weights(options))
        loss = torch.stack(list(terms.values())).sum()
        _update(optimisers["G"], loss)
        judged, real, made = judge_loss(pictures, batch, discriminator)
        _update(optimisers["D"], judged)
        results |= {f"{prefix}{name}": terms.get(term, torch.zeros(())).detach() for term, name in NAMES.items()}
        results |= {
            f"{prefix}loss_G": loss,
            f"{prefix}loss_D": judged,
            f"{prefix}d_real": real,
            f"{prefix}d_fake": made,
        }
        if step == 0:
            results |= {"fake_src": pictures.source, "fake_tsf": pictures.target, "fake_masks": pictures.masks}
            results["fake_aug_bg"] = pictures.auxiliary
            for name in wanted:
                if name.startswith("gradnorm."):
                    _, which, key = name.split(".", 2)
                    results[name] = networks[which].get_parameter(key).grad.norm().detach()
    if "lr_after_one_decay" in wanted:
        results["lr_after_one_decay"] = (
            options["lr_G"] - (options["lr_G"] - options["final_lr"]) / options["nepochs_decay"]
        )
    return results


def _update(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _doubled(value: Tensor | None) -> Tensor | None:
    return value.double() if value is not None and value.is_floating_point() else value


def post_tune(case: Case) -> Outputs:
    given, labels = tensors(case), set_labels(case)
    size = given["src_img"].shape[2:]

    def looked_up(name: Any, index: Tensor) -> Tensor:
        chosen = condition_map(face_table(labels, name), index.numpy())
        return torch.from_numpy(np.moveaxis(chosen, -1, 1).astype(np.float32))

    source, target = looked_up("uv_seg", given["src_fim"]), looked_up("uv_seg", given["tsf_fim"])
    source_mask, target_mask = masks.erode(source[:, -1:], 3), masks.erode(target[:, -1:], 3)
    image = given["src_img"]
    pair = TunePair(
        image,
        given["preds"],
        given["bg"],
        torch.cat([image * (1 - source_mask), source], dim=1),
        torch.cat([flow.warp(image, given["T"]), target], dim=1),
        given["T"],
        given["T_cycle"],
        source_mask,
        target_mask,
        masks.head_box(given["j2d"][:, 0], tuple(size)),
        masks.head_box(given["j2d"][:, 1], tuple(size)),
        looked_up("back", given["tsf_fim"]),
        looked_up("front", given["src_fim"]) if given["front_warp"] else None,
        looked_up("front", given["tsf_fim"]) if given["front_warp"] else None,
    )
    state = {key: value for key, value in weights_below(case).items() if not key.startswith("face.")}
    # In float64, because the signs of small gradients, which Adam blows up, move the last row by 3 % between kernels.
    generator, face = generator_of(state).double(), face_network(weights_below(case, "face.")).double()
    pair = TunePair(**{name: _doubled(value) for name, value in vars(pair).items()})
    optimiser = torch.optim.Adam(generator.parameters(), TUNE_RATE, TUNE_BETAS)
    rows = []
    for _ in range(case.spec["outputs"]["total_cycle_struct_face_mask"]["shape"][0]):
        terms = tune_terms(generator, pair, face, as_published=True)
        total = torch.stack([TUNE_WEIGHTS[name] * term for name, term in terms.items()]).sum()
        _update(optimiser, total)
        rows.append([total.item(), *(terms[name].item() for name in ("cycle", "structure", "face", "mask"))])
    return {"total_cycle_struct_face_mask": np.array(rows)}


ADAPTERS: dict[str, Adapter] = {
    "imitate/post_tune": post_tune,
    "imitate/train_losses_aug": train_step,
    "imitate/train_step": train_step,
}
