"""Which samples a step sees: a function of the seed, the epoch and the step, so that a run may stop anywhere.

A step's samples are dealt to processes and parts like cards; which samples a step sees does not depend on how many
processes there are, as long as batch x accumulate x processes stays the same.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from jaxtyping import Int64
from numpy import ndarray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from limner.checks import InputError, LimnerError

if TYPE_CHECKING:
    from limner.train.machine import Machine
    from limner.train.run import Watch

Batch = Mapping[str, Tensor]


class Samples(Protocol):
    """What a recipe learns from."""

    def __len__(self) -> int:
        """Return how many samples there are."""

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        """Return one sample as arrays; its random numbers must come from nothing but the arguments and the seed."""


def epoch_order(num: int, epoch: int, seed: int, *, shuffle: bool = True) -> Int64[ndarray, "N"]:
    """Return the order of an epoch's samples."""
    return np.random.default_rng([seed, epoch]).permutation(num) if shuffle else np.arange(num)


def count_steps(num: int, batch: int, shards: int) -> int:
    """Return the steps of an epoch.

    The last step takes what is left over, unless that is not even one sample for each shard: then it is left out.

    Args:
        num: samples.
        batch: samples of one part in one process.
        shards: parts of a step over all processes.

    Raises:
        InputError: there is not one sample for each shard.
    """
    if num < shards:
        raise InputError(f"{num} samples are too few for steps of {shards} parts; lower loop.accumulate or processes")
    whole, left = divmod(num, batch * shards)
    return whole + (left >= shards)


def step_parts(
    order: Int64[ndarray, "N"], step: int, *, batch: int, processes: int, rank: int, accumulate: int
) -> list[Int64[ndarray, "n"]]:
    """Return the samples of one process in one step, a list for each of its parts."""
    size = batch * processes * accumulate
    shards = np.array_split(order[step * size : (step + 1) * size], processes * accumulate)
    return shards[rank::processes]


class _Indexed(Dataset):
    """Samples by (epoch, index), which is how a worker process learns of the epoch."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __getitem__(self, place: tuple[int, int]) -> dict[str, Any] | LimnerError:
        epoch, index = place
        try:
            return self._samples.sample(index, epoch)
        except LimnerError as error:
            return error  # raised in a worker, its sentence would come out with the worker's traceback in it


def _collated(items: list[dict[str, Any] | LimnerError]) -> Any:
    return next((item for item in items if isinstance(item, LimnerError)), None) or default_collate(items)


def batches(
    samples: Samples, parts: list[Int64[ndarray, "n"]], epoch: int, *, workers: int = 0, pin: bool = False
) -> Iterator[Batch]:
    """Read batches, in worker processes if there are any.

    Args:
        samples: where from.
        parts: indices of each batch.
        epoch: for the samples' random numbers.
        workers: processes that read; no more than the machine has processors.
        pin: keep batches where a GPU fetches them faster.

    Raises:
        LimnerError: whatever kept a sample from being read.
    """
    places = [[(epoch, int(index)) for index in part] for part in parts]
    # A loader draws a seed for its workers; from a generator of its own, because a resumed run draws once more.
    loader: DataLoader = DataLoader(
        _Indexed(samples),
        batch_sampler=places,
        num_workers=min(workers, os.cpu_count() or 1),
        pin_memory=pin,
        worker_init_fn=_prepare_worker,
        collate_fn=_collated,
        generator=torch.Generator(),
    )
    for batch in loader:
        if isinstance(batch, LimnerError):
            raise batch
        yield batch


def judged_batches(
    samples: Samples, batch: int, machine: Machine, *, workers: int = 0, watch: Watch | None = None
) -> Iterator[tuple[Int64[ndarray, "n"], dict[str, Tensor]]]:
    """Read this process's share of samples in their order, to judge by; what they have at random is of epoch 0.

    Args:
        samples: where from.
        batch: samples at a time.
        machine: device and processes, which share the samples.
        workers: processes that read.
        watch: called after every batch.

    Yields:
        The indices of a batch, and the batch on the device.

    Raises:
        LimnerError: whatever kept a sample from being read.
    """
    own = np.arange(len(samples))[machine.rank :: machine.num_processes]
    parts = [own[start : start + batch] for start in range(0, len(own), batch)]
    read = batches(samples, parts, 0, workers=workers, pin=machine.device.type == "cuda")
    for done, (part, values) in enumerate(zip(parts, read, strict=True), start=1):
        yield part, to_device(values, machine.device)
        if watch is not None:
            watch(done, len(parts), "validating")


def _prepare_worker(worker: int) -> None:
    import cv2

    # Ctrl-C reaches every process of a terminal; the run itself stops its workers, after the step under way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def to_device(batch: Batch, device: torch.device) -> dict[str, Tensor]:
    """Return a batch on a device."""
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}
