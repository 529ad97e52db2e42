"""Fitting against the truth: a body posed by recorded motions, seen by a made-up camera and locator.

    python benchmarks/fitting.py FOLDER_WITH_MOTIONS [--frames 120] [--rate 30]

Every motion is shown from several sides, by a weak camera and by a real one (perspective, 3.5 m off, tilted down by 10
degrees). The keypoints get the errors that BlazePose makes: white and slow noise, guesses, sides mixed up for single
frames, world landmarks that lean and wander. Printed are the errors of joints (mm, plain and after similarity
alignment; `pa_world` is the input's own), the median error of keypoints in the picture (mm on the body; `xy_in` is the
input's), the share of frames that face the wrong way (%), acceleration (m/s^2) of the truth, of the input and of the
fit, the shift in time against the truth (frames), how fast the feet slide while they truly stand (m/s, and the same in
the input), and the processor time (s).
"""

from __future__ import annotations

import argparse
import time
import zlib
from pathlib import Path

import numpy as np
import torch

from limner.body import fit_keypoints, lie, load_body
from limner.body.keypoint_rows import keypoint_rows
from limner.body.sparse_body import SparseBody
from limner.media import read_motion
from limner.pose import SKELETONS
from limner.records import Bodies, Keypoints

SIZE_HW = (720, 960)
LEAN = np.radians(-14)


def slow_noise(rng: np.random.Generator, shape: tuple[int, ...], frames: float) -> np.ndarray:
    """Unit noise that forgets itself within `frames`."""
    keep = np.exp(-1 / frames)
    out = rng.normal(size=shape)
    for t in range(1, shape[0]):
        out[t] = keep * out[t - 1] + np.sqrt(1 - keep**2) * out[t]
    return out


def pictured(points: np.ndarray, perspective: bool) -> np.ndarray:
    """Points (T, K, 3) in upright camera axes to pixels."""
    height, width = SIZE_HW
    if not perspective:
        return points[..., :2] * 300 + (width / 2, height / 2)
    tilt = lie.exp(np.array([np.radians(10), 0, 0]))
    seen = points @ tilt.T + (0, 0, 3.5)
    return seen[..., :2] / seen[..., 2:] * 1050 + (width / 2, height / 2)


def located(points: np.ndarray, rng: np.random.Generator, rate: float, perspective: bool) -> Keypoints:
    """What a locator would say of the true keypoints `points` (T, K, 3)."""
    skeleton = SKELETONS["blazepose33"]
    shape = points.shape
    noise = 0.008 * rng.normal(size=(*shape[:2], 2)) + 0.012 * slow_noise(rng, (*shape[:2], 2), 0.4 * rate)
    score = np.clip(0.95 + 0.05 * rng.normal(size=shape[:2]), 0.5, 1)
    guessed = slow_noise(rng, shape[:2], 0.3 * rate) > 2.0
    noise[guessed] += 0.08 * rng.normal(size=(int(guessed.sum()), 2))
    score[guessed] = 0.4
    xy = pictured(points, perspective) + noise * 300
    hips = points[:, [skeleton.index("left_hip"), skeleton.index("right_hip")]].mean(1, keepdims=True)
    world = (points - hips) @ lie.exp(np.array([-LEAN, 0, 0])).T
    wander = slow_noise(rng, shape, 0.5 * rate) * (0.03, 0.03, 0.07)
    world = world + wander + 0.012 * rng.normal(size=shape)
    swapped = rng.random(shape[0]) < 0.01
    mirror = list(skeleton.mirror)
    xy[swapped], world[swapped] = xy[swapped][:, mirror], world[swapped][:, mirror]
    return Keypoints(xy, score, "blazepose33", world)


