"""The records that travel between the rooms: frozen, arrays of equal length, checked when made.

Notation (docs/conventions.md): N people or frames, K keypoints, J body joints, H W picture size. Points are (x, y) in
pixels with pixel centres at integers. The picture frame of a camera has its origin in the middle of the picture, x to
the right, y down, and half the LONGER side as its unit, so that a square picture spans [-1, 1] as in the published
systems; z grows away from the viewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float32, Int32
from numpy import ndarray

from limner.checks import InputError, check_shape
from limner.types import SkeletonName


def _finite(array: ndarray, name: str) -> None:
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds {int((~np.isfinite(array)).sum())} numbers that are not finite")


def _as_float(array: object) -> ndarray:
    return np.ascontiguousarray(np.asarray(array, dtype=np.float32))


@dataclass(frozen=True)
class Boxes:
    """Boxes round people in one picture.

    Attributes:
        xyxy: left, top, right, bottom in pixels; may reach over the picture's border.
        score: the detector's confidence, 0 to 1.
    """

    xyxy: Float32[ndarray, "N 4"]
    score: Float32[ndarray, "N"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "xyxy", _as_float(self.xyxy).reshape(-1, 4))
        object.__setattr__(self, "score", _as_float(self.score))
        check_shape(self.score, "score", (len(self.xyxy),))
        _finite(self.xyxy, "xyxy")
        if (self.xyxy[:, 2:] < self.xyxy[:, :2]).any():
            raise InputError("xyxy holds a box whose right or bottom side lies before its left or top side")

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, index: slice | ndarray | list[int]) -> Boxes:
        return Boxes(self.xyxy[index], self.score[index])


@dataclass(frozen=True)
class Keypoints:
    """Keypoints of N people in one picture, or of one person in N frames.

    Attributes:
        xy: (N, K, 2) pixels; NaN is not allowed, an unseen point has score 0.
        score: (N, K) confidence, 0 to 1.
        skeleton: a name of `limner.pose.skeletons`.
        world: (N, K, 3) metres about the middle of the hips, x right, y down, z away; None where unknown.
    """

    xy: Float32[ndarray, "N K 2"]
    score: Float32[ndarray, "N K"]
    skeleton: SkeletonName
    world: Float32[ndarray, "N K 3"] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "xy", _as_float(self.xy))
        object.__setattr__(self, "score", _as_float(self.score))
        check_shape(self.xy, "xy", ("N", "K", 2))
        check_shape(self.score, "score", self.xy.shape[:2])
        _finite(self.xy, "xy")
        _finite(self.score, "score")
        if self.world is not None:
            object.__setattr__(self, "world", _as_float(self.world))
            check_shape(self.world, "world", (*self.xy.shape[:2], 3))
            _finite(self.world, "world")

    def __len__(self) -> int:
        return len(self.xy)

    def __getitem__(self, index: slice | ndarray | list[int]) -> Keypoints:
        world = None if self.world is None else self.world[index]
        return Keypoints(self.xy[index], self.score[index], self.skeleton, world)

    @classmethod
    def of_clip(cls, track: Sequence[Keypoints | None]) -> tuple[Keypoints, Bool[ndarray, "T"]]:
        """Join one person's keypoints in every frame of a clip, and tell which frames have any.

        Args:
            track: one row each, all of one skeleton; None where the person is not seen, which becomes a row of score 0.

        Raises:
            InputError: no frame shows the person.
        """
        valid = np.array([found is not None for found in track], bool)
        like = next((found for found in track if found is not None), None)
        if like is None:
            raise InputError(f"none of {len(track)} frames shows the person")
        empty = replace(like, score=np.zeros_like(like.score))
        rows = [empty if found is None else found for found in track]
        world = None if like.world is None else np.concatenate([row.world for row in rows if row.world is not None])
        xy, score = np.concatenate([row.xy for row in rows]), np.concatenate([row.score for row in rows])
        return cls(xy, score, like.skeleton, world), valid


@dataclass(frozen=True)
class Bodies:
    """Bodies of N people in one picture, or of one person in N frames, in SMPL's layout.

    Attributes:
        rotvec: (N, 24, 3) axis-angle in radians of every joint relative to its parent, the root first; the root turns
            the body into camera axes (x right, y down, z away): an upright person who faces the viewer has (pi, 0, 0).
        betas: (N, S) shape numbers.
        weak_camera: (N, 3) scale s and shift tx, ty in metres: x = s (X + tx), y = s (Y + ty) in the picture frame.
        size_hw: height and width in pixels of the picture that the camera looks at.
        body_model: "free" or "smpl:PATH".
    """

    rotvec: Float32[ndarray, "N 24 3"]
    betas: Float32[ndarray, "N S"]
    weak_camera: Float32[ndarray, "N 3"]
    size_hw: tuple[int, int]
    body_model: str = "free"

    def __post_init__(self) -> None:
        for name in ("rotvec", "betas", "weak_camera"):
            object.__setattr__(self, name, _as_float(getattr(self, name)))
            _finite(getattr(self, name), name)
        object.__setattr__(self, "size_hw", (int(self.size_hw[0]), int(self.size_hw[1])))
        check_shape(self.rotvec, "rotvec", ("N", 24, 3))
        check_shape(self.betas, "betas", (len(self.rotvec), "S"))
        check_shape(self.weak_camera, "weak_camera", (len(self.rotvec), 3))
        if min(self.size_hw) < 1:
            raise InputError(f"size_hw must be positive, got {self.size_hw}")

    def __len__(self) -> int:
        return len(self.rotvec)

    def __getitem__(self, index: slice | ndarray | list[int]) -> Bodies:
        return replace(self, rotvec=self.rotvec[index], betas=self.betas[index], weak_camera=self.weak_camera[index])

    @property
    def theta(self) -> Float32[ndarray, "N D"]:
        """The published systems' vector: camera (3), axis-angle (72), betas; 85 numbers for ten betas."""
        return np.concatenate([self.weak_camera, self.rotvec.reshape(len(self), 72), self.betas], axis=1)


