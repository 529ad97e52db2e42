"""Bodies by name: the free body that comes with limner, and a user's own SMPL file, `.npz` or `.pkl`.

SMPL's licence does not let anybody ship the file, so the user brings it. Parts, front and mirror tables are told from
the mesh (`limner.body.parts`), and keypoints beyond the file's own are carried over from the free body
(`limner.body.transfer`).
"""

from __future__ import annotations

import zipfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from scipy.sparse import csr_matrix

from limner.body.parts import face_lists_of, face_parts_of, mirror_vertices_of
from limner.body.smpl import NUM_JOINTS, BodyData
from limner.body.smpl_pickle import dense, read_pickle, sparse
from limner.checks import FileProblem, InputError, WeightsError, check_file

__all__ = ["load_body", "read_smpl_file"]

_LICENCE = (
    "the user's own file; SMPL body models come under the licence of the Max Planck Society, often non-commercial"
)
_REQUIRED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
_REGRESSOR_ROWS: dict[str, int] = {"J_regressor": NUM_JOINTS, "cocoplus_regressor": 19}
_OPTIONAL = ("cocoplus_regressor", "vt", "ft")
# The largest SMPL files, with 300 shape numbers and six copies of everything, stay below half of this.
_MOST_BYTES = 2**30


@lru_cache(maxsize=4)
def load_body(name: str = "free") -> BodyData:
    """Load a body once per process: "free" for the one that comes with limner, "smpl:PATH" for a user's SMPL file.

    Raises:
        InputError: another name.
        FileProblem: no readable file at PATH.
        WeightsError: the file is not an SMPL body.
    """
    if name == "free":
        from limner.body.free_body import load_free_body

        return load_free_body()
    if name.startswith("smpl:") and len(name) > len("smpl:"):
        return _with_transferred_keypoints(read_smpl_file(name.removeprefix("smpl:")))
    raise InputError(f'no body is called {name!r}; use "free", or "smpl:PATH" for an SMPL file')


def _with_transferred_keypoints(data: BodyData) -> BodyData:
    from limner.body.transfer import transfer_keypoints

    return transfer_keypoints(load_body("free"), data)


def read_smpl_file(path: str | Path, *, num_betas: int | None = 10) -> BodyData:
    """Read a user's SMPL file; nothing in it is ever executed.

    Args:
        path: `.npz`, or `.pkl` as published (Python 2, chumpy objects and scipy matrices included).
        num_betas: shape numbers to keep, the first ones; files with 300 begin with the ten published ones. None keeps
            all.

    Returns:
        The body, with `cocoplus19` keypoints where the file has HMR's regressor, an atlas where it has `vt` and `ft`
        (v upwards, as in OBJ files), and parts told from the mesh.

    Raises:
        FileProblem: no such file, empty, too large, corrupt, or neither `.npz` nor `.pkl`.
        WeightsError: keys are missing, arrays have wrong shapes, or the file holds anything but arrays.
    """
    path = check_file(path, "SMPL file")
    if path.stat().st_size > _MOST_BYTES:
        raise FileProblem(f"{path} has {path.stat().st_size} bytes; an SMPL file has less than {_MOST_BYTES}")
    content = _read_content(path)
    missing = [key for key in _REQUIRED if key not in content]
    if missing:
        raise WeightsError(f"{path} is no SMPL body file: it lacks {', '.join(missing)}")
    try:
        arrays = {key: dense(content[key]) for key in _REQUIRED if key != "J_regressor"}
        arrays |= {key: dense(content[key]) for key in ("vt", "ft") if key in content}
        regressors = {key: sparse(content[key]) for key in _REGRESSOR_ROWS if key in content}
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    arrays, regressors = _checked(path, arrays, regressors)
    return _body(path, arrays, regressors, num_betas)


def _read_content(path: Path) -> dict[str, Any]:
    if path.suffix == ".pkl":
        return read_pickle(path)
    if path.suffix != ".npz":
        raise FileProblem(
            f"{path} is neither a .npz nor a .pkl file; these are the kinds of SMPL files that can be read"
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files if key in (*_REQUIRED, *_OPTIONAL)}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, KeyError) as error:
        # numpy takes whatever is no archive for a pickle, and says how to run it; that is no advice to pass on.
        raise FileProblem(f"{path} is no npz file that can be read: it is damaged or of another kind") from error


