"""The record of a data set of bodies: one row a person, with joints in the picture and, where known, in space.

Joints in the picture come in cocoplus19's order, joints in space in LSP's fourteen. Crops follow HMR's rule: the box of
a person's joints has a diagonal of 150 pixels, once the picture is scaled by `scale`.
Source: akanazawa/hmr `src/datasets`, whose records these are.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy import ndarray

from limner.checks import InputError, check_shape
from limner.data.pictures import read_picture
from limner.data.samples import PIXEL_STD, PoseSamples, chosen_rows
from limner.pose import SKELETONS, conversion
from limner.types import RgbImage, SkeletonName

PERSON_PX = 150.0
"""The diagonal of the box of a person's joints in a scaled picture."""
CROP_PX = 224.0
"""The side of the published crops, to which that diagonal belongs."""

_LEAST_PX = 2.0  # a person whose joints lie closer together has no size


@dataclass(frozen=True)
class BodyPerson:
    """One person of a data set.

    Attributes:
        image: the picture.
        keypoints: (x, y, weight), pixels of the picture, cocoplus19.
        center: middle of the crop, pixels.
        scale: factor that brings the person to the size of the published crops.
        joints: metres in camera axes, LSP's order; None where unknown.
        rotvec: SMPL's rotations, the root in camera axes; None where unknown.
        betas: with them.
    """

    image: RgbImage
    keypoints: Float32[ndarray, "19 3"]
    center: Float64[ndarray, "2"]
    scale: float
    joints: Float32[ndarray, "14 3"] | None = None
    rotvec: Float32[ndarray, "24 3"] | None = None
    betas: Float32[ndarray, "10"] | None = None


class BodySource(Protocol):
    """Whatever people come from: a data set, or pictures made when asked for."""

    @property
    def name(self) -> str:
        """What to call it."""

    def __len__(self) -> int:
        """Return how many people there are."""

    def person(self, index: int) -> BodyPerson:
        """Return one of them, the same each time."""


@dataclass(frozen=True)
class BodySamples:
    """People of a data set; see the fields of `BodyPerson`.

    Attributes:
        name: what to call the set in messages.
        root: the folder that the pictures' names start from.
        picture: the name of each person's picture.
        keypoints: (x, y, weight) in pixels; a weight of 0 marks a joint that is not labelled.
        center: middles of the crops.
        scale: factors of the pictures.
        joints: metres in camera axes; zeros where `has_joints` is False.
        has_joints: who has joints in space.
        rotvec: zeros where `has_smpl` is False.
        betas: zeros where `has_smpl` is False.
        has_smpl: who has SMPL's numbers.
        clip: the film that each row is a frame of; empty where rows are no films.
        frame: number of the frame.
        sex: male or female, where the set says so.
    """

    name: str
    root: Path
    picture: tuple[str, ...]
    keypoints: Float32[ndarray, "N 19 3"]
    center: Float64[ndarray, "N 2"]
    scale: Float64[ndarray, "N"]
    joints: Float32[ndarray, "N 14 3"] = field(default=None)
    has_joints: Bool[ndarray, "N"] = field(default=None)
    rotvec: Float32[ndarray, "N 24 3"] = field(default=None)
    betas: Float32[ndarray, "N 10"] = field(default=None)
    has_smpl: Bool[ndarray, "N"] = field(default=None)
    clip: tuple[str, ...] = ()
    frame: Int64[ndarray, "N"] = field(default=None)
    sex: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.picture)
        for name, (shape, dtype) in _ARRAYS.items():
            given = getattr(self, name)
            array = np.zeros((count, *shape), dtype) if given is None else np.ascontiguousarray(given, dtype)
            check_shape(array, f"{name} of {self.name}", (count, *shape))
            object.__setattr__(self, name, array)
        for name in ("clip", "sex"):
            row = getattr(self, name) or ("",) * count
            if len(row) != count:
                raise InputError(f"{name} of {self.name} has {len(row)} rows for {count} people")
            object.__setattr__(self, name, tuple(row))

    def __len__(self) -> int:
        return len(self.picture)

    def __getitem__(self, index: slice | ndarray | list[int]) -> BodySamples:
        """Return some of the people: a slice, indices, or a mask."""
        rows = chosen_rows(len(self), index)
        arrays: dict[str, Any] = {name: getattr(self, name)[rows] for name in _ARRAYS}
        words: dict[str, Any] = {
            name: tuple(getattr(self, name)[row] for row in rows) for name in ("picture", "clip", "sex")
        }
        return replace(self, **arrays, **words)

    def person(self, index: int) -> BodyPerson:
        """Return one person with the picture.

        Raises:
            FileProblem: the picture is missing or cannot be decoded.
        """
        has_smpl = bool(self.has_smpl[index])
        return BodyPerson(
            self.read_picture(index),
            self.keypoints[index],
            self.center[index],
            float(self.scale[index]),
            self.joints[index] if self.has_joints[index] else None,
            self.rotvec[index] if has_smpl else None,
            self.betas[index] if has_smpl else None,
        )

    def read_picture(self, index: int) -> RgbImage:
        """Read the picture of one person, as stored.

        Raises:
            FileProblem: the picture is missing or cannot be decoded.
        """
        return read_picture(self.root, self.picture[index])

    def as_pose(self) -> PoseSamples:
        """Return the same people as samples of joints in the picture, for drawing and for pose networks."""
        side = CROP_PX / self.scale / PIXEL_STD
        numbers = {name: number for number, name in enumerate(dict.fromkeys(self.picture))}
        return PoseSamples(
            name=self.name,
            root=self.root,
            picture=self.picture,
            image_id=np.array([numbers[name] for name in self.picture], np.int64),
            center=self.center,
            scale=np.stack([side, side], 1),
            joints=self.keypoints[..., :2],
            visible=(self.keypoints[..., 2] > 0).astype(np.uint8),
            score=np.ones(len(self)),
            skeleton=SKELETONS["cocoplus19"],
            boxes="HMR's crops: 150 pixels of diagonal in 224",
        )


