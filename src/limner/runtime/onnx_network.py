"""ONNX: torch modules written as ONNX files, and those files run by ONNX Runtime. Both need the extra `export`."""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.checks import MissingExtra, WeightsError
from limner.runtime.cache import mark_used
from limner.runtime.modules import check_batch, kept_name

if TYPE_CHECKING:
    from torch import nn


class OnnxNetwork:
    """A network run by ONNX Runtime on the CPU.

    Attributes:
        input_shape: the shape of the input array, batch first; -1 for any length.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Read the file.

        Raises:
            MissingExtra: ONNX Runtime is not installed.
            WeightsError: the file is no network that it can read.
        """
        runtime = _needed("onnxruntime", "runs ONNX networks")
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors alone
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common type but this one
            raise WeightsError(f"{path} is no ONNX network that can be read: {str(error).splitlines()[0]}") from error
        (taken,) = self._session.get_inputs()
        self._name = taken.name
        self.input_shape = tuple(n if isinstance(n, int) else -1 for n in taken.shape)

    def __call__(self, batch: Float32[ndarray, "..."]) -> tuple[Float32[ndarray, "..."], ...]:
        """Run the network on `batch` and return its outputs, in the file's order.

        Raises:
            InputError: the array is of another shape than the network takes.
        """
        check_batch(batch, self.input_shape)
        return tuple(self._session.run(None, {self._name: np.ascontiguousarray(batch, np.float32)}))


def write_onnx(module: nn.Module, input_shape: Sequence[int], path: Path) -> None:
    """Write `module` as one ONNX file: float32, evaluation mode.

    Args:
        module: with one input; it is not changed.
        input_shape: of the input, -1 for any length.
        path: the file, written where it is named.

    Raises:
        MissingExtra: onnx or onnxscript is not installed.
        WeightsError: ONNX cannot express the module.
    """
    import torch

    for name in ("onnx", "onnxscript"):
        _needed(name, "writes ONNX networks")
    still = copy.deepcopy(module).cpu().float().eval()
    example = torch.zeros([2 if n == -1 else n for n in input_shape])
    dynamic = {axis: torch.export.Dim.AUTO for axis, n in enumerate(input_shape) if n == -1}
    try:
        with _silent():
            torch.onnx.export(
                still,
                (example,),
                str(path),
                input_names=["image"],
                dynamic_shapes=(dynamic,),
                external_data=False,
                dynamo=True,
            )
    except (RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(f"ONNX cannot express this {type(module).__name__}: {reason}") from error


def read_onnx_module(
    module: nn.Module, input_shape: Sequence[int], folder: Path | None, threads: int | None
) -> OnnxNetwork:
    """Return `module` run by ONNX Runtime, from `folder` where it was kept there before.

    Raises:
        MissingExtra: the extra is not installed.
        WeightsError: ONNX cannot express the module.
    """
    name = kept_name(module, input_shape, ".onnx")
    if folder is not None and (folder / name).exists():
        mark_used(folder / name)
        with contextlib.suppress(WeightsError):  # gone or damaged since: it is made anew
            return OnnxNetwork(folder / name, threads)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".converting-") as beside:
        made = Path(beside) / name
        write_onnx(module, input_shape, made)
        if folder is None:
            return OnnxNetwork(made, threads)
        os.replace(made, folder / name)
    return OnnxNetwork(folder / name, threads)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep quiet what torch's exporter tells of its steps and of its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _needed(module: str, purpose: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtra(f"{module}, which {purpose}, is not installed: pip install 'limner[export]'") from None
