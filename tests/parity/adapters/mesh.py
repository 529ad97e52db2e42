"""Adapters for the cases of the group `mesh`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix

from limner.body import (
    SMPL,
    BodyData,
    PoseMixture,
    bending_prior,
    body_fitting_loss,
    camera_fitting_loss,
    geman_mcclure,
    mirror_rotvec,
    project_perspective,
    project_weak,
    quat_wxyz_from_rotvec,
    reprojection_loss,
    rigid_transforms,
    rotmat_from_quat_wxyz,
    rotmat_from_rotvec,
)
from limner.pose import SKELETONS, dataset_joints

from ..cases import Adapter, Case

Outputs = dict[str, Any]


def body_data(arrays: dict[str, np.ndarray]) -> BodyData:
    """The made-up body of the cases as limner's record."""
    return BodyData(
        name="made-up",
        v_template=arrays["v_template"],
        shapedirs=arrays["shapedirs"],
        posedirs=arrays["posedirs"],
        J_regressor=csr_matrix(arrays["J_regressor"]),
        weights=arrays["weights"],
        parents=arrays["kintree_table"][0].astype(np.int32),
        faces=arrays["f"],
        keypoint_regressors={"cocoplus19": csr_matrix(arrays["cocoplus_regressor"])},
    )


def _tensors(case: Case, *names: str) -> list[torch.Tensor]:
    return [torch.from_numpy(np.array(case.inputs[name])) for name in names]


