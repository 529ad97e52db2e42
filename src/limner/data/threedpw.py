"""3DPW: films from the street with SMPL bodies, for judging.

Layout: `sequenceFiles/test/NAME.pkl` (train, validation, test) and `imageFiles/NAME/image_00000.jpg`. A sequence's file
is a pickle; it is read without running anything in it. Bodies stand in the world and are turned by the camera.
Source: von Marcard et al. 2018; nkolot/SPIN `datasets/preprocess/pw3d.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.body import read_pickle
from limner.checks import FileProblem, InputError, WeightsError
from limner.data.body_samples import BodySamples, cocoplus_keypoints, crop_of_people
from limner.data.faults import DatasetError, Faults
from limner.data.pictures import missing_pictures

PARTS = ("train", "validation", "test")

_KEYS = ("sequence", "poses", "betas", "poses2d", "cam_poses", "genders", "campose_valid")
_SEXES = {"m": "male", "f": "female"}


def is_threedpw(root: Path) -> bool:
    """Whether a folder has the layout of 3DPW."""
    return (root / "sequenceFiles").is_dir()


def read_threedpw(root: str | Path, part: str = "test", *, check: bool = True) -> BodySamples:
    """Read a part of 3DPW: everybody in the frames whose camera is known and who has joints in the picture.

    Args:
        root: the folder with `sequenceFiles` and `imageFiles`.
        part: train, validation or test.
        check: raise on everything that is wrong; False leaves out people that cannot be used.

    Returns:
        One row a person and frame, `sex` filled; `clip` is the sequence and the person's number in it. Joints in space
        are told by a body model of that sex, so `has_joints` is False.

    Raises:
        DatasetError: sequences that lack keys or hold arrays of wrong lengths, files with code, missing pictures; all
            in one message.
        FileProblem: there is no sequence.
        InputError: there is no such part.
    """
    root = Path(root)
    if part not in PARTS:
        raise InputError(f"3DPW has the parts {', '.join(PARTS)}, not {part!r}")
    paths = sorted((root / "sequenceFiles" / part).glob("*.pkl"))
    if not paths:
        raise FileProblem(f"{root / 'sequenceFiles' / part} holds no sequence of 3DPW")
    faults = Faults(root, lenient=not check)
    parts = [part for path in paths for part in _people(path, faults)]
    pictures = [name for one in parts for name in one["picture"]]
    faults.add_unless_lenient(f"picture missing below {root}", missing_pictures(root, pictures))
    faults.raise_if_any()
    if not pictures:
        raise DatasetError(f"{root} has nobody in the part {part} with a known camera and joints in the picture")
    arrays = {
        key: np.concatenate([one[key] for one in parts])
        for key in ("keypoints", "center", "scale", "rotvec", "betas", "frame")
    }
    words = {key: tuple(word for one in parts for word in one[key]) for key in ("picture", "clip", "sex")}
    return BodySamples(f"3DPW {part}", root, has_smpl=np.ones(len(pictures), bool), **arrays, **words)


def _people(path: Path, faults: Faults) -> list[dict[str, Any]]:
    """The people of one sequence."""
    try:
        held = read_pickle(path)
    except (WeightsError, FileProblem) as problem:
        faults.add(str(problem).removeprefix(f"{path}: "), path.name)
        return []
    lacking = [key for key in _KEYS if key not in held]
    if lacking:
        faults.add(f"lacks {', '.join(lacking)}", path.name)
        return []
    found = []
    for person in range(len(held["poses"])):
        place = f"{path.name}, person {person}"
        try:
            one = _person(held, person)
        except (ValueError, TypeError, IndexError, KeyError):
            faults.add("arrays that do not fit each other", place)
            continue
        if not all(np.isfinite(one[key]).all() for key in ("keypoints", "rotvec", "betas")):
            faults.add_unless_lenient("numbers that are not finite (NaN)", [place])
            continue
        found.append(one)
    return found


def _person(held: dict[str, Any], person: int) -> dict[str, Any]:
    poses = np.asarray(held["poses"][person], np.float64).reshape(-1, 24, 3)
    points = np.asarray(held["poses2d"][person], np.float64).transpose(0, 2, 1)  # (F, 18, 3)
    cameras = np.asarray(held["cam_poses"], np.float64)
    valid = np.asarray(held["campose_valid"][person]).astype(bool)
    sequence, count = _text(held["sequence"]), len(poses)
    if points.shape != (count, 18, 3) or cameras.shape != (count, 4, 4) or valid.shape != (count,):
        raise ValueError("unequal lengths")
    keypoints = cocoplus_keypoints(points[..., :2], points[..., 2] > 0, "openpose18")
    center, scale = crop_of_people(keypoints)
    rows = np.flatnonzero(valid & np.isfinite(scale))
    betas = np.asarray(held["betas"][person], np.float64).reshape(-1)[:10]
    sex = _SEXES[_text(held["genders"][person])]
    return {
        "picture": [f"imageFiles/{sequence}/image_{row:05d}.jpg" for row in rows],
        "keypoints": keypoints[rows],
        "center": center[rows],
        "scale": scale[rows],
        "rotvec": _in_camera(poses[rows], cameras[rows]),
        "betas": np.tile(np.pad(betas, (0, 10 - len(betas))), (len(rows), 1)),
        "frame": rows,
        "clip": [f"{sequence}/{person}"] * len(rows),
        "sex": [sex] * len(rows),
    }


def _in_camera(poses: ndarray, cameras: ndarray) -> ndarray:
    turned = np.array(poses)
    if len(turned):
        root = Rotation.from_matrix(cameras[:, :3, :3]) * Rotation.from_rotvec(poses[:, 0])
        turned[:, 0] = root.as_rotvec()
    return turned


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)
