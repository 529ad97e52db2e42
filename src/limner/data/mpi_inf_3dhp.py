"""MPI-INF-3DHP: eight people before fourteen cameras, joints in the picture and in space; and its test set.

Training: `S1/Seq1/annot.mat` with `annot2` (F, 56) pixels and `annot3` (F, 84) millimetres for each camera, pictures
`S1/Seq1/imageFrames/video_0/frame_000001.jpg`. Test: `TS1/annot_data.mat` with 17 joints,
`TS1/imageSequence/img_000001.jpg`.
Source: Mehta et al. 2017; akanazawa/hmr `src/datasets/mpi_inf_3dhp_to_tfrecords.py`; nkolot/SPIN `datasets/preprocess`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from limner.checks import FileProblem, InputError, MissingExtra, check_file
from limner.data.body_samples import BodySamples, crop_of_people
from limner.data.faults import DatasetError, Faults
from limner.data.matlab import read_mat
from limner.data.pictures import missing_pictures

CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
"""Cameras at the height of a person's chest and above; the others look from the ceiling."""
HELD_OUT = "S8"
"""The person that the original keeps from learning, to tune by."""

# Rows of the 28 joints, and of the 17 of the test set, in LSP's order.
_LSP_OF_28 = [25, 24, 23, 18, 19, 20, 16, 15, 14, 9, 10, 11, 5, 7]
_LSP_OF_17 = [10, 9, 8, 11, 12, 13, 4, 3, 2, 5, 6, 7, 1, 0]
_SIDE = 2048.0  # pixels of the square pictures of the studio
_MOVED_MM = 200.0  # a frame is kept when a joint moved so far since the last one kept
_LEAST_INSIDE = 8
_MM = 0.001


@dataclass
class _Rows:
    """What gathers while files are read."""

    picture: list[str] = field(default_factory=list)
    xy: list[ndarray] = field(default_factory=list)
    joints: list[ndarray] = field(default_factory=list)
    clip: list[str] = field(default_factory=list)
    frame: list[int] = field(default_factory=list)


def is_mpi_inf_3dhp(root: Path) -> bool:
    """Whether a folder has the layout of the training or the test set."""
    return any(root.glob("S[1-8]/Seq[12]/annot.mat")) or any(root.glob("TS[1-6]/annot_data.mat"))


def read_mpi_inf_3dhp(root: str | Path, part: str = "train", *, check: bool = True) -> BodySamples:
    """Read MPI-INF-3DHP.

    Args:
        root: the folder with S1 to S8, or for "test" with TS1 to TS6.
        part: train (all but S8), valid (S8), all, or test.
        check: raise on everything that is wrong; False leaves out rows that cannot be used.

    Returns:
        One row a frame kept: some joint moved 200 mm since the one before, and eight joints lie inside the picture.
        The test set has all its valid frames.

    Raises:
        DatasetError: arrays of wrong shapes, numbers that are not finite, missing pictures; all in one message.
        FileProblem: a file is missing or no MATLAB file.
        InputError: there is no such part.
    """
    root = Path(root)
    if part not in ("train", "valid", "all", "test"):
        raise InputError(f"MPI-INF-3DHP has the parts train, valid, all and test, not {part!r}")
    faults, rows = Faults(root, lenient=not check), _Rows()
    if part == "test":
        for path in sorted(root.glob("TS[1-6]/annot_data.mat")):
            _read_test(path, root, rows, faults)
    else:
        wanted = {"train": lambda s: s != HELD_OUT, "valid": lambda s: s == HELD_OUT, "all": lambda s: True}[part]
        for path in sorted(root.glob("S[1-8]/Seq[12]/annot.mat")):
            if wanted(path.parts[-3]):
                _read_sequence(path, root, rows, faults)
    if not rows.picture and not faults:
        raise FileProblem(f"{root} holds nobody of the part {part} of MPI-INF-3DHP")
    faults.add_unless_lenient(f"picture missing below {root}", missing_pictures(root, rows.picture))
    faults.raise_if_any()
    return _samples(root, part, rows)


def _read_sequence(path: Path, root: Path, rows: _Rows, faults: Faults) -> None:
    cells = read_mat(path, ("annot2", "annot3"))
    place = path.parent.relative_to(root)
    for camera in CAMERAS:
        flat_xy, flat_joints = (_cell(cell, camera) for cell in cells)
        where = f"{place}, camera {camera}"
        if flat_xy.shape != (len(flat_xy), 56) or flat_joints.shape != (len(flat_xy), 84):
            faults.add("annot2 and annot3 that are no (F, 56) and (F, 84) numbers", where)
            continue
        xy = flat_xy.reshape(-1, 28, 2)[:, _LSP_OF_28]
        joints = flat_joints.reshape(-1, 28, 3)[:, _LSP_OF_28]
        finite = np.isfinite(xy).all((1, 2)) & np.isfinite(joints).all((1, 2))
        faults.add_unless_lenient(
            "numbers that are not finite (NaN)", [f"{where}, frame {n}" for n in np.flatnonzero(~finite)]
        )
        inside = ((xy >= 0) & (xy < _SIDE)).all(2).sum(1) >= _LEAST_INSIDE
        for number in moved_frames(joints, finite & inside):
            name = f"{place.as_posix()}/imageFrames/video_{camera}/frame_{number + 1:06d}.jpg"
            _add(rows, name, xy[number], joints[number], f"{place.as_posix()}/video_{camera}", number)


