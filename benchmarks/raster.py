"""Time the rasteriser against the plain numpy reference: CPU time of one thread, rounds of the two interleaved.

Run `python benchmarks/raster.py [--rounds N]`. The must is 10 times plain numpy for a mesh of SMPL's size (6890
vertices, 13776 faces) at 256x256. The free body is timed at the sizes that videos have, covering about half a picture.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy import ndarray

from limner.body import load_body
from limner.render import corners_from_vertices, rasterise, sample_faces

MUST, STRETCH = 10, 30


def ellipsoid(rings: int = 83, segments: int = 84) -> tuple[ndarray, ndarray]:
    """Return a closed mesh of SMPL's size and a person's outline: 6890 vertices, 13776 faces, metres, camera axes."""
    polar, azimuth = np.pi * np.arange(1, rings) / rings, 2 * np.pi * np.arange(segments) / segments
    grid = np.stack(
        np.broadcast_arrays(
            0.35 * np.sin(polar)[:, None] * np.cos(azimuth),
            -0.85 * np.cos(polar)[:, None],
            0.2 * np.sin(polar)[:, None] * np.sin(azimuth),
        ),
        axis=-1,
    )
    vertices = np.concatenate([grid.reshape(-1, 3), [[0, -0.85, 0], [0, 0.85, 0]]]).astype(np.float32)
    here = np.arange((rings - 2) * segments).reshape(-1, segments)
    right, below = np.roll(here, -1, axis=1), here + segments
    diagonal = right + segments
    ring, top, bottom = np.arange(segments), len(vertices) - 2, len(vertices) - 1
    last = ring + (rings - 2) * segments
    faces = [
        np.stack([here, diagonal, right], -1).reshape(-1, 3),
        np.stack([here, below, diagonal], -1).reshape(-1, 3),
        np.stack([np.full(segments, top), ring, np.roll(ring, -1)], -1),
        np.stack([np.full(segments, bottom), np.roll(last, -1), last], -1),
    ]
    return vertices, np.concatenate(faces).astype(np.int32)


def cpu_times(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return milliseconds of CPU time of every side, one call of each in every round, after one to warm up."""
    for side in sides.values():
        side()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.process_time()
            side()
            times[name].append(1e3 * (time.process_time() - start))
    return times


def line(name: str, times: list[float]) -> str:
    return f"  {name:34} min {min(times):9.3f} ms   median {statistics.median(times):9.3f} ms"


def machine() -> str:
    """Say what the numbers were taken on: processor, the flags that matter, and how busy it was."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    fields = dict(row.split(":", 1) for row in text.split("\n\n")[0].splitlines() if ":" in row)
    found = {key.strip(): value.strip() for key, value in fields.items()}
    flags = [flag for flag in found.get("flags", "").split() if flag.startswith(("avx", "fma", "sse4"))]
    load = "unknown" if not hasattr(os, "getloadavg") else " ".join(f"{one:.2f}" for one in os.getloadavg())
    name = found.get("model name", platform.processor())
    return f"{name}, {os.cpu_count()} cores, flags {' '.join(flags)}; load {load}; one thread"


def compare(corners: ndarray, size: int, rounds: int) -> float:
    sides = {
        "limner (numba)": lambda: rasterise(corners, (size, size)),
        "plain numpy": lambda: rasterise(corners, (size, size), backend="reference"),
    }
    times = cpu_times(sides, rounds)
    ratio, median_ratio = (
        take(times["plain numpy"]) / take(times["limner (numba)"]) for take in (min, statistics.median)
    )
    print(f"{len(corners)} faces at {size}x{size}")
    for name in sides:
        print(line(name, times[name]))
    print(f"  ratio of minima {ratio:.0f}, of medians {median_ratio:.0f}\n")
    return ratio


def alone(corners: ndarray, size: int, rounds: int) -> None:
    raster = rasterise(corners, (size, size))
    cover = (raster.face_index >= 0).mean()
    values = np.ascontiguousarray(corners[..., :2])
    sides = {
        "rasterise": lambda: rasterise(corners, (size, size)),
        "sample_faces, 2 channels": lambda: sample_faces(raster, values),
    }
    times = cpu_times(sides, 10 * rounds)
    print(f"free body, {len(corners)} faces at {size}x{size}, {100 * cover:.0f} % of the picture")
    for name in sides:
        print(line(name, times[name]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(machine(), "\n")
    vertices, faces = ellipsoid()
    ratio = compare(corners_from_vertices(vertices, faces, np.float32([1.1, 0, 0])), 256, rounds)
    body = load_body("free")
    upright = body.v_template * np.float32([1, -1, -1])
    broad = (upright - upright.mean(axis=0)) * np.float32([3, 1.2, 1])  # so wide that it fills half the picture
    corners = corners_from_vertices(broad, body.faces, np.float32([1.15, 0, 0]))
    for size in (256, 512, 1024):
        alone(corners, size, rounds)
    verdict = "missed" if ratio < MUST else "held" if ratio < STRETCH else "held, and the stretch too"
    print(f"\nmust {MUST}, stretch {STRETCH}: {verdict}")


if __name__ == "__main__":
    main()
