"""The verbs that write numbers: pose and body."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.cli.choices import AsJson, Output
from limner.cli.outcome import counted, print_json, verb, warn
from limner.cli.progress import ProgressBar
from limner.types import SkeletonName

if TYPE_CHECKING:
    from limner.api import FilesReport

Inputs = Annotated[
    list[Path], typer.Argument(metavar="INPUT...", help="Pictures, folders, videos.", show_default=False)
]
Person = Annotated[
    int | None,
    typer.Option(min=0, help="Which person, 0 the largest.  [default: all in a picture, the largest in a video]"),
]
Draw = Annotated[Path | None, typer.Option(metavar="DIR", help="A folder for overlays, made if need be.")]


@verb
def pose(
    inputs: Inputs,
    *,
    output: Output,
    person: Person = None,
    skeleton: Annotated[SkeletonName, typer.Option(help="The joints to write.")] = "coco17",
    draw: Draw = None,
    as_json: AsJson = False,
) -> None:
    """Write the 2D joints of the people in pictures and videos as json.

    The file holds a list of {image, frame, person, box_xyxy, score, skeleton, keypoints: [[x, y, score], ...]}.
    """
    from limner import api

    with ProgressBar() as progress:
        report = api.pose(inputs, output, person=person, skeleton=skeleton, draw=draw, progress=progress)
    _tell(report, as_json)


@verb
def body(
    inputs: Inputs,
    *,
    output: Output,
    person: Person = None,
    body_model: Annotated[
        str, typer.Option("--body", help="Whose body: free, or smpl:PATH to a file of yours.")
    ] = "free",
    draw: Draw = None,
    as_json: AsJson = False,
) -> None:
    """Write the 3D bodies of the people in pictures and videos as npz.

    The arrays: global_orient, body_pose, betas, transl, weak_camera, joints, frame, person, image, size_hw, body_model
    (radians, metres).
    """
    from limner import api

    with ProgressBar() as progress:
        report = api.body(inputs, output, person=person, body=body_model, draw=draw, progress=progress)
    _tell(report, as_json)


def _tell(report: FilesReport, as_json: bool) -> None:
    warn(report.warnings)
    if as_json:
        print_json(report)
        return
    people = counted(report.people, "person", "people")
    read = [counted(report.pictures, "picture"), counted(report.frames, "frame")]
    typer.echo(f"{report.output}: {people} in {' and '.join(words for words in read if words)}, {report.seconds:.1f} s")
