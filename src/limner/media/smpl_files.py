"""Motions stored as SMPL's numbers: AMASS and SMPL npz, limner's own body npz, and the 85-vectors of HMR.

Sources: AMASS (Mahmood et al. 2019) for its keys and its z-up world; Kanazawa et al. 2018 for the vector of 85.
"""

from __future__ import annotations

import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.checks import FileProblem, InputError, check_file
from limner.media.interpolation import check_frames, interpolate
from limner.media.retarget import turn_to_y_up
from limner.records import Motion

_CAMERA_TO_WORLD = np.diag([1.0, -1.0, -1.0])
_Z_UP_TO_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
_RATE_KEYS = ("mocap_frame_rate", "mocap_framerate", "frame_rate", "framerate", "fps")
_VECTOR_KEYS = ("theta", "thetas", "smpls", "omegas")
_POSE_KEYS = ("poses", "pose", "smpl_poses", "full_pose")
_TRANSL_KEYS = ("transl", "trans", "smpl_trans", "translation")


def read_smpl_file(path: Path, frame_rate: Fraction | None, person: int) -> tuple[Motion, bool]:
    """Read an npz or npy file of SMPL poses.

    Args:
        path: the file. Known layouts: `poses` with `trans` (AMASS); `global_orient` and `body_pose`, with `transl` or
            `weak_camera`; `root_orient` and `pose_body`; an array of 85 numbers a frame (HMR) or 72.
        frame_rate: the rate to state where the file has none.
        person: whose rows to take where the file holds several people.

    Returns:
        The motion in a world with y up, and whether the frame rate comes from the file. Positions are the pelvis where
        the file has `pelvis_rest` (limner's own do); else the file's translation, which is the pelvis up to a constant
        that depends on the body's shape.

    Raises:
        FileProblem: the file is no numpy file, or needs code to be read.
        InputError: keys are missing, an array has another width, or numbers are not finite.
    """
    arrays = load_arrays(check_file(path, "motion file"))
    arrays = _of_the_world(_rows_of(arrays, person, path))
    if (found := _first(arrays, _VECTOR_KEYS)) is not None and found.shape[-1] >= 85:
        rotmats, transl, turn = _from_vectors(found.reshape(-1, found.shape[-1]), path)
    else:
        rotmats, transl = _pose_rotmats(arrays, path), _positions(arrays, path)
        turn = _turn(arrays, rotmats)
    if len(transl) != len(rotmats):
        raise InputError(f"{path} has {len(rotmats)} frames of rotations and {len(transl)} of positions")
    rotmats[:, 0] = turn @ rotmats[:, 0]
    rotvec = Rotation.from_matrix(rotmats.reshape(-1, 3, 3)).as_rotvec().reshape(-1, 24, 3)
    stated = _first(arrays, _RATE_KEYS)
    rate = frame_rate if stated is None else Fraction(float(stated.reshape(-1)[0])).limit_denominator(1001)
    motion = Motion(rotvec, transl @ turn.T, rate or Fraction(30), path.name)
    if "frame" in arrays:
        motion = _fill_gaps(motion, arrays["frame"].astype(np.int64))
    return motion, stated is not None


def load_arrays(path: Path) -> dict[str, ndarray]:
    """Load an npz or npy file without running code; a bare array gets the name `theta`.

    Raises:
        FileProblem: the file is not in the format, truncated, or holds Python objects.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, ndarray):
            return {"theta": loaded}
        with loaded:
            return {key: array for key in loaded.files if (array := _array(loaded, key)) is not None}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        raise FileProblem(
            f"{path} is not a numpy file that can be read without running code, or it is truncated"
        ) from None


def _array(loaded: np.lib.npyio.NpzFile, key: str) -> ndarray | None:
    """Read one array; a member that holds Python objects (AMASS marker names) is left out."""
    try:
        return loaded[key]
    except ValueError:
        return None


def _first(arrays: dict[str, ndarray], keys: tuple[str, ...]) -> ndarray | None:
    return next((arrays[key] for key in keys if key in arrays), None)


def _rows_of(arrays: dict[str, ndarray], person: int, path: Path) -> dict[str, ndarray]:
    """Keep one person's rows, in the order of the frames."""
    if "person" not in arrays:
        return arrays
    people = arrays["person"].reshape(-1)
    rows = np.flatnonzero(people == person)
    if len(rows) == 0:
        raise InputError(f"{path} has no person {person}; it has {sorted(set(people.tolist()))}")
    if "frame" in arrays:
        rows = rows[np.argsort(arrays["frame"].reshape(-1)[rows], kind="stable")]
    return {key: a[rows] if a.ndim and len(a) == len(people) else a for key, a in arrays.items()}


