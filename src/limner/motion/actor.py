"""The actor: a person taken from a photo once, then painted in any pose, from any side, in another's clothes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.body import BodyData, FastSMPL, load_body
from limner.checks import InputError, check_shape
from limner.motion.atlas import with_atlas
from limner.motion.background import compose_background, fill_background
from limner.motion.drawn import draw_figure
from limner.motion.painter import Layer, Painted, paint
from limner.motion.parts import part_shares
from limner.motion.photo import read_person
from limner.motion.placement import place_bodies
from limner.motion.silhouette import dress_body
from limner.motion.skirt import add_skirt
from limner.motion.slim import ReadSource, SlimPainter, choose_painter
from limner.motion.texture import read_appearance
from limner.records import Bodies, Keypoints, Motion
from limner.types import CameraStrategy, PainterName, RgbImage


@dataclass(frozen=True, eq=False)
class Actor:
    """A person ready to be painted: costly to prepare, cheap to move.

    Attributes:
        body: the body model.
        bodies: the person's body in the photo, one row.
        offsets: (V, 3) metres from the bare body to the dressed one, in the rest pose.
        layers: where the person's looks come from; more than one after `swap`.
        background: (H, W, 3) what lies behind; None for transparent results.
        photo: (H, W, 3) the photo itself, where its background is kept; None where it is replaced.
        warnings: what the user should know about this photo.
        painter: the network that corrects what is painted; None for the plain composite.
    """

    body: BodyData
    bodies: Bodies
    offsets: Float32[ndarray, "V 3"]
    layers: tuple[Layer, ...]
    background: RgbImage | None
    photo: RgbImage | None = None
    warnings: tuple[str, ...] = ()
    painter: SlimPainter | None = None

    @cached_property
    def pose(self) -> FastSMPL:
        """The body's fast layer."""
        return FastSMPL(self.body)

    @cached_property
    def sources(self) -> tuple[ReadSource, ...]:
        """The layers' photos as the painter has read them."""
        assert self.painter is not None, "asked for by the painter alone"
        return tuple(self.painter.read(layer.appearance, self.body) for layer in self.layers)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of every frame."""
        return self.bodies.size_hw

    @classmethod
    def prepare(
        cls,
        photo: RgbImage | str | Path,
        *,
        person: int = 0,
        size: int | None = None,
        background: str | Path | None = None,
        body: str = "free",
        painter: PainterName = "auto",
    ) -> Actor:
        """Find a person in a photo and make an actor of them.

        Args:
            photo: a picture, or its file.
            person: which one, counted from the largest.
            size: longer side of the frames in pixels, 256 to 1024; by default the photo's own within that range.
            background: None for the photo's own with the person taken out, a colour, a picture file, or "transparent".
            body: "free", or "smpl:PATH" for a licensed SMPL file.
            painter: "composite" paints by warping and filling alone, "slim" lets the slim network correct that, "auto"
                does so where its weights are there.

        Raises:
            NobodyFound: there is nobody in the photo.
            InputError: fewer people than `person` asks for, a size out of range, a photo too small.
            WeightsError: the slim network is asked for and its weights are not there.
        """
        corrector = choose_painter(painter)
        found = read_person(photo, person=person, size=size, body=body)
        actor = cls.build(
            found.image,
            found.alpha,
            found.bodies,
            keypoints=found.keypoints,
            background=background,
            warnings=found.warnings,
        )
        return replace(actor, painter=corrector)

    @classmethod
    def build(
        cls,
        image: RgbImage,
        alpha: Float32[ndarray, "H W"],
        bodies: Bodies,
        *,
        keypoints: Keypoints | None = None,
        background: str | Path | None = None,
        warnings: Iterable[str] = (),
    ) -> Actor:
        """Make an actor of a person whose mask and body are known.

        Args:
            image: the photo, at the size of the frames.
            alpha: how much of each pixel is this person.
            bodies: the person's body, one row; its camera must fit the photo's proportions.
            keypoints: the person's landmarks in the photo, one row; the face then meets them exactly.
            background: as in `prepare`.
            warnings: to hand on to the user.
        """
        check_shape(alpha, "alpha", image.shape[:2])
        bodies = replace(bodies, size_hw=image.shape[:2])
        data = with_atlas(load_body(bodies.body_model))
        pose = FastSMPL(data)
        offsets = dress_body(data, pose, bodies, alpha, keypoints=keypoints)
        rest = rest_body(data, bodies) + offsets
        figure = draw_figure(data, pose, bodies, bodies.size_hw, offsets=offsets)
        data = add_skirt(data, figure, alpha, rest)
        figure = draw_figure(data, pose, bodies, bodies.size_hw, offsets=offsets)
        look = read_appearance(image, alpha, data, figure, rest)
        filled = fill_background(image, alpha) if background is None else image
        backdrop = compose_background(background, filled, bodies.size_hw)
        whole = np.ones(data.num_vertices, np.float32)
        kept = image if background is None else None
        return cls(data, bodies, offsets, (Layer(look, whole),), backdrop, kept, tuple(warnings))

    def paint(
        self, bodies: Bodies, *, turn: Float32[ndarray, "3 3"] | None = None, threads: int = 1, guided: bool = False
    ) -> Painted:
        """Paint one body; `turn` views it from elsewhere, about its pelvis; `guided` keeps how it was painted."""
        figure = draw_figure(
            self.body, self.pose, bodies, self.size_hw, offsets=self.offsets, turn=turn, threads=threads
        )
        painted = paint(self.layers, self.body, figure, threads=threads, guided=guided or self.painter is not None)
        return painted if self.painter is None else self.painter.correct(painted, self.body, self.sources)

    def frame(self, painted: Painted) -> UInt8[ndarray, "H W C"]:
        """The whole frame: over the background, or RGBA where there is none."""
        if self.background is None:
            return painted.cut_out(self.size_hw)
        return painted.over(self.background, self.photo)

    def place(self, motion: Motion | Bodies, camera: CameraStrategy = "smooth") -> Bodies:
        """Bodies of this person that play a motion or follow a driver's bodies.

        Args:
            motion: a motion without pictures, or the bodies of a driving video.
            camera: with a driving video: `smooth` moves the person as the driver moves, starting where the photo has
                them; `source` keeps them in place; `copy` takes the driver's own camera. With a motion file `source`
                keeps the pelvis in place, everything else walks on the floor of the photo.
        """
        return place_bodies(motion, self.bodies, self.pose, camera)

    def imitate(
        self, motion: Motion | Bodies, *, camera: CameraStrategy = "smooth", threads: int = 1
    ) -> Iterator[UInt8[ndarray, "H W C"]]:
        """Frames of this person moving as `motion` does; see `place`."""
        placed = self.place(motion, camera)
        for t in range(len(placed)):
            yield self.frame(self.paint(placed[t : t + 1], threads=threads))

    def view(
        self, angles_deg: Iterable[float], *, elevation_deg: float = 0.0, threads: int = 1
    ) -> Iterator[UInt8[ndarray, "H W C"]]:
        """Frames of this person in the photo's pose, turned by each angle about the vertical.

        Args:
            angles_deg: degrees; positive turns the person's front towards the picture's right.
            elevation_deg: how far the view comes from above.
            threads: of the drawing.
        """
        for angle in angles_deg:
            turn = Rotation.from_euler("yx", [-angle, elevation_deg], degrees=True).as_matrix().astype(np.float32)
            yield self.frame(self.paint(self.bodies, turn=turn, threads=threads))

    def swap(self, clothes: Actor, parts: Sequence[str] = ("torso", "arms", "legs")) -> Actor:
        """This person wearing another's clothes.

        Args:
            clothes: the other, prepared with the same body model.
            parts: what to take from them; see `limner.motion.parts`.

        Raises:
            InputError: an unknown part, or body models that differ.
        """
        if clothes.body.name != self.body.name:
            raise InputError(f"both people need the same body model, got {self.body.name} and {clothes.body.name}")
        taken = part_shares(self.body, parts)
        layers = [Layer(layer.appearance, layer.share * (1 - taken)) for layer in self.layers]
        layers += [Layer(layer.appearance, layer.share * taken) for layer in clothes.layers]
        offsets = self.offsets + taken[:, None] * (clothes.offsets - self.offsets)
        legs = np.unique(self.body.faces[np.concatenate(_leg_faces(self.body))])
        # A skirt belongs to whom the legs are taken from.
        body = clothes.body if taken[legs].mean() > 0.5 else self.body
        return replace(self, body=body, offsets=offsets.astype(np.float32), layers=tuple(layers))


def rest_body(body: BodyData, bodies: Bodies) -> Float32[ndarray, "V 3"]:
    """The shaped body in T pose."""
    betas = bodies.betas[0]
    return (body.v_template + body.shapedirs[..., : len(betas)] @ betas).astype(np.float32)


def _leg_faces(body: BodyData) -> list[ndarray]:
    return [faces for name, faces in body.face_parts.items() if "leg" in name]
