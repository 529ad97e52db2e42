"""An actor painted by the published Liquid Warping weights: photos of any proportions, several at once, any background.

The network sees a square. A photo stands in the middle of it, its borders continued; the frames are cut out again. Each
face of the body is taken from one photo: the generator adds up what its sources say, so they must not speak twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from numpy import ndarray
from torch import Tensor

from limner.body import BodyData, FastSMPL, load_body, pixels_from_picture, project_weak
from limner.checks import InputError
from limner.motion.background import load_background
from limner.motion.generator import LiquidWarpingGenerator
from limner.motion.inpainting import GatedInpainter
from limner.motion.model_files import INPAINTER, is_imported, load_face_tables, load_published
from limner.motion.parts import part_shares
from limner.motion.photo import PhotoPerson, read_person
from limner.motion.placement import place_bodies
from limner.motion.published import (
    PreparedPerson,
    PublishedFrame,
    PublishedOptions,
    PublishedPainter,
    eight_bits,
)
from limner.motion.several import Sight, different_clothes, photo_shares
from limner.motion.surface import vertex_normals
from limner.records import Bodies, Motion
from limner.render import vertex_visibility
from limner.types import CameraStrategy, LicenceName, RgbImage

TRAINED_SIDE = 256
"""What the published weights were trained on; frames are this large unless asked otherwise."""
_STEP = 8
_NUM_BETAS = 10


@dataclass(frozen=True, eq=False)
class PublishedActor:
    """A person ready to be painted by published weights.

    Attributes:
        painter: the network and the body.
        body: the body model.
        bodies: the person's body in the first photo, one row.
        people: the photos as the network has read them.
        owner: (F,) for each face the photo that it is taken from.
        background: (1, 3, S, S) in [-1, 1]; None for transparent results.
        warnings: what the user should know about the photos.
    """

    painter: PublishedPainter
    body: BodyData
    bodies: Bodies
    people: tuple[PreparedPerson, ...]
    owner: Int[ndarray, "F"]
    background: Float[Tensor, "1 3 S S"] | None
    warnings: tuple[str, ...] = ()

    @property
    def offsets(self) -> None:
        """The published systems know no clothes beside the body."""
        return None

    @cached_property
    def pose(self) -> FastSMPL:
        """The body's fast layer."""
        return FastSMPL(self.body)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of every frame."""
        return self.bodies.size_hw

    @classmethod
    def prepare(
        cls,
        photo: RgbImage | str | Path,
        *,
        painter: PublishedPainter,
        person: int = 0,
        size: int | None = None,
        background: str | Path | None = None,
        body: str,
    ) -> PublishedActor:
        """Find a person in a photo and make an actor of them.

        Args:
            photo: a picture, or its file.
            painter: see `load_published_painter`.
            person: which one, counted from the largest.
            size: longer side of the frames in pixels; by default 256, as trained.
            background: None for the photo's own, filled; a colour, a picture file, or "transparent".
            body: "smpl:PATH", as the painter has it.

        Raises:
            NobodyFound: there is nobody in the photo, or fewer people than `person` asks for.
            InputError: a size out of range, or a photo too small.
        """
        return cls.build(
            read_person(photo, person=person, size=size or TRAINED_SIDE, body=body), painter, background=background
        )

    @classmethod
    def build(
        cls, found: PhotoPerson, painter: PublishedPainter, *, background: str | Path | None = None
    ) -> PublishedActor:
        """Make an actor of a person whose body is known."""
        bodies = replace(found.bodies, size_hw=found.image.shape[:2])
        square = into_square(found.image)
        prepared = painter.prepare(square, body_vector(bodies, len(square))[0])
        owner = np.zeros(painter.labels.num_faces, np.int64)
        data = load_body(bodies.body_model)
        backdrop: Tensor | None = prepared.background
        if background is not None:
            chosen = load_background(background, found.image.shape[:2])
            backdrop = None if chosen is None else _as_tensor(into_square(chosen))
        return cls(painter, data, bodies, (prepared,), owner, backdrop, tuple(found.warnings))

    def paint(self, bodies: Bodies, *, turn: Float32[ndarray, "3 3"] | None = None, threads: int = 1) -> PublishedFrame:
        """Paint one body; `turn` views it from elsewhere, about its pelvis. Torch's own threads are used."""
        vertices, joints = self.pose(bodies.betas, bodies.rotvec)
        posed = vertices[0]
        if turn is not None:
            pelvis = joints[0, 0]
            posed = ((posed - pelvis) @ turn.T + pelvis).astype(np.float32)
        vector = body_vector(replace(bodies, size_hw=self.size_hw), self.people[0].image.shape[-1])[0]
        owner = self.owner if len(self.people) > 1 else None
        return self.painter.paint(self.people, posed, vector, owner=owner)

    def frame(self, painted: PublishedFrame) -> UInt8[ndarray, "H W C"]:
        """The whole frame: over the background, or RGBA where there is none."""
        if self.background is None:
            alpha = (1 - painted.painting.mask) * 2 - 1
            picture = torch.cat([painted.painting.colour, alpha], dim=1)
        elif self.background is self.people[0].background:
            picture = painted.picture
        else:
            picture = painted.painting.over(self.background)
        return out_of_square(eight_bits(picture), self.size_hw)

    def place(self, motion: Motion | Bodies, camera: CameraStrategy = "smooth") -> Bodies:
        """Bodies of this person that play a motion or follow a driver's bodies, as `Actor.place` does."""
        return place_bodies(motion, self.bodies, self.pose, camera)

    def swap(self, clothes: PublishedActor, parts: Sequence[str] = ("torso", "arms", "legs")) -> PublishedActor:
        """This person wearing another's clothes.

        Args:
            clothes: the other, prepared by the same painter at the same size.
            parts: what to take from them; see `limner.motion.parts`.

        Raises:
            InputError: an unknown part, body models or sizes that differ.
        """
        if clothes.body.name != self.body.name:
            raise InputError(f"both people need the same body model, got {self.body.name} and {clothes.body.name}")
        taken = part_shares(self.body, parts)[self.body.faces].mean(axis=1) > 0.5
        owner = np.where(taken, clothes.owner + len(self.people), self.owner)
        return replace(self, people=(*self.people, *clothes.people), owner=owner)

    def with_photos(self, others: Sequence[PublishedActor]) -> PublishedActor:
        """The same person with more photos: each face is taken from the photo that shows it best.

        Args:
            others: the same person in other photos, prepared by the same painter.

        Raises:
            InputError: body models differ.
        """
        if any(other.body.name != self.body.name for other in others):
            raise InputError("all photos need the same body model")
        people = [self.people[0], *(other.people[0] for other in others)]
        shares = photo_shares(self.body, np.stack([_seen(self.painter, self.body, one) for one in people]))
        owner = shares[:, self.body.faces].mean(axis=2).argmax(axis=0)
        warnings = (*self.warnings, *(warning for other in others for warning in other.warnings))
        sights = [_sight(self.painter, self.body, one) for one in people]
        warnings = (*warnings, *different_clothes(self.body, sights))
        return replace(self, people=tuple(people), owner=owner, warnings=warnings)


