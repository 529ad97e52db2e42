"""Poses for made-up people: recorded motions, the pose prior that comes with limner, and mixtures of both.

Rotations are radians; the root is upright in a world with y up, without its heading, which the scene draws.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.body import JOINT_NAMES, MIRROR_JOINTS, NUM_JOINTS, load_pose_mixture
from limner.checks import FileProblem
from limner.media import MOTION_SUFFIXES, read_exponential_maps, read_motion, resample_motion
from limner.records import Motion

__all__ = ["PoseSource", "read_motions", "touches_itself"]

RATE = 30
_LONGEST_GAP_S = 3.0  # between two frames of one person
_FLIP = np.array([1.0, -1.0, -1.0], np.float32)
_J = {name: joint for joint, name in enumerate(JOINT_NAMES)}
_UPPER = tuple(joint for joint in range(NUM_JOINTS) if joint in (3, 6, 9) or joint >= 12)


def read_motions(path: str | Path) -> list[Motion]:
    """Read all motions at a path: one file, or a folder of AMASS or SMPL npz, BVH, and amc beside its asf.

    Returns:
        The motions at 30 frames a second at most, without takes shorter than half a second.

    Raises:
        FileProblem: nothing is there, or no motion among the files.
        InputError: a file is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise FileProblem(f"no motions at {path}: nothing is there")
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in MOTION_SUFFIXES) if path.is_dir() else [path]
    motions = [motion for file in files for motion in _takes(file)]
    if not motions:
        raise FileProblem(f"{path} holds no motion; limner reads {', '.join(MOTION_SUFFIXES)}")
    return motions


def _takes(path: Path) -> list[Motion]:
    if path.suffix.lower() == ".npz" and _is_library(path):
        # The first frame of a take is the skeleton's zero pose.
        return [_slow(motion, first=1) for motion in read_exponential_maps(path) if len(motion) > 60]
    return [_slow(read_motion(path))]


