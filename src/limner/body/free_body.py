"""The free body: a mesh of an adult in SMPL's layout that limner may ship, read from its npz.

Rest body: T pose, y up, facing +z, x to its left, metres; the pelvis of every shape lies at (0, -0.22, 0.03), about
where SMPL's neutral template has it. betas = 0 is the mean adult; betas are standard normal over adults. Joints have
SMPL's names, parents and meaning. Made by `scripts/build_free_body.py`; see `data/free_body.md`.

Keypoints are stored once per anatomical point ("landmark") and put together here for each skeleton of the registry.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy import ndarray
from scipy.sparse import csr_matrix, vstack

from limner.body.smpl import PARENTS, BodyData
from limner.checks import FileProblem, check_file
from limner.pose import SKELETONS
from limner.types import SkeletonName

__all__ = ["PART_NAMES", "load_free_body"]

FORMAT = 1
"""The layout of the npz that this file reads."""

PART_NAMES = (
    "00_head", "01_arm_left", "02_arm_right", "03_hand_left", "04_hand_right", "05_leg_left", "06_leg_right",
    "07_foot_left", "08_foot_right", "09_torso",
)  # fmt: skip
"""The ten parts of the body, by the joint that moves them: the neck goes with the head, the wrist with the hand."""

# OpenPose's middle points are by definition the means of two keypoints.
_OPENPOSE = {"neck": "mid_shoulder"}
_OWN_LANDMARKS = {"openpose18": _OPENPOSE, "openpose25": _OPENPOSE}


def load_free_body(path: str | Path | None = None) -> BodyData:
    """Read the free body.

    Args:
        path: an npz of the same layout, instead of the one that comes with limner.

    Raises:
        FileProblem: the file is missing, no npz of this layout, or does not match its checksum.
    """
    path = Path(__file__).parent / "data" / "free_body.npz" if path is None else Path(path)
    arrays = _read(check_file(path, "body npz"))
    uv = np.ascontiguousarray(arrays["uv_points"][arrays["uv_faces"]])
    num_vertices = len(arrays["v_template"])
    rows = dict(zip(arrays["landmarks"].tolist(), _sparse(arrays, "landmark", num_vertices), strict=True))
    return BodyData(
        name="free",
        v_template=arrays["v_template"],
        shapedirs=arrays["shapedirs"].astype(np.float32),
        posedirs=None,
        J_regressor=_sparse(arrays, "joints", num_vertices),
        weights=_sparse(arrays, "weights", 24).toarray(),
        parents=np.array(PARENTS, np.int64),
        faces=arrays["faces"],
        keypoint_regressors={name: _regressor(name, rows) for name in SKELETONS},
        uv=uv,
        face_parts={part: np.flatnonzero(arrays["face_part"] == index) for index, part in enumerate(PART_NAMES)},
        face_lists={name: arrays[f"faces_{name}"].astype(np.int64) for name in ("face", "front", "head")},
        mirror_vertices=arrays["mirror_vertices"].astype(np.int64),
        licence=str(arrays["licence"]),
    )


def _regressor(skeleton: SkeletonName, rows: dict[str, csr_matrix]) -> csr_matrix:
    """Stack the landmarks that a skeleton's joints stand for."""
    own = _OWN_LANDMARKS.get(skeleton, {})
    prefix = "smpl_" if skeleton == "smpl24" else ""
    return csr_matrix(vstack([rows[own.get(joint, prefix + joint)] for joint in SKELETONS[skeleton].joints]))


def _sparse(arrays: dict[str, ndarray], name: str, num_columns: int) -> csr_matrix:
    indptr = arrays[f"{name}_indptr"]
    shape = (len(indptr) - 1, num_columns)
    return csr_matrix((arrays[f"{name}_data"], arrays[f"{name}_indices"], indptr), shape=shape)


def _read(path: Path) -> dict[str, ndarray]:
    """Read all arrays without unpickling anything, and hold them against version and checksum."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (BadZipFile, ValueError, EOFError, TypeError) as problem:
        raise FileProblem(f"{path} is not a readable body npz ({problem}); install limner anew") from None
    version = int(arrays["format"]) if "format" in arrays else None
    if version != FORMAT:
        raise FileProblem(f"{path} has body format {version}, this limner reads {FORMAT}; build the body anew")
    stated = str(arrays.pop("checksum", ""))
    if stated != _checksum(arrays):
        raise FileProblem(f"{path} does not match its checksum; install limner anew or build the body anew")
    return arrays


def _checksum(arrays: dict[str, ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()
