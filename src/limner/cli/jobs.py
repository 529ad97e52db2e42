"""The verbs that make pictures: imitate, view, swap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limner.cli.choices import (
    AsJson,
    Background,
    Body,
    Licence,
    Output,
    Person,
    Size,
    read_numbers,
    read_rate,
    read_words,
)
from limner.cli.outcome import counted, plain, print_json, verb, warn
from limner.cli.progress import ProgressBar
from limner.types import CameraStrategy, LicenceName, PainterName

if TYPE_CHECKING:
    from limner.api import FaceRepair

Photo = Annotated[Path, typer.Argument(metavar="PHOTO", help="A photo of a person.", show_default=False)]
Sources = Annotated[
    list[Path] | None,
    typer.Option("--source", help="Another photo of the same person; may be given several times.", show_default=False),
]
Painter = Annotated[PainterName, typer.Option(help="Who paints: composite, slim, or auto for the best that is there.")]
Weights = Annotated[
    str | None,
    typer.Option(
        help="Weights that paint instead: published ones by name, such as lwgan-iper-fashion-place, with --body "
        "smpl:PATH; or a slim network of your own, such as runs/slim-cpu/best.safetensors.",
        show_default=False,
    ),
]
Tune = Annotated[
    int, typer.Option("--tune", min=0, max=2000, metavar="STEPS", help="First adapt the weights to the photos.")
]
Face = Annotated[
    str | None,
    typer.Option(
        "--face",
        metavar="WEIGHTS",
        help="Repair the face of every frame by these weights of pixel2style2pixel, where that makes it more alike.",
        show_default=False,
    ),
]


@verb
def imitate(
    photo: Photo,
    motion: Annotated[
        Path,
        typer.Argument(
            metavar="MOTION", help="Video, AMASS or SMPL npz, BVH, asf/amc, or keypoints json.", show_default=False
        ),
    ],
    *,
    output: Output,
    person: Person = 0,
    driver_person: Annotated[int, typer.Option(min=0, help="Which person of the driving video.")] = 0,
    size: Size = None,
    camera: Annotated[
        CameraStrategy,
        typer.Option(help="smooth: follow the driver's steps; source: stay; copy: the driver's framing."),
    ] = "smooth",
    background: Background = None,
    body: Body = "free",
    rate: Annotated[
        str | None,
        typer.Option("--frame-rate", help="Frames a second, such as 30 or 30000/1001.  [default: as the motion]"),
    ] = None,
    start: Annotated[float | None, typer.Option(min=0, help="First second of the motion to use.")] = None,
    end: Annotated[float | None, typer.Option(min=0, help="Second of the motion to stop at.")] = None,
    source: Sources = None,
    painter: Painter = "auto",
    weights: Weights = None,
    tune: Tune = 0,
    face: Face = None,
    licence: Licence = "any",
    as_json: AsJson = False,
) -> None:
    """Make the person in PHOTO move as MOTION does.

    The output is .mp4, .webm, .gif, .mov, or a folder or frame_%05d.png for single pictures; it is marked as synthetic.
    """
    from limner import api

    repair = _repair(face, photo, licence)
    with ProgressBar() as progress:
        report = api.imitate(
            photo,
            motion,
            output,
            person=person,
            driver_person=driver_person,
            size=size,
            camera=camera,
            background=background,
            body=body,
            frame_rate=None if rate is None else read_rate(rate),
            start=start,
            end=end,
            sources=source or (),
            painter=painter,
            weights=weights,
            tune=tune,
            face_pass=repair,
            licence=licence,
            progress=progress,
        )
    _tell(report, repair, as_json)


@verb
def view(
    photo: Photo,
    *,
    output: Output,
    frames: Annotated[int, typer.Option(min=1, max=10000, help="Pictures of a whole turn.")] = 90,
    size: Size = None,
    person: Person = 0,
    background: Background = None,
    body: Body = "free",
    elevation: Annotated[
        float, typer.Option("--elevation", min=-90, max=90, help="Degrees that the viewer stands above the person.")
    ] = 0.0,
    angles: Annotated[
        str | None,
        typer.Option("--angles", help="Degrees round the person, such as 0,90,180, instead of a turn."),
    ] = None,
    rate: Annotated[str, typer.Option("--frame-rate", help="Frames a second, such as 30 or 30000/1001.")] = "30",
    motion: Annotated[Path | None, typer.Option(help="Go round while the person moves, as for imitate.")] = None,
    moment: Annotated[
        float | None, typer.Option(min=0, help="Second at which the motion stops while the camera goes round once.")
    ] = None,
    source: Sources = None,
    painter: Painter = "auto",
    weights: Weights = None,
    tune: Tune = 0,
    face: Face = None,
    licence: Licence = "any",
    as_json: AsJson = False,
) -> None:
    """Walk round the person in PHOTO.

    The output is a video of a whole turn, of the given angles, or of a motion seen from all sides; or a folder or
    view_%05d.png for single pictures.
    """
    from limner import api

    repair = _repair(face, photo, licence)
    with ProgressBar() as progress:
        report = api.view(
            photo,
            output,
            frames=frames,
            size=size,
            person=person,
            background=background,
            body=body,
            elevation_deg=elevation,
            angles_deg=read_numbers(angles),
            frame_rate=read_rate(rate),
            motion=motion,
            moment=moment,
            sources=source or (),
            painter=painter,
            weights=weights,
            tune=tune,
            face_pass=repair,
            licence=licence,
            progress=progress,
        )
    _tell(report, repair, as_json)


@verb
def swap(
    photo: Photo,
    clothes: Annotated[
        Path, typer.Argument(metavar="CLOTHES", help="A photo of who wears the clothes.", show_default=False)
    ],
    *,
    output: Output,
    parts: Annotated[
        str,
        typer.Option(help="What to take over: any of torso, arms, hands, legs, feet, head; upper, lower, body, all."),
    ] = "torso,arms,legs",
    person: Person = 0,
    clothes_person: Annotated[int, typer.Option(min=0, help="Which person of the clothes' photo.")] = 0,
    size: Size = None,
    background: Background = None,
    motion: Annotated[Path | None, typer.Option(help="Let the result move, as for imitate.")] = None,
    body: Body = "free",
    source: Sources = None,
    painter: Painter = "auto",
    weights: Weights = None,
    tune: Tune = 0,
    face: Face = None,
    licence: Licence = "any",
    as_json: AsJson = False,
) -> None:
    """Dress the person in PHOTO in what the person in CLOTHES wears.

    The output is a picture, or with --motion a video.
    """
    from limner import api

    repair = _repair(face, photo, licence)
    with ProgressBar() as progress:
        report = api.swap(
            photo,
            clothes,
            output,
            parts=read_words(parts),
            person=person,
            clothes_person=clothes_person,
            size=size,
            background=background,
            motion=motion,
            body=body,
            sources=source or (),
            painter=painter,
            weights=weights,
            tune=tune,
            face_pass=repair,
            licence=licence,
            progress=progress,
        )
    _tell(report, repair, as_json)


def _repair(face: str | None, photo: Path, licence: LicenceName) -> FaceRepair | None:
    from limner import api

    return None if face is None else api.FaceRepair.load(face, photo, licence=licence)


def _tell(report: Any, repair: FaceRepair | None, as_json: bool) -> None:
    warn(report.warnings)
    if as_json:
        print_json(report if repair is None else {**plain(report), "faces_repaired": repair.repaired})
        return
    missing = f", {report.frames_without_person} without a person" if report.frames_without_person else ""
    typer.echo(
        f"{report.output}: {counted(report.frames, 'frame')}{missing}, "
        f"{report.seconds:.1f} s, {report.frames_per_second:.1f} a second"
    )
    if repair is not None:
        typer.echo(f"a better face was painted in {repair.repaired} of {repair.frames} frames")
