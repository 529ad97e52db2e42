"""Fit the pose mixture of `limner.body.load_pose_mixture` to motion capture and write `pose_prior.npz`.

    python scripts/build_pose_prior.py FOLDER_WITH_AMC_AND_ASF [--out src/limner/body/data/pose_prior.npz]

What it is fitted to: takes of the CMU Graphics Lab motion capture database (mocap.cs.cmu.edu; free for any use, may be
part of products, not to be resold as it is; the database was created with funding from NSF EIA-0196217), read by
`limner.read_motion` and thinned to 12 frames a second, together with made-up resting poses (T, A, arms hanging or
raised, sitting), which recordings of sports and climbing lack. Only Gaussians go into the file, no recorded pose.

How: expectation and maximisation with covariances that are shrunk and widened; then every component gets its mirror
image, so that the mixture has no left or right. Printed is the mean energy a pose (nats) of takes that were held out,
beside that of one Gaussian.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy import ndarray
from scipy.special import logsumexp

from limner.body import JOINT_NAMES, mirror_rotvec
from limner.media import read_motion

RATE = 12
NUM_COMPONENTS = 8
SHRINK = 0.1  # how far a covariance goes towards its own diagonal
WIDEN = 0.12  # radians added to every spread: takes of two actors know too little of other people
COLLAR_WIDEN = 0.2  # CMU's collar bones do not move in these takes; people's do
REST_SHARE = 0.15  # of the weight of all poses
REST_SPREAD = 0.1


def rest_poses(rng: np.random.Generator, count: int) -> ndarray:
    """Resting poses (count, 69), with noise: arms from T to hanging to raised, legs standing or sitting."""
    pose = np.zeros((count, 24, 3))
    index = JOINT_NAMES.index
    # Down is a turn of a left arm about -z. Most people let their arms hang.
    down = np.where(rng.random(count) < 0.6, rng.uniform(0.9, 1.5, count), rng.uniform(-1.2, 0.9, count))
    pose[:, index("left_shoulder"), 2], pose[:, index("right_shoulder"), 2] = -down, down
    bend = rng.exponential(0.3, count) * (rng.random(count) < 0.7)
    pose[:, index("left_elbow"), 1], pose[:, index("right_elbow"), 1] = -bend, bend
    sit = rng.uniform(0.8, 1.6, count) * (rng.random(count) < 0.15)
    spread = np.abs(rng.normal(0, 0.12, count))
    for side, sign in (("left", 1), ("right", -1)):
        pose[:, index(f"{side}_hip"), 0], pose[:, index(f"{side}_hip"), 2] = -sit, sign * spread
        pose[:, index(f"{side}_knee"), 0] = sit + np.abs(rng.normal(0, 0.1, count))
    noise = rng.normal(0, REST_SPREAD, pose.shape)
    # Knees and elbows are hinges: noise across them would teach the mixture broken limbs.
    hinges = [index(f"{side}_{joint}") for side in ("left", "right") for joint in ("knee", "elbow")]
    noise[:, hinges] *= 0.3
    return (pose + noise)[:, 1:].reshape(count, 69)


def read_takes(folder: Path) -> list[ndarray]:
    takes = []
    for path in sorted(folder.glob("*.amc")):
        motion = read_motion(path)
        step = max(1, round(motion.frame_rate / RATE))
        takes.append(motion.rotvec[::step, 1:].reshape(-1, 69).astype(np.float64))
    if not takes:
        raise SystemExit(f"{folder} holds no .amc files")
    return takes


def mirrored(poses: ndarray) -> ndarray:
    whole = np.concatenate([np.zeros((len(poses), 1, 3)), poses.reshape(-1, 23, 3)], 1)
    return mirror_rotvec(torch.from_numpy(whole)).numpy()[:, 1:].reshape(-1, 69)


def gather(takes: list[ndarray], rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """All poses with their mirror images and the resting poses, and a weight for each, summing to 1."""
    # A long take counts by the square root of its length: its frames resemble each other.
    weights = np.concatenate([np.full(len(take), len(take) ** -0.5) for take in takes])
    recorded = np.concatenate(takes)
    rest = rest_poses(rng, 4000)
    poses = np.concatenate([recorded, rest])
    shares = np.concatenate([(1 - REST_SHARE) * weights / weights.sum(), np.full(len(rest), REST_SHARE / len(rest))])
    return np.concatenate([poses, mirrored(poses)]), np.concatenate([shares, shares]) / 2


def widening() -> ndarray:
    spread = np.full((23, 3), WIDEN)
    spread[[JOINT_NAMES.index(f"{side}_collar") - 1 for side in ("left", "right")]] = COLLAR_WIDEN
    return spread.reshape(69)


def log_densities(poses: ndarray, means: ndarray, covars: ndarray) -> ndarray:
    """Log density (N, K) of every pose under every component."""
    out = np.empty((len(poses), len(means)))
    for k, (mean, covar) in enumerate(zip(means, covars, strict=True)):
        root = np.linalg.cholesky(covar)
        away = np.linalg.solve(root, (poses - mean).T)
        out[:, k] = -0.5 * (away**2).sum(0) - np.log(np.diag(root)).sum() - 34.5 * np.log(2 * np.pi)
    return out


def maximise(poses: ndarray, shares: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Weights, means and regularised covariances from every pose's share in every component."""
    totals = shares.sum(0)
    means = shares.T @ poses / totals[:, None]
    covars = np.empty((len(totals), 69, 69))
    for k, total in enumerate(totals):
        away = poses - means[k]
        covar = (away * shares[:, k, None]).T @ away / total
        covars[k] = (1 - SHRINK) * covar + SHRINK * np.diag(np.diag(covar)) + np.diag(widening() ** 2)
    return totals / totals.sum(), means, covars