def _is_library(path: Path) -> bool:
    """Tell whether a file holds takes of exponential maps; one that is damaged is for `read_motion` to refuse."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return bool(file.files) and "poses" not in file.files and file[file.files[0]].shape[-1:] == (117,)
    except (zipfile.BadZipFile, ValueError, EOFError, OSError):
        return False


def _slow(motion: Motion, first: int = 0) -> Motion:
    motion = Motion(motion.rotvec[first:], motion.transl[first:], motion.frame_rate, motion.name)
    return resample_motion(motion, Fraction(RATE)) if motion.frame_rate > RATE else motion


@lru_cache(maxsize=4)
def _pool(path: Path | None) -> tuple[Float32[ndarray, "N 24 3"], Float32[ndarray, "N 3"], ndarray]:
    """Return all frames of the motions one after the other, where their pelvis is, and where each motion starts."""
    if path is None:
        empty = np.zeros((0, NUM_JOINTS, 3), np.float32)
        return empty, empty[:, 0], np.zeros(1, np.int64)
    motions = read_motions(path)
    starts = np.concatenate([[0], np.cumsum([len(motion) for motion in motions])])
    return np.concatenate([m.rotvec for m in motions]), np.concatenate([m.transl for m in motions]), starts


@dataclass(frozen=True)
class PoseSource:
    """Where poses come from.

    Attributes:
        path: motions; None for the pose prior alone.
        prior_share: of poses that come from the prior though there are motions.
        mixed_share: of poses whose arms and trunk are another pose's.
        noise: radians added to every joint, times what is usual for it.
    """

    path: Path | None = None
    prior_share: float = 0.3
    mixed_share: float = 0.25
    noise: float = 0.06

    def sample(self, rng: np.random.Generator) -> Float32[ndarray, "24 3"]:
        """Draw a pose; the root has its lean and no heading."""
        pose = self._one(rng)
        if rng.random() < self.mixed_share:
            pose[list(_UPPER)] = self._one(rng)[list(_UPPER)]
        pose[1:] += rng.normal(0, self.noise, pose[1:].shape) * _NOISE[1:]
        return mirrored(pose) if rng.random() < 0.5 else pose

    def _one(self, rng: np.random.Generator) -> Float32[ndarray, "24 3"]:
        frames = _pool(self.path)[0]
        if not len(frames) or rng.random() < self.prior_share:
            return self._from_prior(rng)
        pose = frames[_even_frame(rng, _pool(self.path)[2])].copy()
        pose[0] = without_heading(pose[0])
        return pose

    def _from_prior(self, rng: np.random.Generator) -> Float32[ndarray, "24 3"]:
        means, roots, shares = _components()
        component = rng.choice(len(shares), p=shares)
        body = means[component] + roots[component] @ rng.normal(size=69)
        pose = np.zeros((NUM_JOINTS, 3), np.float32)
        pose[1:] = body.reshape(23, 3)
        if rng.random() < 0.5:
            _raise_arms(pose, rng)
        pose[0] = rng.normal(0, (0.12, 0.0, 0.08))
        low, high = _limits()
        return np.clip(pose, low, high).astype(np.float32)

    def clip(self, rng: np.random.Generator, frames: int) -> tuple[Float32[ndarray, "T 24 3"], Float32[ndarray, "T 3"]]:
        """Draw frames of one motion, in order, and the way of the pelvis between them in metres.

        Without motions, poses of one person that have nothing to do with each other.
        """
        poses, places, starts = _pool(self.path)
        if not len(poses):
            drawn = np.stack([self.sample(rng) for _ in range(frames)])
            return drawn, np.zeros((frames, 3), np.float32)
        middle = _even_frame(rng, starts)
        take = int(np.searchsorted(starts, middle, "right")) - 1
        reach = int(_LONGEST_GAP_S * RATE)
        first = int(rng.integers(starts[take], max(starts[take + 1] - reach, starts[take]) + 1))
        last = min(first + reach, starts[take + 1])
        # The most varied of a few draws: neighbours in time show next to the same.
        draws = [np.sort(rng.choice(np.arange(first, last), frames, replace=last - first < frames)) for _ in range(6)]
        rows = max(draws, key=lambda rows: float(poses[rows].std(0).sum()))
        chosen = poses[rows].copy()
        heading = _heading(chosen[0, 0]).inv()
        chosen[:, 0] = (heading * Rotation.from_rotvec(chosen[:, 0])).as_rotvec()
        way = heading.apply(places[rows] - places[rows[0]]).astype(np.float32)
        return (np.stack([mirrored(p) for p in chosen]), way * (-1, 1, 1)) if rng.random() < 0.5 else (chosen, way)


def _even_frame(rng: np.random.Generator, starts: ndarray) -> int:
    """Draw a frame so that a take counts by the square root of its length: frames of one take resemble each other."""
    lengths = np.diff(starts)
    share = np.sqrt(lengths)
    take = int(rng.choice(len(lengths), p=share / share.sum()))
    return int(starts[take] + rng.integers(lengths[take]))


def mirrored(pose: Float32[ndarray, "24 3"]) -> Float32[ndarray, "24 3"]:
    """Return the pose with left and right exchanged."""
    return pose[list(MIRROR_JOINTS)] * _FLIP


def _heading(root: Float[ndarray, "3"]) -> Rotation:
    forward = Rotation.from_rotvec(root).apply((0.0, 0.0, 1.0))
    return Rotation.from_rotvec((0.0, float(np.arctan2(forward[0], forward[2])), 0.0))


def without_heading(root: Float[ndarray, "3"]) -> Float[ndarray, "3"]:
    """Turn a root about the vertical so that the body faces +z."""
    return (_heading(root).inv() * Rotation.from_rotvec(root)).as_rotvec()


def _raise_arms(pose: Float32[ndarray, "24 3"], rng: np.random.Generator) -> None:
    """Let both arms point anywhere in front of and beside the body: recordings of walks know few such poses."""
    for side, sign in (("left", 1.0), ("right", -1.0)):
        if rng.random() < 0.25:
            continue
        lift, forward = rng.uniform(-1.35, 1.35), rng.uniform(-0.5, 1.7) * rng.random()
        turn = Rotation.from_rotvec((0, -sign * forward, 0)) * Rotation.from_rotvec((0, 0, sign * lift))
        pose[_J[f"{side}_shoulder"]] = (turn * Rotation.from_rotvec((rng.uniform(-0.8, 0.8), 0, 0))).as_rotvec()
        pose[_J[f"{side}_elbow"]] = (0.0, -sign * 2.3 * rng.random() ** 1.5, 0.0)


@lru_cache(maxsize=1)
def _components() -> tuple[ndarray, ndarray, ndarray]:
    mixture = load_pose_mixture()
    covars = np.linalg.inv(mixture.precisions.numpy().astype(np.float64))
    means = mixture.means.numpy().astype(np.float64)
    # Weights come relative to the determinants; what is drawn should not.
    logs = mixture.log_weights.numpy().astype(np.float64) + 0.5 * np.linalg.slogdet(covars)[1]
    shares = np.exp(logs - logs.max())
    return means, np.linalg.cholesky(covars), shares / shares.sum()


@lru_cache(maxsize=1)
def _limits() -> tuple[ndarray, ndarray]:
    from limner.body import joint_limits

    return joint_limits()


_NOISE = np.ones((NUM_JOINTS, 3), np.float32)
for _name in ("left_knee", "right_knee", "left_elbow", "right_elbow"):
    # Hinges: noise across them would break the limb.
    _NOISE[_J[_name]] = 0.2
_NOISE[[_J["left_hand"], _J["right_hand"], _J["left_foot"], _J["right_foot"]]] = 0.3

_THICK_M = 0.105
"""How near to the middle line of the trunk the middle of a wrist or an elbow can come."""


def touches_itself(joints: Float[ndarray, "24 3"]) -> bool:
    """Tell whether a forearm or a hand lies inside the trunk, the head or a thigh, by distances between bones."""
    low = joints[_J["pelvis"]]
    high = joints[_J["spine3"]] + 0.6 * (joints[_J["neck"]] - joints[_J["spine3"]])
    for side in ("left", "right"):
        for end, thick in (("elbow", 0.9), ("wrist", 1.1), ("hand", 1.2)):
            point = joints[_J[f"{side}_{end}"]]
            if _distance(point, low, high) < thick * _THICK_M:
                return True
            if end != "elbow":
                if np.linalg.norm(point - joints[_J["head"]] - 0.4 * (joints[_J["head"]] - joints[_J["neck"]])) < 0.12:
                    return True
                thighs = ((joints[_J[f"{leg}_hip"]], joints[_J[f"{leg}_knee"]]) for leg in ("left", "right"))
                if any(_distance(point, *thigh) < 0.085 for thigh in thighs):
                    return True
    shins = [(joints[_J[f"{leg}_knee"]], joints[_J[f"{leg}_ankle"]]) for leg in ("left", "right")]
    return any(_distance(a + t * (b - a), *shins[1]) < 0.07 for a, b in shins[:1] for t in (0.1, 0.4, 0.7, 1.0))


def _distance(point: ndarray, start: ndarray, end: ndarray) -> float:
    along = end - start
    t = np.clip((point - start) @ along / max(along @ along, 1e-9), 0, 1)
    return float(np.linalg.norm(point - start - t * along))
