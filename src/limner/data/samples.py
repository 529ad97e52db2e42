"""The record of a pose data set: one row a person, the same for every data set.

Source: leoxiaobin/deep-high-resolution-net.pytorch `lib/dataset`, whose records these are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from numpy import ndarray

from limner.checks import InputError, check_shape
from limner.data.pictures import read_picture
from limner.pose import JOINT_WEIGHTS, UPPER_JOINTS, Skeleton
from limner.types import RgbImage

PIXEL_STD = 200.0
"""A scale is the side of a crop over so many pixels."""

_LOWER_BODY = ("hip", "knee", "ankle", "foot", "heel", "toe", "pelvis", "leg", "hoof", "paw", "tail")
_WEIGHTS = {"elbow": 1.2, "knee": 1.2, "wrist": 1.5, "ankle": 1.5}


def chosen_rows(count: int, index: slice | ndarray | list[int]) -> Int64[ndarray, "M"]:
    """Return the rows that a slice, a list of indices or a mask takes of `count`.

    Raises:
        InputError: it is a single index.
    """
    rows = np.arange(count)[index]
    if rows.ndim != 1:
        raise InputError("samples are taken by a slice, a list of indices or a mask; use a list for one of them")
    return rows


@dataclass(frozen=True)
class PoseSamples:
    """People of a data set with their joints.

    Attributes:
        name: what to call the set in messages, such as "COCO val2017".
        root: the folder that the pictures' names start from.
        picture: the name of each person's picture; `images.zip@/a.jpg` is a.jpg inside a zip file.
        image_id: the number of the picture; COCO's own, or counted from 0.
        center: middle of the crop (x, y) in pixels, counted from 0.
        scale: sides of the crop (width, height) over 200 pixels, padding included.
        joints: (x, y) in pixels of the picture, counted from 0; without meaning where not visible.
        visible: 1 where the joint counts, which occluded but annotated ones do; 0 elsewhere.
        score: confidence of a detected box; 1 for an annotated one.
        skeleton: names, limbs and mirror partners of the joints.
        boxes: where the crops come from, for a protocol.
    """

    name: str
    root: Path
    picture: tuple[str, ...]
    image_id: Int64[ndarray, "N"]
    center: Float64[ndarray, "N 2"]
    scale: Float64[ndarray, "N 2"]
    joints: Float64[ndarray, "N J 2"]
    visible: UInt8[ndarray, "N J"]
    score: Float64[ndarray, "N"]
    skeleton: Skeleton
    boxes: str = "annotated boxes"

    def __post_init__(self) -> None:
        num, joints = len(self.picture), len(self.skeleton)
        for name, shape, dtype in (
            ("image_id", (num,), np.int64),
            ("center", (num, 2), np.float64),
            ("scale", (num, 2), np.float64),
            ("joints", (num, joints, 2), np.float64),
            ("visible", (num, joints), np.uint8),
            ("score", (num,), np.float64),
        ):
            array = np.ascontiguousarray(getattr(self, name), dtype)
            check_shape(array, f"{name} of {self.name}", shape)
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.picture)

    def __getitem__(self, index: slice | ndarray | list[int]) -> PoseSamples:
        """Return some of the people: a slice, indices, or a mask."""
        rows = chosen_rows(len(self), index)
        arrays = {
            name: getattr(self, name)[rows] for name in ("image_id", "center", "scale", "joints", "visible", "score")
        }
        return replace(self, picture=tuple(self.picture[row] for row in rows), **arrays)

    @property
    def upper_joints(self) -> tuple[int, ...]:
        """Joints above the hips, for half-body crops; for a skeleton outside the registry they are told by name."""
        known = UPPER_JOINTS.get(self.skeleton.name)
        if known is not None:
            return tuple(known)
        return tuple(
            i for i, joint in enumerate(self.skeleton.joints) if not any(part in joint for part in _LOWER_BODY)
        )

    @property
    def joint_weights(self) -> tuple[float, ...]:
        """The published weights of the targets: elbows and knees 1.2, wrists and ankles 1.5, the others 1."""
        known = JOINT_WEIGHTS.get(self.skeleton.name)
        if known is not None:
            return tuple(known)
        ends = [joint.rsplit("_", 1)[-1] for joint in self.skeleton.joints]
        return tuple(_WEIGHTS.get(end, 1.0) for end in ends)

    def read_picture(self, index: int) -> RgbImage:
        """Read the picture of one person, as stored: a camera's orientation mark is not followed.

        Raises:
            FileProblem: the picture is missing or cannot be decoded.
        """
        return read_picture(self.root, self.picture[index])

    def typical(self) -> Int64[ndarray, "M"]:
        """Return the indices of people whose joints lie about their crop as a whole person's do.

        Source: `JointsDataset.select_data` (DATASET.SELECT_DATA): a closeness of the joints' mean to the crop's centre
            must exceed a bound that rises with the number of visible joints; nobody without visible joints is kept.
        """
        seen = self.visible > 0
        count = seen.sum(axis=1)
        mean = (self.joints * seen[..., None]).sum(axis=1) / np.maximum(count, 1)[:, None]
        squared = ((mean - self.center) ** 2).sum(axis=1)
        area = self.scale.prod(axis=1) * PIXEL_STD**2
        closeness = np.exp(-squared / (0.2**2 * 2.0 * area))
        bound = (0.2 / 16) * count + 0.45 - 0.2 / 16
        return np.flatnonzero((count > 0) & (closeness > bound))
