"""How many made-up people limner draws a second, and where the time goes.

    python benchmarks/synthetic.py [--motions FILE] [--garments FOLDER] [--backgrounds FOLDER] [--count 128]

Printed are milliseconds of processor time a picture (median over `--repeats` runs on one thread), pictures a second of
one and of two cores at that rate, and the wall time of two processes that draw side by side, which other work on the
machine slows down.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from limner.data import SyntheticPeople


def draw(people: SyntheticPeople) -> float:
    """Draw everybody; return processor seconds a picture without what is made once."""
    people.sample(0)
    start = time.thread_time()
    for index in range(len(people)):
        people.sample(index)
    return (time.thread_time() - start) / len(people)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("motions", "garments", "backgrounds"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--count", type=int, default=128)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    people = SyntheticPeople(
        count=options.count,
        side=options.side,
        motions=options.motions,
        garments=options.garments,
        backgrounds=options.backgrounds,
    )
    each = float(np.median([draw(replace(people, seed=seed)) for seed in range(options.repeats)]))
    print(
        f"{options.side} px: {1000 * each:.1f} ms a picture, {1 / each:.0f} a second on one core, {2 / each:.0f} on two"
    )
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(draw, [replace(people, count=2)] * 2))
        start = time.monotonic()
        list(pool.map(draw, [replace(people, seed=9), replace(people, seed=10)]))
        wall = time.monotonic() - start
    print(f"two processes: {2 * (options.count + 1) / wall:.0f} pictures a second of wall time")


if __name__ == "__main__":
    main()
