"""Time an actor: frames painted and encoded after the photo is prepared, on one thread and on two.

Run `python benchmarks/motion.py [--photo FILE] [--motion FILE] [--sizes 256 512 1024] [--frames N]`; `--profile` lists
the costliest functions, `--memory` compares the peaks after 60 and after 300 frames, which must not differ. The must is
8 frames a second at 512 x 512 on two cores; on a busy machine judge by CPU time: two cores give two CPU seconds each
second, so a frame may cost 0.25, and 0.2 leaves room.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from limner.media import VideoWriter
from limner.motion import Actor, read_driver
from limner.records import Bodies
from timing import machine

DEMO = Path(__file__).resolve().parents[1] / "assets" / "demo"
MUST_RATE, MUST_CPU_S, MUST_SIZE = 8.0, 0.2, 512


def looped(bodies: Bodies, count: int) -> Bodies:
    """As many frames as are asked for, to and fro."""
    there = list(range(len(bodies)))
    order = [(there + there[-2:0:-1])[n % max(1, 2 * len(there) - 2)] for n in range(count)]
    return bodies[order]


def film(actor: Actor, bodies: Bodies, path: Path, threads: int) -> tuple[list[float], list[float]]:
    """Wall and CPU seconds of every frame, encoding included."""
    wall, cpu = [], []
    with VideoWriter(path, 30, actor.size_hw) as writer:
        for n in range(len(bodies)):
            started, used = time.perf_counter(), time.process_time()
            writer.write(actor.frame(actor.paint(bodies[n : n + 1], threads=threads)))
            wall.append(time.perf_counter() - started)
            cpu.append(time.process_time() - used)
    return wall, cpu


def measure(photo: Path, motion: Path, size: int, frames: int, folder: Path) -> bool:
    started, used = time.perf_counter(), time.process_time()
    actor = Actor.prepare(photo, size=size)
    print(f"{size}: prepared in {time.perf_counter() - started:.1f} s, CPU {time.process_time() - used:.1f} s")
    bodies = looped(actor.place(read_driver(motion).motion), frames)
    film(actor, bodies[:3], folder / "warm.mp4", 2)
    good = True
    for threads in (1, 2):
        wall, cpu = film(actor, bodies, folder / "film.mp4", threads)
        print(
            f"  {threads} thread{'s' if threads > 1 else ' '}  wall min {1e3 * min(wall):6.1f} median "
            f"{1e3 * statistics.median(wall):6.1f} ms, {len(wall) / sum(wall):5.1f} frames/s;  CPU min "
            f"{1e3 * min(cpu):6.1f} mean {1e3 * statistics.mean(cpu):6.1f} ms a frame"
        )
        good &= size != MUST_SIZE or statistics.mean(cpu) < MUST_CPU_S
    return good


def profile(photo: Path, motion: Path, size: int, frames: int, folder: Path) -> None:
    """Where the time goes, by function."""
    actor = Actor.prepare(photo, size=size)
    bodies = looped(actor.place(read_driver(motion).motion), frames)
    film(actor, bodies[:3], folder / "warm.mp4", 1)
    profiler = cProfile.Profile()
    profiler.runcall(film, actor, bodies, folder / "film.mp4", 1)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(22)


def peak_memory(photo: Path, motion: Path, size: int, frames: int) -> float:
    """Peak MB of a fresh process that films so many frames."""
    code = (
        "import sys, tempfile; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import motion;"
        "print(motion.filmed_memory(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))"
    )
    words = [sys.executable, "-c", code, str(Path(__file__).parent), str(photo), str(motion), str(size), str(frames)]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()[-1])


def filmed_memory(photo: Path, motion: Path, size: int, frames: int) -> float:
    """Peak MB of this process after filming."""
    actor = Actor.prepare(photo, size=size)
    with tempfile.TemporaryDirectory() as folder:
        film(actor, looped(actor.place(read_driver(motion).motion), frames), Path(folder) / "film.mp4", 2)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photo", type=Path, default=DEMO / "person.jpg")
    parser.add_argument("--motion", type=Path, default=DEMO / "dance.amc")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--profile", action="store_true", help="list the costliest functions at 512 instead")
    parser.add_argument("--memory", action="store_true", help="compare the peak memory of 60 and 300 frames instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.profile:
            profile(options.photo, options.motion, MUST_SIZE, options.frames, folder)
            return
        if options.memory:
            few, many = (peak_memory(options.photo, options.motion, MUST_SIZE, count) for count in (60, 300))
            print(f"peak memory {few:.0f} MB with 60 frames, {many:.0f} MB with 300")
            raise SystemExit(many > 1.05 * few)
        good = [measure(options.photo, options.motion, size, options.frames, folder) for size in options.sizes]
    raise SystemExit(not all(good))


if __name__ == "__main__":
    main()
