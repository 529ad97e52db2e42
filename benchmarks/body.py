"""Time HMR on a crop of 224 pixels: limner's kernels and OpenVINO against the eager network; CPU time, one thread.

Run `python benchmarks/body.py [--rounds N]`. The must is 2.4. Weights are made up; both sides must find the same theta.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from limner.body import HMR
from limner.runtime import load_network
from timing import cpu_times, machine, report

MUST, STRETCH = 2.4, 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
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
        times = cpu_times(sides, options.rounds)
        print(f"HMR 224: largest difference {np.abs(sides['eager']() - sides['limner']()).max():.1e}")
    held = report(times, slow="eager", fast="limner", must=MUST, stretch=STRETCH)
    print(f"{machine()}; one thread")
    raise SystemExit(not held)


if __name__ == "__main__":
    main()
