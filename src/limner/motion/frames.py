"""Frames one after another: a person's bodies painted from a camera that may go round them, the face repaired last.

None is kept, so memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.body import BodyData, FastSMPL, pixels_from_picture, project_weak
from limner.checks import InputError
from limner.records import Bodies, Motion
from limner.types import CameraStrategy, RgbImage

FacePass: TypeAlias = Callable[[RgbImage, Float32[ndarray, "4"]], RgbImage]
"""Takes a frame and the head's box (left, top, right, bottom) in its pixels; gives the frame with a better face."""

HEAD_GROWTH = 1.3
"""The box is so much larger than the bare head: hair."""
HEAD_PART = "00_head"


class Performer(Protocol):
    """Whoever can be filmed: an `Actor` or a `PublishedActor`."""

    @property
    def body(self) -> BodyData:
        """The body model."""

    @property
    def bodies(self) -> Bodies:
        """The body in the photo, one row."""

    @property
    def offsets(self) -> Float32[ndarray, "V 3"] | None:
        """From the bare body to the dressed one, metres in the rest pose."""

    @property
    def pose(self) -> FastSMPL:
        """The body's fast layer."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Of every frame."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""

    def place(self, motion: Motion | Bodies, camera: CameraStrategy = "smooth") -> Bodies:
        """Bodies of this person that play a motion."""

    def paint(self, bodies: Bodies, *, turn: Float32[ndarray, "3 3"] | None = None, threads: int = 1) -> Any:
        """Paint one body."""

    def frame(self, painted: Any) -> UInt8[ndarray, "H W C"]:
        """The whole frame."""


@dataclass(frozen=True)
class Shot:
    """One frame to be painted.

    Attributes:
        row: of the bodies.
        angle_deg: how far the view stands round the person; positive turns their front to the picture's right.
    """

    row: int
    angle_deg: float = 0.0


def shoot(
    actor: Performer,
    bodies: Bodies,
    shots: Sequence[Shot],
    *,
    elevation_deg: float = 0.0,
    face_pass: FacePass | None = None,
    threads: int = 1,
) -> Iterator[UInt8[ndarray, "H W C"]]:
    """Paint frames one by one.

    Args:
        actor: whom.
        bodies: placed, see `Actor.place`.
        shots: which bodies, from where.
        elevation_deg: how far all views come from above.
        face_pass: repairs the face in each frame whose picture holds the head.
        threads: of the drawing.
    """
    for shot in shots:
        row, turn = bodies[shot.row : shot.row + 1], view_turn(shot.angle_deg, elevation_deg)
        frame = actor.frame(actor.paint(row, turn=turn, threads=threads))
        if face_pass is not None:
            box = head_box(actor, row, turn)
            if box is not None:
                repaired = face_pass(np.ascontiguousarray(frame[..., :3]), box)
                frame = np.concatenate([repaired, frame[..., 3:]], axis=2)
        yield frame


def view_turn(angle_deg: float, elevation_deg: float = 0.0) -> Float32[ndarray, "3 3"] | None:
    """Return the turn about the pelvis that shows a person from another side; None from the camera's own."""
    if angle_deg % 360 == 0 and elevation_deg == 0:
        return None
    return Rotation.from_euler("yx", [-angle_deg, elevation_deg], degrees=True).as_matrix().astype(np.float32)


def round_the_motion(count: int, per_turn: int) -> list[Shot]:
    """The camera goes round at an even pace while the motion runs."""
    return [Shot(row, 360 * row / per_turn) for row in range(count)]


def round_a_moment(count: int, moment: int, per_turn: int) -> list[Shot]:
    """The motion stops at one of its frames, the camera goes once round, and the motion goes on.

    Raises:
        InputError: the motion is over by then.
    """
    if not 0 <= moment < count:
        raise InputError(f"the motion has {count} frames, so it cannot be stopped at frame {moment}")
    round_it = [Shot(moment, 360 * step / per_turn) for step in range(per_turn)]
    return [*map(Shot, range(moment)), *round_it, *map(Shot, range(moment, count))]


def head_box(
    actor: Performer, row: Bodies, turn: Float32[ndarray, "3 3"] | None = None
) -> Float32[ndarray, "4"] | None:
    """Return the box of the head in a frame, hair included, cut at the border; None where it is out of the picture."""
    vertices, joints = actor.pose(row.betas, row.rotvec, actor.offsets)
    members = np.unique(actor.body.faces[actor.body.face_parts[HEAD_PART]])
    head = vertices[0, members]
    if turn is not None:
        head = (head - joints[0, 0]) @ turn.T + joints[0, 0]
    points = pixels_from_picture(project_weak(head.astype(np.float32), row.weak_camera[0]), actor.size_hw)
    low, high = points.min(axis=0), points.max(axis=0)
    middle, reach = (low + high) / 2, (high - low) * HEAD_GROWTH / 2
    edge = np.array(actor.size_hw[::-1])
    low, high = np.clip(middle - reach, 0, edge), np.clip(middle + reach, 0, edge)
    return np.concatenate([low, high]).astype(np.float32) if (high - low >= 1).all() else None