_ARRAYS: dict[str, tuple[tuple[int, ...], type]] = {
    "keypoints": ((19, 3), np.float32),
    "center": ((2,), np.float64),
    "scale": ((), np.float64),
    "joints": ((14, 3), np.float32),
    "has_joints": ((), np.bool_),
    "rotvec": ((24, 3), np.float32),
    "betas": ((10,), np.float32),
    "has_smpl": ((), np.bool_),
    "frame": ((), np.int64),
}


def bodies_from_pose(samples: PoseSamples, *, min_joints: int = 5, torso_px: float = 56.0) -> BodySamples:
    """Return the people of a pose data set that HMR can learn from: their joints as cocoplus19, its crops.

    Args:
        samples: of any skeleton in the registry, such as lsp14, mpii16 or coco17.
        min_joints: people with fewer labelled joints are left out, and those of whom only head and shoulders are.
        torso_px: height from shoulder to hip in the crop of people without an ankle.

    Source: akanazawa/hmr `src/datasets/*_to_tfrecords.py`. Differences: LSP's people, which are about as large as the
        rule makes them, follow it too; MPII's people without ankles are measured from shoulder to hip, where the
        original takes the head's top for the shoulder by mistake.
    """
    keypoints = cocoplus_keypoints(samples.joints, samples.visible > 0, samples.skeleton.name)
    seen = keypoints[..., 2] > 0
    center, scale = crop_of_people(keypoints, torso_px=torso_px)
    lower = seen[:, [0, 1, 2, 3, 4, 5, 6, 7, 10, 11]].any(1)
    kept = np.flatnonzero((seen.sum(1) >= min_joints) & lower & np.isfinite(scale))
    return BodySamples(
        samples.name,
        samples.root,
        tuple(samples.picture[row] for row in kept),
        keypoints[kept],
        center[kept],
        scale[kept],
    )


def cocoplus_keypoints(
    xy: Float64[ndarray, "N J 2"], visible: Bool[ndarray, "N J"], skeleton: SkeletonName
) -> Float32[ndarray, "N 19 3"]:
    """Return joints of a skeleton as cocoplus19; those that it does not mark have weight 0.

    Only joints that are marked as such are taken (MPII's upper neck is LSP's neck): COCO, which marks no neck and no
    head top, gives none.
    """
    matrix = np.array(conversion(skeleton, "cocoplus19"))
    matrix[(matrix > 0).sum(1) > 1] = 0  # a mean of two joints is no label
    known = matrix.any(1)
    source = matrix.argmax(1)
    weight = visible[:, source] & known
    points = np.where(weight[..., None], xy[:, source], 0)
    return np.concatenate([points, weight[..., None]], 2).astype(np.float32)


def crop_of_people(
    keypoints: Float32[ndarray, "N 19 3"], *, torso_px: float = 56.0, partial_px: float = 50.0
) -> tuple[Float64[ndarray, "N 2"], Float64[ndarray, "N"]]:
    """Return centres and scales of HMR's crops; the scale is NaN where a person's joints have no size.

    Args:
        keypoints: (x, y, weight).
        torso_px: of a person without an ankle, from shoulder to hip.
        partial_px: the box's diagonal of a person without ankle and torso.
    """
    seen = keypoints[..., 2] > 0
    xy = np.asarray(keypoints[..., :2], np.float64)
    low = np.where(seen[..., None], xy, np.inf).min(1)
    high = np.where(seen[..., None], xy, -np.inf).max(1)
    has_box = seen.any(1)
    low, high = (np.where(has_box[:, None], corner, 0) for corner in (low, high))
    diagonal = np.linalg.norm(high - low, axis=1)
    torso = _torso(xy, seen)
    has_ankle, has_torso = seen[:, [0, 5]].any(1), np.isfinite(torso) & (torso > _LEAST_PX)
    with np.errstate(divide="ignore"):
        scale = np.where(has_ankle, PERSON_PX, partial_px) / diagonal
        scale = np.where(~has_ankle & has_torso, torso_px / np.where(has_torso, torso, 1), scale)
    return (low + high) / 2, np.where(diagonal > _LEAST_PX, scale, np.nan)


def _torso(xy: Float64[ndarray, "N 19 2"], seen: Bool[ndarray, "N 19"]) -> Float64[ndarray, "N"]:
    """Mean distance from shoulder to hip of the sides that show both; NaN where none does."""
    sides = [(8, 2), (9, 3)]
    both = np.stack([seen[:, a] & seen[:, b] for a, b in sides], 1)
    length = np.stack([np.linalg.norm(xy[:, a] - xy[:, b], axis=1) for a, b in sides], 1)
    count = both.sum(1)
    return np.where(count > 0, (length * both).sum(1) / np.maximum(count, 1), np.nan)
