"""The face room's door: an aligned face in, and what each task of pixel2style2pixel makes of it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from torch import Tensor

from limner.checks import InputError, check_shape
from limner.face.blend import blend_generators, check_same_shape
from limner.face.fast import FastGenerator
from limner.face.identity import default_identity
from limner.face.latent import Latent, read_direction
from limner.face.models import load_any_generator, load_face_model
from limner.face.psp import Psp
from limner.face.refine import Distance, Refinement, refine_latent
from limner.face.resample import resize_8bit
from limner.face.sources import DRAWN, FaceTaskName, check_channels, source_tensor
from limner.face.stylegan2 import Generator
from limner.face.tasks import face_tensor, picture_of
from limner.types import LicenceName, RgbImage

Identity: TypeAlias = Callable[[RgbImage, RgbImage], float | None]
"""Two aligned pictures of one size to how alike their faces are; None where one shows none."""

_FINE = 8  # the first row of colours and texture: the published mixing replaces rows 8 to the last
_MEAN_COUNT = 10_000
_MEAN_SEED = 0


@dataclass(frozen=True)
class FaceTask:
    """What is to be done with a face.

    Attributes:
        name: the task.
        source: for mix and edit: the task by which the source is shown to the encoder, such as sketch.
        factor: for upscale: how much the picture is shrunk first, to see what the network makes of it; None takes the
            picture as it is.
        hole: for inpaint: True where the aligned picture is to be filled.
        rows: for mix: rows that are replaced; None takes 8 and on, or the finer half where there are no more than 10.
            For edit: rows that are moved; None takes all.
        alpha: for mix: the share of the other style; None takes all of it.
        style: for mix: the styles to take; None draws random ones.
        count: for mix: how many results, each with its own random style, or the given ones in turn.
        seed: of random styles.
        direction: for edit: (R, D), such as `FaceEditor.direction` reads.
        strength: for edit: how far to go along it.
        truncation: how far styles stay from the mean: 1 leaves them, 0 gives the mean face.
        refine: steps of refinement after the encoder.
    """

    name: FaceTaskName = "invert"
    source: FaceTaskName = "invert"
    factor: int | None = None
    hole: Bool[ndarray, "H W"] | None = None
    rows: tuple[int, ...] | None = None
    alpha: float | None = None
    style: Latent | None = None
    count: int = 1
    seed: int = 0
    direction: Float[Tensor, "R D"] | None = None
    strength: float = 1.0
    truncation: float = 1.0
    refine: int = 0

    def __post_init__(self) -> None:
        if self.count < 1 or self.refine < 0:
            raise InputError(f"count is at least 1 and refine at least 0, got {self.count} and {self.refine}")
        if self.name == "edit" and self.direction is None:
            raise InputError("an edit goes along a direction: give one, such as a boundary of InterFaceGAN as npy")
        if self.refine and self.shown in DRAWN:
            raise InputError(f"refinement draws a result nearer to the photo it came from, and {self.shown} has none")

    @property
    def shown(self) -> FaceTaskName:
        """The task by which the source is shown to the encoder."""
        return self.source if self.name in ("mix", "edit") else self.name


@dataclass(frozen=True)
class FaceResult:
    """One result.

    Attributes:
        image: RGB, of the generator's size.
        latent: its styles.
        identity: how alike its face is to the given one, the cosine of their embeddings; None where a face is not
            found in either, or nobody is to be recognised (sketches, label maps).
        refinement: what the refinement did, if there was one.
    """

    image: RgbImage
    latent: Latent
    identity: float | None = None
    refinement: Refinement | None = None


@dataclass
class FaceEditor:
    """An encoder and a generator, with all that is done between them.

    Attributes:
        network: in evaluation mode.
        name: what messages call it.
        task: what the encoder was trained for, where that is known.
        generator: paints instead of the network's own, if given; of the same size and styles.
        identity: compares faces; None takes dlib's network. Any function of two pictures will do.
        distances: of refinement, beside the mean squared difference: name to weight and function.
        threads: for the generator; None takes all cores.
    """

    network: Psp
    name: str = "the network"
    task: FaceTaskName | None = None
    generator: Generator | None = None
    identity: Identity | None = None
    distances: Mapping[str, tuple[float, Distance]] = field(default_factory=dict)
    threads: int | None = None

    def __post_init__(self) -> None:
        self.network.eval().requires_grad_(False)
        if self.generator is not None:
            check_same_shape(self.network.decoder, self.generator, "second generator")
            self.generator.eval().requires_grad_(False)
        self._paint = FastGenerator(self.painting, threads=self.threads)
        self._mean: Tensor | None = None

    @classmethod
    def load(
        cls,
        weights: str | Path = "default",
        *,
        generator: str | Path | None = None,
        blend_side: int | None = None,
        licence: LicenceName = "any",
        threads: int | None = None,
    ) -> FaceEditor:
        """Load an encoder with its generator.

        Args:
            weights: a name of `limner weights list`, the folder of a run of `limner train face`, or a checkpoint of
                pixel2style2pixel, e4e or ReStyle.
            generator: a second generator that paints instead, such as a drawn one: a name or a file.
            blend_side: with a second generator: maps below this size stay the first's, so that only colours and
                texture are the second's.
            licence: commercial refuses weights that are not known to allow commercial use.
            threads: for the generator; None takes all cores.

        Raises:
            WeightsError: there are no such weights, they are damaged, hold another network, or may not be used.
            FileProblem: there is no such file.
            InputError: the second generator is of another size than the encoder's, or there is nothing to blend.
        """
        if blend_side is not None and generator is None:
            raise InputError("blending needs a second generator")
        model = load_face_model(weights, licence=licence)
        second = None if generator is None else load_any_generator(generator, licence=licence)[0]
        if second is not None and blend_side is not None:
            second = blend_generators(model.network.decoder, second, blend_side)
        return cls(model.network, model.name, model.task, second, threads=threads)

    @property
    def painting(self) -> Generator:
        """The generator that paints."""
        return self.network.decoder if self.generator is None else self.generator

    @property
    def side(self) -> int:
        """Side in pixels of the results."""
        return self.painting.config.size

    @property
    def num_rows(self) -> int:
        """How many styles a face has."""
        return self.painting.config.num_rows

    def encode(self, face: UInt8[ndarray, "H W *C"], task: FaceTask | None = None) -> Latent:
        """Return the styles of an aligned face as the encoder sees it.

        Args:
            face: RGB of any size; a label map (H, W) or a sketch where the task says so.
            task: how the face is shown to the encoder; inversion if not given.

        Raises:
            InputError: the weights are for sources of another kind, or the source is none that the task can use.
            ShapeError: the face is no picture.
        """
        task = task or FaceTask()
        _check_source(face, task)
        config = self.network.config
        source = source_tensor(
            task.shown,
            face,
            channels=config.source_channels,
            side=config.input_side,
            factor=task.factor,
            hole=task.hole,
        )
        with torch.inference_mode():
            wplus = self.network.encode(source[None].to(self._device))
        return Latent(wplus.clone())

    def decode(self, latent: Latent) -> list[RgbImage]:
        """Return the pictures of styles.

        Raises:
            ShapeError: the styles belong to another generator.
        """
        return [picture_of(torch.from_numpy(picture)) for picture in self._paint(latent.wplus)]

    def run(
        self, face: UInt8[ndarray, "H W *C"], task: FaceTask | None = None, *, scored: bool = True
    ) -> list[FaceResult]:
        """Do a task on an aligned face; a mixing gives as many results as it is asked for, other tasks one.

        Args:
            face: RGB of any size; a label map (H, W) or a sketch where the task says so.
            task: what to do; inversion if not given.
            scored: whether likeness is measured, which takes about as long as the rest.

        Raises:
            InputError: the weights are for sources of another kind, a row is not there, or the source is none that the
                task can use.
            ShapeError: the face is no picture, or styles or a direction belong to another generator.
        """
        task = task or FaceTask()
        latent = self.encode(face, task)
        refinement = None
        if task.refine:
            latent, refinement = refine_latent(
                self.painting,
                latent,
                face_tensor(face, 256)[None].to(self._device),
                steps=task.refine,
                distances=self.distances,
            )
        latents = self._changed(latent, task)
        images = [self._finished(image, face, task) for found in latents for image in self.decode(found)]
        like = [self._likeness(face, image, task) if scored else None for image in images]
        return [FaceResult(*item, refinement) for item in zip(images, latents, like, strict=True)]

    def invert(self, face: RgbImage, *, refine: int = 0) -> FaceResult:
        """Return the face as the generator makes it."""
        return self.run(face, FaceTask("invert", refine=refine))[0]

    def frontalise(self, face: RgbImage) -> FaceResult:
        """Return the face looking straight at the viewer; for weights that were trained so."""
        return self.run(face, FaceTask("frontalise"))[0]

    def sketch(self, drawing: UInt8[ndarray, "H W *C"]) -> FaceResult:
        """Return a face for a drawing, dark on white."""
        return self.run(drawing, FaceTask("sketch"))[0]

    def segments(self, labels: UInt8[ndarray, "H W *C"]) -> FaceResult:
        """Return a face for a label map."""
        return self.run(labels, FaceTask("segments"))[0]

    def upscale(self, face: RgbImage, factor: int | None = None) -> FaceResult:
        """Return the face with the detail that it lacks; with a factor it is shrunk by it first."""
        return self.run(face, FaceTask("upscale", factor=factor))[0]

    def colourise(self, face: RgbImage) -> FaceResult:
        """Return the face in colours that its brightness suggests."""
        return self.run(face, FaceTask("colourise"))[0]

    def inpaint(self, face: RgbImage, hole: Bool[ndarray, "H W"]) -> FaceResult:
        """Return the face with its hole filled; the rest stays as it was."""
        return self.run(face, FaceTask("inpaint", hole=hole))[0]

    def toonify(self, face: RgbImage) -> FaceResult:
        """Return the face as the second generator, or weights that were trained with one, draw it."""
        return self.run(face, FaceTask("toonify"))[0]

    def mix(
        self,
        face: RgbImage,
        *,
        rows: Sequence[int] | None = None,
        alpha: float | None = None,
        style: Latent | None = None,
        count: int = 1,
        seed: int = 0,
    ) -> list[FaceResult]:
        """Return the face with some rows of styles replaced by given or random ones: see `FaceTask`."""
        picked = None if rows is None else tuple(rows)
        return self.run(face, FaceTask("mix", rows=picked, alpha=alpha, style=style, count=count, seed=seed))

    def edit(
        self,
        face: RgbImage,
        direction: Float[Tensor, "R D"],
        strength: float = 1.0,
        *,
        rows: Sequence[int] | None = None,
    ) -> FaceResult:
        """Return the face moved along a direction of styles."""
        picked = None if rows is None else tuple(rows)
        return self.run(face, FaceTask("edit", direction=direction, strength=strength, rows=picked))[0]

    def direction(self, path: str | Path) -> Float[Tensor, "R D"]:
        """Read a direction of edits for this generator: see `read_direction`."""
        return read_direction(path, self.num_rows, self.painting.config.style_dim)

    def random_styles(self, count: int, seed: int = 0) -> Latent:
        """Return styles of faces that nobody has, one for all rows of each."""
        config = self.painting.config
        z = torch.randn(count, config.style_dim, generator=torch.Generator().manual_seed(seed))
        with torch.inference_mode():
            return Latent(self.painting.rows([self.painting.map_z(z.to(self._device))]).clone())

    def mean(self) -> Float[Tensor, "R D"]:
        """Return the mean style in all rows: the network's own, else that of ten thousand random faces."""
        if self._mean is None:
            own = self.network.latent_avg
            if own is None:
                seed = torch.Generator().manual_seed(_MEAN_SEED)
                own = self.painting.mean_style(_MEAN_COUNT, seed)
            rows = own.reshape(-1, own.shape[-1])
            self._mean = rows.expand(self.num_rows, -1)
        return self._mean

    @property
    def _device(self) -> torch.device:
        return self.painting.input.input.device

    def _changed(self, latent: Latent, task: FaceTask) -> list[Latent]:
        """The styles after what the task does to them."""
        if task.truncation != 1:
            latent = latent.truncate(task.truncation, self.mean())
        if task.name == "edit" and task.direction is not None:
            return [latent.move(task.direction, task.strength, task.rows)]
        if task.name != "mix":
            return [latent]
        rows = self._mixed_rows() if task.rows is None else task.rows
        others = self.random_styles(task.count, task.seed) if task.style is None else task.style
        turns = range(task.count if task.style is None else max(task.count, len(others)))
        return [latent.mix(Latent(others.wplus[[turn % len(others)]]), rows, task.alpha) for turn in turns]

    def _mixed_rows(self) -> tuple[int, ...]:
        first = _FINE if self.num_rows > _FINE + 2 else self.num_rows // 2
        return tuple(range(first, self.num_rows))

    def _finished(self, image: RgbImage, face: ndarray, task: FaceTask) -> RgbImage:
        """What of the generator's picture is the result: around a filled hole the given picture stays."""
        if task.shown != "inpaint" or task.hole is None:
            return image
        size = (image.shape[1], image.shape[0])
        share = resize_8bit(task.hole.astype(np.uint8) * 255, size)[..., None] / 255
        kept = resize_8bit(face, size).astype(np.float64)
        return np.rint(kept + share * (image - kept)).astype(np.uint8)

    def _likeness(self, face: ndarray, image: RgbImage, task: FaceTask) -> float | None:
        if task.shown in DRAWN:
            return None
        score = self.identity or default_identity()
        return score(resize_8bit(face, (256, 256)), resize_8bit(image, (256, 256)))


