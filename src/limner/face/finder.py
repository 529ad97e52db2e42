"""Who shows their face in one picture: boxes, five points, meshes, and the squares that FFHQ's rule takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from limner.checks import InputError, NobodyFound, check_shape
from limner.detection import box_overlap, distinct
from limner.face.align import cut_quad, face_quad
from limner.face.detector import Candidates, FaceDetector
from limner.face.mesh import NUM_POINTS, Mesh, MeshNetwork, widened
from limner.face.squares import square_side
from limner.records import Boxes
from limner.types import RgbImage

_WORTH_A_LOOK = 0.35  # the detector's least score in a view; the mesh sorts out what is no face
_SAME = 0.3  # overlap above which two candidates, or two meshes, are one face
_INSIDE = 0.5  # share of the smaller that lies in the larger from which on it is a part of the same face
_ZOOMS = (1.6, 2.4, 3.5)  # side of a second view over the candidate's: the face fills 0.62, 0.42, 0.29 of it
_ALL_TURNS = (0, 1, 2, 3)


@dataclass(frozen=True)
class Faces:
    """The faces in one picture, largest first.

    Attributes:
        boxes: round all points of each; the score is `FaceFinder.settle`'s, 1 for points that were given by hand.
        five: middles of the eyes, tip of the nose, corners of the mouth; left before right as the face's own picture
            shows them when upright. Pixels.
        mesh: FaceMesh's points: pixels, z growing away from the viewer; None for points that were given by hand.
    """

    boxes: Boxes
    five: Float32[ndarray, "N 5 2"]
    mesh: Float32[ndarray, "N 468 3"] | None = None

    def __post_init__(self) -> None:
        check_shape(self.five, "the five points of faces", (len(self.boxes), 5, 2))
        if self.mesh is not None:
            check_shape(self.mesh, "meshes of faces", (len(self.boxes), NUM_POINTS, 3))

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: slice | list[int] | ndarray) -> Faces:
        return Faces(self.boxes[index], self.five[index], None if self.mesh is None else self.mesh[index])

    @property
    def quads(self) -> Float[ndarray, "N 4 2"]:
        """The turned squares of FFHQ's rule: corners top left, bottom left, bottom right, top right."""
        five = self.five.astype(np.float64)
        return np.array([face_quad(points[0], points[1], points[3:]) for points in five]).reshape(-1, 4, 2)

    @classmethod
    def by_hand(cls, five: Float[ndarray, "N 5 2"]) -> Faces:
        """Return faces whose five points a person gave, in the order given.

        Args:
            five: eye on the left of the picture, the other, nose, left and right corner of the mouth, pixels.

        Raises:
            ShapeError: there are not five points a face.
            InputError: a point is not finite, or eyes and mouth coincide.
        """
        points = np.asarray(five, np.float32)
        check_shape(points, "the five points of faces", ("N", 5, 2))
        if not np.isfinite(points).all():
            raise InputError("the five points of a face must be finite numbers")
        faces = cls(Boxes(np.zeros((len(points), 4)), np.ones(len(points))), points)
        quads = faces.quads
        # The inner part of FFHQ's square is what a mesh would cover: brow to chin.
        inner = np.array([widened(quad, 0.6) for quad in quads]).reshape(-1, 4, 2)
        boxes = np.concatenate([inner.min(axis=1), inner.max(axis=1)], axis=1)
        return cls(Boxes(boxes, np.ones(len(points))), points)


