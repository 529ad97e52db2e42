"""Networks read from files or made from torch modules, and run by OpenVINO on the CPU or by torch."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.checks import InputError, WeightsError, check_file
from limner.runtime.cache import cache_folder, trim_cache
from limner.runtime.layer_kinds import NotExpressible
from limner.runtime.modules import TorchNetwork, check_batch, read_module
from limner.types import RuntimeName

if TYPE_CHECKING:
    from torch import nn

    from limner.runtime.numba_network import NumbaNetwork
    from limner.runtime.onnx_network import OnnxNetwork

_logger = logging.getLogger(__name__)

_RUNTIMES = ("auto", "numba", "openvino", "torch", "onnxruntime")


class Network:
    """A compiled network with one input; made by `load_network`.

    Attributes:
        input_shape: the shape of the input array, batch first; -1 for any length.
    """

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._num_outputs = len(compiled.outputs)
        shape = compiled.input(0).partial_shape
        self.input_shape = tuple(-1 if n.is_dynamic else n.get_length() for n in shape)

    def __call__(self, batch: Float32[ndarray, "..."]) -> tuple[Float32[ndarray, "..."], ...]:
        """Run the network on `batch` and return its outputs, in the file's order, as arrays of their own.

        Raises:
            InputError: the array is of another shape than the network takes.
        """
        check_batch(batch, self.input_shape)
        self._request.infer([np.ascontiguousarray(batch, dtype=np.float32)], share_inputs=True)
        # OpenVINO writes the next result into the same memory, so the caller gets copies.
        return tuple(self._request.get_output_tensor(i).data.copy() for i in range(self._num_outputs))


def load_network(
    source: str | Path | nn.Module,
    *,
    input_shape: Sequence[int] | None = None,
    runtime: RuntimeName = "auto",
    threads: int | None = None,
) -> Network | NumbaNetwork | OnnxNetwork | TorchNetwork:
    """Make a network ready to run.

    Args:
        source: a network file (tflite, ONNX or OpenVINO's own), or a torch module with one input, which is copied.
        input_shape: of a module's input, batch first, -1 for any length; a file has its own.
        runtime: "numba" runs a module of convolutions, such as HRNet, HMR or an encoder of faces, by limner's own
            kernels, the fastest on a CPU; "openvino" runs any on the CPU; "onnxruntime" runs modules and ONNX files,
            with the extra `export`; "torch" runs a module as it is, where it lies. "auto" takes torch for a module on
            a GPU, else numba where it can, else OpenVINO, and ONNX Runtime where OpenVINO is missing.
        threads: how many threads one call may use; None takes all cores.

    Returns:
        The network, in float32 whatever the processor would prefer, so that results do not depend on it.

    Raises:
        FileProblem: there is no such file.
        WeightsError: the file is no network that OpenVINO can read, or it cannot run the module.
        InputError: the runtime cannot run this source, or a module comes without a shape.
        MissingExtra: ONNX Runtime is asked for, or needed, and not installed.
    """
    if threads is not None and threads < 1:
        raise InputError(f"threads must be at least 1, got {threads}")
    if runtime not in _RUNTIMES:
        raise InputError(f"no runtime here is called {runtime!r}; there are {', '.join(_RUNTIMES)}")
    try:
        if not isinstance(source, str | os.PathLike):
            return _load_module(source, input_shape, runtime, threads)
        return _load_file(Path(source), runtime, threads)
    finally:
        trim_cache(cache_folder())


def _load_file(path: Path, runtime: RuntimeName, threads: int | None) -> Network | OnnxNetwork:
    if runtime not in ("auto", "openvino", "onnxruntime"):
        raise InputError(f"{runtime} runs modules, not network files such as {path}")
    path = check_file(path, "network file")
    if runtime == "onnxruntime" or (runtime == "auto" and path.suffix == ".onnx" and not has_openvino()):
        from limner.runtime.onnx_network import OnnxNetwork

        return OnnxNetwork(path, threads)
    core = _core()
    try:
        model = core.read_model(str(path))
    except RuntimeError as error:
        raise WeightsError(f"{path} is no network that can be read: {str(error).splitlines()[0]}") from error
    return Network(_compile(core, model, threads))


def _load_module(
    module: nn.Module, input_shape: Sequence[int] | None, runtime: RuntimeName, threads: int | None
) -> Network | NumbaNetwork | OnnxNetwork | TorchNetwork:
    if input_shape is None:
        raise InputError("a module needs its input_shape, such as (-1, 3, 256, 192)")
    is_on_cpu = all(parameter.device.type == "cpu" for parameter in module.parameters())
    if runtime == "torch" or (runtime == "auto" and not is_on_cpu):
        return TorchNetwork(module, input_shape, threads)
    if runtime in ("auto", "numba"):
        # Here, because network files need neither numba nor its half second of import.
        from limner.runtime.layer_network import can_run
        from limner.runtime.layers import kept_layers
        from limner.runtime.numba_network import NumbaNetwork

        try:
            if runtime == "numba" or can_run():
                layers = kept_layers(module, input_shape, cache_folder())
                return NumbaNetwork(layers, input_shape, threads or os.cpu_count() or 1)
        except NotExpressible as error:
            if runtime == "numba":
                raise InputError(f"limner's own kernels cannot run this {type(module).__name__}: {error}") from error
    if runtime == "onnxruntime" or (runtime == "auto" and not has_openvino()):
        from limner.runtime.onnx_network import read_onnx_module

        return read_onnx_module(module, input_shape, cache_folder(), threads)
    core = _core()
    return Network(_compile(core, read_module(core, module, input_shape, cache_folder()), threads))


def has_openvino() -> bool:
    """Whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def _compile(core: Any, model: Any, threads: int | None) -> Any:
    config = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = str(threads)
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
