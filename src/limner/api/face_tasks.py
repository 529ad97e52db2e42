"""What the verb face is asked for: one or several tasks of the face room, and the editor that does them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import get_args

import torch
from jaxtyping import Bool
from numpy import ndarray

from limner.checks import InputError
from limner.face import (
    DRAWN,
    Distance,
    FaceEditor,
    Faces,
    FaceTask,
    FaceTaskName,
    Latent,
    check_task,
    cut_quad,
    find_faces,
    ir_se50,
)
from limner.losses import Lpips, face_features
from limner.media import PICTURE_SUFFIXES, over_white, read_image, read_image_rgba
from limner.types import LicenceName
from limner.weights import file_path, list_weights, read_checkpoint

_RECOGNISER = "arcface-ir-se50"
_LPIPS_WEIGHT, _IDENTITY_WEIGHT = 0.8, 0.1  # of the published inversion


@dataclass(frozen=True)
class FaceOptions:
    """What is asked for; fields that a task has no use for are left as they are.

    Attributes:
        source: for mix and edit: the task by which the encoder is shown its source.
        factors: for upscale: how much pictures are shrunk first, a result for each; empty takes them as they are.
        mask: for inpaint: a picture of the input's size, white where it is to be filled; None takes what is
            transparent.
        rows: for mix and edit: rows of styles; None takes the task's own.
        alpha: for mix: the share of the other style.
        styles: for mix: whose: pictures of faces, or files of styles; empty draws random ones.
        count: for mix: how many results.
        seed: of random styles.
        direction: for edit: a file.
        strengths: for edit: how far to go, a result for each.
        truncation: how far styles stay from the mean: 1 leaves them.
        refine: steps of refinement.
        lpips: for refine: torchvision's AlexNet and the weights of LPIPS 0.1.
    """

    source: FaceTaskName = "invert"
    factors: tuple[int, ...] = ()
    mask: str | Path | None = None
    rows: tuple[int, ...] | None = None
    alpha: float | None = None
    styles: tuple[str | Path, ...] = ()
    count: int = 1
    seed: int = 0
    direction: str | Path | None = None
    strengths: tuple[float, ...] = (1.0,)
    truncation: float = 1.0
    refine: int = 0
    lpips: tuple[str | Path, str | Path] | None = None


def make_editor(
    weights: str | Path,
    *,
    generator: str | Path | None = None,
    blend_side: int | None = None,
    lpips: tuple[str | Path, str | Path] | None = None,
    licence: LicenceName = "any",
) -> FaceEditor:
    """Load the editor, with what refinement measures by: LPIPS where it is given, identity where IR-SE50 was imported.

    Raises:
        WeightsError: weights are missing, damaged, of another network, or may not be used.
        FileProblem: a file is missing.
        InputError: the second generator does not fit.
    """
    editor = FaceEditor.load(weights, generator=generator, blend_side=blend_side, licence=licence)
    distances: dict[str, tuple[float, Distance]] = {}
    if lpips is not None:
        distance = Lpips("alex").eval()
        distance.load_parts(*lpips)
        distances["lpips"] = (_LPIPS_WEIGHT, distance)
    if any(record.name == _RECOGNISER for record in list_weights()):
        distances["identity"] = (_IDENTITY_WEIGHT, _identity_distance)
    return replace(editor, distances=distances)


@cache
def _recogniser() -> torch.nn.Module:
    network = ir_se50().eval().requires_grad_(False)
    network.load_official(read_checkpoint(file_path(_RECOGNISER)))
    return network


def _identity_distance(picture: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    large = [torch.nn.functional.interpolate(part, (256, 256), mode="bilinear") for part in (picture, wanted)]
    made, target = (face_features(_recogniser(), part) for part in large)
    return 1 - (made * target).sum(dim=1).mean()


def make_tasks(name: FaceTaskName, options: FaceOptions, editor: FaceEditor) -> list[tuple[str, FaceTask]]:
    """Return the tasks with what is added to the names of their results.

    Raises:
        InputError: there is no such task, an option is missing, or the weights cannot do it.
        FileProblem: a direction or a file of styles cannot be read.
        ShapeError: it belongs to another generator.
    """
    if name not in get_args(FaceTaskName):
        raise InputError(f"no face task is called {name!r}; there are {', '.join(get_args(FaceTaskName))}")
    task = FaceTask(
        name,
        source=options.source,
        rows=options.rows,
        alpha=options.alpha,
        style=_styles(options.styles, editor) if name == "mix" and options.styles else None,
        count=options.count,
        seed=options.seed,
        direction=None if options.direction is None else editor.direction(options.direction),
        truncation=options.truncation,
        refine=options.refine,
    )
    if name == "edit":
        several = len(options.strengths) > 1
        return [(f"_{s:+g}" if several else "", replace(task, strength=s)) for s in options.strengths]
    if name == "upscale" and options.factors:
        several = len(options.factors) > 1
        return [(f"_x{factor}" if several else "", replace(task, factor=factor)) for factor in options.factors]
    return [("", task)]


def task_warnings(editor: FaceEditor, tasks: list[tuple[str, FaceTask]]) -> list[str]:
    """Return warnings about weights of another task; refuse those that cannot do it.

    Raises:
        InputError: the network's source has other channels than the task's.
    """
    return list(dict.fromkeys(warning for _, task in tasks for warning in check_task(editor, task)))


def is_drawn(tasks: list[tuple[str, FaceTask]]) -> bool:
    """Whether sources are drawings or label maps, in which no face is looked for."""
    return tasks[0][1].shown in DRAWN


def _styles(sources: tuple[str | Path, ...], editor: FaceEditor) -> Latent:
    """Styles from files of them, or from the largest faces of pictures."""
    parts = []
    for source in sources:
        if Path(source).suffix.lower() in PICTURE_SUFFIXES:
            picture = read_image(source)
            faces = find_faces(picture)
            crop = cut_quad(picture, faces.quads[0]).image if len(faces) else picture  # else it is aligned already
            parts.append(editor.encode(crop).wplus)
        else:
            parts.append(Latent.load(source).wplus)
    wrong = [tuple(part.shape[1:]) for part in parts if part.shape[1:] != editor.mean().shape]
    if wrong:
        raise InputError(f"styles of shape {wrong[0]} belong to another generator, this takes {editor.mean().shape}")
    return Latent(torch.cat([part.to(editor.mean()) for part in parts]))


def read_points(numbers: list[float] | None) -> Faces | None:
    """Return the face whose five points were given by hand.

    Raises:
        InputError: there are not ten finite numbers.
    """
    if numbers is None:
        return None
    if len(numbers) != 10:
        raise InputError(
            f"five points are ten numbers: x and y of both eyes, the nose and both corners of the mouth; "
            f"got {len(numbers)}"
        )
    return Faces.by_hand(torch.tensor(numbers).reshape(1, 5, 2).numpy())


def read_mask(path: str | Path) -> Bool[ndarray, "H W"]:
    """Return what inpainting is to fill: where a picture is white."""
    rgba = read_image_rgba(path)
    white: Bool[ndarray, "H W"] = over_white(rgba).max(axis=2) > 127
    return white
