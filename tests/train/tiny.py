"""A recipe of a second: a network with a norm and a dropout learns to add up numbers. Also a program, to be killed."""

from __future__ import annotations

import argparse
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from limner.train import Cost, Judgement, LoopConfig, OptimiserConfig, Run, ScheduleConfig, fit, start_run, update


@dataclass(frozen=True)
class TinyConfig:
    loop: LoopConfig = field(default_factory=lambda: tiny_loop())
    schedule: ScheduleConfig = field(default_factory=lambda: ScheduleConfig("cosine", warmup=0.5))
    optimiser: OptimiserConfig = field(default_factory=lambda: OptimiserConfig("adamw", 1e-2, 0.1, clip_norm=1.0))


def tiny_loop(**changes) -> LoopConfig:
    usual = {
        "epochs": 3,
        "batch": 4,
        "ema_decay": 0.9,
        "log_steps": 2,
        "tensorboard": False,
        "device": "cpu",
        "checkpoint_minutes": 0.0,
    }
    return LoopConfig(**{**usual, **changes})


@dataclass(frozen=True)
class TinySamples:
    count: int = 18
    die_at: tuple[int, int] | None = None

    def __len__(self) -> int:
        return self.count

    def sample(self, index: int, epoch: int) -> dict[str, np.ndarray]:
        if self.die_at == (epoch, index):
            os.kill(os.getpid(), signal.SIGKILL)
        image = np.random.default_rng([epoch, index, 1]).standard_normal((3, 8, 8)).astype(np.float32)
        # Samples count differently, so that means of means would be wrong.
        return {"image": image, "wanted": image.sum(axis=0, keepdims=True), "weight": np.float32(1 + index % 3)}


def tiny_network(*, dropout: float = 0.1) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(6, 1, 1),
        )


def tiny_step(run: Run, parts) -> dict[str, float]:
    def cost(network, batch) -> Cost:
        weight = batch["weight"]
        error = (network(batch["image"]) - batch["wanted"]).square().mean(dim=(1, 2, 3))
        return Cost((error * weight).sum() / weight.sum(), weight.sum())

    return {"loss": update(run, parts, cost)}


@torch.no_grad()
def tiny_judge(run: Run) -> Judgement:
    network = run.judged().eval()
    samples = [TinySamples().sample(index, 99) for index in range(8)]
    image, wanted = (torch.from_numpy(np.stack([sample[name] for sample in samples])) for name in ("image", "wanted"))
    error = float((network(image) - wanted).square().mean())
    return Judgement(-error, {"error": error})


def train_tiny(
    folder: Path,
    config: TinyConfig | None = None,
    *,
    samples: TinySamples | None = None,
    workers: int = 0,
    dropout: float = 0.1,
) -> Run:
    config = config or TinyConfig()
    run = start_run(config, folder, {"network": tiny_network(dropout=dropout)}, {"network": config.optimiser})
    fit(run, samples or TinySamples(), tiny_step, tiny_judge, workers=workers)
    run.machine.close()
    return run


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--die", type=int, nargs=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--dropout", type=float, default=0.1)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    loop = tiny_loop(checkpoint_steps=2, batch=asked.batch, accumulate=asked.accumulate)
    people = TinySamples(die_at=tuple(asked.die) if asked.die else None)
    train_tiny(asked.folder, TinyConfig(loop=loop), samples=people, dropout=asked.dropout)