def check_task(editor: FaceEditor, task: FaceTask) -> list[str]:
    """Return warnings about weights that were trained for another task; refuse those that cannot do it.

    Raises:
        InputError: the network's source has other channels than the task's, its weights know no label maps, or nobody
            is there to draw.
    """
    check_channels(task.shown, editor.network.config.source_channels)
    trained = editor.task
    if trained is None or trained == task.shown:
        return []
    if task.shown == "segments":
        raise InputError(f"segments needs weights that were trained on label maps; {editor.name} was not")
    if task.shown == "toonify" and editor.generator is None:
        raise InputError(
            f"toonify needs a generator of drawn faces, or weights that were trained over one; {editor.name} was not: "
            "give --generator"
        )
    if trained == "invert" and task.shown == "toonify":
        return []
    return [f"{editor.name} was trained to {trained}, and is asked to {task.shown}: expect little likeness"]


def _check_source(face: ndarray, task: FaceTask) -> None:
    check_shape(face, "a face", ("H", "W") if face.ndim == 2 else ("H", "W", 3))
    if face.dtype != np.uint8 or 0 in face.shape:
        raise InputError(f"a face is a picture of 8 bits with at least one pixel, got {face.dtype} {face.shape}")
    if face.ndim == 2 and task.shown not in DRAWN:
        raise InputError(f"{task.shown} needs an RGB picture, got one of shape {face.shape}")
