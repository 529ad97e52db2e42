"""MPII Human Pose: annotation files in json, and the ground truth `gt_valid.mat` of the validation set.

The files count pixels from 1, as MATLAB does; samples count from 0.

Source: leoxiaobin/deep-high-resolution-net.pytorch `lib/dataset/mpii.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from jaxtyping import Bool, Float64, Num
from numpy import ndarray

from limner.checks import FileProblem, check_shape
from limner.data.faults import DatasetError, Faults
from limner.data.json_files import is_number, lacks, numbers, read_json
from limner.data.matlab import read_mat
from limner.data.pictures import is_zipped, missing_pictures
from limner.data.samples import PoseSamples
from limner.media import check_output, written_beside
from limner.pose import SKELETONS

NUM_JOINTS = 16

# The joints' names in gt_valid.mat.
_SHORT_NAMES = {
    "rank": "right_ankle",
    "rkne": "right_knee",
    "rhip": "right_hip",
    "lhip": "left_hip",
    "lkne": "left_knee",
    "lank": "left_ankle",
    "pelv": "pelvis",
    "thor": "thorax",
    "neck": "upper_neck",
    "head": "head_top",
    "rwri": "right_wrist",
    "relb": "right_elbow",
    "rsho": "right_shoulder",
    "lsho": "left_shoulder",
    "lelb": "left_elbow",
    "lwri": "left_wrist",
}


def read_mpii(
    root: str | Path,
    part: str = "valid",
    *,
    zipped: bool | None = None,
    annotations: str | Path | None = None,
    check: bool = True,
) -> PoseSamples:
    """Read a part of MPII.

    Args:
        root: the folder with `annot` and `images` (or `images.zip`).
        part: train, valid, trainval or test; test has no joints.
        zipped: whether the pictures lie in `images.zip`; None looks.
        annotations: another annotation file than the part's.
        check: raise on everything that is wrong; False keeps what the published loader keeps, such as people without a
            centre.

    Returns:
        One row a person, in the order of the file. Parity: a centre is moved down by 15 times the scale and the scale
        padded by 1.25, unless the centre is missing (-1); invisible joints, (-1, -1) in the file, become (-2, -2).

    Raises:
        DatasetError: the file has faults; the message has all of them.
        FileProblem: a file is missing or no json.
    """
    root = Path(root)
    path = Path(annotations) if annotations else root / "annot" / f"{part}.json"
    records = read_json(path, "annotation file")
    if not isinstance(records, list):
        raise DatasetError(f"{path} is no annotation file of MPII: it must be a list of people")
    start = "images.zip@/" if (is_zipped(root, "images") if zipped is None else zipped) else "images/"
    has_joints = part != "test"
    faults = Faults(path, lenient=not check)
    people = [person for row, person in enumerate(records) if _is_sound(person, row, has_joints, check, faults)]
    names = [f"{start}{person['image']}" for person in people]
    if check:
        faults.add_unless_lenient(f"picture missing below {root}", missing_pictures(root, names))
        _check_truth(root, part, len(records), faults)
    faults.raise_if_any()
    return _samples(f"MPII {part}", root, tuple(names), people, has_joints)


def _is_sound(person: Any, row: int, has_joints: bool, check: bool, faults: Faults) -> bool:
    """Note what is wrong with one record; tell whether it can be read at all."""
    place = f"person in row {row}"
    fields = ("image", "center", "scale", *(("joints", "joints_vis") if has_joints else ()))
    if lacks(person, fields, place, faults):
        return False
    wrong = {"center": numbers(person["center"], 2)}
    if has_joints:
        wrong["joints"] = _joints_problem(person["joints"])
        wrong["joints_vis"] = numbers(person["joints_vis"], NUM_JOINTS)
    for field, problem in wrong.items():
        if problem:
            faults.add(f"{field} with {problem}", place)
    if not is_number(person["scale"]):
        faults.add("scale that is no finite number", place)
        return False
    if any(wrong.values()):
        return False
    if check and person["center"][0] == -1:
        faults.add("no centre (-1)", place)
    elif check and person["scale"] <= 0:
        faults.add("box without area (scale not above 0)", place)
    if check and has_joints and not set(person["joints_vis"]) <= {0, 1}:
        faults.add("visibility other than 0, 1", place)
    return True


def _joints_problem(joints: Any) -> str:
    if not isinstance(joints, list) or len(joints) != NUM_JOINTS:
        return f"{len(joints) if isinstance(joints, list) else 'no list'} instead of {NUM_JOINTS} joints"
    return next((problem for joint in joints if (problem := numbers(joint, 2))), "")


def _check_truth(root: Path, part: str, count: int, faults: Faults) -> None:
    path = root / "annot" / "gt_valid.mat"
    if part == "valid" and path.exists():
        people = len(read_mpii_truth(path).visible)
        if people != count:
            faults.add(f"{people} people in gt_valid.mat, {count} in the file", "the whole file")


def _samples(name: str, root: Path, pictures: tuple[str, ...], people: list[Any], has_joints: bool) -> PoseSamples:
    count = len(people)
    center = np.array([person["center"] for person in people], float).reshape(count, 2)
    scale = np.array([person["scale"] for person in people], float)
    known = center[:, 0] != -1
    center[known, 1] += 15 * scale[known]
    scale[known] *= 1.25
    joints, visible = np.zeros((count, NUM_JOINTS, 2)), np.zeros((count, NUM_JOINTS))
    if has_joints:
        joints = np.array([person["joints"] for person in people], float).reshape(count, NUM_JOINTS, 2) - 1
        visible = np.array([person["joints_vis"] for person in people], float).reshape(count, NUM_JOINTS).clip(0, 1)
    numbers_of = {picture: number for number, picture in enumerate(dict.fromkeys(pictures))}
    return PoseSamples(
        name=name,
        root=root,
        picture=pictures,
        image_id=np.array([numbers_of[picture] for picture in pictures], np.int64),
        center=center - 1,
        scale=np.repeat(scale[:, None], 2, axis=1),
        joints=joints,
        visible=visible,
        score=np.ones(count),
        skeleton=SKELETONS["mpii16"],
        boxes="annotated centre and scale",
    )


@dataclass(frozen=True)
class MpiiTruth:
    """What `limner.metrics.pckh` compares with.

    Attributes:
        joints: (x, y) in pixels counted from 1.
        visible: which joints are annotated.
        head_boxes: two opposite corners (x, y) of each head.
        joint_names: the names of the joints, in limner's words.
    """

    joints: Float64[ndarray, "N 16 2"]
    visible: Bool[ndarray, "N 16"]
    head_boxes: Float64[ndarray, "N 2 2"]
    joint_names: tuple[str, ...]


def read_mpii_truth(path: str | Path) -> MpiiTruth:
    """Read `gt_valid.mat`.

    Raises:
        FileProblem: the file is missing, no MATLAB file, or holds other arrays.
    """
    fields = read_mat(path, ("jnt_missing", "pos_gt_src", "headboxes_src", "dataset_joints"))
    missing, positions, heads, names = (np.asarray(field) for field in fields)
    count = missing.shape[-1]
    shapes = ((missing, (NUM_JOINTS, count)), (positions, (NUM_JOINTS, 2, count)), (heads, (2, 2, count)))
    short = [str(np.asarray(name).reshape(-1)[0]) for name in names.reshape(-1)]
    if any(array.shape != shape for array, shape in shapes) or not set(short) <= _SHORT_NAMES.keys():
        raise FileProblem(f"{path} holds other arrays than MPII's ground truth of {NUM_JOINTS} joints")
    return MpiiTruth(
        joints=np.ascontiguousarray(positions.transpose(2, 0, 1), float),
        visible=np.ascontiguousarray(missing.T == 0),
        head_boxes=np.ascontiguousarray(heads.transpose(2, 0, 1), float),
        joint_names=tuple(_SHORT_NAMES[name] for name in short),
    )


def write_mpii_predictions(path: str | Path, joints: Num[ndarray, "N 16 2"]) -> None:
    """Write joints as `preds` of a MATLAB file, such as `pred.mat`, for MPII's own evaluation; whole or not at all.

    Args:
        path: ends in .mat.
        joints: (x, y) in pixels counted from 0, as everywhere here; the file counts from 1.

    Raises:
        FileProblem: the folder is missing or cannot be written.
        ShapeError: there are not 16 joints.
    """
    check_shape(joints, "joints", ("N", NUM_JOINTS, 2))
    path = check_output(path, (".mat",))
    with written_beside(path) as temporary, temporary.open("wb") as file:
        scipy.io.savemat(file, {"preds": joints + 1.0})
