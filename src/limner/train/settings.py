"""Settings that every recipe has: the optimiser, its schedule, and the loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from limner.checks import InputError

OptimiserName = Literal["adam", "adamw", "sgd", "ranger"]
ScheduleName = Literal["multistep", "cosine", "linear", "constant"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]
PrecisionName = Literal["float32", "bf16"]


def refuse(faults: list[tuple[bool, str]]) -> None:
    """Raise `InputError` with the sentences of all faults that hold."""
    found = [sentence for holds, sentence in faults if holds]
    if found:
        raise InputError("; ".join(found))


def too_small(section: object, least: int, *names: str) -> list[tuple[bool, str]]:
    """Return the faults of fields that must be `least` or more, for `refuse`."""
    bound = f"be at least {least}" if least else "not be negative"
    values = {name: getattr(section, name) for name in names}
    return [(value < least, f"{name} must {bound}, got {value}") for name, value in values.items()]


def below_one(section: object, *names: str) -> list[tuple[bool, str]]:
    """Return the faults of fields that must be 0 or more and less than 1, for `refuse`."""
    values = {name: getattr(section, name) for name in names}
    return [(not 0 <= value < 1, f"{name} must lie from 0 to below 1, got {value}") for name, value in values.items()]


@dataclass(frozen=True)
class OptimiserConfig:
    """Which optimiser, and how fast.

    Attributes:
        name: adam, adamw, sgd or ranger.
        lr: the learning rate that the schedule scales.
        weight_decay: adam adds it to the gradient, adamw takes it off the weights; adamw spares biases and norms.
        betas: of adam, adamw and ranger.
        momentum: of sgd.
        nesterov: of sgd.
        clip_norm: longer gradients are shortened to it; 0 leaves them.
    """

    name: OptimiserName = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.9
    nesterov: bool = False
    clip_norm: float = 0.0

    def __post_init__(self) -> None:
        refuse(
            [
                (self.lr <= 0, f"lr must be above 0, got {self.lr}"),
                *too_small(self, 0, "weight_decay"),
                (not all(0 <= beta < 1 for beta in self.betas), f"betas must lie from 0 to below 1, got {self.betas}"),
                *below_one(self, "momentum"),
                (self.nesterov and not self.momentum, "nesterov needs a momentum above 0"),
                *too_small(self, 0, "clip_norm"),
            ]
        )


@dataclass(frozen=True)
class ScheduleConfig:
    """How the learning rate changes; times are in epochs, counted from 0, and may be broken.

    Attributes:
        name: multistep multiplies by `factor` at each of `steps`; cosine falls along half a wave; linear falls in equal
            steps, one an epoch; constant stays.
        steps: of multistep.
        factor: of multistep.
        final_share: where cosine and linear end, as a share of the full rate.
        hold: epochs before linear begins to fall.
        warmup: the rate first rises in a straight line for so long.
    """

    name: ScheduleName = "multistep"
    steps: tuple[float, ...] = ()
    factor: float = 0.1
    final_share: float = 0.0
    hold: float = 0.0
    warmup: float = 0.0

    def __post_init__(self) -> None:
        refuse(
            [
                (list(self.steps) != sorted(self.steps), f"steps must rise, got {self.steps}"),
                (any(step < 0 for step in self.steps), f"steps must not be negative, got {self.steps}"),
                (bool(self.steps) and self.name != "multistep", f"steps are for multistep, not {self.name}"),
                (not 0 < self.factor <= 1, f"factor must lie above 0 and up to 1, got {self.factor}"),
                (not 0 <= self.final_share <= 1, f"final_share must lie from 0 to 1, got {self.final_share}"),
                *too_small(self, 0, "hold", "warmup"),
            ]
        )


@dataclass(frozen=True)
class LoopConfig:
    """How long, how much at a time, on what, and what is written when.

    Attributes:
        epochs: passes over the data.
        batch: samples of one forward pass in one process; a step sees batch x accumulate x processes.
        accumulate: forward passes whose gradients make one step.
        shuffle: a new order in every epoch.
        seed: of everything random.
        precision: bf16 runs the network under autocast; weights, losses and optimiser stay float32.
        ema_decay: of the running average of the weights, which is what is validated and kept as best; 0 for none.
        sync_norm: batch norms see the samples of all processes, so that their number does not change the result.
        channels_last: keep feature maps with their channels together in memory.
        device: auto takes CUDA or MPS where there is one.
        log_steps: steps between lines of the log.
        validate_epochs: epochs between validations; the last epoch is always validated.
        checkpoint_minutes: time between checkpoints inside an epoch; every epoch ends with one. 0 for none inside.
        checkpoint_steps: a checkpoint after every so many steps too; 0 for none.
        tensorboard: write TensorBoard files where the package is installed.
        pictures: samples drawn at each validation; 0 for none.
    """

    epochs: int = 210
    batch: int = 32
    accumulate: int = 1
    shuffle: bool = True
    seed: int = 0
    precision: PrecisionName = "float32"
    ema_decay: float = 0.0
    sync_norm: bool = True
    channels_last: bool = True
    device: DeviceName = "auto"
    log_steps: int = 50
    validate_epochs: int = 1
    checkpoint_minutes: float = 15.0
    checkpoint_steps: int = 0
    tensorboard: bool = True
    pictures: int = 8

    def __post_init__(self) -> None:
        refuse(
            [
                *too_small(self, 1, "epochs", "batch", "accumulate", "log_steps", "validate_epochs"),
                *too_small(self, 0, "seed", "checkpoint_minutes", "checkpoint_steps", "pictures"),
                *below_one(self, "ema_decay"),
            ]
        )
