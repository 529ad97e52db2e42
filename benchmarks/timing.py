"""What the benchmarks share: sides timed in turns, the table of their times, the ratio a must asks for, the machine.

The sides take turns so that a busy machine slows all of them; what counts is CPU time over all threads of the process,
and of that the minima. Standard library alone, so that a benchmark can set its threads before it imports the rest.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

FLAGS = ("amx", "avx", "fma", "sse4")  # what the numbers hang on


class Ratio(NamedTuple):
    """How many times as long the slow side takes: by the minima, and by the medians."""

    least: float
    middle: float


def cpu_ms(work: Callable[[], object]) -> float:
    """Milliseconds of CPU time of one call, over all threads of the process."""
    start = time.process_time()
    work()
    return 1e3 * (time.process_time() - start)


def cpu_times(sides: Mapping[str, Callable[[], object]], rounds: int, *, warm_ups: int = 1) -> dict[str, list[float]]:
    """Milliseconds of CPU time of every call: one of each side in every round, after `warm_ups` that do not count."""
    for _ in range(warm_ups):
        for side in sides.values():
            side()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            times[name].append(cpu_ms(side))
    return times


def ratio(times: Mapping[str, list[float]], *, slow: str, fast: str) -> Ratio:
    """How many times as long the slow side takes."""
    return Ratio(*(take(times[slow]) / take(times[fast]) for take in (min, statistics.median)))


def print_times(times: Mapping[str, list[float]]) -> None:
    """Print minimum and median of every side."""
    width = max(len(name) for name in times)
    for name, taken in times.items():
        print(f"  {name:{width}}  min {_number(min(taken))} ms   median {_number(statistics.median(taken))} ms")


def _number(value: float) -> str:
    return f"{value:9.{3 if value < 100 else 1}f}"


def report(
    times: Mapping[str, list[float]], *, slow: str, fast: str, must: float | None = None, stretch: float | None = None
) -> bool:
    """Print the table and the ratio; return whether the minima hold the must."""
    print_times(times)
    found = ratio(times, slow=slow, fast=fast)
    asked = [f"{name} {value:g}" for name, value in (("must", must), ("stretch", stretch)) if value is not None]
    line = f"  ratio of minima {found.least:.2f}, of medians {found.middle:.2f}"
    print("; ".join([line, ", ".join(asked)]) if asked else line, flush=True)
    return must is None or found.least >= must


def load() -> str:
    """How busy the machine was over the last 1, 5 and 15 minutes."""
    return " ".join(f"{one:.2f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"


def machine() -> str:
    """Say what the numbers were taken on: processor, the flags that matter, and how busy it was."""
    info = Path("/proc/cpuinfo")
    rows = info.read_text().split("\n\n")[0].splitlines() if info.exists() else []
    found = {key.strip(): value.strip() for key, _, value in (row.partition(":") for row in rows)}
    flags = [flag for flag in found.get("flags", "").split() if flag.startswith(FLAGS)]
    name = found.get("model name", platform.processor() or platform.machine())
    return f"{name}, {os.cpu_count()} cores, flags {' '.join(flags) or 'unknown'}; load {load()}"
