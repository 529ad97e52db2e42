"""Adapters for HMR in the group `mesh`: networks, discriminators, losses, crops, cameras, scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from limner.body import (
    HMR,
    HMR_NETWORKS,
    SMPL,
    Augmentation,
    BodyDiscriminator,
    augmented_crop,
    body_from_hmr_weights,
    box_cut,
    camera_in_other_crop,
    cameras_in_crop_pixels,
    cameras_of_original,
    crop_of_keypoints,
    cut_crop,
    mean_theta,
    mean_theta_from_rot6d,
    network_input,
    original_from_crop,
    plain_theta,
    render_camera,
    rotmat_from_rot6d,
    rotmat_from_rotvec,
    scale_picture,
    square_round_box,
    theta_details,
)
from limner.losses import (
    BODY_WEIGHTS,
    adversary_fake_loss,
    adversary_real_loss,
    align_by_hips,
    joints_3d_loss,
    keypoints_l1_loss,
    parameters_loss,
)
from limner.metrics import align_by_root, align_similar, mpjpe, pa_mpjpe

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


def losses(case: Case) -> Outputs:
    names = ("kp_pred", "params_pred", "joints_pred", "disc_real", "disc_fake")
    leaves = {name: _tensors(case, name)[0].requires_grad_() for name in names}
    kp_real, params_real, joints_real = _tensors(case, "kp_real", "params_real", "joints_real")
    has_smpl, has_joints = _tensors(case, "has_smpl", "has_joints")
    terms = {
        "kp": (keypoints_l1_loss(leaves["kp_pred"], kp_real), "kp_pred"),
        "params": (parameters_loss(leaves["params_pred"], params_real, has_smpl), "params_pred"),
        "joints": (joints_3d_loss(leaves["joints_pred"], joints_real, has_joints), "joints_pred"),
        "disc_real": (adversary_real_loss(leaves["disc_real"]), "disc_real"),
        "disc_fake": (adversary_fake_loss(leaves["disc_fake"]), "disc_fake"),
        "encoder_disc": (adversary_real_loss(leaves["disc_fake"]), "disc_fake"),
    }
    results: Outputs = {"aligned": align_by_hips(joints_real)}
    for name, (loss, leaf) in terms.items():
        (gradient,) = torch.autograd.grad(loss, leaves[leaf])
        results |= {name: loss.reshape(1), f"grad_{name}": gradient}
    return results


def _rotations(rotvec: torch.Tensor) -> torch.Tensor:
    """The 207 numbers of pytorch_HMR's pose loss."""
    return rotmat_from_rotvec(rotvec.reshape(len(rotvec), -1, 3)[:, -23:]).flatten(1)


def losses_pytorch_hmr(case: Case) -> Outputs:
    names = ("kp_2d_pred", "kp_3d_pred", "shape_pred", "pose_pred", "disc_real", "disc_fake")
    leaves = {name: _tensors(case, name)[0].requires_grad_() for name in names}
    real = {name: _tensors(case, name)[0] for name in ("kp_2d_real", "kp_3d_real", "shape_real", "pose_real")}
    w_3d, w_smpl = _tensors(case, "w_3d", "w_smpl")
    pose = parameters_loss(_rotations(leaves["pose_pred"]), _rotations(real["pose_real"]), w_smpl)
    terms = {
        "kp_2d": (keypoints_l1_loss(leaves["kp_2d_pred"], real["kp_2d_real"]), "kp_2d_pred"),
        "kp_3d": (joints_3d_loss(leaves["kp_3d_pred"], real["kp_3d_real"], w_3d), "kp_3d_pred"),
        "shape": (parameters_loss(leaves["shape_pred"], real["shape_real"], w_smpl), "shape_pred"),
        "pose": (pose, "pose_pred"),
        "encoder_disc": (adversary_real_loss(leaves["disc_fake"]), "disc_fake"),
    }
    results: Outputs = {}
    for name, (loss, leaf) in terms.items():
        (gradient,) = torch.autograd.grad(loss, leaves[leaf])
        results |= {name: loss.reshape(1), f"grad_{name}": gradient}
    adv_real, adv_fake = adversary_real_loss(leaves["disc_real"]), adversary_fake_loss(leaves["disc_fake"])
    gradients = torch.autograd.grad(adv_real + adv_fake, (leaves["disc_real"], leaves["disc_fake"]))
    results |= {"adv_real": adv_real.reshape(1), "adv_fake": adv_fake.reshape(1)}
    return results | {
        "adv": (adv_real + adv_fake).reshape(1),
        "grad_adv_0": gradients[0],
        "grad_adv_1": gradients[1],
    }


