"""Time an actor: frames painted and encoded after the photo is prepared, on one thread and on two.

Run `python benchmarks/motion.py [--photo FILE] [--motion FILE] [--sizes 256 512 1024] [--frames N]`; `--profile` lists
the costliest functions, `--memory` compares the peaks after 60 and after 300 frames, which must not differ. The must is
8 frames a second at 512 x 512 on two cores; on a busy machine judge by CPU time: two cores give two CPU seconds each
second, so a frame may cost 0.25, and 0.2 leaves room. `--published` compares a frame of the published generator at
256 x 256 with torch's plain float32, one thread each, weights made up; the must is 1.4 times as fast. `--slim` times
the whole chain with the slim network at 256 pixels; the must is 12 frames a second on two cores, 0.167 CPU seconds a
frame.
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
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from limner.media import VideoWriter
from limner.motion import (
    Actor,
    LiquidWarpingGenerator,
    SlimGenerator,
    SlimPainter,
    choose_painter,
    read_driver,
)
from limner.motion.compiled import PATIENCE, compile_frames
from limner.records import Bodies
from timing import cpu_times, machine, print_times, ratio

DEMO = Path(__file__).resolve().parents[1] / "assets" / "demo"
MUST_RATE, MUST_CPU_S, MUST_SIZE = 8.0, 0.2, 512
MUST_RATIO, PUBLISHED_SIDE = 1.4, 256
SLIM_SIZE, SLIM_RATE = 256, 12.0


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


def measure_slim(photo: Path, motion: Path, frames: int, folder: Path) -> bool:
    """The composite alone and corrected by the slim network, without the package's weights by one of its size."""
    plain = Actor.prepare(photo, size=SLIM_SIZE, painter="composite")
    bodies = looped(plain.place(read_driver(motion).motion), frames)
    costs = {}
    for name, painter in (("composite", None), ("slim", choose_painter("auto") or SlimPainter(SlimGenerator()))):
        actor = replace(plain, painter=painter)
        film(actor, bodies[:3], folder / "warm.mp4", 1)
        wall, cpu = film(actor, bodies, folder / "film.mp4", 1)
        costs[name] = min(cpu)
        print(
            f"{SLIM_SIZE} {name:9}  wall median {1e3 * statistics.median(wall):6.1f} ms;  CPU min {1e3 * min(cpu):6.1f}"
            f"  mean {1e3 * statistics.mean(cpu):6.1f} ms a frame, so {2 / min(cpu):5.1f} frames/s on two free cores"
        )
    return costs["slim"] < 2 / SLIM_RATE


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


def published(rounds: int) -> bool:
    """A frame of the published generator, compiled and by plain torch."""
    generator = LiquidWarpingGenerator().eval().requires_grad_(False)
    generator.init_published(generator=torch.Generator().manual_seed(0))
    compiled = compile_frames(generator, threads=1)
    person, pose = torch.rand(1, 6, PUBLISHED_SIDE, PUBLISHED_SIDE), torch.rand(1, 6, PUBLISHED_SIDE, PUBLISHED_SIDE)
    flow = torch.rand(1, PUBLISHED_SIDE, PUBLISHED_SIDE, 2) * 2 - 1
    with torch.inference_mode():
        source = [(generator.encode_source(person), flow)]
        sides = {"torch": lambda: generator.transfer(pose, source), "limner": lambda: compiled.transfer(pose, source)}
        apart = (sides["torch"]().colour - [sides["limner"]() for _ in range(PATIENCE + 1)][-1].colour).abs().max()
        times = cpu_times(sides, rounds)
    print(f"published generator, {PUBLISHED_SIDE} x {PUBLISHED_SIDE}, largest difference {apart:.1e}")
    print_times(times)
    least, middle = ratio(times, slow="torch", fast="limner")
    print(f"  {least:.2f} times as fast by the minima, {middle:.2f} by the medians; must {MUST_RATIO}")
    return least >= MUST_RATIO


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photo", type=Path, default=DEMO / "person.jpg")
    parser.add_argument("--motion", type=Path, default=DEMO / "dance.amc")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--profile", action="store_true", help="list the costliest functions at 512 instead")
    parser.add_argument("--memory", action="store_true", help="compare the peak memory of 60 and 300 frames instead")
    parser.add_argument("--published", action="store_true", help="compare a frame of the published generator instead")
    parser.add_argument("--slim", action="store_true", help="time the slim network at 256 pixels instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    if options.published:
        raise SystemExit(not published(rounds=6))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.profile:
            profile(options.photo, options.motion, MUST_SIZE, options.frames, folder)
            return
        if options.slim:
            raise SystemExit(not measure_slim(options.photo, options.motion, options.frames, folder))
        if options.memory:
            few, many = (peak_memory(options.photo, options.motion, MUST_SIZE, count) for count in (60, 300))
            print(f"peak memory {few:.0f} MB with 60 frames, {many:.0f} MB with 300")
            raise SystemExit(many > 1.05 * few)
        good = [measure(options.photo, options.motion, size, options.frames, folder) for size in options.sizes]
    raise SystemExit(not all(good))


if __name__ == "__main__":
    main()
