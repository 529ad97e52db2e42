"""A run under way: what it is made of, how far it is, and what the functions of a recipe hand to the loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

from limner.train.average import WeightAverage
from limner.train.log import RunLog
from limner.train.machine import Machine
from limner.train.settings import LoopConfig, ScheduleConfig

Watch = Callable[[int, int | None, str], None]
"""Called as `(done, total, what)` as work goes on."""


class Cost(NamedTuple):
    """What a batch costs.

    Attributes:
        mean: to be made small.
        weight: how much the mean stands for (samples, or joints that count), so that parts of a step and processes add
            up to what the whole step at once would be.
    """

    mean: Tensor
    weight: Tensor | float


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to.

    Attributes:
        folder: with everything it wrote.
        epochs: done.
        steps: done.
        best: the best score.
        weights: the file with the best weights of the network that the recipe is about.
    """

    folder: Path
    epochs: int
    steps: int
    best: float
    weights: Path


class Judgement(NamedTuple):
    """What a validation found.

    Attributes:
        score: larger is better; the best weights are kept by it.
        numbers: all that was measured, by name.
    """

    score: float
    numbers: Mapping[str, float]


@dataclass
class Position:
    """How far a run is.

    Attributes:
        epoch: epochs done.
        epoch_step: steps done of the present one.
        step: steps done of all.
    """

    epoch: int = 0
    epoch_step: int = 0
    step: int = 0


class RunConfig(Protocol):
    """What the loop reads of a recipe's configuration."""

    @property
    def loop(self) -> LoopConfig:
        """How long and on what."""

    @property
    def schedule(self) -> ScheduleConfig:
        """How the learning rate changes."""


@dataclass
class Run:
    """A run under way.

    Attributes:
        config: of the recipe.
        folder: where everything is written.
        machine: device and processes.
        networks: by name, on the device.
        wrapped: the same, as several processes train them.
        optimisers: of the networks, by name.
        rates: their full learning rates.
        clip_norms: their longest gradients; 0 for any length.
        averages: running averages of the networks, where asked for.
        log: what is told.
        position: how far it is.
        facts: what a recipe says beside its best weights, such as the joints that they find; plain values.
        sums: of what the steps measured since the last line of the log: [sum, count] by name.
        best: the best score so far.
    """

    config: RunConfig
    folder: Path
    machine: Machine
    networks: dict[str, nn.Module]
    wrapped: dict[str, nn.Module]
    optimisers: dict[str, Optimizer]
    rates: dict[str, float]
    clip_norms: dict[str, float]
    averages: dict[str, WeightAverage]
    log: RunLog
    position: Position = field(default_factory=Position)
    facts: Mapping[str, Any] = field(default_factory=dict)
    sums: dict[str, list[float]] = field(default_factory=dict)
    best: float = -math.inf

    @property
    def settings(self) -> LoopConfig:
        """The loop's section of the configuration."""
        return self.config.loop

    @property
    def logs_next(self) -> bool:
        """Whether the step under way ends with a line of the log, so that costly measures are worth taking."""
        return (self.position.step + 1) % self.settings.log_steps == 0

    def judged(self, name: str = "network") -> nn.Module:
        """Return the network that is validated and kept: the running average where there is one."""
        return self.averages[name].network if name in self.averages else self.networks[name]