def train_losses_pytorch_hmr(case: Case) -> Outputs:
    thetas = [theta.requires_grad_() for theta in _tensors(case, "theta_1", "theta_2", "theta_3")]
    first, second, kp_3d, theta_real = _tensors(case, "kp_2d_a", "kp_2d_b", "kp_3d", "theta_real")
    w_3d, w_smpl, theta_mosh = _tensors(case, "w_3d", "w_smpl", "theta_mosh")
    judge = _pytorch_hmr_discriminator(case).judge_theta
    details = theta_details(thetas[-1], SMPL(body_data(case.inputs["body"]), turn_base=True))
    lifted = slice(len(first), None)  # rows of the pictures that have labels in space
    last, factors = thetas[-1][lifted], BODY_WEIGHTS["pytorch-hmr"]
    keypoints = torch.cat([first, second])
    pose = parameters_loss(_rotations(last[:, 3:75]), _rotations(theta_real[:, 3:75]), w_smpl)
    terms = {
        "kp_2d": factors.keypoints * keypoints_l1_loss(details.keypoints_crop[:, :14], keypoints),
        "kp_3d": factors.joints * joints_3d_loss(details.keypoints[lifted], kp_3d, w_3d),
        "shape": factors.shape * parameters_loss(last[:, 75:], theta_real[:, 75:], w_smpl),
        "pose": factors.pose * pose,
        "encoder_disc": factors.adversarial * adversary_real_loss(judge(torch.cat(thetas))),
    }
    gradients = torch.autograd.grad(sum(terms.values()), thetas)
    fake = adversary_fake_loss(judge(torch.cat(thetas).detach()))
    real = adversary_real_loss(judge(theta_mosh))
    terms |= {"disc_real": real, "disc_fake": fake, "disc": real + fake}
    return {name: term.reshape(1) for name, term in terms.items()} | {
        f"grad_theta_{n}": gradient for n, gradient in enumerate(gradients, 1)
    }


def preprocess(case: Case) -> Outputs:
    inputs = case.inputs
    results: Outputs = {}
    for name in inputs:
        kind, _, number = name.partition("_")
        if kind == "scale":
            crop = cut_crop(inputs["image"], float(inputs[name][0]), inputs[f"center_{number}"])
            norm = network_input(crop.image).transpose(1, 2, 0)
            results |= {f"crop_{number}": crop.image, f"norm_{number}": norm}
            results |= {f"start_{number}": crop.start_xy, f"end_{number}": crop.end_xy}
        elif kind == "factor":
            scaled, actual_xy = scale_picture(inputs["image"], float(inputs[name][0]))
            results |= {f"resized_{number}": scaled, f"actual_{number}": actual_xy[::-1]}
    if "openpose" in inputs:
        scale, center = crop_of_keypoints(inputs["openpose"])
        results |= {"openpose_scale": [scale], "openpose_center": center}
    return results


def get_original(case: Case) -> Outputs:
    inputs = case.inputs
    start, scale = inputs["start_pt"], float(inputs["scale"][0])
    camera = render_camera(inputs["cam"], start, scale)
    return {
        "cam_for_render": [camera.focal_px, *camera.center_px],
        "vert_shifted": inputs["verts"] + camera.translation,
        "kp_original": original_from_crop(inputs["joints"], start, scale),
    }


