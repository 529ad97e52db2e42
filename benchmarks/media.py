"""Reading a video: limner's frames over PyAV's own conversion of each frame. Prints CPU times and the ratio.

Run: python benchmarks/media.py VIDEO [--frames 300] [--rounds 3]
"""

from __future__ import annotations

import argparse
import itertools
import resource
from collections.abc import Callable, Iterable
from pathlib import Path

import av

from limner.media import open_video
from timing import cpu_times, machine, report


def pyav_frames(path: Path) -> Iterable:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def limner_frames(path: Path) -> Iterable:
    yield from open_video(path).frames()


def read_through(read: Callable[[Path], Iterable], path: Path, count: int) -> None:
    for _ in itertools.islice(read(path), count):
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sides = {
        "pyav": lambda: read_through(pyav_frames, options.video, options.frames),
        "limner": lambda: read_through(limner_frames, options.video, options.frames),
    }
    print(machine())
    report(cpu_times(sides, options.rounds, warm_ups=0), slow="pyav", fast="limner")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