def _upright(regressor: csr_matrix, num_rows: int) -> csr_matrix:
    """Turn a regressor that was stored transposed; the two sizes differ by hundreds, so there is no doubt."""
    turned = regressor.shape[1] == num_rows and regressor.shape[0] != num_rows
    return csr_matrix(regressor.T) if turned else regressor


def _checked(
    path: Path, arrays: dict[str, ndarray], regressors: dict[str, csr_matrix]
) -> tuple[dict[str, ndarray], dict[str, csr_matrix]]:
    """Raise one error that names every array of a wrong shape."""
    num_vertices = arrays["v_template"].shape[0] if arrays["v_template"].ndim else 0
    regressors = {key: _upright(regressor, _REGRESSOR_ROWS[key]) for key, regressor in regressors.items()}
    wanted: dict[str, tuple[int | str, ...]] = {
        "v_template": (num_vertices, 3),
        "shapedirs": (num_vertices, 3, "S"),
        "posedirs": (num_vertices, 3, 9 * (NUM_JOINTS - 1)),
        "weights": (num_vertices, NUM_JOINTS),
        "kintree_table": (2, NUM_JOINTS),
        "f": ("F", 3),
        **{key: (_REGRESSOR_ROWS[key], num_vertices) for key in regressors},
        **({"vt": ("T", 2), "ft": (arrays["f"].shape[0], 3)} if "vt" in arrays and "ft" in arrays else {}),
    }
    wrong = []
    for key, shape in wanted.items():
        actual = regressors[key].shape if key in regressors else arrays[key].shape
        fits = len(actual) == len(shape) and all(
            isinstance(w, str) or w == a for w, a in zip(shape, actual, strict=True)
        )
        if not fits:
            wrong.append(f"{key} has {tuple(actual)} instead of ({', '.join(str(n) for n in shape)})")
    if wrong:
        raise WeightsError(f"{path} is no SMPL body of 24 joints: {'; '.join(wrong)}")
    return arrays, regressors


def _body(path: Path, arrays: dict[str, ndarray], regressors: dict[str, csr_matrix], num_betas: int | None) -> BodyData:
    # The root's parent is stored as 4294967295, which is -1 once read as a signed number.
    parents = arrays["kintree_table"][0].astype(np.uint32).astype(np.int32)
    keypoints = {"cocoplus19": regressors["cocoplus_regressor"]} if "cocoplus_regressor" in regressors else {}
    try:
        data = BodyData(
            name=f"smpl:{path}",
            v_template=arrays["v_template"],
            shapedirs=arrays["shapedirs"][:, :, :num_betas],
            posedirs=arrays["posedirs"],
            J_regressor=regressors["J_regressor"],
            weights=arrays["weights"],
            parents=parents,
            faces=arrays["f"].astype(np.int64),
            keypoint_regressors=keypoints,
            uv=_atlas(path, arrays),
            licence=_LICENCE,
        )
    except InputError as error:
        raise WeightsError(f"{path} is no SMPL body: {error}") from None
    mesh = data.v_template, data.faces, data.weights, data.J_regressor @ data.v_template
    return replace(
        data,
        face_parts=face_parts_of(*mesh),
        face_lists=face_lists_of(*mesh),
        mirror_vertices=mirror_vertices_of(data.v_template),
    )


def _atlas(path: Path, arrays: dict[str, ndarray]) -> Float32[ndarray, "F 3 2"] | None:
    if "vt" not in arrays or "ft" not in arrays:
        return None
    corners = arrays["ft"].astype(np.int64)
    if corners.size and (corners.min() < 0 or corners.max() >= len(arrays["vt"])):
        raise WeightsError(f"{path}: ft names texture points outside 0 to {len(arrays['vt']) - 1}")
    uv = arrays["vt"][corners].astype(np.float32)
    return np.stack([uv[..., 0], 1 - uv[..., 1]], -1)
