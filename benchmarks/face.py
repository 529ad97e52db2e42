"""Time StyleGAN2's synthesis in its fast form against the published form: CPU time, one thread, sides taking turns.

Run `python benchmarks/face.py [--rounds N] [--sizes 256 1024]`. The musts are 3 at 256 pixels and 7 at 1024. Weights
are made up; both sides must make the same picture within a share of 2e-5 of its largest value.
"""

from __future__ import annotations

import argparse
import os
from typing import Literal

os.environ["OMP_NUM_THREADS"] = "1"

from timing import cpu_times, machine, report

MUST = {256: 3.0, 1024: 7.0}


def synthesis(size: int, rounds: int) -> None:
    import torch

    from limner.face import Generator, GeneratorConfig, set_form

    torch.set_num_threads(1)
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(size)).eval()
    wplus = torch.randn(1, generator.config.num_rows, 512)
    pictures: dict[str, torch.Tensor] = {}

    def make(form: Literal["published", "fast"]) -> None:
        set_form(generator, form)
        pictures[form] = generator(wplus)

    with torch.inference_mode():
        times = cpu_times({"published": lambda: make("published"), "fast": lambda: make("fast")}, rounds)
    gap = float((pictures["fast"] - pictures["published"]).abs().max() / pictures["published"].abs().max())
    print(f"synthesis {size}: largest difference {gap:.1e} of the largest value")
    report(times, slow="published", fast="fast", must=MUST.get(size))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 1024])
    options = parser.parse_args()
    for size in options.sizes:
        synthesis(size, options.rounds)
    print(f"{machine()}; one thread")


if __name__ == "__main__":
    main()
