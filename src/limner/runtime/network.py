"""Networks read from files and run by OpenVINO on the CPU."""

from __future__ import annotations

import logging
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.checks import InputError, WeightsError, check_file

_logger = logging.getLogger(__name__)


class Network:
    """A compiled network with one input; made by `load_network`.

    Attributes:
        input_shape: the shape of the input array, batch first.
    """

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._num_outputs = len(compiled.outputs)
        self.input_shape = tuple(int(n) for n in compiled.input(0).shape)

    def __call__(self, batch: Float32[ndarray, "..."]) -> tuple[Float32[ndarray, "..."], ...]:
        """Run the network on `batch` and return its outputs, in the file's order, as arrays of their own.

        Raises:
            InputError: the array is of another shape than the network takes.
        """
        if tuple(batch.shape) != self.input_shape:
            raise InputError(f"the network takes an array of shape {self.input_shape}, got {tuple(batch.shape)}")
        self._request.infer([np.ascontiguousarray(batch, dtype=np.float32)], share_inputs=True)
        # OpenVINO writes the next result into the same memory, so the caller gets copies.
        return tuple(self._request.get_output_tensor(i).data.copy() for i in range(self._num_outputs))


def load_network(path: str | Path, *, threads: int | None = None) -> Network:
    """Read a network file (tflite, ONNX or OpenVINO's own) and compile it for the CPU.

    Args:
        path: the file.
        threads: how many threads one call may use; None takes all cores.

    Returns:
        The network, in float32 whatever the processor would prefer, so that results do not depend on it.

    Raises:
        FileProblem: there is no such file.
        WeightsError: the file is no network that OpenVINO can read.
    """
    path = check_file(path, "network file")
    core = _core()
    try:
        model = core.read_model(str(path))
    except RuntimeError as error:
        raise WeightsError(f"{path} is no network that can be read: {str(error).splitlines()[0]}") from error
    config = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        if threads < 1:
            raise InputError(f"threads must be at least 1, got {threads}")
        config["INFERENCE_NUM_THREADS"] = str(threads)
    return Network(_compile(core, model, config))


def cache_folder() -> Path | None:
    """Return the folder for compiled networks, made if need be; None where none can be written."""
    root = os.environ.get("LIMNER_CACHE") or Path.home() / ".cache" / "limner"
    folder = Path(root) / "networks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _compile(core: Any, model: Any, config: dict[str, str]) -> Any:
    folder = cache_folder()
    if folder is not None:
        try:
            return core.compile_model(model, "CPU", {**config, "CACHE_DIR": str(folder)})
        except RuntimeError as error:
            _logger.warning("compiled networks cannot be kept in %s: %s", folder, str(error).splitlines()[0])
    return core.compile_model(model, "CPU", config)


@cache
def _core() -> Any:
    # Imported here because it costs a quarter of a second, which `limner --help` need not pay.
    import openvino

    return openvino.Core()