def _cell(cell: Any, camera: int) -> ndarray:
    """The array of one camera; an empty one where the file has none."""
    cells = np.asarray(cell, object).reshape(-1)
    try:
        return np.atleast_1d(np.asarray(cells[camera], np.float64))
    except (TypeError, ValueError, IndexError):
        return np.zeros(1)


def moved_frames(joints: Float64[ndarray, "F K 3"], usable: Bool[ndarray, "F"]) -> list[int]:
    """Return the usable frames in which some joint is 200 mm away from where it was in the last one returned."""
    kept: list[int] = []
    for number in np.flatnonzero(usable):
        if not kept or np.linalg.norm(joints[number] - joints[kept[-1]], axis=1).max() >= _MOVED_MM:
            kept.append(int(number))
    return kept


def _read_test(path: Path, root: Path, rows: _Rows, faults: Faults) -> None:
    xy, joints, valid = _test_arrays(path)
    place = path.parent.relative_to(root).as_posix()
    if xy.shape[1:] != (17, 2) or joints.shape != (len(xy), 17, 3) or valid.shape != (len(xy),):
        faults.add("arrays of other shapes than annot2 (F, 17, 2), annot3 (F, 17, 3), valid_frame (F,)", place)
        return
    for number in np.flatnonzero(valid > 0):
        name = f"{place}/imageSequence/img_{number + 1:06d}.jpg"
        _add(rows, name, xy[number, _LSP_OF_17], joints[number, _LSP_OF_17], place, number)


def _test_arrays(path: Path) -> tuple[ndarray, ndarray, ndarray]:
    """The published files are MATLAB 7.3, which is HDF5 with the axes the other way round."""
    names = ("annot2", "annot3", "valid_frame")
    with check_file(path, "MATLAB file").open("rb") as file:
        is_hdf5 = b"MATLAB 7.3" in file.read(128)
    if not is_hdf5:
        held = [np.asarray(array, np.float64) for array in read_mat(path, names)]
        xy, joints = (np.moveaxis(array.reshape(*array.shape[:2], -1), -1, 0) for array in held[:2])
        return xy.transpose(0, 2, 1), joints.transpose(0, 2, 1), held[2].reshape(-1)
    with open_h5(path) as file:
        lacking = [name for name in names if name not in file]
        if lacking:
            raise FileProblem(f"{path} lacks {', '.join(lacking)}; it is another MATLAB file than expected")
        xy, joints, valid = (np.asarray(file[name], np.float64) for name in names)
    return xy.reshape(len(xy), *xy.shape[-2:]), joints.reshape(len(joints), *joints.shape[-2:]), valid.reshape(-1)


def open_h5(path: Path) -> Any:
    """Open an HDF5 file for reading.

    Raises:
        MissingExtra: h5py is not installed.
        FileProblem: there is no such file, or it is damaged.
    """
    check_file(path, "HDF5 file")
    try:
        h5py: Any = import_module("h5py")
    except ImportError:
        raise MissingExtra(
            f'{path} is an HDF5 file, which needs h5py: pip install "limner[train]", or pip install h5py'
        ) from None
    try:
        return h5py.File(path, "r")
    except OSError as problem:
        raise FileProblem(f"{path} is no HDF5 file that can be read: {problem}") from None


def _add(rows: _Rows, name: str, xy: ndarray, joints: ndarray, clip: str, frame: int) -> None:
    rows.picture.append(name)
    rows.xy.append(xy)
    rows.joints.append(joints * _MM)
    rows.clip.append(clip)
    rows.frame.append(int(frame))


def _samples(root: Path, part: str, rows: _Rows) -> BodySamples:
    keypoints = np.zeros((len(rows.picture), 19, 3), np.float32)
    keypoints[:, :14, :2] = np.array(rows.xy).reshape(-1, 14, 2)
    keypoints[:, :14, 2] = 1
    center, scale = crop_of_people(keypoints)
    if not np.isfinite(scale).all():
        raise DatasetError(f"{root} has people whose joints in the picture all lie in one place")
    return BodySamples(
        f"MPI-INF-3DHP {part}",
        root,
        tuple(rows.picture),
        keypoints,
        center,
        scale,
        joints=np.array(rows.joints, np.float32).reshape(-1, 14, 3),
        has_joints=np.ones(len(rows.picture), bool),
        clip=tuple(rows.clip),
        frame=np.array(rows.frame, np.int64),
    )
