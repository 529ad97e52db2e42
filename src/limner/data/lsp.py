"""Leeds Sports Pose and its extended training set: one person a picture, 14 joints.

LSP: `joints.mat` with `joints` (3, 14, 2000), the third row 1 where a joint is hidden (its place is annotated all the
same), `images/im0001.jpg` onwards; the first 1000 train, the last 1000 test. LSP-extended: (14, 3, 10000), the third
column 1 where annotated and 0 where not, `images/im00001.jpg` onwards; all train. Both count pixels from 1. The stored
form `joints.npz` holds `name`, `joints` (N, 14, 3) counted from 0, third 1 where annotated, and `size_hw`.

Source: Johnson and Everingham 2010 and 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from limner.checks import FileProblem, InputError, check_file
from limner.data.faults import DatasetError, Faults
from limner.data.matlab import read_mat
from limner.data.pictures import missing_pictures, read_picture
from limner.data.samples import PoseSamples
from limner.pose import SKELETONS, crop_from_box

LspPart = Literal["all", "train", "test"]

NUM_JOINTS = 14
NUM_TRAIN = 1000
"""LSP's first pictures train, the others test; LSP-extended trains only."""

_JOINT_PADDING = 1.5
"""Joints leave out hands, feet and half the head; the half bodies of HRNet pad the box of the joints as much."""


@dataclass(frozen=True)
class _Joints:
    names: list[str]
    xy: Float64[ndarray, "N 14 2"]
    visible: Bool[ndarray, "N 14"]
    is_extended: bool


def read_lsp(
    root: str | Path,
    part: LspPart = "all",
    *,
    boxes: Literal["joints", "picture"] = "joints",
    image_hw: tuple[int, int] = (256, 192),
    check: bool = True,
) -> PoseSamples:
    """Read LSP or LSP-extended; the file tells which.

    Args:
        root: the folder with `joints.mat` or `joints.npz`, and `images`.
        part: "train" or "test" of LSP's own split; "all" for both. LSP-extended has no test part.
        boxes: the crop: round the annotated joints, or the whole picture, which tells nothing of the joints.
        image_hw: the network's input in pixels, whose aspect the crops get.
        check: raise on everything that is wrong; False reads on, without people who have no annotated joint.

    Returns:
        One row a picture; hidden joints of LSP count as visible, because they are annotated.

    Raises:
        DatasetError: joints that are not finite, missing pictures, people without joints; all in one message.
        FileProblem: the file of joints is missing or of another kind.
        InputError: the part or the boxes are unknown, or LSP-extended is asked for a test part.
    """
    if part not in ("all", "train", "test") or boxes not in ("joints", "picture"):
        raise InputError(f"LSP has the parts all, train, test and boxes of joints or picture, not {part!r}, {boxes!r}")
    root = Path(root)
    path = root / "joints.npz" if (root / "joints.npz").exists() else root / "joints.mat"
    held = _read_npz(path) if path.suffix == ".npz" else _read_mat(path)
    rows = _rows(held, part)
    names = [f"images/{held.names[row]}" for row in rows]
    xy, visible = held.xy[rows], held.visible[rows]
    faults = Faults(path, lenient=not check)
    finite = np.isfinite(xy).all(axis=2) | ~visible
    sized = _has_size(xy, visible & finite)
    if check:
        faults.add_unless_lenient("joints that are not finite (NaN)", _named(names, ~finite.all(axis=1)))
        faults.add_unless_lenient("fewer than two places annotated, so no box", _named(names, ~sized))
        faults.add_unless_lenient(f"picture missing below {root}", missing_pictures(root, names))
    faults.raise_if_any()
    kept = np.flatnonzero(sized & finite.all(axis=1))
    picture = tuple(names[i] for i in kept)
    xy, visible = np.where(np.isfinite(xy[kept]), xy[kept], -1), visible[kept]
    box = _joint_boxes(xy, visible) if boxes == "joints" else _picture_boxes(root, picture)
    padding = _JOINT_PADDING if boxes == "joints" else 1.0
    center, scale = crop_from_box(box, image_hw[1] / image_hw[0], padding=padding)
    return PoseSamples(
        name=f"{'LSP-extended' if held.is_extended else 'LSP'} {part}",
        root=root,
        picture=picture,
        image_id=rows[kept],
        center=center,
        scale=scale,
        joints=xy,
        visible=visible,
        score=np.ones(len(kept)),
        skeleton=SKELETONS["lsp14"],
        boxes="boxes of the annotated joints" if boxes == "joints" else "the whole picture",
    )


def _read_mat(path: Path) -> _Joints:
    joints = np.asarray(read_mat(path, ("joints",))[0])
    is_extended = joints.shape[:2] == (NUM_JOINTS, 3)
    if joints.ndim != 3 or not (is_extended or joints.shape[:2] == (3, NUM_JOINTS)):
        raise FileProblem(
            f"{path} holds joints of shape {joints.shape}; LSP has (3, 14, N) and LSP-extended (14, 3, N)"
        )
    people = np.asarray(joints.transpose(2, 0, 1) if is_extended else joints.transpose(2, 1, 0), float)
    visible = people[..., 2] > 0 if is_extended else np.ones(people.shape[:2], bool)
    digits = 5 if is_extended else 4
    names = [f"im{number:0{digits}d}.jpg" for number in range(1, len(people) + 1)]
    return _Joints(names, people[..., :2] - 1, visible, is_extended)


def _read_npz(path: Path) -> _Joints:
    check_file(path, "file of joints")
    try:
        with np.load(path, allow_pickle=False) as held:
            names, joints = [str(name) for name in held["name"]], np.asarray(held["joints"], float)
    except KeyError as missing:
        raise FileProblem(f"{path} lacks the array {missing}; it needs name and joints") from None
    except (ValueError, OSError) as problem:
        raise FileProblem(f"{path} is no readable npz file: {problem}") from None
    if joints.shape != (len(names), NUM_JOINTS, 3):
        raise DatasetError(
            f"{path} holds joints of shape {joints.shape}; {len(names)} names need ({len(names)}, 14, 3)"
        )
    return _Joints(names, joints[..., :2], joints[..., 2] > 0, all(len(name) > len("im0001.jpg") for name in names))


def _rows(held: _Joints, part: LspPart) -> ndarray:
    if held.is_extended and part == "test":
        raise InputError("LSP-extended has no test part; all of it is for training")
    everyone = np.arange(len(held.names))
    if part == "all" or held.is_extended:
        return everyone
    return everyone[:NUM_TRAIN] if part == "train" else everyone[NUM_TRAIN:]


def _named(names: list[str], wrong: ndarray) -> list[str]:
    return [names[row] for row in np.flatnonzero(wrong)]


def _has_size(xy: ndarray, visible: ndarray) -> ndarray:
    spread = [
        np.ptp(points[seen], axis=0).max() if seen.any() else 0.0 for points, seen in zip(xy, visible, strict=True)
    ]
    return np.array(spread, float).reshape(len(xy)) > 0


def _joint_boxes(xy: ndarray, visible: ndarray) -> Float64[ndarray, "N 4"]:
    low = np.where(visible[..., None], xy, np.inf).min(axis=1)
    high = np.where(visible[..., None], xy, -np.inf).max(axis=1)
    return np.concatenate([low, high - low], axis=1).reshape(len(xy), 4)


def _picture_boxes(root: Path, names: tuple[str, ...]) -> Float64[ndarray, "N 4"]:
    sizes = [read_picture(root, name).shape[1::-1] for name in names]
    return np.array([(0, 0, width, height) for width, height in sizes], float).reshape(len(names), 4)
