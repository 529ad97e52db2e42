"""Adapters for the cases of the group `imitate`."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from limner.body import project_weak
from limner.render import (
    FaceLabels,
    atlas_samples,
    condition_map,
    corners_from_vertices,
    face_table,
    face_visibility,
    first_edge_middle,
    image_corners,
    only_faces,
    rasterise,
)
from limner.types import MapName

from ..cases import DEFAULT_CASES, Adapter, Case, find_cases

ADAPTERS: dict[str, Adapter] = {}


def _square(size: int) -> tuple[int, int]:
    return int(size), int(size)


def _raster(case: Case) -> dict[str, Any]:
    inputs = case.inputs
    near, far = (float(inputs[name]) for name in ("near", "far"))
    raster = rasterise(inputs["faces"], _square(inputs["image_size"]), near=near, far=far)
    # These cases leave depth 0 where limner, like the kernel, leaves `far`.
    depth = np.where(raster.face_index < 0, np.float32(0), raster.depth)
    return {"fim": raster.face_index, "wim": raster.weights, "depth": depth}


def _render_fim_wim(case: Case) -> dict[str, Any]:
    inputs = case.inputs
    corners = corners_from_vertices(inputs["verts"], inputs["faces"], inputs["cam"])
    rasters = [rasterise(one, _square(inputs["image_size"])) for one in corners]
    return {
        "f2verts": corners,
        "projected": project_weak(inputs["verts"], inputs["cam"]),
        "fim": np.stack([raster.face_index for raster in rasters]),
        "wim": np.stack([raster.weights for raster in rasters]),
    }


def _labels_of(inputs: dict[str, Any]) -> FaceLabels:
    uv = inputs["uv"].copy()
    uv[:, 1] = 1 - uv[:, 1]  # an OBJ's v points up
    parts = {name: np.flatnonzero(inputs["face_part"] == i) for i, name in enumerate(inputs["part_names"])}
    head, facial = (np.flatnonzero(inputs[name]) for name in ("face_is_head", "face_is_front"))
    return FaceLabels(len(inputs["faces_vt"]), uv[inputs["faces_vt"]], parts, head, facial)


def set_labels(case: Case) -> FaceLabels:
    """The made-up atlas and parts of the set that `case` belongs to, which a case of the kind `body_maps` holds."""
    for root in (case.folder.parent, case.folder.parent.parent, DEFAULT_CASES):
        for folder in find_cases(root):
            if json.loads((folder / "case.json").read_text())["kind"] == "imitate/body_maps":
                return _labels_of(Case(folder).inputs)
    raise FileNotFoundError(f"{case.folder} needs the face tables that a case of the kind imitate/body_maps holds")


def _body_maps(case: Case) -> dict[str, Any]:
    labels = _labels_of(case.inputs)
    names: tuple[MapName, ...] = ("uv", "seg", "uv_seg", "par", "front", "head", "back", "ids", "binary")
    tables = {f"map_{name}": face_table(labels, name) for name in names}
    doubled = {f"map_{name}_fill_back": face_table(labels, name, fill_back=True) for name in names}
    return {**tables, **doubled, "img2uv_sampler": atlas_samples(labels.uv)}


def _smpl_render(case: Case) -> dict[str, Any]:
    inputs, labels = case.inputs, set_labels(case)
    body, cameras, vertices = inputs["body"], inputs["theta"][:, :3], inputs["verts"]
    corners = corners_from_vertices(vertices, body["f"], cameras)
    rasters = [rasterise(one, _square(inputs["image_size"])) for one in corners]
    face_index = np.stack([raster.face_index for raster in rasters])
    points = image_corners(corners)
    seen = [face_visibility(one, labels.num_faces) for one in face_index]
    keypoints = np.einsum("kv,nvc->nkc", body["cocoplus_regressor"], vertices.astype(np.float64))

    def channels_first(name: MapName) -> np.ndarray:
        return np.moveaxis(condition_map(face_table(labels, name), face_index), -1, 1)

    return {
        "fim": face_index,
        "wim": np.stack([raster.weights for raster in rasters]),
        "cond": channels_first("uv_seg"),
        "front_mask": channels_first("front"),
        "back_mask": channels_first("back"),
        "part": channels_first("par"),
        "p2verts": points,
        "barycenters": first_edge_middle(points),
        "vis_f2pts": np.stack([only_faces(one, keep) for one, keep in zip(points, seen, strict=True)]),
        "null_f2pts": np.stack([only_faces(one, ~keep) for one, keep in zip(points, seen, strict=True)]),
        "j2d": project_weak(keypoints, cameras),
        "projected": project_weak(vertices, cameras),
    }


ADAPTERS["imitate/raster"] = _raster
ADAPTERS["imitate/render_fim_wim"] = _render_fim_wim
ADAPTERS["imitate/body_maps"] = _body_maps
ADAPTERS["imitate/smpl_render"] = _smpl_render
