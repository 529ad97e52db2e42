"""Torch modules behind the runtime's door: converted for OpenVINO and kept on disk, or run by torch as they are."""

from __future__ import annotations

import copy
import hashlib
import logging
import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.checks import InputError, WeightsError
from limner.runtime.cache import mark_used

if TYPE_CHECKING:
    from torch import Tensor, nn

_logger = logging.getLogger(__name__)

_FORMAT = "4"  # raised when what is kept on disk changes its meaning


class TorchNetwork:
    """A module run by torch, eagerly, on the device where it lies; the reference for every other runtime.

    Attributes:
        input_shape: the shape of the input array, -1 for any length.
    """

    def __init__(self, module: nn.Module, input_shape: Sequence[int], threads: int | None = None) -> None:
        self._module = copy.deepcopy(module).eval()
        self._threads = threads
        self.input_shape = tuple(input_shape)

    def __call__(self, batch: Float32[ndarray, "..."]) -> tuple[Float32[ndarray, "..."], ...]:
        """Run the module on `batch` and return its outputs as arrays of their own.

        Raises:
            InputError: the array is of another shape than the network takes.
        """
        import torch

        check_batch(batch, self.input_shape)
        device = next((parameter.device for parameter in self._module.parameters()), torch.device("cpu"))
        before = torch.get_num_threads()
        try:
            if self._threads is not None:
                torch.set_num_threads(self._threads)
            with torch.inference_mode():
                outputs = self._module(torch.from_numpy(np.ascontiguousarray(batch, np.float32)).to(device))
        finally:
            if self._threads is not None:
                torch.set_num_threads(before)
        many = outputs if isinstance(outputs, tuple | list) else (outputs,)
        return tuple(output.float().cpu().numpy() for output in many)


def check_batch(batch: Float32[ndarray, "..."], input_shape: Sequence[int]) -> None:
    """Raise `InputError` unless `batch` has the shape, in which -1 stands for any length."""
    shape = tuple(batch.shape)
    if len(shape) != len(input_shape) or any(n not in (-1, m) for n, m in zip(input_shape, shape, strict=True)):
        raise InputError(f"the network takes an array of shape {tuple(input_shape)}, got {shape}")


def read_module(core: Any, module: nn.Module, input_shape: Sequence[int], folder: Path | None) -> Any:
    """Return `module` as OpenVINO's model, from `folder` where it was kept there before.

    Args:
        core: OpenVINO's.
        module: with one input and any number of outputs; it is not changed.
        input_shape: of the input, -1 for any length.
        folder: where converted networks are kept; None keeps nothing.

    Raises:
        WeightsError: the module does something that OpenVINO cannot express.
    """
    if folder is None:
        return convert_module(module, input_shape)
    import openvino

    kept = folder / kept_name(module, input_shape, ".xml", f"openvino {openvino.__version__}")
    if kept.exists():
        try:
            mark_used(kept)
            return core.read_model(str(kept))
        except RuntimeError as error:
            _logger.warning("the converted network %s is damaged and made anew: %s", kept, str(error).splitlines()[0])
    model = convert_module(module, input_shape)
    _keep(model, kept)
    return model


def convert_module(module: nn.Module, input_shape: Sequence[int]) -> Any:
    """Return `module` as OpenVINO's model: float32, evaluation mode, norms folded into the convolutions before them.

    Raises:
        WeightsError: the module does something that OpenVINO cannot express.
    """
    import openvino
    from openvino.frontend import GeneralFailure, NotImplementedFailure, OpConversionFailure

    failures = (GeneralFailure, NotImplementedFailure, OpConversionFailure)  # plain exceptions, all three
    try:
        # Tracing and freezing first makes conversion three times as fast as OpenVINO's own way (3.4 s of CPU time
        # instead of 9.4 for HRNet-W32), because half of the nodes are gone.
        frozen, example = freeze_module(module, input_shape)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = openvino.convert_model(frozen, example_input=example)
    except (RuntimeError, TypeError, ValueError, *failures) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(
            f"OpenVINO cannot run this {type(module).__name__} ({reason}): use runtime='torch'"
        ) from error
    model.reshape({0: openvino.PartialShape(list(input_shape))})
    return model


def freeze_module(module: nn.Module, input_shape: Sequence[int]) -> tuple[Any, Tensor]:
    """Return a traced copy of `module` with norms folded into convolutions, and the input it was traced with."""
    import torch

    still = copy.deepcopy(module).cpu().float().eval()
    example = torch.zeros([2 if n == -1 else n for n in input_shape])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch marks tracing as deprecated, and OpenVINO still lives on it
        return torch.jit.freeze(torch.jit.trace(still, example, check_trace=False)), example


def kept_name(module: nn.Module, input_shape: Sequence[int], suffix: str, made_by: str = "") -> str:
    """Return the name of the file in which what is made of a module is kept.

    It tells apart what gives different networks: weights, layers, the code of their forward passes, shape, versions.

    Args:
        module: the torch module.
        input_shape: of its input, -1 for any length.
        suffix: of the file, dot included.
        made_by: the converter and its version, where there is one besides torch.
    """
    import torch

    digest = hashlib.sha256(repr((_FORMAT, tuple(input_shape), torch.__version__, made_by)).encode())
    digest.update(repr(module).encode())
    for kind in sorted({type(part) for part in module.modules()}, key=lambda kind: kind.__qualname__):
        code = getattr(kind.forward, "__code__", None)
        digest.update(code.co_code + repr(code.co_names).encode() if code is not None else b"")
    for key, tensor in module.state_dict().items():
        digest.update(key.encode())
        digest.update(_bytes(tensor))
    return f"{type(module).__name__.lower()}-{digest.hexdigest()[:20]}{suffix}"


def _bytes(tensor: Tensor) -> memoryview:
    import torch

    return memoryview(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())


def _keep(model: Any, path: Path) -> None:
    import openvino

    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".converting-") as beside:
            made = Path(beside) / path.name
            openvino.save_model(model, str(made), compress_to_fp16=False)
            # The weights first: who finds the xml finds everything.
            for suffix in (".bin", ".xml"):
                os.replace(made.with_suffix(suffix), path.with_suffix(suffix))
    except (OSError, RuntimeError) as error:
        _logger.warning("the converted network cannot be kept in %s: %s", path.parent, error)
