"""Reading a video: limner's frames over PyAV's own conversion of each frame. Prints CPU seconds and the ratio.

Run: python benchmarks/media.py VIDEO [--frames 300] [--rounds 3]
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import av

from limner.media import open_video


def pyav_frames(path: Path) -> Iterable:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def limner_frames(path: Path) -> Iterable:
    yield from open_video(path).frames()


def cpu_seconds(read: Callable[[Path], Iterable], path: Path, count: int) -> float:
    start = time.process_time()
    for _ in itertools.islice(read(path), count):
        pass
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    times: dict[str, list[float]] = {"pyav": [], "limner": []}
    for _ in range(options.rounds):
        times["pyav"].append(cpu_seconds(pyav_frames, options.video, options.frames))
        times["limner"].append(cpu_seconds(limner_frames, options.video, options.frames))
    for name, seconds in times.items():
        print(f"{name:8} minimum {min(seconds):.3f} s, median {statistics.median(seconds):.3f} s CPU")
    print(f"ratio of minima {min(times['pyav']) / min(times['limner']):.2f}, load {os.getloadavg()[0]:.1f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