def _pose_rotmats(arrays: dict[str, ndarray], path: Path) -> Float[ndarray, "T 24 3 3"]:
    root, body = (
        arrays.get("global_orient", arrays.get("root_orient")),
        arrays.get("body_pose", arrays.get("pose_body")),
    )
    if root is not None and body is not None:
        return _padded(np.concatenate([_as_rotmats(root, path), _as_rotmats(body, path)], axis=1))
    poses = _first(arrays, (*_POSE_KEYS, *_VECTOR_KEYS))
    if poses is None:
        raise InputError(
            f"{path} has no motion that limner knows: it needs 'poses' and 'trans' or 'global_orient' and 'body_pose', "
            f"and has {sorted(arrays)}"
        )
    check_frames(poses, path)
    poses = poses.reshape(len(poses), -1) if poses.ndim > 1 else poses.reshape(1, -1)
    if poses.shape[1] not in (66, 72, 156, 165):
        raise InputError(
            f"{path} has {poses.shape[1]} pose numbers a frame; 66, 72 (SMPL), 156 (SMPL-H) or 165 (SMPL-X) fit"
        )
    # SMPL-H and SMPL-X put fingers (and a jaw) where SMPL has its two hands; the 22 joints before are the same.
    return _padded(_as_rotmats(poses[:, :72] if poses.shape[1] == 72 else poses[:, :66], path))


def _as_rotmats(rotations: ndarray, path: Path) -> Float[ndarray, "T J 3 3"]:
    """Accept axis-angle (T, 3J) or (T, J, 3) and matrices (T, J, 3, 3)."""
    rotations = np.asarray(rotations, dtype=np.float64)
    check_frames(rotations, path)
    if rotations.ndim >= 3 and rotations.shape[-2:] == (3, 3) and rotations.ndim == 4:
        return rotations
    if rotations[0].size % 3:
        raise InputError(f"{path} has rotations of shape {rotations.shape}; three numbers a joint are needed")
    vectors = rotations.reshape(-1, 3)
    return Rotation.from_rotvec(vectors).as_matrix().reshape(len(rotations), -1, 3, 3)


def _of_the_world(arrays: dict[str, ndarray]) -> dict[str, ndarray]:
    """Leave out the camera's view of a motion that limner has put into a world: the file's AMASS names hold that."""
    if not ("world" in arrays and "poses" in arrays and arrays["world"].size == 1 and bool(arrays["world"])):
        return arrays
    of_the_camera = ("global_orient", "body_pose", "transl", "weak_camera", "joints")
    return {key: array for key, array in arrays.items() if key not in of_the_camera}


def _padded(rotmats: Float[ndarray, "T J 3 3"]) -> Float[ndarray, "T 24 3 3"]:
    padded = np.tile(np.eye(3), (len(rotmats), 24, 1, 1))
    count = min(24, rotmats.shape[1])
    padded[:, :count] = rotmats[:, :count]
    return padded


def _positions(arrays: dict[str, ndarray], path: Path) -> Float[ndarray, "T 3"]:
    transl = _first(arrays, _TRANSL_KEYS)
    if transl is None and "weak_camera" in arrays:
        return _camera_positions(np.asarray(arrays["weak_camera"], dtype=np.float64).reshape(-1, 3))
    if transl is None:
        count = len(
            next(arrays[k] for k in ("global_orient", "root_orient", *_POSE_KEYS, *_VECTOR_KEYS) if k in arrays)
        )
        return np.zeros((count, 3))
    transl = np.asarray(transl, dtype=np.float64).reshape(-1, 3)
    check_frames(transl, path)
    rest = arrays.get("pelvis_rest")
    return transl if rest is None or rest.shape != transl.shape else transl + rest


def _camera_positions(weak_camera: Float[ndarray, "T 3"]) -> Float[ndarray, "T 3"]:
    """Take the camera's shift as the place of the pelvis; its scale tells only how far away that is."""
    return np.concatenate([weak_camera[:, 1:], np.zeros((len(weak_camera), 1))], axis=1)


def _from_vectors(
    vectors: Float[ndarray, "T 85"], path: Path
) -> tuple[Float[ndarray, "T 24 3 3"], Float[ndarray, "T 3"], Float[ndarray, "3 3"]]:
    vectors = np.asarray(vectors, dtype=np.float64)
    check_frames(vectors, path)
    return _as_rotmats(vectors[:, 3:75], path), _camera_positions(vectors[:, :3]), _CAMERA_TO_WORLD


def _turn(arrays: dict[str, ndarray], rotmats: Float[ndarray, "T 24 3 3"]) -> Float[ndarray, "3 3"]:
    """Bring the file's world to y up: camera axes where a camera is given, z up in AMASS, else by how people stand."""
    if "weak_camera" in arrays:
        return _CAMERA_TO_WORLD
    if "trans" in arrays and (_first(arrays, _RATE_KEYS) is not None or "world" in arrays):
        return _Z_UP_TO_Y_UP
    return turn_to_y_up(rotmats[:, 0])


def _fill_gaps(motion: Motion, frames: Int[ndarray, "T"]) -> Motion:
    """Put a person who was not seen in every frame on every frame."""
    frames, first_rows = np.unique(frames.reshape(-1), return_index=True)
    wanted = np.arange(frames[0], frames[-1] + 1)
    rotvec, transl = interpolate(motion.rotvec[first_rows], motion.transl[first_rows], frames, wanted)
    return Motion(rotvec, transl, motion.frame_rate, motion.name)