def fit(poses: ndarray, weights: ndarray, count: int, rng: np.random.Generator, steps: int = 60) -> tuple:
    """Expectation and maximisation from components that start round poses far from each other."""
    centres = [poses[rng.choice(len(poses), p=weights)]]
    for _ in range(count - 1):
        gap = np.min([((poses - centre) ** 2).sum(1) for centre in centres], 0) * weights
        centres.append(poses[rng.choice(len(poses), p=gap / gap.sum())])
    nearest = np.argmin([((poses - centre) ** 2).sum(1) for centre in centres], 0)
    shares = np.eye(count)[nearest] * weights[:, None]
    for _ in range(steps):
        mixture = maximise(poses, shares)
        logs = log_densities(poses, *mixture[1:]) + np.log(mixture[0])
        shares = np.exp(logs - logsumexp(logs, 1, keepdims=True)) * weights[:, None]
    return maximise(poses, shares)


def with_mirror_images(weights: ndarray, means: ndarray, covars: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    turn = mirrored(np.eye(69)).T
    both = np.stack([covars, turn @ covars @ turn.T], 1).reshape(-1, 69, 69)
    return np.repeat(weights / 2, 2), np.stack([means, mirrored(means)], 1).reshape(-1, 69), both


def energy(poses: ndarray, mixture: tuple[ndarray, ndarray, ndarray]) -> float:
    logs = log_densities(poses, *mixture[1:]) + np.log(mixture[0])
    return float(-logsumexp(logs, 1).mean())


def write(path: Path, mixture: tuple[ndarray, ndarray, ndarray]) -> None:
    weights, means, covars = (array.astype(np.float32) for array in mixture)
    licence = "Gaussians fitted to takes of mocap.cs.cmu.edu (free for any use; NSF EIA-0196217) and to made-up poses"
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
        np.savez_compressed(file, weights=weights, means=means, covars=covars, licence=np.array(licence))
    os.replace(file.name, path)
    path.chmod(0o644)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("src/limner/body/data/pose_prior.npz"))
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    takes = read_takes(options.folder)
    held_out = np.concatenate(takes[2::5])
    trained = gather([take for n, take in enumerate(takes) if n % 5 != 2], rng)
    for count in (1, 2, 4, NUM_COMPONENTS):
        mixture = with_mirror_images(*fit(*trained, count, np.random.default_rng(1)))
        rest = rest_poses(np.random.default_rng(2), 500)
        energies = f"held-out takes {energy(held_out, mixture):.1f}, rest {energy(rest, mixture):.1f}"
        print(f"{2 * count:2d} components: {energies}")
    final = with_mirror_images(*fit(*gather(takes, rng), NUM_COMPONENTS, np.random.default_rng(1)))
    write(options.out, final)
    print(f"{sum(map(len, takes))} recorded poses; wrote {options.out}, {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
