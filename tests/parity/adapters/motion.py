"""Adapters for the cases of the group `imitate` that belong to the motion room: masks, boxes, cameras, flow."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from limner.motion import cameras, flow, masks, recovery
from limner.render import (
    condition_map,
    corners_from_vertices,
    face_table,
    face_visibility,
    first_edge_middle,
    image_corners,
    only_faces,
    rasterise,
)

from ..cases import Adapter, Case
from .imitate import set_labels


def morph(case: Case) -> dict[str, Any]:
    inputs = case.inputs
    mask, soft = torch.from_numpy(inputs["mask"]).float(), torch.from_numpy(inputs["soft"])
    results: dict[str, Any] = {}
    for name in case.spec["outputs"]:
        operation, _, rest = name.partition("_")
        if operation in ("erode", "dilate"):
            of_soft = rest.startswith("soft_")
            results[name] = getattr(masks, operation)(soft if of_soft else mask, int(rest.removeprefix("soft_")))
        else:
            kind, factor, *variant = rest.split("_")
            chosen = mask.clone()
            if variant:
                chosen[0] = 0
            box, valid = masks.mask_box(chosen, float(factor))
            results[name] = box if kind == "bbox" else valid
    return results


def boxes(case: Case) -> dict[str, Any]:
    keypoints = torch.from_numpy(case.inputs["kps"])
    results: dict[str, Any] = {}
    for name in case.spec["outputs"]:
        parts = name.split("_")
        if parts[1] == "rect":
            size_hw = (int(parts[2].removeprefix("h")), int(parts[3].removeprefix("w")))
        else:
            size_hw = (int(parts[1]), int(parts[1]))
        results[name] = (masks.head_box if parts[0] == "head" else masks.body_box)(keypoints, size_hw)
    return results


def _strategy(case: Case, strategy: Any) -> np.ndarray:
    source, target = case.inputs["src_theta"], case.inputs["tgt_theta"]
    rows = [
        cameras.strategy_camera(s[:3], t[None, :3], case.inputs["first_cam"][0], strategy)
        for s, t in zip(source, target, strict=True)
    ]
    return np.concatenate([np.concatenate(rows), target[:, 3:75], source[:, 75:]], axis=1)


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    return (cv2.resize(image, (size, size)).astype(np.float32) / 255).transpose(2, 0, 1)


def _as_wanted(rotvec: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return `wanted` where it is the same rotation: near pi the axis may come with either sign."""
    angle = (Rotation.from_rotvec(rotvec).inv() * Rotation.from_rotvec(wanted)).magnitude()
    return np.where(angle[:, None] < 1e-5, wanted, rotvec)


def camera_cases(case: Case) -> dict[str, Any]:
    given = case.inputs
    frame = cameras.frame_camera_from_crop(given["cam"], given["scale"], given["start"])
    results: dict[str, Any] = {f"imitator_{name}": _strategy(case, name) for name in ("smooth", "source", "copy")}
    results["cam_init2orig"] = frame
    results["bbox_param"] = np.stack([cameras.person_scale(one) for one in given["kps_xyv"]])
    turned = cameras.turn_pose(given["src_theta"][:, 3:75], given["yaw"])
    for name in case.spec["outputs"]:
        last = name.rsplit("_", 1)[-1]
        if name.startswith(("cam_process_", "cam_orig2crop_raw_")):
            crop = cameras.crop_camera_from_frame(frame, given["scale2"], given["start2"], int(last))
            results[name] = cameras.normalise_crop_camera(crop, int(last)) if "process" in name else crop
        elif name.startswith("transform_img_"):
            results[name] = _resized(given["image"], int(last))
        elif name.startswith("orth_quat_offset_"):
            results[name] = cameras.project_quaternion(
                torch.from_numpy(given["X"]), torch.from_numpy(given["cam7"]), float(last)
            )
        elif name.startswith("t_pose_orbit_every_"):
            orbit = cameras.t_pose_orbit(np.arange(0, 180, int(last)) * 2.0)
            results[name] = _as_wanted(orbit, case.arrays[case.spec["outputs"][name]["npz"]])
    results["euler2matrix"] = cameras.matrix_from_euler(given["euler"])
    wanted = case.arrays[case.spec["outputs"]["rotated_pose"]["npz"]]
    turned[:, :3] = _as_wanted(turned[:, :3], wanted[:, :3])
    results["rotated_pose"] = turned
    return results