def _seen(painter: PublishedPainter, body: BodyData, person: PreparedPerson) -> Float32[ndarray, "V"]:
    """How well a photo shows each vertex: the cosine to the view where it is in front, else 0."""
    visible = vertex_visibility(person.drawn.face_index[0].numpy(), body.faces, body.num_vertices)
    facing = -vertex_normals(painter.vertices(person.body), body.faces)[:, 2]
    return (visible * np.maximum(facing, 0)).astype(np.float32)


def _sight(painter: PublishedPainter, body: BodyData, person: PreparedPerson) -> Sight:
    colour = eight_bits(person.image)
    points = project_weak(painter.vertices(person.body), person.body[:3])
    return Sight(colour, pixels_from_picture(points, colour.shape[:2]), _seen(painter, body, person))


def load_published_painter(
    weights: str,
    body: str,
    *,
    options: PublishedOptions | None = None,
    licence: LicenceName = "any",
) -> PublishedPainter:
    """Load an imported generator with what it needs beside it.

    Args:
        weights: a name of `GENERATORS`.
        body: "smpl:PATH"; the weights mean nothing on another mesh.
        options: how a person is prepared.
        licence: commercial refuses weights that are not known to allow commercial use.

    Raises:
        InputError: the free body is asked for, or the SMPL file has other faces than the tables.
        WeightsError: the weights or the face tables were not imported, are damaged, or may not be used.
        FileProblem: there is no SMPL file.
    """
    if not body.startswith("smpl:"):
        raise InputError(
            f"the weights {weights} were made on SMPL's mesh and mean nothing on the free body: give your own SMPL "
            "file with --body smpl:PATH (from smpl.is.tue.mpg.de; limner may not ship it), or leave --weights out"
        )
    generator = load_published(weights, LiquidWarpingGenerator, licence=licence)
    labels = load_face_tables(licence=licence)
    inpainter = load_published(INPAINTER, GatedInpainter, licence=licence) if is_imported(INPAINTER) else None
    return PublishedPainter(generator, load_body(body), labels, options=options, inpainter=inpainter, compiled=True)


def into_square(image: UInt8[ndarray, "H W 3"]) -> UInt8[ndarray, "S S 3"]:
    """Put a picture into the middle of a square whose side is a multiple of eight; its borders go on."""
    top, left, side = _margins(image.shape[:2])
    bottom, right = side - image.shape[0] - top, side - image.shape[1] - left
    return cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REPLICATE)


def out_of_square(square: UInt8[ndarray, "S S C"], size_hw: tuple[int, int]) -> UInt8[ndarray, "H W C"]:
    """Undo `into_square`."""
    top, left, _ = _margins(size_hw)
    return np.ascontiguousarray(square[top : top + size_hw[0], left : left + size_hw[1]])


def _margins(size_hw: tuple[int, int]) -> tuple[int, int, int]:
    height, width = size_hw
    side = -(-max(size_hw) // _STEP) * _STEP
    return (side - height) // 2, (side - width) // 2, side


def body_vector(bodies: Bodies, side: int) -> Float32[ndarray, "N 85"]:
    """Return the published 85 numbers of bodies whose picture stands in the middle of a square of `side` pixels.

    Raises:
        InputError: the body has fewer than ten shape numbers.
    """
    if bodies.betas.shape[1] < _NUM_BETAS:
        raise InputError(f"the published body vector has ten shape numbers, got {bodies.betas.shape[1]}")
    camera = bodies.weak_camera.copy()
    camera[:, 0] *= max(bodies.size_hw) / side
    rotvec = bodies.rotvec.reshape(len(bodies), -1)
    return np.concatenate([camera, rotvec, bodies.betas[:, :_NUM_BETAS]], axis=1).astype(np.float32)


def _as_tensor(image: UInt8[ndarray, "S S 3"]) -> Float[Tensor, "1 3 S S"]:
    return torch.from_numpy(image.astype(np.float32) / np.float32(127.5) - 1).permute(2, 0, 1)[None].contiguous()