@dataclass(frozen=True)
class Motion:
    """A motion without pictures, in SMPL's joints, resampled or not.

    Attributes:
        rotvec: (T, 24, 3) axis-angle in radians; the root turns the body into world axes (y up, metres).
        transl: (T, 3) metres: where the pelvis is in the world.
        frame_rate: frames a second, exact.
        name: what to call it in messages.
    """

    rotvec: Float32[ndarray, "T 24 3"]
    transl: Float32[ndarray, "T 3"]
    frame_rate: Fraction
    name: str = "motion"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rotvec", _as_float(self.rotvec))
        object.__setattr__(self, "transl", _as_float(self.transl))
        object.__setattr__(self, "frame_rate", Fraction(self.frame_rate))
        check_shape(self.rotvec, "rotvec", ("T", 24, 3))
        check_shape(self.transl, "transl", (len(self.rotvec), 3))
        _finite(self.rotvec, f"the rotations of {self.name}")
        _finite(self.transl, f"the positions of {self.name}")
        if len(self.rotvec) == 0:
            raise InputError(f"{self.name} has zero frames")
        if self.frame_rate <= 0:
            raise InputError(f"{self.name} has the frame rate {self.frame_rate}; it must be positive")

    def __len__(self) -> int:
        return len(self.rotvec)


@dataclass(frozen=True)
class Raster:
    """A mesh drawn into a picture of H x W pixels.

    Attributes:
        face_index: (H, W) the face that owns the pixel, -1 where there is none.
        weights: (H, W, 3) barycentric weights of the face's corners, screen-space linear, 0 where there is no face.
        depth: (H, W) perspective-interpolated depth, `far` where there is no face.
    """

    face_index: Int32[ndarray, "H W"]
    weights: Float32[ndarray, "H W 3"]
    depth: Float32[ndarray, "H W"]

    def __post_init__(self) -> None:
        check_shape(self.weights, "weights", (*self.face_index.shape, 3))
        check_shape(self.depth, "depth", self.face_index.shape)
