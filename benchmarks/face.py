"""Time StyleGAN2's synthesis in its fast form against the published form: CPU time, one thread, sides taking turns.

Run `python benchmarks/face.py [--rounds N] [--sizes 256 1024]`. The musts are 3 at 256 pixels and 7 at 1024. Weights
are made up; both sides must make the same picture within a share of 2e-5 of its largest value.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"

MUST = {256: 3.0, 1024: 7.0}


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def synthesis(size: int, rounds: int) -> None:
    import torch

    from limner.face import Generator, GeneratorConfig, set_form

    torch.set_num_threads(1)
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(size)).eval()
    wplus = torch.randn(1, generator.config.num_rows, 512)
    times: dict[str, list[float]] = {"published": [], "fast": []}
    with torch.inference_mode():
        pictures = {}
        for turn in range(rounds + 1):  # the first turn warms up
            for form, taken in times.items():
                set_form(generator, form)
                seconds = cpu_seconds(lambda form=form: pictures.update({form: generator(wplus)}))
                taken += [seconds] if turn else []
    gap = float((pictures["fast"] - pictures["published"]).abs().max() / pictures["published"].abs().max())
    best = {form: min(taken) for form, taken in times.items()}
    middle = {form: statistics.median(taken) for form, taken in times.items()}
    ratio = best["published"] / best["fast"]
    print(
        f"synthesis {size}: published {best['published']:.3f} s (median {middle['published']:.3f}), "
        f"fast {best['fast']:.3f} s (median {middle['fast']:.3f}), ratio {ratio:.2f}, must {MUST.get(size, 0):g}, "
        f"largest difference {gap:.1e} of the largest value"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 1024])
    options = parser.parse_args()
    for size in options.sizes:
        synthesis(size, options.rounds)
    print("load " + " ".join(f"{one:.2f}" for one in os.getloadavg()))


if __name__ == "__main__":
    main()
