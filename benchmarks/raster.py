"""Time the rasteriser against the plain numpy reference: CPU time of one thread, rounds of the two interleaved.

Run `python benchmarks/raster.py [--rounds N]`. The must is 10 times plain numpy for a mesh of SMPL's size (6890
vertices, 13776 faces) at 256x256. The free body is timed at the sizes that videos have, covering about half a picture.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy import ndarray

from limner.body import load_body
from limner.render import corners_from_vertices, rasterise, sample_faces
from timing import cpu_times, machine, print_times, report

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


def compare(corners: ndarray, size: int, rounds: int) -> bool:
    sides = {
        "limner (numba)": lambda: rasterise(corners, (size, size)),
        "plain numpy": lambda: rasterise(corners, (size, size), backend="reference"),
    }
    times = cpu_times(sides, rounds)
    print(f"{len(corners)} faces at {size}x{size}")
    return report(times, slow="plain numpy", fast="limner (numba)", must=MUST, stretch=STRETCH)


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
    print_times(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{machine()}; one thread\n")
    vertices, faces = ellipsoid()
    is_held = compare(corners_from_vertices(vertices, faces, np.float32([1.1, 0, 0])), 256, rounds)
    body = load_body("free")
    upright = body.v_template * np.float32([1, -1, -1])
    broad = (upright - upright.mean(axis=0)) * np.float32([3, 1.2, 1])  # so wide that it fills half the picture
    corners = corners_from_vertices(broad, body.faces, np.float32([1.15, 0, 0]))
    for size in (256, 512, 1024):
        alone(corners, size, rounds)
    print(f"\nmust {MUST}: {'held' if is_held else 'missed'}")


if __name__ == "__main__":
    main()
