"""Where a run computes: one device, or several processes that torchrun started.

Accelerate finds the device, joins the processes and wraps the networks; precision is plain autocast, because
accelerate keeps it for the whole process and a second run may want another.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from numpy import ndarray
from torch import Tensor, nn

from limner.checks import InputError, MissingExtra
from limner.runtime import speed_up_training
from limner.train.norm import sync_norms
from limner.train.settings import DeviceName, LoopConfig, PrecisionName

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class Machine:
    """The device and the processes of a run.

    Attributes:
        accelerator: accelerate's own object.
        precision: of the networks' forward pass.
    """

    accelerator: Accelerator
    precision: PrecisionName

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return self.accelerator.device

    @property
    def num_processes(self) -> int:
        """How many processes share the work."""
        return self.accelerator.num_processes

    @property
    def rank(self) -> int:
        """Which of them this is."""
        return self.accelerator.process_index

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.accelerator.is_main_process

    @property
    def where(self) -> str:
        """Say what a run computes on."""
        return f"{self.device}, {self.num_processes} processes"

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """Return the context in which networks run."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    @contextlib.contextmanager
    def gradients(self, network: nn.Module, *, is_last: bool) -> Iterator[None]:
        """A part of a step: gradients are exchanged between processes with the last part only."""
        with contextlib.nullcontext() if is_last else self.accelerator.no_sync(network):
            yield

    def total(self, values: Tensor) -> Tensor:
        """Return the sum over all processes."""
        return self.accelerator.reduce(values, "sum") if self.num_processes > 1 else values

    def joined(self, rows: ndarray) -> ndarray:
        """Return an array of which each process filled its own rows and left the others zero."""
        return self.total(torch.from_numpy(rows).to(self.device)).cpu().numpy()

    def everyone(self, values: Tensor) -> Tensor:
        """Return the values of all processes in a new first axis."""
        return self.accelerator.gather(values[None]) if self.num_processes > 1 else values[None]

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.accelerator.wait_for_everyone()

    def close(self) -> None:
        """Part from the other processes: one that leaves while another still talks to it ends in an abort."""
        self.wait()
        self.accelerator.end_training()


def open_machine(settings: LoopConfig) -> Machine:
    """Find the device and, under torchrun, the other processes.

    Raises:
        MissingExtra: accelerate is not installed.
        InputError: the device is not on this machine.
    """
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState, PartialState
    except ImportError:
        raise MissingExtra('training needs accelerate, which is not installed: pip install "limner[train]"') from None
    _check_device(settings.device)
    state = PartialState._shared_state
    if state and state.get("_cpu") != (settings.device == "cpu") and not torch.distributed.is_initialized():
        # Accelerate keeps the first run's device for the whole process.
        AcceleratorState._reset_state(reset_partial_state=True)
    return Machine(Accelerator(cpu=settings.device == "cpu"), settings.precision)


def _check_device(device: DeviceName) -> None:
    is_there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not is_there.get(device, True):
        raise InputError(f"loop.device is {device}, which this machine or this PyTorch does not have; use cpu or auto")


def prepare_network(machine: Machine, network: nn.Module, settings: LoopConfig) -> tuple[nn.Module, nn.Module]:
    """Return a network on its device, and the same one wrapped for several processes."""
    if settings.sync_norm and machine.num_processes > 1:
        network = sync_norms(network, machine.device)
    network = network.to(machine.device)
    if settings.channels_last:
        for weight in network.parameters():
            if weight.ndim == 4:  # a network may hold weights of five axes, which have no such order
                weight.data = weight.data.to(memory_format=torch.channels_last)
    if machine.device.type == "cpu":
        network = speed_up_training(network)
    return network, machine.accelerator.prepare_model(network)