def aligned(points: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Points (T, J, 3) brought onto the truth by a similarity, frame by frame."""
    mean, goal = points.mean(1, keepdims=True), truth.mean(1, keepdims=True)
    u, s, vt = np.linalg.svd((points - mean).transpose(0, 2, 1) @ (truth - goal))
    sign = np.sign(np.linalg.det(u @ vt))
    vt[:, 2] *= sign[:, None]
    s[:, 2] *= sign
    scale = s.sum(1) / ((points - mean) ** 2).sum((1, 2))
    return scale[:, None, None] * (points - mean) @ (u @ vt) + goal


def lag(points: np.ndarray, truth: np.ndarray) -> float:
    """Frames by which `points` come after `truth`: the bottom of the parabola through the squared gap of their speeds.

    The gap, not the correlation: of a steady walk the latter's top lies where the faster half of the clip is.
    """
    one, two = np.diff(points, axis=0).reshape(len(points) - 1, -1), np.diff(truth, axis=0).reshape(len(truth) - 1, -1)
    reach = 5
    middle = two[reach : len(two) - reach]
    gap = [((one[reach + d : len(one) - reach + d] - middle) ** 2).sum() for d in range(-reach, reach + 1)]
    low = int(np.clip(np.argmin(gap), 1, 2 * reach - 1))
    left, bottom, right = gap[low - 1 : low + 2]
    return low - reach + 0.5 * (left - right) / (left - 2 * bottom + right)


def one_run(path: Path, yaw: float, perspective: bool, options: argparse.Namespace) -> dict[str, float]:
    rng = np.random.default_rng(zlib.crc32(f"{path.name} {yaw:.2f} {perspective}".encode()))
    motion = read_motion(path)
    step = max(round(float(motion.frame_rate) / options.rate), 1)
    frames = slice(options.start, options.start + step * options.frames, step)
    rate = float(motion.frame_rate) / step
    data = load_body("free")
    body = SparseBody(data, keypoint_rows(data, "blazepose33"))
    betas = 0.7 * rng.normal(size=data.num_betas)
    rotmats = lie.exp(motion.rotvec[frames])
    into_camera = lie.exp(np.array([np.pi, 0, 0])) @ lie.exp(np.array([0, yaw, 0]))
    rotmats[:, 0] = into_camera @ rotmats[:, 0]
    shift = (motion.transl[frames] - motion.transl[frames].mean(0)).astype(float) @ into_camera.T
    shift[:, 2] = 0
    posed = body.pose(rotmats, betas)
    origin = posed.places[:, :1] - shift[:, None]
    truth, points = posed.places - origin, posed.points - origin
    points[..., 1] -= 0.1
    keypoints = located(points, rng, rate, perspective)
    began = time.process_time()
    fitted = fit_keypoints(keypoints, SIZE_HW, frame_rate=rate)
    seconds = time.process_time() - began
    return measured(fitted, body, keypoints, truth, pictured(points, perspective), rate) | {"seconds": seconds}


def measured(
    fitted: Bodies, body: SparseBody, keypoints: Keypoints, truth: np.ndarray, true_xy: np.ndarray, rate: float
) -> dict[str, float]:
    posed = body.pose(lie.exp(fitted.rotvec), fitted.betas[0].astype(float))
    s, tx, ty = fitted.weak_camera.astype(float).T
    flat = s[:, None, None] * (posed.points[..., :2] + np.stack([tx, ty], 1)[:, None])
    xy = (flat * max(SIZE_HW) + (SIZE_HW[1] - 1, SIZE_HW[0] - 1)) / 2
    used = slice(0, 22)
    joints = (posed.places - posed.places[:, :1])[:, used]
    goal = (truth - truth[:, :1])[:, used]
    moving = posed.places + np.stack([tx, ty, 0 * tx], 1)[:, None]
    world = keypoints.world[:, 11:].astype(float)
    facing = posed.world[:, 0, :, 2]
    hips = truth[:, 1] - truth[:, 2]
    front = np.cross(hips, truth[:, 12] - truth[:, 0])
    ankles = [SKELETONS["blazepose33"].index(f"{name}_ankle") for name in ("left", "right")]
    metres_in = keypoints.xy[:, ankles].astype(float) / 300
    acceleration = lambda x: rate**2 * np.linalg.norm(np.diff(x, 2, axis=0), axis=-1).mean()  # noqa: E731
    return {
        "mpjpe": 1000 * np.linalg.norm(joints - goal, axis=-1).mean(),
        "pa": 1000 * np.linalg.norm(aligned(joints, goal) - goal, axis=-1).mean(),
        "pa_world": 1000 * world_error(keypoints, body, truth),
        "xy": np.median(np.linalg.norm(xy - true_xy, axis=-1)[:, 11:]) / 300 * 1000,
        "xy_in": np.median(np.linalg.norm(keypoints.xy - true_xy, axis=-1)[:, 11:]) / 300 * 1000,
        "turned": 100 * ((facing * front).sum(-1) < 0).mean(),
        "acc_true": acceleration(truth[:, used]),
        "acc_in": acceleration(world),
        "acc_fit": acceleration(moving[:, used]),
        "slide": sliding(moving[:, 7:9], truth[:, 7:9], rate),
        "slide_in": sliding(metres_in, truth[:, 7:9], rate),
        "lag": lag(moving[:, used], truth[:, used]),
    }


def sliding(points: np.ndarray, truth: np.ndarray, rate: float) -> float:
    """Mean speed in the picture plane of points while the truth is slower than 0.1 m/s; 0 where it never is."""
    still = rate * np.linalg.norm(np.diff(truth, axis=0), axis=-1) < 0.1
    speed = rate * np.linalg.norm(np.diff(points[..., :2], axis=0), axis=-1)
    return float(speed[still].mean()) if still.any() else 0.0


def world_error(keypoints: Keypoints, body: SparseBody, truth: np.ndarray) -> float:
    """Error of the input's own world landmarks after alignment, over the joints that both have."""
    skeleton = SKELETONS["blazepose33"]
    pairs = {"left_hip": 1, "right_hip": 2, "left_knee": 4, "right_knee": 5, "left_ankle": 7, "right_ankle": 8}
    pairs |= {"left_shoulder": 16, "right_shoulder": 17, "left_elbow": 18, "right_elbow": 19}
    pairs |= {"left_wrist": 20, "right_wrist": 21}
    points = keypoints.world[:, [skeleton.index(name) for name in pairs]].astype(float)
    goal = truth[:, list(pairs.values())]
    return float(np.linalg.norm(aligned(points, goal) - goal, axis=-1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("motions", type=Path)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--start", type=int, default=100, help="first frame of each motion")
    parser.add_argument("--takes", type=int, default=4)
    parser.add_argument("--yaws", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    paths = sorted(p for p in options.motions.rglob("*") if p.suffix in (".amc", ".bvh", ".npz"))
    paths = paths[:: max(len(paths) // options.takes, 1)][: options.takes]
    total = []
    for path in paths:
        for turn in range(options.yaws):
            for perspective in (False, True):
                row = one_run(path, turn * 2 * np.pi / options.yaws + 0.3, perspective, options)
                total.append(row)
                label = f"{path.stem} {turn * 360 // options.yaws:3d} {'real' if perspective else 'weak'}"
                print(label, "  ".join(f"{key} {value:.3g}" for key, value in row.items()), flush=True)
    print("mean", "  ".join(f"{key} {np.mean([row[key] for row in total]):.3g}" for key in total[0]))


if __name__ == "__main__":
    main()
