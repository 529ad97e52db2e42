"""Speed of bodies: one pass of HMR at 224 pixels, fitting a clip, and everything that `limner body` does to a video.

    python benchmarks/body.py [--rounds 15] [--frames 200] [--video FILE] [--no-network]

HMR runs by limner's kernels and OpenVINO against the eager network: CPU time on one thread, the must is 2.4; weights
are made up, and the sides must find the same theta. The fit gets made-up keypoints of somebody who walks on the spot;
the must is a minute for 200 frames. `--video` runs the whole verb: finding, following, fitting, a floor, npz and GLB.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from limner import api
from limner.body import HMR, BodyPredictor, FastSMPL, load_body
from limner.pose import SKELETONS
from limner.records import Keypoints
from limner.runtime import load_network
from timing import cpu_ms, cpu_times, machine, report

MUST, STRETCH, FIT_MUST_S = 2.4, 3.0, 60
SIZE_HW, METRE_PX, RATE = (480, 640), 200, 30


def time_network(rounds: int) -> bool:
    """Compare the ways to run HMR; return whether the must holds."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = HMR().eval()
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 224, 224)).astype(np.float32)
    ours = load_network(module, input_shape=image.shape, threads=1)
    other = load_network(module, input_shape=image.shape, threads=1, runtime="openvino")
    with torch.inference_mode():
        sides = {
            "eager": lambda: module(torch.from_numpy(image)).numpy(),
            "openvino": lambda: other(image)[0],
            "limner": lambda: ours(image)[0],
        }
        times = cpu_times(sides, rounds)
        print(f"HMR 224: largest difference {np.abs(sides['eager']() - sides['limner']()).max():.1e}")
    return report(times, slow="eager", fast="limner", must=MUST, stretch=STRETCH)


def walking(frames: int) -> Keypoints:
    """What a locator would say of somebody who walks on the spot."""
    rng = np.random.default_rng(0)
    swing = np.sin(np.arange(frames) / RATE * 2 * np.pi)[:, None]
    rotvec = np.zeros((frames, 24, 3), np.float32)
    rotvec[:, 0, 0] = np.pi
    rotvec[:, [1, 2], 0] = 0.5 * swing * (1, -1)
    rotvec[:, [4, 5], 0] = 0.6 * np.maximum(swing * (-1, 1), 0)
    rotvec[:, [16, 17], 2] = (-1.2, 1.2)
    data = load_body("free")
    vertices, _ = FastSMPL(data)(np.zeros((frames, 10), np.float32), rotvec)
    points = np.stack([data.keypoint_regressors["blazepose33"] @ one for one in vertices])
    points += rng.normal(0, 0.01, points.shape)
    middle = np.array([SIZE_HW[1] / 2, SIZE_HW[0] / 2])
    score = np.full(points.shape[:2], 0.95)
    joints = SKELETONS["blazepose33"].joints
    hips = points[:, [joints.index("left_hip"), joints.index("right_hip")]].mean(axis=1, keepdims=True)
    return Keypoints(points[..., :2] * METRE_PX + middle, score, "blazepose33", points - hips)


def time_once(what: str, work: Callable[[], object]) -> float:
    """Print and return the seconds that something long takes, once."""
    began = time.perf_counter()
    processor_s = cpu_ms(work) / 1e3
    took_s = time.perf_counter() - began
    print(f"{what}: {took_s:.1f} s, {processor_s:.1f} s of the processor", flush=True)
    return took_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--no-network", action="store_true")
    options = parser.parse_args()
    held = options.no_network or time_network(options.rounds)
    keypoints, predictor = walking(options.frames), BodyPredictor.load()
    clip = {"size_hw": SIZE_HW, "frame_rate": RATE, "valid": np.ones(options.frames, bool)}
    predictor.fit_clip(keypoints[:8], None, **{**clip, "valid": np.ones(8, bool)})
    took_s = time_once(f"fitting {options.frames} frames", lambda: predictor.fit_clip(keypoints, None, **clip))
    held &= took_s * 200 / options.frames < FIT_MUST_S
    if options.video is not None:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            time_once(f"limner body {options.video.name}", lambda: api.body([options.video], out, world=True))
    print(machine())
    raise SystemExit(not held)


if __name__ == "__main__":
    main()
