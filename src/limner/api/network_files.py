"""The verb export: a network of joints or bodies as a file for other programs, compared with what it was made from."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limner.body import PUBLISHED as BODIES
from limner.body import HMRModel, is_hmr, load_hmr_model
from limner.checks import InputError, WeightsError, name_hint
from limner.media import check_output
from limner.pose import PUBLISHED as POSES
from limner.pose import PoseModel, load_pose_model
from limner.runtime import convert_module, load_network, write_onnx
from limner.types import ExportFormat, LicenceName
from limner.weights import list_weights

TOLERANCE = 1e-4
"""Largest difference allowed, as a share of the largest value that the network itself gives."""

_SUFFIX = {"onnx": ".onnx", "openvino": ".xml"}


@dataclass(frozen=True)
class ExportReport:
    """What was written, and how it compares.

    Attributes:
        output: the file; for OpenVINO its weights lie beside it in a .bin.
        network: what was exported.
        input_shape: of the file's input; -1 is any number.
        difference: the largest absolute difference from PyTorch's own outputs on random pictures.
        largest: the largest absolute value there.
        tolerance: the share of it that is allowed.
    """

    output: Path
    network: str
    input_shape: tuple[int, ...]
    difference: float
    largest: float
    tolerance: float


def export(
    name: str | Path,
    output: str | Path,
    *,
    format: ExportFormat = "onnx",
    tolerance: float = TOLERANCE,
    licence: LicenceName = "any",
) -> ExportReport:
    """Write a network as ONNX or OpenVINO, run the file, and keep it only if it gives what PyTorch gives.

    Args:
        name: imported weights, a training run's folder, or an official file: what `PosePredictor.load` or
            `BodyPredictor.load` takes.
        output: the .onnx file, or OpenVINO's .xml.
        format: "onnx" needs the extra `export`; "openvino" needs nothing.
        tolerance: largest difference, as a share of the largest value.
        licence: "commercial" refuses weights that are not known to allow commercial use.

    Raises:
        InputError: there is no such format, or the name does not suit it.
        FileProblem: the output cannot be written.
        WeightsError: there are no such weights, OpenVINO cannot express the network, or the file gives other values
            than it; the file is then removed.
        MissingExtra: the extra is not installed.
    """
    if format not in _SUFFIX:
        raise InputError(f"no format is called {format!r}; there are {', '.join(_SUFFIX)}")
    output = check_output(output, (_SUFFIX[format],))
    model, shape = _loaded(name, licence)
    batch = np.random.default_rng(0).normal(size=(2, *shape[1:])).astype(np.float32)
    wanted = load_network(model.network, input_shape=shape, runtime="torch")(batch)[0]
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".exporting-") as beside:
        made = Path(beside) / output.name
        if format == "onnx":
            write_onnx(model.network, shape, made)
        else:
            _write_openvino(convert_module(model.network, shape), made)
        found = load_network(made, runtime="onnxruntime" if format == "onnx" else "openvino")(batch)[0]
        difference, largest = float(np.abs(found - wanted).max()), float(np.abs(wanted).max())
        if not difference <= tolerance * largest:
            raise WeightsError(
                f"the {format} file of {model.name} differs from the network by {difference:.3g}, more than "
                f"{tolerance:g} of {largest:.3g}; nothing was written"
            )
        # The weights first: who finds the .xml finds everything.
        for file in sorted(Path(beside).iterdir()):
            os.replace(file, output.parent / file.name)
    return ExportReport(output, model.name, shape, difference, largest, tolerance)


def _loaded(name: str | Path, licence: LicenceName) -> tuple[PoseModel | HMRModel, tuple[int, ...]]:
    """A network of either kind, and the shape of its input."""
    known = [*POSES, *BODIES, *(one.name for one in list_weights() if one.name.startswith("hmr-"))]
    if not Path(name).exists() and str(name) not in known:
        raise WeightsError(
            f"no weights of joints or bodies are called {str(name)!r}, and no run or file lies there; "
            f"{name_hint(str(name), known)}"
        )
    if is_hmr(name):
        body = load_hmr_model(name, licence=licence)
        return body, body.config.input_shape
    pose = load_pose_model(name, licence=licence)
    return pose, (-1, 3, *pose.table.input_hw)


def _write_openvino(model: Any, path: Path) -> None:
    import openvino

    openvino.save_model(model, str(path), compress_to_fp16=False)