class FaceFinder:
    """BlazeFace searched over the picture, then FaceMesh for each face."""

    def __init__(self, detector: FaceDetector, mesh: MeshNetwork) -> None:
        self.detector = detector
        self.mesh = mesh

    @classmethod
    def load(cls, *, threads: int | None = None) -> FaceFinder:
        """Return a finder with the networks of the package; `threads` None takes all cores."""
        return cls(FaceDetector(threads=threads), MeshNetwork(threads=threads))

    def find(self, image: RgbImage, *, min_score: float = 0.6, smallest: float = 1 / 20) -> Faces:
        """Find every face in a picture, upright or turned.

        Args:
            image: RGB.
            min_score: the least score, 0 to 1: see `settle`.
            smallest: the least height of a face to search for, as a share of the picture's shorter side.

        Returns:
            The faces, largest first; an empty record where there is none.

        Raises:
            InputError: the picture is not RGB of 8 bits.
        """
        return faces_of_meshes(self.find_meshes(image, min_score=min_score, smallest=smallest))

    def find_meshes(
        self, image: RgbImage, *, min_score: float = 0.6, smallest: float = 1 / 20
    ) -> list[tuple[float, Mesh]]:
        """Return the score and the mesh of every face, largest first; see `find`."""
        check_picture(image)
        found = self._settled(image, self.detector.search(image, min_score=_WORTH_A_LOOK, smallest=smallest), min_score)
        if not found:
            # Faces that stand on their head or lie are rare: turned views are looked at where upright ones show none.
            turned = self.detector.search(image, min_score=_WORTH_A_LOOK, smallest=smallest, turns=_ALL_TURNS[1:])
            found = self._settled(image, turned, min_score)
        areas = [float(np.ptp(mesh.points[:, :2], axis=0).prod()) for _, mesh in found]
        return [found[index] for index in np.argsort([-area for area in areas], kind="stable")]

    def settle(self, image: RgbImage, quad: Float[ndarray, "4 2"], detector_score: float) -> tuple[float, Mesh]:
        """Look twice, the second time where the first mesh points, and return a score and the second mesh.

        The score is the geometric mean of the detector's score, the likeness of the two meshes and the mesh network's
        presence: on what is no face the network draws a mesh too, but another one each time.
        """
        first = self.mesh(image, widened(quad.astype(np.float64)))
        second = self.mesh(image, first.next_quad)
        return float(np.cbrt(detector_score * mesh_likeness(first, second) * second.presence)), second

    def follow(self, image: RgbImage, quad: Float[ndarray, "4 2"]) -> Mesh | None:
        """Look for a face whose place is nearly known, which costs a twentieth of a search.

        Args:
            image: RGB.
            quad: `Mesh.next_quad` of the frame before.

        Returns:
            The mesh, or None where there is no face.
        """
        mesh = self.mesh(image, quad)
        again = self.mesh(image, mesh.next_quad)
        return again if again.presence >= 0.5 and mesh_likeness(mesh, again) >= 0.5 else None

    def _settled(self, image: RgbImage, candidates: Candidates, min_score: float) -> list[tuple[float, Mesh]]:
        found: list[tuple[float, Mesh]] = []
        for index in _distinct(_bounds(candidates.quads)):
            detector_score, quad = self._look_again(image, candidates.quads[index].astype(np.float64))
            if detector_score > min_score**3:
                score, mesh = self.settle(image, quad, detector_score)
                if score >= min_score:
                    found.append((score, mesh))
        found.sort(key=lambda item: -item[0])
        return [found[index] for index in _distinct(_bounds([mesh.points[:, :2] for _, mesh in found]))]

    def _look_again(self, image: RgbImage, quad: Float[ndarray, "4 2"]) -> tuple[float, Float[ndarray, "4 2"]]:
        """Look straight at a candidate, every way up, then from farther; return the mean score and the best square.

        A face that stands on its head is seen as an upright one too, but less surely than after a half turn.
        """
        best, square = max(
            (self._straight(image, quad, _ZOOMS[0], turn) for turn in range(4)), key=lambda item: item[0]
        )
        others = [self._straight(image, square, zoom, 0)[0] for zoom in _ZOOMS[1:]]
        return float(np.mean([best, *others])), square

    def _straight(
        self, image: RgbImage, quad: Float[ndarray, "4 2"], zoom: float, turn: int
    ) -> tuple[float, Float[ndarray, "4 2"]]:
        """The best face that lies where the square does, in a view `zoom` times as large; score 0 if there is none."""
        view = widened(np.roll(quad, -turn, axis=0), zoom)
        seen = self.detector.look(image, view, 0.1)
        near = box_overlap(_bounds(quad[None]), _bounds(seen.quads))[0] > _SAME
        first = np.flatnonzero(near)[:1]
        return (float(seen.score[first[0]]), seen.quads[first[0]].astype(np.float64)) if len(first) else (0.0, quad)


@cache
def _default_finder() -> FaceFinder:
    return FaceFinder.load()


def find_faces(image: RgbImage) -> Faces:
    """Find every face of at least a twentieth of the picture's shorter side: `FaceFinder.find` with its defaults."""
    check_picture(image)  # before the networks are read: a bad picture is refused at once
    return _default_finder().find(image)


def align_face(image: RgbImage, index: int = 0, *, side: int = 256) -> RgbImage:
    """Cut a face out of a picture by FFHQ's rule, upright, as encoders want it.

    Args:
        image: RGB.
        index: which face, 0 the largest.
        side: of the crop in pixels.

    Raises:
        NobodyFound: the picture does not show so many faces.
        InputError: the picture is not RGB of 8 bits.
    """
    faces = find_faces(image)
    if not 0 <= index < len(faces):
        raise NobodyFound(f"the picture shows {len(faces)} faces, counted from 0, and number {index} was asked for")
    return cut_quad(image, faces.quads[index], side).image


def check_picture(image: RgbImage) -> None:
    """Raise `ShapeError` or `InputError` unless `image` is RGB, 8 bits, and not empty."""
    check_shape(image, "image", ("H", "W", 3))
    if image.dtype != np.uint8 or 0 in image.shape:
        raise InputError(f"image must be RGB of 8 bits with at least one pixel, got {image.dtype} {image.shape}")


def faces_of_meshes(found: list[tuple[float, Mesh]]) -> Faces:
    """Return the record of scored meshes, in their order."""
    meshes = [mesh for _, mesh in found]
    return Faces(
        Boxes(_bounds([mesh.points[:, :2] for mesh in meshes]), np.array([score for score, _ in found])),
        np.array([mesh.five for mesh in meshes], np.float32).reshape(-1, 5, 2),
        np.array([mesh.points for mesh in meshes], np.float32).reshape(-1, NUM_POINTS, 3),
    )


def mesh_likeness(first: Mesh, second: Mesh) -> float:
    """Return how alike two meshes lie, 0 to 1: a Gauss bell of the distances, 0.1 of the face wide."""
    size = square_side(second.next_quad) / 1.5
    distance = np.linalg.norm(first.points[:, :2] - second.points[:, :2], axis=1) / max(size, 1e-6)
    return float(np.exp(-(distance**2) / (2 * 0.1**2)).mean())


def _bounds(points: list[ndarray] | ndarray) -> Float32[ndarray, "N 4"]:
    """Boxes round sets of points."""
    return np.array([[*item.min(axis=0), *item.max(axis=0)] for item in points], np.float32).reshape(-1, 4)


def _distinct(boxes: Float32[ndarray, "N 4"]) -> list[int]:
    """Indices of the boxes that neither overlap one before them nor lie within it."""
    areas = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-9)
    union = box_overlap(boxes, boxes)
    shared = union / (1 + union) * (areas[:, None] + areas)
    return distinct((union > _SAME) | (shared / np.minimum(areas[:, None], areas) > _INSIDE)).tolist()
