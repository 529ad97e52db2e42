"""People as the shipped pose network saw them, looked at once and kept: what HMR's light network learns from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from limner.body import look_at_crop
from limner.data import BodyPerson, BodySamples, BodySource
from limner.media import written_beside
from limner.pose import SKELETONS
from limner.train.body_crops import CropRule, Placing, crop_labels, draw_placing, placed_labels

_FOLDER_OF = 1000  # people kept in one folder
_SWAP_33 = list(SKELETONS["blazepose33"].mirror)
_LEAST_COVER, _MOST_COVER = 0.1, 0.45  # sides of what covers a part of the crop, as shares of its own
_ASTRAY = 5.0  # how much worse a covered point is guessed, in spreads of the noise
_LABELS = ("keypoints", "center", "scale", "joints", "rotvec", "betas")


@dataclass(frozen=True)
class SeenPerson:
    """A person without the picture.

    Attributes:
        landmarks: x and y in pixels of the picture, visibility, metres.
        keypoints: labels, and so are the others: see `limner.data.BodyPerson`.
        center: middle of the crop, pixels.
        scale: factor that brings the person to the size of the published crops.
        joints: metres in camera axes; None where unknown.
        rotvec: rotations, the root in camera axes; None where unknown.
        betas: with them.
    """

    landmarks: Float32[ndarray, "33 6"]
    keypoints: Float32[ndarray, "19 3"]
    center: Float64[ndarray, "2"]
    scale: float
    joints: Float32[ndarray, "14 3"] | None = None
    rotvec: Float32[ndarray, "24 3"] | None = None
    betas: Float32[ndarray, "10"] | None = None


@dataclass(frozen=True)
class Looks:
    """Looks at each person once, and remembers.

    Attributes:
        side: of the crop that is looked at, in pixels of a person of the published size.
        kept: folder in which it is kept for other runs; None keeps it in memory alone.
    """

    side: float
    kept: Path | None = None
    _held: dict[str, SeenPerson] = field(default_factory=dict, compare=False, repr=False)

    def person(self, source: BodySource, index: int) -> SeenPerson:
        """Return a person of a data set as the pose network sees them.

        Raises:
            FileProblem: the picture cannot be read, or the folder not be written.
        """
        key = _key(source, index)
        if key not in self._held:
            self._held[key] = self._read(key, source, index)
        return self._held[key]

    def _read(self, key: str, source: BodySource, index: int) -> SeenPerson:
        if self.kept is None:
            return self._look(source.person(index))
        path = self.kept / f"{key}.npz"
        if not path.exists():
            _keep(path, self._look(source.person(index)))
        return _read_kept(path)

    def _look(self, person: BodyPerson) -> SeenPerson:
        seen = look_at_crop(person.image, person.center, self.side / person.scale)
        assert seen.world is not None, "the pose network gives metres"
        landmarks = np.concatenate([seen.xy[0], seen.score[0, :, None], seen.world[0]], 1)
        return SeenPerson(landmarks, **{name: getattr(person, name) for name in _LABELS})


def _key(source: BodySource, index: int) -> str:
    """Name a person: of a data set by picture and labels, since parts of one set share its name; else by number."""
    folder = source.name.replace("/", "-").replace(" ", "-")
    if not isinstance(source, BodySamples):
        return f"{folder}/{index // _FOLDER_OF:04d}/{index:08d}"
    mark = hashlib.sha256(str(source.root.resolve() / source.picture[index]).encode())
    for name in (*_LABELS, "has_joints", "has_smpl"):
        mark.update(np.ascontiguousarray(getattr(source, name)[index]).tobytes())
    digits = mark.hexdigest()[:16]
    return f"{folder}/{digits[:2]}/{digits}"


def _keep(path: Path, person: SeenPerson) -> None:
    arrays = {name: getattr(person, name) for name in ("landmarks", *_LABELS)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{name: value for name, value in arrays.items() if value is not None})


def _read_kept(path: Path) -> SeenPerson:
    with np.load(path, allow_pickle=False) as held:
        arrays = {name: held[name] for name in held.files}
    return SeenPerson(**{**arrays, "scale": float(arrays["scale"])})


def landmark_sample(person: SeenPerson, rule: CropRule, rng: np.random.Generator | None) -> dict[str, Any]:
    """Return one person's landmarks over the crop, varied as crops are, and the labels with them.

    Args:
        person: as the pose network saw them.
        rule: how crops are cut.
        rng: of the variations; None leaves the landmarks as they are.

    Returns:
        `landmarks` (33, 6), and the labels of `limner.train.body_crops.cut_sample`.
    """
    placing = draw_placing(person.center, person.scale, rule, rng)
    landmarks = _placed(person.landmarks.astype(np.float64), placing, rule)
    if rng is not None:
        landmarks = _blurred(landmarks, rule, rng)
    points, joints, rotvec = placed_labels(person, placing, rule)
    return {
        "landmarks": landmarks.astype(np.float32),
        **crop_labels(rule, points, joints, rotvec, person.betas),
    }


def _placed(landmarks: Float64[ndarray, "33 6"], placing: Placing, rule: CropRule) -> Float64[ndarray, "33 6"]:
    landmarks[:, :2] = 2 * placing.move(landmarks[:, :2]) / rule.size - 1
    cos, sin = np.cos(placing.angle), np.sin(placing.angle)
    landmarks[:, 3:5] = landmarks[:, 3:5] @ np.array([[cos, sin], [-sin, cos]])
    if placing.mirrored:
        landmarks = landmarks[_SWAP_33] * np.array([-1, 1, 1, -1, 1, 1])
    return landmarks


def _blurred(landmarks: Float64[ndarray, "33 6"], rule: CropRule, rng: np.random.Generator) -> Float64[ndarray, "33 6"]:
    """Move points as a pose network errs: a little everywhere, more where something covers them."""
    spread = np.full(len(landmarks), rule.augment.noise * rng.random())
    if rng.random() < rule.augment.occlusion:
        sides = 2 * rng.uniform(_LEAST_COVER, _MOST_COVER, 2)
        low = rng.uniform(-1, 1 - sides)
        covered = ((landmarks[:, :2] >= low) & (landmarks[:, :2] <= low + sides)).all(1)
        landmarks[covered, 2] *= rng.uniform(0, 0.5)
        spread[covered] = _ASTRAY * rule.augment.noise
    landmarks[:, [0, 1, 3, 4, 5]] += spread[:, None] * rng.standard_normal((len(landmarks), 5))
    return landmarks
