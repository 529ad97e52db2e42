"""The loop of every recipe: steps, a log, validation, checkpoints, and going on after a kill as if there had been none.

A recipe gives its networks to `start_run`, and to `fit` what it learns from, a function that makes one step and one
that judges. A step may be one call of `update`, or several, one for each network of an adversarial recipe.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from limner.checks import InputError
from limner.train.average import WeightAverage
from limner.train.log import RunLog, logger
from limner.train.machine import open_machine, prepare_network
from limner.train.order import Batch, Samples, batches, count_steps, epoch_order, step_parts, to_device
from limner.train.resume import adopt_folder, best_file, save_best, save_run
from limner.train.run import Cost, Judgement, Run, RunConfig, RunOutcome, Watch
from limner.train.schedule import make_optimiser, rate_share, set_rate
from limner.train.settings import LoopConfig, OptimiserConfig

Step = Callable[[Run, list[Batch]], Mapping[str, float]]
Judge = Callable[[Run], Judgement]


def start_run(
    config: RunConfig, folder: str | Path, networks: Mapping[str, nn.Module], optimisers: Mapping[str, OptimiserConfig]
) -> Run:
    """Put networks on their device, make their optimisers, and take up the folder's checkpoint if it has one.

    Args:
        config: of the recipe, a filled schema; kept in the folder.
        folder: of the run; made if need be.
        networks: by name.
        optimisers: settings by the networks' names.

    Raises:
        InputError: the folder holds a run of another configuration, or the device is not there.
        WeightsError: its checkpoint is damaged.
        MissingExtra: accelerate is not installed.
    """
    settings = config.loop
    machine = open_machine(settings)
    # Processes must not draw the same noise.
    torch.manual_seed(settings.seed * 1_000_003 + machine.rank)
    bare, wrapped = {}, {}
    for name, network in networks.items():
        bare[name], wrapped[name] = prepare_network(machine, network.train(), settings)
    run = Run(
        config,
        Path(folder),
        machine,
        bare,
        wrapped,
        {name: make_optimiser(bare[name], optimiser) for name, optimiser in optimisers.items()},
        {name: optimiser.lr for name, optimiser in optimisers.items()},
        {name: optimiser.clip_norm for name, optimiser in optimisers.items()},
        {name: WeightAverage(net, settings.ema_decay) for name, net in bare.items() if settings.ema_decay},
        log=None,  # type: ignore[arg-type]
    )
    step = adopt_folder(run)
    run.log = RunLog(run.folder, step=step, is_main=machine.is_main, tensorboard=settings.tensorboard)
    return run


def update(
    run: Run, parts: Sequence[Batch], cost: Callable[[nn.Module, Batch], Cost], *, name: str = "network"
) -> float:
    """Make one step of one network: forward, backward, optimiser, running average.

    Args:
        run: under way.
        parts: batches whose gradients make the step.
        cost: of a batch, given the network; called under autocast.
        name: of the network.

    Returns:
        The mean cost over all parts and processes.

    Raises:
        InputError: the cost is not finite.
    """
    network, optimiser, machine = run.wrapped[name], run.optimisers[name], run.machine
    is_whole = len(parts) == 1 and machine.num_processes == 1
    optimiser.zero_grad(set_to_none=True)
    sums = torch.zeros(2, device=machine.device)
    for part in parts:
        with machine.gradients(network, is_last=part is parts[-1]):
            with machine.autocast():
                mean, weight = cost(network, part)
            machine.accelerator.backward(mean if is_whole else mean * weight)
        sums += torch.stack([mean.detach().float() * weight, torch.as_tensor(weight, device=machine.device).float()])
    total, weight_sum = machine.total(sums).tolist()
    weights = [weight for weight in run.networks[name].parameters() if weight.grad is not None]
    if not is_whole:
        # Gradients are those of sums, averaged over processes; a step is to follow the mean.
        for value in weights:
            value.grad.mul_(machine.num_processes / max(weight_sum, 1e-6))  # type: ignore[union-attr]
    if not math.isfinite(total):
        raise InputError(_diverged(run))
    if run.clip_norms[name]:
        nn.utils.clip_grad_norm_(weights, run.clip_norms[name])
    optimiser.step()
    if name in run.averages:
        run.averages[name].update(run.networks[name], run.position.step)
    return total / max(weight_sum, 1e-6)


def _diverged(run: Run) -> str:
    place = f"step {run.position.step + 1} (epoch {run.position.epoch + 1})"
    return (
        f"the loss is not finite at {place}: lower optimiser.lr, set optimiser.clip_norm or schedule.warmup, and start "
        "in another folder; the last checkpoint is from before"
    )


def fit(run: Run, samples: Samples, step: Step, judge: Judge, *, workers: int = 0, watch: Watch | None = None) -> None:
    """Train to the last epoch, from wherever the run is.

    Args:
        run: from `start_run`.
        samples: what is learned from.
        step: makes one step of the given parts and returns what it measured, the same in all processes.
        judge: validates; all processes call it, and must return the same.
        workers: processes that read samples.
        watch: called after every step.

    Raises:
        InputError: the loss is not finite, or there are too few samples.
        KeyboardInterrupt: SIGINT or SIGTERM came; a checkpoint was written after the step under way.
        FileProblem: a sample cannot be read, or the folder not be written.
    """
    settings, position = run.settings, run.position
    shards = run.machine.num_processes * settings.accumulate
    steps = count_steps(len(samples), settings.batch, shards)
    try:
        with _stop_signals() as stop:
            while position.epoch < settings.epochs:
                clock = began = time.monotonic()
                for parts in _epoch(run, samples, steps, workers):
                    _set_rates(run, steps)
                    measured = step(run, parts)
                    now = time.monotonic()
                    _after_step(run, measured, seconds=now - began)
                    began = now
                    if watch is not None:
                        watch(position.step, steps * settings.epochs, "training")
                    is_due, is_over = _agreed(run, _is_due(settings, position.step, clock), stop.is_set())
                    if is_due or is_over:
                        save_run(run)
                        clock = time.monotonic()
                    if is_over:
                        raise KeyboardInterrupt
                if (position.epoch + 1) % settings.validate_epochs == 0 or position.epoch + 1 == settings.epochs:
                    _validate(run, judge)
                position.epoch, position.epoch_step = position.epoch + 1, 0
                save_run(run)
                if position.epoch < settings.epochs and _agreed(run, stop.is_set())[0]:
                    raise KeyboardInterrupt  # it came while the run was judged
    finally:
        run.log.close()


def _epoch(run: Run, samples: Samples, steps: int, workers: int) -> Iterator[list[Batch]]:
    """The parts of each step that the present epoch has left."""
    settings, machine, position = run.settings, run.machine, run.position
    order = epoch_order(len(samples), position.epoch, settings.seed, shuffle=settings.shuffle)
    parts = [
        part
        for step in range(position.epoch_step, steps)
        for part in step_parts(
            order,
            step,
            batch=settings.batch,
            processes=machine.num_processes,
            rank=machine.rank,
            accumulate=settings.accumulate,
        )
    ]
    if not parts:
        return
    read = batches(samples, parts, position.epoch, workers=workers, pin=machine.device.type == "cuda")
    for _ in range(position.epoch_step, steps):
        yield [to_device(next(read), machine.device) for _ in range(settings.accumulate)]


def _set_rates(run: Run, steps: int) -> None:
    done = run.position.epoch + run.position.epoch_step / steps
    share = rate_share(run.config.schedule, done, run.settings.epochs)
    for name, optimiser in run.optimisers.items():
        set_rate(optimiser, run.rates[name] * share)


def _after_step(run: Run, measured: Mapping[str, float], *, seconds: float) -> None:
    position = run.position
    writes = run.logs_next
    position.step, position.epoch_step = position.step + 1, position.epoch_step + 1
    for name, value in {**measured, "seconds": seconds}.items():
        total = run.sums.setdefault(name, [0.0, 0.0])
        total[0], total[1] = total[0] + value, total[1] + 1
    if writes:
        rates = {f"lr_{name}": optimiser.param_groups[0]["lr"] for name, optimiser in run.optimisers.items()}
        means = {name: total / count for name, (total, count) in run.sums.items()}
        run.log.write("train", position.step, {**means, **rates}, epoch=position.epoch + 1)
        run.sums.clear()


def _validate(run: Run, judge: Judge) -> None:
    position = run.position
    judgement = judge(run)
    run.log.write("valid", position.step, {"score": judgement.score, **judgement.numbers}, epoch=position.epoch + 1)
    _learn_again(run)
    # The first judgement is the best so far even where it is no number.
    if judgement.score >= run.best or run.best == -math.inf:
        run.best = judgement.score if math.isfinite(judgement.score) else run.best
        save_best(run, judgement.numbers)


def try_judgement(run: Run, judge: Callable[[], object]) -> None:
    """Judge a little before the first step: what cannot be judged is found out now, not after an epoch of hours."""
    if run.position.step == 0:
        judge()
        _learn_again(run)


def _learn_again(run: Run) -> None:
    for network in run.networks.values():
        network.train()


def _is_due(settings: LoopConfig, step: int, clock: float) -> bool:
    minutes = (time.monotonic() - clock) / 60
    by_time = settings.checkpoint_minutes > 0 and minutes >= settings.checkpoint_minutes
    return by_time or (settings.checkpoint_steps > 0 and step % settings.checkpoint_steps == 0)


def _agreed(run: Run, *flags: bool) -> tuple[bool, ...]:
    """Whether any process raised each flag: all must write a checkpoint, or stop, after the same step."""
    if run.machine.num_processes == 1:
        return flags
    counts = run.machine.total(torch.tensor(flags, dtype=torch.float32, device=run.machine.device))
    return tuple(count > 0 for count in counts.tolist())


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Turn SIGINT and SIGTERM into a flag: a step cut in the middle leaves weights that belong to no step."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def remember(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt  # the second one does not wait
        stop.set()
        logger.info("stopping after this step; once more stops at once")

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def finish(run: Run, name: str = "network") -> RunOutcome:
    """Part from the other processes, and return what the run came to.

    Args:
        run: that `fit` is through with.
        name: of the network that the recipe is about.
    """
    run.machine.close()
    position, weights = run.position, run.folder / best_file(name, is_only=len(run.networks) == 1)
    return RunOutcome(run.folder, position.epoch, position.step, run.best, weights)
