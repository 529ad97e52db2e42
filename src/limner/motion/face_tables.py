"""The published tables of SMPL's faces: an OBJ file with the atlas, and JSON files with parts, head and face.

Source: svip-lab/impersonator `utils/mesh.py`; its files are `mapper.txt`, `smpl_part_info.json`, `head.json` and
`front_facial.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from torch import Tensor

from limner.checks import FileProblem, InputError, WeightsError, check_file
from limner.render import FaceLabels

ATLAS, PARTS, HEAD, FACIAL = "mapper.txt", "smpl_part_info.json", "head.json", "front_facial.json"
_PART = "part."


def read_face_tables(folder: str | Path) -> FaceLabels:
    """Read the four files of a folder.

    Raises:
        FileProblem: the folder or one of the files is missing or cannot be read.
        WeightsError: a file is none of the published kind, or they disagree.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileProblem(f"{folder} is no folder; the face tables are {ATLAS}, {PARTS}, {HEAD} and {FACIAL} in one")
    uv = read_atlas(folder / ATLAS)
    parts = {name: _faces(value, folder / PARTS) for name, value in _json(folder / PARTS).items()}
    head, facial = (_faces(_json(folder / name), folder / name) for name in (HEAD, FACIAL))
    try:
        labels = FaceLabels(len(uv), uv, parts, head, facial)
    except InputError as error:
        raise WeightsError(f"the face tables in {folder} disagree: {error}") from None
    left_out = len(uv) - len(np.unique(np.concatenate(list(parts.values())))) if parts else len(uv)
    if left_out:
        raise WeightsError(f"the parts in {folder / PARTS} leave out {left_out} of {len(uv)} faces")
    return labels


def read_atlas(path: str | Path) -> Float32[ndarray, "F 3 2"]:
    """Read the texture coordinates of an OBJ file's corners: u right, v DOWN (the file has it upwards).

    Raises:
        FileProblem: there is no such file.
        WeightsError: it is no OBJ file of triangles with texture points.
    """
    path = check_file(path, "atlas")
    points, corners = [], []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            word, *rest = line.split() or [""]
            if word == "vt":
                points.append((float(rest[0]), 1 - float(rest[1])))
            elif word == "f":
                corners.append([int(corner.split("/")[1]) - 1 for corner in rest])
        uv = np.asarray(points, np.float32).reshape(-1, 2)[np.asarray(corners, np.int64).reshape(-1, 3)]
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is no OBJ file of triangles with texture points: {error}") from None
    if not len(uv) or not np.isfinite(uv).all():
        raise WeightsError(f"{path} holds no faces with texture points")
    return uv


def tables_state(labels: FaceLabels) -> dict[str, Tensor]:
    """Return the tables as tensors by name, to be kept in one file."""
    lists = {"head": labels.head, "facial": labels.facial}
    arrays = {"uv": labels.uv, **lists, **{_PART + name: faces for name, faces in labels.parts.items()}}
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in arrays.items() if value is not None}


def tables_from_state(state: dict[str, Tensor]) -> FaceLabels:
    """Return the tables that `tables_state` made tensors of.

    Raises:
        WeightsError: a table is missing.
    """
    missing = [name for name in ("uv", "head", "facial") if name not in state]
    if missing:
        raise WeightsError(f"the face tables lack {', '.join(missing)}")
    arrays = {name: value.numpy() for name, value in state.items()}
    parts = {name.removeprefix(_PART): faces for name, faces in arrays.items() if name.startswith(_PART)}
    return FaceLabels(len(arrays["uv"]), arrays["uv"], parts, arrays["head"], arrays["facial"])


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(check_file(path, "face table").read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path} is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise WeightsError(f"{path} is no table of faces")
    return content


def _faces(entry: Any, path: Path) -> ndarray:
    faces = entry.get("face") if isinstance(entry, dict) else None
    if not isinstance(faces, list) or not all(isinstance(face, int) for face in faces):
        raise WeightsError(f'{path} is no table of faces: it lacks a list of whole numbers under "face"')
    return np.unique(np.asarray(faces, np.int64))
