"""The same face through a video: the mesh leads to the next frame's square, and is smoothed without lag."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from limner.checks import InputError
from limner.face.finder import FaceFinder, Faces, check_picture, faces_of_meshes
from limner.face.mesh import Mesh
from limner.face.squares import square_side
from limner.types import RgbImage

TrackedFace = tuple[int, RgbImage, Faces | None]

_SEARCH_EVERY = 5  # frames between two searches of the whole picture while nobody is followed
_REACH = 1.5  # sides of its square that a face may move while it is lost, and as much again each _DRIFT frames
_DRIFT = 15
_GROWTH = 2.0  # factor by which its size may have changed meanwhile
_JUMP = 0.5  # sides between two frames beyond which they are two shots, which are not smoothed together


def track_face(
    frames: Iterable[RgbImage],
    face: int = 0,
    *,
    smooth: float = 1.0,
    finder: FaceFinder | None = None,
) -> Iterator[TrackedFace]:
    """Follow one face through a video.

    Args:
        frames: RGB pictures of one size, in order; read one at a time, a few are held.
        face: which one, counted by size, largest first, in the first searched frame that shows so many.
        smooth: width in frames of the Gauss bell that points are averaged by, to both sides; 0 leaves them.
        finder: the networks to use; None takes the default ones.

    Yields:
        The frame's number from 0, the frame, and the face as a record of one row, or None where it is not seen. Every
        frame gives one answer, in order, at most two widths of the bell late. After a gap the face is the one
        nearest to where it was, if it is near enough for the time that passed; somebody elsewhere is not taken for it.

    Raises:
        InputError: `face` or `smooth` is negative, or a frame is no RGB picture.
    """
    if face < 0 or not smooth >= 0:
        raise InputError(f"a face counts from 0 and is smoothed by 0 or more frames, got {face} and {smooth}")
    follower = _Follower(finder or FaceFinder.load(), face)
    reach = int(np.ceil(2 * smooth))
    held: deque[tuple[int, RgbImage, Mesh | None]] = deque(maxlen=2 * reach + 1)
    waiting = 0  # frames at the end of `held` that are not answered yet
    for number, frame in enumerate(frames):
        check_picture(frame)
        held.append((number, frame, follower.see(frame)))
        waiting += 1
        if waiting > reach:
            yield _answer(list(held), len(held) - waiting, smooth)
            waiting -= 1
    for place in range(len(held) - waiting, len(held)):
        yield _answer(list(held), place, smooth)


class _Follower:
    """Where the face is in one frame after the other."""

    def __init__(self, finder: FaceFinder, face: int) -> None:
        self._finder, self._face = finder, face
        self._last: Mesh | None = None
        self._gap = 0  # frames since it was seen; frames in all while it never was
        self._searches = 0

    def see(self, frame: RgbImage) -> Mesh | None:
        """Return the face's mesh in the next frame, or None."""
        if self._last is not None and self._gap == 0:
            mesh = self._finder.follow(frame, self._last.next_quad)
            if mesh is not None and self._near(mesh):
                self._last = mesh
                return mesh
        found = self._search(frame) if self._gap % _SEARCH_EVERY == 0 else None
        self._gap = 0 if found is not None else self._gap + 1
        self._last = found or self._last
        return found

    def _search(self, frame: RgbImage) -> Mesh | None:
        meshes = [mesh for _, mesh in self._finder.find_meshes(frame)]
        if self._last is None:
            return meshes[self._face] if len(meshes) > self._face else None
        near = [mesh for mesh in meshes if self._near(mesh)]
        return min(near, key=self._distance, default=None)

    def _near(self, mesh: Mesh) -> bool:
        assert self._last is not None
        growth = square_side(mesh.next_quad) / square_side(self._last.next_quad)
        return 1 / _GROWTH < growth < _GROWTH and self._distance(mesh) < _REACH * (1 + self._gap / _DRIFT)

    def _distance(self, mesh: Mesh) -> float:
        """How far the face moved, in sides of its own square."""
        assert self._last is not None
        return _moved(self._last, mesh)


def _moved(first: Mesh, second: Mesh) -> float:
    distance = np.hypot(*(second.next_quad.mean(axis=0) - first.next_quad.mean(axis=0)))
    return float(distance) / square_side(first.next_quad)


def _answer(held: list[tuple[int, RgbImage, Mesh | None]], place: int, smooth: float) -> TrackedFace:
    number, frame, mesh = held[place]
    if mesh is None:
        return number, frame, None
    return number, frame, faces_of_meshes([(1.0, _smoothed(held, place, mesh, smooth))])


def _smoothed(held: list[tuple[int, RgbImage, Mesh | None]], place: int, mesh: Mesh, smooth: float) -> Mesh:
    """The mesh averaged with as many before as after it, as far as they follow each other without a gap or a cut."""
    reach = int(np.ceil(2 * smooth))
    sides = [_unbroken(mesh, [held[index][2] for index in indices]) for indices in _around(place, len(held), reach)]
    # As many on both sides: with more on one, a moving face would be drawn to where it was or will be.
    shorter = min(len(side) for side in sides)
    pairs = list(zip(*(side[:shorter] for side in sides), strict=True))
    weights = [float(np.exp(-(step**2) / (2 * smooth**2))) for step in range(1, len(pairs) + 1)]
    total = mesh.points.astype(np.float64)
    for weight, (before, after) in zip(weights, pairs, strict=True):
        total += weight * (before.points.astype(np.float64) + after.points)
    points: Float32[ndarray, "468 3"] = (total / (1 + 2 * sum(weights))).astype(np.float32)
    return Mesh(points, mesh.presence, mesh.next_quad)


def _around(place: int, count: int, reach: int) -> tuple[range, range]:
    """Numbers before a place, nearest first, and after it."""
    return range(place - 1, max(place - reach, 0) - 1, -1), range(place + 1, min(place + reach, count - 1) + 1)


def _unbroken(mesh: Mesh, others: list[Mesh | None]) -> list[Mesh]:
    kept = [mesh]
    for other in others:
        if other is None or _moved(kept[-1], other) > _JUMP:
            break
        kept.append(other)
    return kept[1:]


def steadiness(quads: Float[ndarray, "T 4 2"]) -> float:
    """Return how much squares shake: the mean second difference of their corners, as a share of their side."""
    second = np.diff(quads, n=2, axis=0)
    side = np.mean([square_side(quad) for quad in quads])
    return float(np.linalg.norm(second, axis=-1).mean() / side) if len(second) else 0.0
