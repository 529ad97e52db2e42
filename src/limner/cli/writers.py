"""The verbs that write numbers: pose and body."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.cli.choices import AsJson, Inputs, Licence, Runtime, Smooth, read_words
from limner.cli.outcome import counted, print_json, verb, warn
from limner.cli.progress import ProgressBar
from limner.types import BoneNames, PoseFormat, PostProcess, SkeletonName

if TYPE_CHECKING:
    from limner.api import FilesReport

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
    smooth: Smooth = 0.0,
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
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="A file: .npz, .glb, .bvh, .obj, .ply; or a folder.", show_default=False),
    ],
    person: AnyPerson = None,
    body_model: Annotated[
        str, typer.Option("--body", help="Whose body: free, or smpl:PATH to a file of yours.")
    ] = "free",
    format: Annotated[
        str | None, typer.Option(help="What to write into a folder, such as npz,obj,bvh.  [default: npz,glb]")
    ] = None,
    smooth: Smooth = 0.0,
    max_gap: Annotated[float, typer.Option(min=0, help="Fill gaps in videos up to so many seconds.")] = 1.0,
    world: Annotated[bool, typer.Option("--world", help="Upright on a floor; the camera stands still.")] = False,
    lock_feet: Annotated[bool, typer.Option("--lock-feet", help="Nail feet down while they stand.")] = False,
    focal: Annotated[
        float | None, typer.Option(min=1, help="Focal length in pixels.  [default: the picture's diagonal]")
    ] = None,
    bones: Annotated[BoneNames, typer.Option(help="How the joints of glb and bvh are called.")] = "mixamo",
    texture: Annotated[bool, typer.Option("--texture", help="Give people of a glb their looks.")] = False,
    weights: Annotated[
        str,
        typer.Option(
            help="An HMR network to start from: limner's own (auto), imported weights, a run's folder, an official "
            "file; none fits to the joints alone."
        ),
    ] = "auto",
    anchor: Annotated[float, typer.Option(min=0, help="How much its prediction counts in the fit.")] = 0.3,
    licence: Licence = "any",
    draw: Draw = None,
    turntable: Annotated[bool, typer.Option("--turntable", help="Draw a walk round the people, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the 3D bodies of the people in pictures and videos.

    As numbers (npz: SMPL's and AMASS's names, cameras, contacts), as meshes (obj, ply), as an animation with skeleton
    and skin (glb), or as a skeleton's motion (bvh). Radians and metres.
    """
    from limner import api

    with ProgressBar() as progress:
        report = api.body(
            inputs,
            output,
            person=person,
            body=body_model,
            format=None if format is None else read_words(format),  # type: ignore[arg-type]
            smooth=smooth,
            max_gap=max_gap,
            world=world,
            lock_feet=lock_feet,
            focal=focal,
            bones=bones,
            texture=texture,
            draw=draw,
            turntable=turntable,
            weights=None if weights == "none" else weights,
            anchor=anchor,
            licence=licence,
            progress=progress,
        )
    _tell(report, as_json)


def _tell(report: FilesReport, as_json: bool) -> None:
    warn(report.warnings)
    if as_json:
        print_json(report)
        return
    people = counted(report.people, "person", "people")
    read = [counted(report.pictures, "picture"), counted(report.frames, "frame")]
    typer.echo(f"{report.output}: {people} in {' and '.join(words for words in read if words)}, {report.seconds:.1f} s")
    if report.fit_change is not None:
        change = report.fit_change
        moved = (
            f"from {change.before_px:.1f} to {change.after_px:.1f} px of those seen, {change.moved_mm:.0f} mm in space"
        )
        typer.echo(f"fitting took the predicted joints {moved}")
