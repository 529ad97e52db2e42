"""Imitation, new views and exchanged clothes with the published Liquid Warping weights, by the published conventions.

Bodies are 85 numbers: camera (s, tx, ty), 72 axis-angles in radians, 10 shapes, of an SMPL body. Pictures are square,
of the generator's size, RGB in [-1, 1] inside and 8-bit at the door. Frames stream: none is kept.
Source: Liu et al. 2019; svip-lab/impersonator `models/{imitator,viewer,swapper}.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from numpy import ndarray
from torch import Tensor

from limner.body import BodyData, FastSMPL
from limner.checks import InputError, check_shape
from limner.motion.cameras import matrix_from_euler, strategy_camera
from limner.motion.compiled import compile_frames
from limner.motion.flow import NOWHERE, flow_from_corners, warp
from limner.motion.generator import LiquidWarpingGenerator, Painting, SourceFeatures
from limner.motion.inpainting import GatedInpainter
from limner.motion.masks import erode
from limner.motion.recovery import DrawnBody
from limner.render import (
    FaceLabels,
    condition_map,
    corners_from_vertices,
    face_table,
    face_visibility,
    image_corners,
    only_faces,
    part_of_face,
    rasterise,
)
from limner.types import CameraStrategy, MapName

HEAD_PART = 0
_CAMERA, _POSED = 3, 75  # where pose and shape begin in the 85 numbers


@dataclass(frozen=True)
class PublishedOptions:
    """How the published jobs prepare a person.

    Attributes:
        background_erosion: by how many pixels' kernel the background shrinks before it is filled; odd.
        person_erosion: the same for the person that the source stream sees.
        only_visible: leave faces without a pixel in the photo out of the flow.
        copy_face: lay the photo's warped face over the painted one; it must be well aligned for that.
    """

    background_erosion: int = 13
    person_erosion: int = 3
    only_visible: bool = False
    copy_face: bool = False


@dataclass(frozen=True)
class PreparedPerson:
    """A photo read once, for any number of frames.

    Attributes:
        image: the photo in [-1, 1].
        body: its 85 numbers.
        drawn: the body as drawn over the photo.
        features: what the source stream made of it.
        background: the filled background, [-1, 1].
    """

    image: Float[Tensor, "1 3 H H"]
    body: Float32[ndarray, "85"]
    drawn: DrawnBody
    features: SourceFeatures
    background: Float[Tensor, "1 3 H H"]


@dataclass(frozen=True)
class PublishedFrame:
    """One painted frame.

    Attributes:
        picture: over the background, [-1, 1].
        painting: the person alone, and where the background shows.
        body: the 85 numbers that it shows.
        source_from_target: the flow by which the (first) photo was sampled.
        drawn: the body as drawn into the frame.
    """

    picture: Float[Tensor, "1 3 H H"]
    painting: Painting
    body: Float32[ndarray, "85"]
    source_from_target: Float[Tensor, "1 H H 2"]
    drawn: DrawnBody

    def to_u8(self) -> UInt8[ndarray, "H H 3"]:
        """Return RGB, 8 bits."""
        return eight_bits(self.picture)


def eight_bits(picture: Float[Tensor, "1 C H W"]) -> UInt8[ndarray, "H W C"]:
    """Turn [-1, 1] into 0 to 255. Difference: rounded and clipped; the published code cuts off and wraps round."""
    return ((picture[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


class PublishedPainter:
    """The published jobs over one generator and one SMPL body.

    Args:
        generator: with the published weights.
        body: an SMPL body; the free body has other faces, on which the weights mean nothing.
        labels: the atlas and part tables of that body's faces; the first part by name is the head.
        options: how a person is prepared.
        inpainter: fills the backgrounds; None lets the generator's own background stream do it.
        compiled: let frames be painted by what runs fastest here, after the first few; equal to torch within 1e-4.

    Raises:
        InputError: the body's faces and the labels differ in number, or the labels lack the atlas.
    """

    def __init__(
        self,
        generator: LiquidWarpingGenerator,
        body: BodyData,
        labels: FaceLabels,
        *,
        options: PublishedOptions | None = None,
        inpainter: GatedInpainter | None = None,
        compiled: bool = False,
    ) -> None:
        if len(body.faces) != labels.num_faces:
            raise InputError(
                f"the body has {len(body.faces)} faces and the face tables {labels.num_faces}: the published weights "
                "need an SMPL body with the tables made for it"
            )
        self.generator = generator.eval()
        self._is_compiled = compiled
        self._frames = compile_frames(self.generator) if compiled else self.generator
        self.inpainter = None if inpainter is None else inpainter.eval()
        self.options = options or PublishedOptions()
        self.labels = labels
        self._faces = body.faces
        self._pose = FastSMPL(body)
        self._table = face_table(labels, "uv_seg")

    @torch.no_grad()
    def prepare(self, image: UInt8[ndarray, "H H 3"], body: Float[ndarray, "85"]) -> PreparedPerson:
        """Read a photo once.

        Args:
            image: RGB, square, sides a multiple of eight.
            body: the person's 85 numbers in this photo.

        Raises:
            ShapeError: the picture is not square, its side no multiple of eight, or the body no row of 85.
            InputError: the picture is not 8-bit, or a number of the body is not finite.
        """
        check_shape(image, "image", (image.shape[0], image.shape[0], 3))
        if image.dtype != np.uint8:
            raise InputError(f"the photo must be 8-bit RGB, got {image.dtype}")
        body = _checked_body(body)
        picture = torch.from_numpy(image.astype(np.float32) / 255 * 2 - 1).permute(2, 0, 1)[None].contiguous()
        drawn = self.draw(self.vertices(body), body[:_CAMERA], image.shape[0])
        return PreparedPerson(picture, body, drawn, self._encode(picture, drawn), self._fill(picture, drawn))

    @torch.no_grad()
    def read_again(self, person: PreparedPerson) -> PreparedPerson:
        """Let this painter's source stream read a photo that another painter prepared; its background stays."""
        return replace(person, features=self._encode(person.image, person.drawn))

    def with_generator(self, generator: LiquidWarpingGenerator) -> PublishedPainter:
        """The same painter with another generator, such as a personalised one."""
        painter = copy.copy(self)
        painter.generator = generator.eval()
        painter._frames = compile_frames(painter.generator) if self._is_compiled else painter.generator
        return painter

    def imitate(
        self,
        person: PreparedPerson,
        bodies: Iterable[Float[ndarray, "85"]],
        strategy: CameraStrategy = "smooth",
    ) -> Iterator[PublishedFrame]:
        """Paint the person in each body's pose, with their own shape, one frame at a time.

        Args:
            person: prepared.
            bodies: the driver's 85 numbers, frame by frame.
            strategy: where the camera comes from, as in `strategy_camera`.

        Raises:
            ShapeError: a body is no row of 85.
            InputError: a number is not finite.
        """
        first = None
        for driver in bodies:
            driver = _checked_body(driver)
            first = driver[:_CAMERA] if first is None else first
            camera = strategy_camera(person.body[:_CAMERA], driver[None, :_CAMERA], first, strategy)[0]
            body = np.concatenate([camera, driver[_CAMERA:_POSED], person.body[_POSED:]]).astype(np.float32)
            yield self.paint([person], self.vertices(body), body)

    def view(
        self,
        person: PreparedPerson,
        euler: Float[ndarray, "3"],
        shift: Float[ndarray, "3"] | None = None,
    ) -> PublishedFrame:
        """Paint the person turned about the model's origin, seen by the photo's camera.

        Args:
            person: prepared.
            euler: angles about x, y and z in radians; `turn_vertices` says in which order.
            shift: metres, added after the turn.
        """
        shift = np.zeros(3) if shift is None else np.asarray(shift)
        return self.paint([person], turn_vertices(self.vertices(person.body), euler, shift), person.body)

    @torch.no_grad()
    def swap(
        self, person: PreparedPerson, other: PreparedPerson, kept_parts: Sequence[int] = (HEAD_PART,)
    ) -> PublishedFrame:
        """Dress the person as the other one is, in the person's own pose and before their own background.

        Args:
            person: who is painted.
            other: whose looks the parts that are not kept take.
            kept_parts: numbers of the parts, in the order of their names, that stay the person's; the head as
                published, none for the whole other person.

        Returns:
            The frame, with the flow into the OTHER's photo.
        """
        face_kept = np.isin(part_of_face(self.labels), np.asarray(kept_parts, dtype=np.int64))
        kept, taken = self._split_pixels(person.drawn, face_kept)
        from_other, from_self = self.swap_flows(person, other, kept_parts)
        warped = self.warp(other.image, from_other) * taken + self.warp(person.image, from_self) * kept
        inputs = torch.cat([warped, person.drawn.condition], dim=1)
        sources = [(other.features, from_other), (person.features, from_self)]
        painting = self._frames.transfer(inputs, sources)
        return PublishedFrame(painting.over(person.background), painting, person.body, from_other, person.drawn)

    def swap_flows(
        self, person: PreparedPerson, other: PreparedPerson, kept_parts: Sequence[int] = (HEAD_PART,)
    ) -> tuple[Float[Tensor, "1 H H 2"], Float[Tensor, "1 H H 2"]]:
        """Return the flows of `swap`: into the other's photo on the taken parts, into the own one on the kept."""
        face_kept = np.isin(part_of_face(self.labels), np.asarray(kept_parts, dtype=np.int64))
        drawn = person.drawn
        corners = only_faces(other.drawn.corners[0].numpy(), ~face_kept)
        from_other = flow_from_corners(torch.from_numpy(corners)[None], drawn.face_index, drawn.weights)
        # Parity: this grid spans the pixels' centres, the flow the picture's borders.
        steps = torch.linspace(-1, 1, drawn.face_index.shape[1])
        identity = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)[None]
        kept, _ = self._split_pixels(drawn, face_kept)
        from_self = torch.where(kept[:, 0, :, :, None] > 0, identity, torch.full_like(identity, NOWHERE))
        return from_other.clamp(NOWHERE, -NOWHERE), from_self

    def draw(self, vertices: Float32[ndarray, "V 3"], camera: Float32[ndarray, "3"], size: int) -> DrawnBody:
        """Rasterise a posed body and look its condition map up.

        Args:
            vertices: metres, in camera axes (y down).
            camera: (s, tx, ty).
            size: side of the picture in pixels.
        """
        corners = corners_from_vertices(vertices, self._faces, camera)
        raster = rasterise(corners, (size, size))
        condition = condition_map(self._table, raster.face_index).astype(np.float32)
        return DrawnBody(
            torch.from_numpy(raster.face_index)[None],
            torch.from_numpy(raster.weights)[None],
            torch.from_numpy(image_corners(corners))[None],
            torch.from_numpy(np.moveaxis(condition, -1, 0).copy())[None],
        )

    def vertices(self, body: Float32[ndarray, "85"]) -> Float32[ndarray, "V 3"]:
        """Return the body's posed points: metres, camera axes, about the model's origin."""
        return self._pose(body[None, _POSED:], body[_CAMERA:_POSED].reshape(1, 24, 3))[0][0]

    def warp(
        self, image: Float[Tensor, "1 C H W"], source_from_target: Float[Tensor, "1 h w 2"]
    ) -> Float[Tensor, "1 C h w"]:
        """Sample a picture by a flow as this generator was trained to see it."""
        return warp(image, source_from_target, align_corners=self.generator.config.align_corners)

    def _encode(self, picture: Tensor, drawn: DrawnBody) -> SourceFeatures:
        seen = 1 - erode(drawn.background, self.options.person_erosion)
        return self.generator.encode_source(torch.cat([picture * seen, drawn.condition], dim=1))

    def _fill(self, picture: Tensor, drawn: DrawnBody) -> Tensor:
        known = erode(drawn.background, self.options.background_erosion)
        if self.inpainter is not None:
            return self.inpainter(picture, 1 - known).refined
        return self.generator.bg_model(torch.cat([picture * known, known], dim=1))

    @torch.no_grad()
    def paint(
        self,
        people: Sequence[PreparedPerson],
        vertices: Float32[ndarray, "V 3"],
        body: Float32[ndarray, "85"],
        *,
        owner: Int[ndarray, "F"] | None = None,
    ) -> PublishedFrame:
        """Paint a posed body from one photo or several, over the first one's background.

        Args:
            people: prepared photos, at least one.
            vertices: metres, in camera axes (y down).
            body: its 85 numbers; the camera alone is used.
            owner: for each face the photo that it is taken from; needed where there is more than one, because the
                generator adds up what its sources say.

        Raises:
            InputError: several photos without owners.
        """
        if owner is None and len(people) != 1:
            raise InputError(f"each face needs the photo it is taken from, where there are {len(people)} photos")
        target = self.draw(vertices, body[:_CAMERA], people[0].image.shape[-1])
        flows = [self._flow(one, target, None if owner is None else owner == n) for n, one in enumerate(people)]
        # Whose faces the frame does not show has nothing to say.
        shown = [n for n, flow in enumerate(flows) if n == 0 or bool((flow > NOWHERE).any())]
        warped = torch.stack([self.warp(people[n].image, flows[n]) for n in shown]).sum(dim=0)
        inputs = torch.cat([warped, target.condition], dim=1)
        painting = self._frames.transfer(inputs, [(people[n].features, flows[n]) for n in shown])
        picture = painting.over(people[0].background)
        if self.options.copy_face:
            facial = self.face_map(target)
            picture = (1 - facial) * picture + facial * warped * (1 - painting.mask)
        return PublishedFrame(picture, painting, body, flows[0], target)

    def _flow(self, person: PreparedPerson, target: DrawnBody, owned: ndarray | None) -> Float[Tensor, "1 H H 2"]:
        corners = person.drawn.corners
        if self.options.only_visible:
            seen = face_visibility(person.drawn.face_index[0].numpy(), self.labels.num_faces)
            owned = seen if owned is None else owned & seen
        if owned is not None:
            corners = torch.from_numpy(only_faces(corners[0].numpy(), owned))[None]
        return flow_from_corners(corners, target.face_index, target.weights)

    def face_map(self, drawn: DrawnBody, name: MapName = "front") -> Float[Tensor, "1 1 H H"]:
        """Return the map "front" (the face), "head" or "back" (of the head) of a drawn body."""
        chosen = condition_map(face_table(self.labels, name), drawn.face_index.numpy())
        return torch.from_numpy(np.moveaxis(chosen, -1, 1).astype(np.float32))

    @staticmethod
    def _split_pixels(drawn: DrawnBody, face_kept: ndarray) -> tuple[Tensor, Tensor]:
        """Pixels on kept faces and on the others, each (1, 1, H, H)."""
        inside = drawn.face_index >= 0
        kept = torch.from_numpy(face_kept)[drawn.face_index.clamp(min=0).long()] & inside
        return kept[:, None].float(), (inside & ~kept)[:, None].float()


def turn_vertices(
    vertices: Float[ndarray, "V 3"], euler: Float[ndarray, "3"], shift: Float[ndarray, "3"]
) -> Float32[ndarray, "V 3"]:
    """Turn points about the origin, then shift them.

    Parity: rows are multiplied by R = Rz Ry Rx from the right, so the points turn by the inverse of R.
    """
    return (np.asarray(vertices) @ matrix_from_euler(euler) + shift).astype(np.float32)


def _checked_body(body: ndarray) -> Float32[ndarray, "85"]:
    body = np.asarray(body, np.float32)
    check_shape(body, "body", (85,))
    if not np.isfinite(body).all():
        raise InputError("a body's 85 numbers must be finite; at least one is not")
    return body
