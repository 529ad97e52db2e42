"""Time HRNet-W32 at 256x192 through limner's runtime against the plain eager network: CPU time, sides taking turns.

Run `python benchmarks/pose.py [--rounds N]`. The musts are ratios over eager torch in one run: 2.5 for one crop on two
threads, 1.55 for eight on one, 1.95 for the whole path of a person with a flip test (crop, both networks, mean,
joints), 1.15 for a step of training with eight people, and 2.1 for one in bf16, which is left out where the processor
has no bf16 arithmetic. Each row runs in a process of its own, because thread counts are fixed at its start. The eager
side of the path does what the official test loop does: two calls of the network, one for each side of the mirror. The
weights are made up, so that heatmaps have peaks; both sides must find the same joints. OpenVINO is timed beside them
for comparison. The eager step of training is float32 with PyTorch's own defaults, the other one the training loop's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timing import cpu_times, machine, report

MUST = {"batch 1": 2.5, "batch 8": 1.55, "person": 1.95, "step float32": 1.15, "step bf16": 2.1}
THREADS = {"batch 1": 2, "batch 8": 1, "person": 1, "step float32": 1, "step bf16": 1}
INPUT_HW = (256, 192)


def made_up_network() -> Any:
    """HRNet-W32 with weights of a spread at which its maps neither vanish nor explode."""
    import torch

    from limner.pose import build_network, network_config

    torch.manual_seed(0)
    network = build_network(network_config("hrnet-w32")).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.normal_(0, 0.7 / parameter[0].numel() ** 0.5)
    return network


def network_sides(batch_size: int, threads: int) -> dict[str, Callable[[], object]]:
    """The bare network on a batch, both ways."""
    import numpy as np
    import torch

    from limner.runtime import load_network

    network = made_up_network()
    batch = np.random.default_rng(0).normal(size=(batch_size, 3, *INPUT_HW)).astype(np.float32)
    tensor = torch.from_numpy(batch)
    fast = load_network(network, input_shape=batch.shape, threads=threads)

    def eager() -> np.ndarray:
        with torch.no_grad():
            return network(tensor).numpy()

    other = load_network(network, input_shape=batch.shape, threads=threads, runtime="openvino")
    return {"eager": eager, "openvino": lambda: other(batch)[0], "limner": lambda: fast(batch)[0]}


def person_sides(threads: int) -> dict[str, Callable[[], object]]:
    """The path of one person from the picture to the joints, with a flip test."""
    import cv2
    import numpy as np
    import torch

    from limner.pose import (
        SKELETONS,
        crop_matrix,
        cut_out,
        decode,
        flip_average,
        normalise,
    )
    from limner.runtime import load_network

    cv2.setNumThreads(threads)
    network = made_up_network()
    image = cv2.resize(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8), (640, 480))
    center, scale = np.array([[320.0, 240.0]]), np.array([[1.5, 2.0]])
    pairs = SKELETONS["coco17"].flip_pairs
    fast = load_network(network, input_shape=(2, 3, *INPUT_HW), threads=threads)
    mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)

    def eager() -> np.ndarray:
        crop = cut_out(image, crop_matrix(center[0], scale[0], INPUT_HW), INPUT_HW)
        batch = torch.from_numpy(((crop / np.float32(255) - mean) / std).transpose(2, 0, 1)[None].copy())
        with torch.no_grad():
            straight = network(batch).numpy()
            mirrored = network(torch.flip(batch, [3])).numpy()
        return decode(flip_average(straight, mirrored, pairs), center, scale).xy

    def limner() -> np.ndarray:
        crop = normalise(cut_out(image, crop_matrix(center[0], scale[0], INPUT_HW), INPUT_HW))
        heatmaps = fast(np.stack([crop, crop[..., ::-1]]))[0]
        return decode(flip_average(heatmaps[:1], heatmaps[1:], pairs), center, scale).xy

    return {"eager": eager, "limner": limner}


def step_sides(precision: str, folder: Path) -> dict[str, Callable[[], object]]:
    """A step of training with eight people, both ways; each tells its loss, of the present weights before the step."""
    import torch

    from limner import train
    from limner.losses import joints_mse

    networks = {name: made_up_network().train() for name in ("eager", "limner")}
    batch = {"image": torch.randn(8, 3, *INPUT_HW), "target": torch.rand(8, 17, INPUT_HW[0] // 4, INPUT_HW[1] // 4)}
    plain = torch.optim.Adam(networks["eager"].parameters(), 1e-3)
    loop = {"batch": 8, "precision": precision, "device": "cpu", "tensorboard": False}
    config = train.fill(train.PoseConfig, {"data": {"root": "none"}, "network": {"name": "hrnet-w32"}, "loop": loop})
    run = train.start_run(config, folder, {"network": networks["limner"]}, {"network": config.optimiser})

    def eager() -> float:
        plain.zero_grad()
        loss = joints_mse(networks["eager"](batch["image"]), batch["target"])
        loss.backward()
        plain.step()
        return loss.item()

    def cost(network: torch.nn.Module, part: dict[str, torch.Tensor]) -> train.Cost:
        return train.Cost(joints_mse(network(part["image"]), part["target"]), 8)

    return {"eager": eager, "limner": lambda: train.update(run, [batch], cost)}


def has_bf16() -> bool:
    """Whether the processor multiplies in bf16."""
    info = Path("/proc/cpuinfo")
    return bool({"avx512_bf16", "amx_bf16"} & set(info.read_text().split())) if info.exists() else True


def measure(row: str, rounds: int) -> bool:
    """Print one row; return whether its must is held. Thread counts are those the process was started with."""
    import numpy as np
    import torch

    threads = THREADS[row]
    torch.set_num_threads(threads)
    kind, last = row.split()[0], row.split()[-1]
    with tempfile.TemporaryDirectory() as folder:
        if kind == "step":
            sides = step_sides(last, Path(folder))
        else:
            sides = person_sides(threads) if kind == "person" else network_sides(int(last), threads)
        gap = np.abs(sides["eager"]() - sides["limner"]()).max()
        times = cpu_times(sides, rounds)
    print(f"{row}, {threads} thread{'s' * (threads > 1)}: largest difference {gap:.1e}; {machine()}")
    return report(times, slow="eager", fast="limner", must=MUST[row])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--row", choices=list(MUST), help="only this one, in this process")
    options = parser.parse_args()
    if options.row:
        sys.exit(0 if measure(options.row, options.rounds) else 1)
    held = {}
    for row, threads in THREADS.items():
        if row == "step bf16" and not has_bf16():
            print(f"{row}: left out, this processor has no bf16 arithmetic (avx512_bf16 or amx_bf16)")
            continue
        command = [sys.executable, __file__, "--row", row, "--rounds", str(options.rounds)]
        held[row] = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": str(threads)}).returncode == 0
    for row, is_held in held.items():
        print(f"{row}: must {'held' if is_held else 'missed'}")


if __name__ == "__main__":
    main()
