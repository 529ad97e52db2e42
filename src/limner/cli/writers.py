"""The verbs that write numbers: pose and body."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.cli.choices import AsJson, Licence, Output, Runtime
from limner.cli.outcome import counted, print_json, verb, warn
from limner.cli.progress import ProgressBar
from limner.types import PoseFormat, PostProcess, SkeletonName

if TYPE_CHECKING:
    from limner.api import FilesReport

Inputs = Annotated[
    list[Path], typer.Argument(metavar="INPUT...", help="Pictures, folders, videos.", show_default=False)
]
Person = Annotated[
    int | None,
    typer.Option(min=0, help="Which person, 0 the largest.  [default: all in a picture, the largest in a video]"),
]
AnyPerson = Annotated[int | None, typer.Option(min=0, help="Which person, 0 the largest.  [default: everybody]")]
Draw = Annotated[Path | None, typer.Option(metavar="DIR", help="A folder for overlays, made if need be.")]


@verb
def pose(
    inputs: Inputs,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file, or for openpose the folder.", show_default=False)
    ],
    person: AnyPerson = None,
    weights: Annotated[
        str, typer.Option(help="default, imported weights (hrnet-w32-coco), a run's folder, an official file.")
    ] = "default",
    skeleton: Annotated[
        SkeletonName | None, typer.Option(help="The joints to write.  [default: the network's own]", show_default=False)
    ] = None,
    format: Annotated[PoseFormat, typer.Option(help="Our json, COCO's results, OpenPose's files, csv.")] = "limner",
    draw: Draw = None,
    skeleton_only: Annotated[
        bool, typer.Option("--skeleton-only", help="Draw skeletons in OpenPose's colours on black.")
    ] = False,
    smooth: Annotated[float, typer.Option(min=0, help="Smooth videos over time without lag; 1 is usual.")] = 0.0,
    flip_test: Annotated[bool, typer.Option(help="Average with the mirrored picture (heatmap networks).")] = True,
    decoding: Annotated[PostProcess, typer.Option(help="Peaks to joints (heatmap networks).")] = "published",
    runtime: Runtime = "auto",
    licence: Licence = "any",
    as_json: AsJson = False,
) -> None:
    """Write the 2D joints of the people in pictures and videos.

    The json holds a list of {image, frame, person, box_xyxy, score, skeleton, keypoints: [[x, y, score], ...]}. In a
    video each person keeps a number.
    """
    from limner import api

    with ProgressBar() as progress:
        report = api.pose(
            inputs,
            output,
            person=person,
            weights=weights,
            skeleton=skeleton,
            format=format,
            draw=draw,
            skeleton_only=skeleton_only,
            smooth=smooth,
            flip_test=flip_test,
            decoding=decoding,
            runtime=runtime,
            licence=licence,
            progress=progress,
        )
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
