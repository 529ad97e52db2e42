"""Human3.6M and MPI-INF-3DHP as pytorch_HMR keeps them: `annot.h5` beside the pictures.

Arrays: `gt2d` (N, 42: x, y, visibility of LSP's 14 joints), `gt3d` (N, 42, metres in camera axes), `imagename` (text,
or rows of character codes), and where SMPL's numbers are known `pose` (N, 72) and `shape` (N, 10).
Source: MandyMo/pytorch_HMR `src/dataloader/hum36m_dataloader.py`, `mpi_inf_3dhp_dataloader.py`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from limner.checks import FileProblem, InputError
from limner.data.body_samples import BodySamples, crop_of_people
from limner.data.faults import Faults
from limner.data.mpi_inf_3dhp import open_h5
from limner.data.pictures import missing_pictures

ANNOTATIONS = "annot.h5"
TEST_PEOPLE = ("S9", "S11")
"""People of Human3.6M that are never learned from."""

_WIDTHS = {"gt2d": 42, "gt3d": 42, "pose": 72, "shape": 10}
_FRAME = re.compile(r"(S\d+_[^/]+_\d_cam\d)[^0-9]*(\d*)")
_PERSON = re.compile(r"(?<![A-Za-z0-9])S(\d+)(?![0-9])")


def person_of(name: str) -> str:
    """Return whom a picture or a file of Human3.6M shows, such as S9; empty where the name does not tell."""
    found = _PERSON.search(name)
    return f"S{found.group(1)}" if found else ""


def clip_of(name: str) -> tuple[str, int]:
    """Return the film and the frame that a name tells, such as S9_Directions_0_cam0_000005.jpg; else ("", 0)."""
    found = _FRAME.search(name)
    return (found.group(1), int(found.group(2) or 0)) if found else ("", 0)


def read_annot_h5(root: str | Path, part: str = "train", *, check: bool = True) -> BodySamples:
    """Read the pictures and labels of a folder with `annot.h5`.

    Args:
        root: the folder.
        part: train (without S9 and S11 where the pictures' names tell whom they show), test (these two) or all.
        check: raise on everything that is wrong.

    Raises:
        DatasetError: arrays of wrong lengths, numbers that are not finite, missing pictures; all in one message.
        FileProblem: the file is missing, damaged, or lacks an array.
        MissingExtra: h5py is not installed.
        InputError: there is no such part.
    """
    root = Path(root)
    if part not in ("train", "test", "all"):
        raise InputError(f"a folder with {ANNOTATIONS} has the parts train, test and all, not {part!r}")
    path = root / ANNOTATIONS
    with open_h5(path) as file:
        lacking = [name for name in ("gt2d", "gt3d", "imagename") if name not in file]
        if lacking:
            raise FileProblem(f"{path} lacks {', '.join(lacking)}; it needs gt2d, gt3d and imagename")
        arrays = {name: np.asarray(file[name], np.float64) for name in _WIDTHS if name in file}
        names = [_text(row) for row in file["imagename"][()]]
    faults = Faults(path, lenient=not check)
    arrays = _checked(arrays, names, faults)
    faults.raise_if_any()
    kept = np.array([_is_in(person_of(name), part) for name in names], bool)
    faults.add_unless_lenient(
        f"picture missing below {root}",
        missing_pictures(root, [name for name, use in zip(names, kept, strict=True) if use]),
    )
    sound = np.all([np.isfinite(array).all(1) for array in arrays.values()], axis=0)
    faults.add_unless_lenient("numbers that are not finite (NaN)", [f"row {row}" for row in np.flatnonzero(~sound)])
    faults.raise_if_any()
    return _samples(f"{root.name} {part}", root, names, arrays, np.flatnonzero(kept & sound))


def _text(row: Any) -> str:
    if isinstance(row, bytes):
        return row.decode("utf-8", "replace")
    return row if isinstance(row, str) else bytes(np.asarray(row, np.uint8)).decode("utf-8", "replace").strip("\0 ")


def _checked(arrays: dict[str, ndarray], names: list[str], faults: Faults) -> dict[str, ndarray]:
    found = {}
    for name, array in arrays.items():
        flat = array.reshape(len(array), -1) if array.ndim else array[None, None]
        if flat.shape != (len(names), _WIDTHS[name]):
            faults.add(f"{name} of shape {array.shape} instead of ({len(names)}, {_WIDTHS[name]})", "the whole file")
        found[name] = flat
    if ("pose" in arrays) != ("shape" in arrays):
        faults.add("one of pose and shape without the other", "the whole file")
    return found


def _is_in(person: str, part: str) -> bool:
    return part == "all" or (person in TEST_PEOPLE) == (part == "test")


def _samples(name: str, root: Path, names: list[str], arrays: dict[str, ndarray], rows: ndarray) -> BodySamples:
    keypoints = np.zeros((len(rows), 19, 3), np.float32)
    keypoints[:, :14] = arrays["gt2d"][rows].reshape(-1, 14, 3)
    center, scale = crop_of_people(keypoints)
    has_size = np.isfinite(scale)
    kept, keypoints = rows[has_size], keypoints[has_size]
    has_smpl = "pose" in arrays
    return BodySamples(
        name,
        root,
        tuple(names[row] for row in kept),
        keypoints,
        center[has_size],
        scale[has_size],
        joints=arrays["gt3d"][kept].reshape(-1, 14, 3),
        has_joints=np.ones(len(kept), bool),
        rotvec=arrays["pose"][kept].reshape(-1, 24, 3) if has_smpl else None,
        betas=arrays["shape"][kept] if has_smpl else None,
        has_smpl=np.full(len(kept), has_smpl),
        clip=tuple(clip_of(names[row])[0] for row in kept),
        frame=np.array([clip_of(names[row])[1] for row in kept], np.int64),
    )
