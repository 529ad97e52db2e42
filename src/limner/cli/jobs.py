"""The verbs that make pictures: imitate, view, swap."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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
    command_of,
    read_numbers,
    read_rate,
    read_words,
)
from limner.cli.outcome import counted, plain, print_json, verb, warn
from limner.cli.progress import ProgressBar
from limner.types import CameraStrategy, PainterName

if TYPE_CHECKING:
    from limner.api import FaceRepair, Report

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


@dataclass(frozen=True)
class Scene:
    """The options that these verbs share."""

    output: Output
    person: Person = 0
    size: Size = None
    background: Background = None
    body: Body = "free"
    source: Sources = None
    painter: Painter = "auto"
    weights: Weights = None
    tune: Tune = 0
    face: Face = None
    licence: Licence = "any"
    as_json: AsJson = False

    def make(self, photo: Path, job: Callable[..., Report]) -> None:
        """Run a job, and tell what it did."""
        from limner import api

        repair = None if self.face is None else api.FaceRepair.load(self.face, photo, licence=self.licence)
        with ProgressBar() as progress:
            report = job(
                person=self.person,
                size=self.size,
                background=self.background,
                body=self.body,
                sources=self.source or (),
                painter=self.painter,
                weights=self.weights,
                tune=self.tune,
                face_pass=repair,
                licence=self.licence,
                progress=progress,
            )
        _tell(report, repair, self.as_json)


def _painting(function: Callable[..., None]) -> Callable[..., None]:
    """Make a verb of `function`, whose `scene` is read from the options of `Scene`."""
    output, *shared = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(Scene, eval_str=True).parameters.values()
    ]
    own = inspect.signature(function, eval_str=True).parameters
    arguments = [one for one in own.values() if one.kind is not inspect.Parameter.KEYWORD_ONLY]
    options = [one for one in own.values() if one.kind is inspect.Parameter.KEYWORD_ONLY and one.name != "scene"]

    def run(given: dict[str, Any]) -> None:
        scene = Scene(**{option.name: given.pop(option.name) for option in (output, *shared)})
        function(**given, scene=scene)

    return verb(command_of(run, [*arguments, output, *options, *shared], name=function.__name__, text=function.__doc__))


@_painting
def imitate(
    photo: Photo,
    motion: Annotated[
        Path,
        typer.Argument(
            metavar="MOTION", help="Video, AMASS or SMPL npz, BVH, asf/amc, or keypoints json.", show_default=False
        ),
    ],
    *,
    scene: Scene,
    driver_person: Annotated[int, typer.Option(min=0, help="Which person of the driving video.")] = 0,
    camera: Annotated[
        CameraStrategy,
        typer.Option(help="smooth: follow the driver's steps; source: stay; copy: the driver's framing."),
    ] = "smooth",
    rate: Annotated[
        str | None,
        typer.Option("--frame-rate", help="Frames a second, such as 30 or 30000/1001.  [default: as the motion]"),
    ] = None,
    start: Annotated[float | None, typer.Option(min=0, help="First second of the motion to use.")] = None,
    end: Annotated[float | None, typer.Option(min=0, help="Second of the motion to stop at.")] = None,
) -> None:
    """Make the person in PHOTO move as MOTION does.

    The output is .mp4, .webm, .gif, .mov, or a folder or frame_%05d.png for single pictures; it is marked as synthetic.
    """
    from limner import api

    job = partial(
        api.imitate,
        photo,
        motion,
        scene.output,
        driver_person=driver_person,
        camera=camera,
        frame_rate=None if rate is None else read_rate(rate),
        start=start,
        end=end,
    )
    scene.make(photo, job)


@_painting
def view(
    photo: Photo,
    *,
    scene: Scene,
    frames: Annotated[int, typer.Option(min=1, max=10000, help="Pictures of a whole turn.")] = 90,
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
) -> None:
    """Walk round the person in PHOTO.

    The output is a video of a whole turn, of the given angles, or of a motion seen from all sides; or a folder or
    view_%05d.png for single pictures.
    """
    from limner import api

    job = partial(
        api.view,
        photo,
        scene.output,
        frames=frames,
        elevation_deg=elevation,
        angles_deg=read_numbers(angles),
        frame_rate=read_rate(rate),
        motion=motion,
        moment=moment,
    )
    scene.make(photo, job)


@_painting
def swap(
    photo: Photo,
    clothes: Annotated[
        Path, typer.Argument(metavar="CLOTHES", help="A photo of who wears the clothes.", show_default=False)
    ],
    *,
    scene: Scene,
    parts: Annotated[
        str,
        typer.Option(help="What to take over: any of torso, arms, hands, legs, feet, head; upper, lower, body, all."),
    ] = "torso,arms,legs",
    clothes_person: Annotated[int, typer.Option(min=0, help="Which person of the clothes' photo.")] = 0,
    motion: Annotated[Path | None, typer.Option(help="Let the result move, as for imitate.")] = None,
) -> None:
    """Dress the person in PHOTO in what the person in CLOTHES wears.

    The output is a picture, or with --motion a video.
    """
    from limner import api

    words = read_words(parts)
    scene.make(
        photo,
        partial(api.swap, photo, clothes, scene.output, parts=words, clothes_person=clothes_person, motion=motion),
    )


def _tell(report: Report, repair: FaceRepair | None, as_json: bool) -> None:
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