def impersonator_cameras(case: Case) -> Outputs:
    inputs = case.inputs
    boxes = [crop_of_keypoints(person[None], threshold=0.1) for person in inputs["kp"]]
    original = cameras_of_original(inputs["cam"], inputs["scale_150"], inputs["start_150"])
    side = case.spec["outputs"]["proc_image"]["shape"][0]
    x, y, scale = inputs["bbox"]
    crop = cut_crop(inputs["image"], scale, np.array([x, y]), size=side, margin=side)
    center = crop.center_xy + crop.margin - crop.start_xy
    return {
        "bbox_param": [[*center, scale] for scale, center in boxes],
        "cam_denormalized": cameras_in_crop_pixels(inputs["cam"]),
        "cam_orig": original,
        "cam_crop": camera_in_other_crop(original, inputs["scale_proc"], inputs["start_proc"], size=side),
        "proc_image": crop.image,
        "proc_start": crop.start_xy,
        "proc_center": center,
        "proc_shape": crop.scaled_hw,
        "noproc_start": crop.start_xy,
        "noproc_center": center,
    }


def train_preprocess(case: Case) -> Outputs:
    inputs = case.inputs
    change = Augmentation(tuple(inputs["shift"]), inputs["scale"][0], bool(inputs["flip"][0]))
    label, pose, joints = inputs["label"], inputs["pose"], inputs["gt3d"]
    sample = augmented_crop(inputs["image"], label, inputs["center"], change, pose=pose, joints=joints)
    return {"crop": sample.image, "label": sample.label, "pose": sample.pose, "gt3d": sample.joints}


def pytorch_hmr_crop(case: Case) -> Outputs:
    inputs = case.inputs
    corners = square_round_box(inputs["left_top"], inputs["right_bottom"], inputs["scale"])
    cut, resized = box_cut(inputs["image"], *corners)
    keypoints = inputs["kps"].copy()
    keypoints[:, :2] = 2 * (keypoints[:, :2] - corners[0]) / (corners[1] - corners[0]) - 1
    return {
        "cut_left_top": corners[0],
        "cut_right_bottom": corners[1],
        "cut": cut,
        "resized": resized,
        "norm": network_input(resized),
        "kps_out": keypoints,
    }


def evaluation(case: Case) -> Outputs:
    inputs = case.inputs
    # The case is in millimetres, our scores multiply metres by 1000.
    errors, errors_pa = mpjpe(inputs["pred"], inputs["gt"]) / 1000, pa_mpjpe(inputs["pred"], inputs["gt"]) / 1000
    results: Outputs = {"aligned": align_by_root(inputs["gt"])}
    results["procrustes"] = align_similar(inputs["pred"], inputs["gt"])
    results |= {"errors": errors, "errors_pa": errors_pa, "mpjpe": [errors.mean()], "pa_mpjpe": [errors_pa.mean()]}
    # The reference's points are columns here.
    results["procrustes_2d"] = align_similar(inputs["a2"].T, inputs["b2"].T).T
    results["procrustes_3x3"] = align_similar(inputs["a3"].T, inputs["b3"].T).T
    return results


ADAPTERS: dict[str, Adapter] = {
    "mesh/discriminator": discriminator,
    "mesh/evaluation": evaluation,
    "mesh/get_original": get_original,
    "mesh/hmr_preact_resnet50": hmr_preact_resnet50,
    "mesh/hmr_tf_checkpoint": hmr_tf_checkpoint,
    "mesh/impersonator_cameras": impersonator_cameras,
    "mesh/losses": losses,
    "mesh/losses_pytorch_hmr": losses_pytorch_hmr,
    "mesh/mean_theta": mean,
    "mesh/preprocess": preprocess,
    "mesh/published_mean": published_mean,
    "mesh/pytorch_hmr_crop": pytorch_hmr_crop,
    "mesh/pytorch_hmr_discriminator": pytorch_hmr_discriminator,
    "mesh/pytorch_hmr_generator": pytorch_hmr_generator,
    "mesh/rot6d": rot6d,
    "mesh/train_losses_pytorch_hmr": train_losses_pytorch_hmr,
    "mesh/train_preprocess": train_preprocess,
}