def synthetic_body(case: Case) -> Outputs:
    body = case.inputs["body"]
    results: Outputs = {}
    for name in ("v_template", "shapedirs", "posedirs", "weights", "J_regressor", "cocoplus_regressor"):
        array = body[name]
        results[f"{name}_sums"] = np.array([array.sum(), (array * array).sum(), np.abs(array).sum()])
    # A checksum of which corner stands where: products of the first two corners, each modulo the prime 9973.
    results["f_sums"] = np.array([body["f"].sum(), (body["f"][:, 0] * body["f"][:, 1] % 9973).sum()])
    results["J"] = body["J_regressor"] @ body["v_template"]
    results["cocoplus"] = body["cocoplus_regressor"] @ body["v_template"]
    for name, array in (("v_template", body["v_template"]), ("f", body["f"])):
        rows = case.spec["outputs"][f"{name}_part"]["shape"][0]
        results[f"{name}_part"] = array[:: -(-len(array) // rows)]
    return results


def rodrigues(case: Case) -> Outputs:
    results: Outputs = {}
    theta, g = _tensors(case, "theta", "g")
    forms = {"matrix": rotmat_from_rotvec, "quaternion": lambda v: rotmat_from_quat_wxyz(quat_wxyz_from_rotvec(v))}
    for name, form in forms.items():
        leaf = theta.clone().requires_grad_()
        rotmat = form(leaf)
        (rotmat * g).sum().backward()
        results[f"R_{name}"], results[f"grad_{name}"] = rotmat, leaf.grad
    return results


def rigid_transform(case: Case) -> Outputs:
    rotmats, joints, parents = _tensors(case, "Rs", "Js", "parents")
    turned = rotmats.clone()
    turned[:, 0] *= torch.tensor([1.0, -1.0, -1.0])
    results: Outputs = {}
    for suffix, given in (("", rotmats), ("_rotated", turned)):
        placed, transforms = rigid_transforms(given, joints, parents.tolist())
        last = torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(*transforms.shape[:2], 1, 4)
        results[f"joints{suffix}"], results[f"A{suffix}"] = placed, torch.cat([transforms, last], 2)
    return results


def smpl_forward(case: Case) -> Outputs:
    beta, theta = _tensors(case, "beta", "theta")
    data = body_data(case.inputs["body"])
    results: Outputs = {}
    for suffix, turn_base in (("", False), ("_rotated", True)):
        layer = SMPL(data, turn_base=turn_base)
        out = layer(beta, theta.reshape(-1, 24, 3))
        results[f"verts{suffix}"] = out.vertices
        results[f"joints19{suffix}"] = layer.keypoints(out.vertices, "cocoplus19")
        results[f"joints24{suffix}"], results[f"Rs{suffix}"] = out.joints, out.rotmats
    return results


def get_details(case: Case) -> Outputs:
    (theta,) = _tensors(case, "theta")
    data = body_data(case.inputs["body"])
    camera, pose, shape = theta[:, :3], theta[:, 3:75], theta[:, 75:]
    results: Outputs = {"cam": camera, "pose": pose, "shape": shape}
    for prefix, turn_base in (("", False), ("pytorch_hmr_", True)):
        layer = SMPL(data, turn_base=turn_base)
        vertices = layer(shape, pose.reshape(-1, 24, 3)).vertices
        joints = layer.keypoints(vertices, "cocoplus19")
        results |= {f"{prefix}verts": vertices, f"{prefix}j3d": joints, f"{prefix}j2d": project_weak(joints, camera)}
    return results


def orth_proj(case: Case) -> Outputs:
    return {"x": project_weak(*_tensors(case, "X", "camera"))}


def mirror(case: Case) -> Outputs:
    (pose,) = _tensors(case, "pose")
    swap = list(SKELETONS["lsp14"].mirror)
    joints = case.inputs["joints"][swap] * (-1, 1, 1)
    keypoints = case.inputs["kp"][swap]
    keypoints[:, 0] = 223 - keypoints[:, 0]
    return {
        "pose_mirrored": mirror_rotvec(pose.reshape(24, 3)).reshape(72),
        "joints_mirrored": joints - joints.mean(0),
        "kp_mirrored": keypoints,
    }


def joint_maps(case: Case) -> Outputs:
    inputs = case.inputs
    lsp = dataset_joints.lsp_from_mpii(inputs["mpii"])
    return {
        "coco_universal": dataset_joints.cocoplus_from_coco(inputs["coco"]),
        "coco_scale": [dataset_joints.coco_scale(person) for person in inputs["coco"]],
        "mpii_joints": lsp.transpose(0, 2, 1),
        "mpii_scale": [dataset_joints.mpii_scale(person) for person in lsp],
        "mpi_inf_3dhp_28": dataset_joints.LSP_FROM_MPI_INF_3DHP_28,
        "mpi_inf_3dhp_17": dataset_joints.LSP_FROM_MPI_INF_3DHP_17,
        "pytorch_hmr_coco": dataset_joints.lsp_from_coco(inputs["coco"]),
        "pytorch_hmr_aich": dataset_joints.lsp_from_ai_challenger(inputs["aich"]),
    }


def smplify_terms(case: Case) -> Outputs:
    pose, betas, joints = (t.requires_grad_() for t in _tensors(case, "pose", "betas", "joints"))
    transl, first, centre, keypoints, conf = _tensors(case, "camera_t", "camera_t_est", "center", "joints_2d", "conf")
    mixture = PoseMixture(*(case.inputs[name] for name in ("means", "covars", "mix_weights")))
    projected = project_perspective(joints, transl, centre)
    reprojection = reprojection_loss(projected, keypoints, conf)
    body_loss = body_fitting_loss(reprojection, pose, betas, mixture)
    body_loss.backward()
    transl.requires_grad_()
    again = project_perspective(joints.detach(), transl, centre)
    camera_loss = camera_fitting_loss(again, keypoints, conf, transl, first)
    camera_loss.backward()
    return {
        "gmof": geman_mcclure(keypoints - centre[:, None]),
        "angle": bending_prior(pose),
        "gmm": mixture(pose),
        "projected": projected,
        "reprojection": reprojection,
        "body_loss": body_loss.reshape(1),
        "grad_pose": pose.grad,
        "grad_betas": betas.grad,
        "grad_joints": joints.grad,
        "camera_loss": camera_loss.reshape(1),
        "grad_camera": transl.grad,
    }


ADAPTERS: dict[str, Adapter] = {
    "mesh/get_details": get_details,
    "mesh/joint_maps": joint_maps,
    "mesh/mirror": mirror,
    "mesh/orth_proj": orth_proj,
    "mesh/rigid_transform": rigid_transform,
    "mesh/rodrigues": rodrigues,
    "mesh/smpl_forward": smpl_forward,
    "mesh/smplify_terms": smplify_terms,
    "mesh/synthetic_body": synthetic_body,
}