def _drawn(case: Case, vertices: np.ndarray, theta: np.ndarray) -> recovery.DrawnBody:
    """Draw bodies with the set's face tables."""
    size, faces = int(case.inputs["image_size"]), case.inputs["body"]["f"]
    corners = corners_from_vertices(vertices, faces, theta[:, :3])
    rasters = [rasterise(one, (size, size)) for one in corners]
    face_index = np.stack([raster.face_index for raster in rasters])
    condition = condition_map(face_table(set_labels(case), "uv_seg"), face_index)
    return recovery.DrawnBody(
        torch.from_numpy(face_index),
        torch.from_numpy(np.stack([raster.weights for raster in rasters])),
        torch.from_numpy(image_corners(corners)),
        torch.from_numpy(np.moveaxis(condition, -1, 1).astype(np.float32)),
    )


def flow_fields(case: Case) -> dict[str, Any]:
    given = case.inputs
    half = len(given["theta"]) // 2
    source = _drawn(case, given["verts"][:half], given["theta"][:half])
    target = _drawn(case, given["verts"][half:], given["theta"][half:])
    seen = [face_visibility(one.numpy(), source.corners.shape[1]) for one in source.face_index]
    visible = [only_faces(one.numpy(), keep) for one, keep in zip(source.corners, seen, strict=True)]
    forward = flow.flow_from_corners(source.corners, target.face_index, target.weights)
    image = torch.from_numpy(given["src_img"])
    middles = torch.from_numpy(first_edge_middle(source.corners.numpy()))
    return {
        "T": forward,
        "T_cycle": flow.flow_from_corners(target.corners, source.face_index, source.weights),
        "T_only_vis": flow.flow_from_corners(torch.from_numpy(np.stack(visible)), target.face_index, target.weights),
        "T_barycenter": flow.flow_from_face_points(middles, target.face_index),
        "warped_corners_true": flow.warp(image, forward),
        "warped_corners_false": flow.warp(image, forward, align_corners=False),
    }


def body_recovery(case: Case) -> dict[str, Any]:
    given = case.inputs
    auxiliary = torch.from_numpy(given["aug_img"]) if "aug_img" in given else None
    inputs = recovery.recover_flow(
        torch.from_numpy(given["src_img"]),
        torch.from_numpy(given["ref_img"]),
        _drawn(case, given["src_verts"], given["src_theta"]),
        _drawn(case, given["ref_verts"], given["ref_theta"]),
        torch.from_numpy(given["ref_j2d"]),
        auxiliary_image=auxiliary,
        with_target_background=bool(given["bg_both"]),
    )
    return {
        "input_G_aug_bg": inputs.auxiliary_background,
        "input_G_src_bg": inputs.source_background,
        "input_G_tsf_bg": inputs.target_background,
        "input_G_src": inputs.source,
        "input_G_tsf": inputs.transfer,
        "T": inputs.source_from_target,
        "src_crop_mask": inputs.source_mask,
        "tsf_crop_mask": inputs.target_mask,
        "head_bbox": inputs.head_box,
        "body_bbox": inputs.body_box,
    }


ADAPTERS: dict[str, Adapter] = {
    "imitate/morph": morph,
    "imitate/boxes": boxes,
    "imitate/cameras": camera_cases,
    "imitate/flow": flow_fields,
    "imitate/body_recovery_flow": body_recovery,
    "imitate/body_recovery_flow_aug": body_recovery,
}
