"""Adapters for the networks, losses and scores of the group `imitate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from limner.losses import (
    VGGFeatures,
    feature_distance,
    lsgan_loss,
    mask_loss,
    mask_smoothness,
    perceptual_loss,
    style_loss,
)
from limner.metrics import body_error, cosine_similarity, frechet_distance, inception_score, psnr, ssim
from limner.motion import flow, masks
from limner.motion.crops import crop_boxes
from limner.motion.discriminator import DiscriminatorConfig, GlobalLocalDiscriminator, PatchDiscriminator
from limner.motion.face_features import FACE_SIZE_HW, SphereFace
from limner.motion.generator import GeneratorConfig, LiquidWarpingGenerator
from limner.motion.inpainting import GatedInpainter

from ..cases import Adapter, Case

Outputs = dict[str, Any]


def tensors(case: Case) -> dict[str, Any]:
    """The inputs, arrays as tensors."""
    return {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in case.inputs.items()}


_LARGE = 50_000_000
_LAST_FILL: dict[str, dict[str, np.ndarray]] = {}


def _weights(case: Case) -> dict[str, np.ndarray]:
    """The case's weights; a large network's are kept, because most cases ask for the same and filling takes seconds."""
    wanted = json.dumps(case.spec["weights"], sort_keys=True)
    if wanted in _LAST_FILL:
        return _LAST_FILL[wanted]
    state = case.weights()
    if sum(array.size for array in state.values()) > _LARGE:
        _LAST_FILL.clear()
        _LAST_FILL[wanted] = state
    return state


def weights_below(case: Case, prefix: str = "") -> dict[str, Tensor]:
    """The official weights of one network of the case, without its prefix."""
    return {
        key.removeprefix(prefix): torch.from_numpy(array)
        for key, array in _weights(case).items()
        if key.startswith(prefix)
    }


def vgg_weights(case: Case) -> dict[str, Tensor]:
    """The weights of VGG-19, whose keys bear no prefix of the case."""
    return {f"features.{key}": value for key, value in weights_below(case, "features.").items()}


@contextmanager
def without_start_values() -> Iterator[None]:
    """Build networks without drawing weights that are about to be loaded, which takes longer than all else."""
    plain = nn.init.kaiming_uniform_
    nn.init.kaiming_uniform_ = lambda tensor, *args, **options: tensor
    try:
        yield
    finally:
        nn.init.kaiming_uniform_ = plain


def generator_of(state: dict[str, Tensor], *, align_corners: bool = True) -> LiquidWarpingGenerator:
    """A generator of the size that the weights say."""
    blocks = {key.split(".")[2] for key in state if key.startswith("src_model.resnets.")}
    with without_start_values():
        network = LiquidWarpingGenerator(
            GeneratorConfig(
                width=state["src_model.encoders.0.0.weight"].shape[0],
                num_blocks=len(blocks),
                source_channels=state["src_model.encoders.0.0.weight"].shape[1],
                transfer_channels=state["tsf_model.encoders.0.0.weight"].shape[1],
                align_corners=align_corners,
            )
        )
    network.load_official({f"module.{key}": value for key, value in state.items()})
    return network.eval()


def _align_corners(case: Case) -> bool:
    return not any("align_corners=False" in note for note in case.spec["notes"])


@torch.no_grad()
def generator(case: Case) -> Outputs:
    given = tensors(case)
    network = generator_of(weights_below(case), align_corners=_align_corners(case))
    wanted, results = set(case.spec["outputs"]), {}
    if "img_bg" in wanted:
        out = network(given["bg_inputs"], given["src_inputs"], given["tsf_inputs"], given["T"])
        results = {
            "img_bg": out.background,
            **_named("src_", out.source),
            **_named("tsf_", out.transfer),
        }
    features = network.encode_source(given["src_inputs"])
    results |= {"src_encoder_last": features.levels[-1], "src_resnet_last": features.blocks[-1]}
    if "inference_tsf_img" in wanted:
        results |= _named("inference_tsf_", network.transfer(given["tsf_inputs"], [(features, given["T"])]))
    if "swap_tsf_img" in wanted:
        other = network.encode_source(given["src_inputs_2"])
        sources = [(features, given["T"]), (other, given["T_2"])]
        results |= _named("swap_tsf_", network.transfer(given["tsf_inputs"], sources))
    if "src_model_img" in wanted:
        results |= _named("src_model_", network.src_model(given["x"]))
    for name in wanted:
        if name.startswith("T_resized_"):
            side = given["T"].shape[1] // int(name.removeprefix("T_resized_"))
            results[name] = flow.resize_flow(given["T"], (side, side))
    if "feat_warped" in wanted:
        resized = flow.resize_flow(given["T"], tuple(given["feat"].shape[2:]))
        results["feat_warped"] = flow.warp(given["feat"], resized, align_corners=network.config.align_corners)
    return results


def _named(prefix: str, painting: Any) -> Outputs:
    return {f"{prefix}img": painting.colour, f"{prefix}mask": painting.mask}


def _patch_config(state: dict[str, Tensor], prefix: str = "") -> DiscriminatorConfig:
    convs = [value for key, value in state.items() if key.startswith(prefix) and value.ndim == 4]
    norm = "batch" if any(key.endswith("running_mean") for key in state) else "instance"
    return DiscriminatorConfig(convs[0].shape[1], convs[0].shape[0], len(convs) - 2, norm)


@torch.no_grad()
def patch_discriminator(case: Case) -> Outputs:
    state = weights_below(case)
    plain = _patch_config(state)
    with_sigmoid = any("use_sigmoid=True" in note for note in case.spec["notes"])
    config = DiscriminatorConfig(plain.in_channels, plain.width, plain.num_halvings, plain.norm, with_sigmoid)
    network = PatchDiscriminator(config)
    network.load_official(state)
    return {"out": network.eval()(tensors(case)["x"])}


@torch.no_grad()
def global_local_discriminator(case: Case) -> Outputs:
    given, state = tensors(case), weights_below(case)
    network = GlobalLocalDiscriminator(
        global_channels=given["global_x"].shape[1],
        local_channels=given["local_x"].shape[1],
        width=state["global_model.model.0.bias"].shape[0],
    )
    network.load_official(state)
    boxes, local = given["local_rects"], given["local_x"]
    return {
        "out": network.eval()(given["global_x"], local, boxes),
        "crops": crop_boxes(local, boxes, tuple(local.shape[2:])),
    }


@torch.no_grad()
def inpainter(case: Case) -> Outputs:
    with without_start_values():
        network = GatedInpainter()
    network.load_official(weights_below(case))
    given = tensors(case)
    filled = network.eval()(given["imgs"], given["masks"])
    return {"coarse": filled.coarse, "refined": filled.refined, "composite": filled.composite}


def face_network(state: dict[str, Tensor]) -> SphereFace:
    """The face network of a case, ready."""
    with without_start_values():
        network = SphereFace()
    network.load_official(state)
    return network.eval().requires_grad_(False)


def vgg_network(state: dict[str, Tensor]) -> VGGFeatures:
    """The VGG network of a case, ready."""
    with without_start_values():
        network = VGGFeatures()
    network.load_official(state)
    return network.eval().requires_grad_(False)


@torch.no_grad()
def sphere_face(case: Case) -> Outputs:
    state = weights_below(case)
    for key, shape in case.spec["weights"].get("published_extra_keys", ()):
        state[key] = torch.zeros(1).expand(shape)
    return {f"feat{i}": feature for i, feature in enumerate(face_network(state)(tensors(case)["x"]))}


def checkpoint_keys(case: Case) -> Outputs:
    """Names and shapes of the state dicts that importers accept, against the lists of the published files."""
    with torch.device("meta"):
        networks = {
            "net_epoch_30_id_G": LiquidWarpingGenerator(),
            "(impersonator_trainer)": PatchDiscriminator(),
            "(impersonator_trainer_aug)": GlobalLocalDiscriminator(),
            "deepfillv2": GatedInpainter(),
            "sphere20a": SphereFace(),
        }
    for file, listed in case.spec["files"].items():
        for name, network in networks.items():
            if name in file:
                own = [[key, list(value.shape)] for key, value in network.state_dict().items()]
                published = [[key, shape] for key, shape, _ in listed["keys"] if not key.startswith("fc6.")]
                assert sorted(own) == sorted(published), f"the keys of {file} differ"
    return {}


def losses(case: Case) -> Outputs:
    given = tensors(case)
    vgg, face = vgg_network(vgg_weights(case)), face_network(weights_below(case, "face."))
    fake, real = given["fake"].requires_grad_(), given["real"]

    def faces(boxes: Tensor) -> Tensor:
        return feature_distance(face, crop_boxes(fake, boxes, FACE_SIZE_HW), crop_boxes(real, boxes, FACE_SIZE_HW))

    boxes = given["head_bbox"]
    terms = {"vgg": perceptual_loss(vgg, fake, real), "style": style_loss(vgg, fake, real), "face": faces(boxes)}
    grads = {f"{name}_grad": torch.autograd.grad(term, fake)[0] for name, term in terms.items()}
    target = given["mask_target"].float()
    with torch.no_grad():
        results: Outputs = {
            **grads,
            "vgg": terms["vgg"],
            "style": terms["style"],
            "face_bbox": terms["face"],
            "face_kps": faces(masks.head_box(given["kps"], tuple(fake.shape[2:]))),
            "head_crops": crop_boxes(fake, boxes, FACE_SIZE_HW),
            "smooth": mask_smoothness(given["mask"]),
            "bce": mask_loss(given["mask"], target),
            "mse": mask_loss(given["mask"], target, cross_entropy=False),
            "l1": nn.functional.l1_loss(fake, real),
        }
        results |= {f"vgg_feat{i}": feature for i, feature in enumerate(vgg(fake))}
        for name in case.spec["outputs"]:
            if name.startswith("lsgan_"):
                results[name] = lsgan_loss(given["d_out"], float(name.removeprefix("lsgan_")))
    return results


def metrics(case: Case) -> Outputs:
    given = case.inputs
    rows = len(given["feats_pred"])
    pictures = [
        (2 * a.transpose(1, 2, 0) - 1, 2 * b.transpose(1, 2, 0) - 1)
        for a, b in zip(given["img_pred"], given["img_ref"], strict=True)
    ]
    return {
        "frechet": frechet_distance(given["feats_pred"], given["feats_ref"]),
        "inception_score_of_softmax": inception_score(given["feats_pred"]),
        "cosine": cosine_similarity(given["feats_pred"], given["feats_ref"][:rows]),
        "ssim": np.mean([ssim(a, b) for a, b in pictures]),
        "psnr": np.mean([psnr(a, b) for a, b in pictures]),
        "sspe": body_error(given["smpl_a"], given["smpl_b"]),
    }


ADAPTERS: dict[str, Adapter] = {
    "imitate/checkpoint_keys": checkpoint_keys,
    "imitate/deepfillv2": inpainter,
    "imitate/generator_forward": generator,
    "imitate/generator_inference": generator,
    "imitate/generator_small": generator,
    "imitate/generator_swap": generator,
    "imitate/global_local_discriminator": global_local_discriminator,
    "imitate/losses": losses,
    "imitate/metrics": metrics,
    "imitate/patch_discriminator": patch_discriminator,
    "imitate/sphere20a": sphere_face,
}
