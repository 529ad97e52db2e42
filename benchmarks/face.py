"""Time StyleGAN2's synthesis and the encoder of pixel2style2pixel: CPU time, one thread, sides taking turns.

Run `python benchmarks/face.py [--rounds N] [--sizes 256 1024] [--no-encoder]`. Synthesis stands against the published
form (weights of each sample's own, filters one channel at a time), with the fast form in torch between; the musts are 3
at 256 pixels and 7 at 1024. The encoder stands against itself run by torch; the must is 1.5. Weights are made up; both
sides must make the same picture within a share of 2e-5 of its largest value.
"""

from __future__ import annotations

import argparse
import os
from typing import Literal

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from limner.face import FastGenerator, Generator, GeneratorConfig, GradualStyleEncoder, set_form
from limner.runtime import load_network
from timing import cpu_times, machine, report

ENCODER_MUST = 1.5
MUST = {256: 3.0, 1024: 7.0}


def gap(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference as a share of the largest value."""
    return float(np.abs(one - other).max() / np.abs(other).max())


def synthesis(size: int, rounds: int) -> bool:
    generator = Generator(GeneratorConfig(size)).eval()
    fast = FastGenerator(generator, threads=1)
    wplus = torch.randn(1, generator.config.num_rows, 512)
    pictures: dict[str, np.ndarray] = {}

    def make(form: Literal["published", "fast"]) -> None:
        set_form(generator, form)
        with torch.inference_mode():
            pictures[form] = generator(wplus).numpy()

    def ours() -> None:
        pictures["limner"] = fast(wplus)

    sides = {"published": lambda: make("published"), "torch fast": lambda: make("fast"), "limner": ours}
    times = cpu_times(sides, rounds)
    print(f"synthesis {size}: largest difference {gap(pictures['limner'], pictures['published']):.1e}")
    return report(times, slow="published", fast="limner", must=MUST.get(size))


def encoder(rounds: int) -> bool:
    module = GradualStyleEncoder().eval()
    image = np.random.default_rng(0).normal(size=(1, 3, 256, 256)).astype(np.float32)
    fast = load_network(module, input_shape=image.shape, threads=1)
    with torch.inference_mode():
        sides = {"eager": lambda: module(torch.from_numpy(image)).numpy(), "limner": lambda: fast(image)[0]}
        times = cpu_times(sides, rounds)
        print(f"encoder 256: largest difference {gap(fast(image)[0], module(torch.from_numpy(image)).numpy()):.1e}")
    return report(times, slow="eager", fast="limner", must=ENCODER_MUST)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 1024])
    parser.add_argument("--no-encoder", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    held = [synthesis(size, options.rounds) for size in options.sizes]
    held += [] if options.no_encoder else [encoder(options.rounds)]
    print(f"{machine()}; one thread")
    raise SystemExit(not all(held))


if __name__ == "__main__":
    main()
