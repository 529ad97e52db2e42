"""The verb export."""

from __future__ import annotations

from typing import Annotated

import typer

from limner.cli.choices import AsJson, Licence, Output
from limner.cli.outcome import print_json, verb
from limner.types import ExportFormat


@verb
def export(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Imported weights, a training run's folder, an official file.", show_default=False
        ),
    ],
    *,
    output: Output,
    format: Annotated[ExportFormat, typer.Option(help="onnx needs the extra export.")] = "onnx",
    tolerance: Annotated[
        float, typer.Option(min=0, help="Largest difference, as a share of the network's largest value.")
    ] = 1e-4,
    licence: Licence = "any",
    as_json: AsJson = False,
) -> None:
    """Write a network of joints or bodies as ONNX or OpenVINO, and check that it gives what PyTorch gives.

    The largest difference is printed; a file that differs by more than --tolerance is not kept. OpenVINO's .xml has its
    weights beside it in a .bin.
    """
    from limner import api

    report = api.export(name, output, format=format, tolerance=tolerance, licence=licence)
    if as_json:
        print_json(report)
        return
    shape = " x ".join("N" if n == -1 else str(n) for n in report.input_shape)
    typer.echo(
        f"{report.output}: {report.network}, input {shape}; differs by at most {report.difference:.3g} "
        f"where the largest value is {report.largest:.3g}"
    )
