"""Face tables, the maps that networks see in place of a mesh, and what a face index map says about visibility.

A table has one row per face and a last row for the background, so that looking it up by a face index map of -1 for
"none" needs no test. Face index maps may carry any leading axes. F faces, V vertices.

Source: Liu et al. 2019, section 3.1; svip-lab/impersonator `utils/mesh.py` and `utils/nmr.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, Integer
from numpy import ndarray

from limner.body import BodyData
from limner.checks import InputError, check_shape
from limner.types import MapName

NOWHERE = np.float32(-2)
"""The point of a face that is left out: outside of every picture, so that sampling there gives nothing."""


@dataclass(frozen=True)
class FaceLabels:
    """What is known about the faces of a mesh apart from where they are.

    Attributes:
        num_faces: how many faces there are.
        uv: texture coordinates of the corners in [0, 1], u right, v down; None without an atlas.
        parts: faces of each part by its name; together every face.
        head: the faces of the head.
        facial: the faces of the face, a part of the head.
    """

    num_faces: int
    uv: Float32[ndarray, "F 3 2"] | None = None
    parts: dict[str, ndarray] = field(default_factory=dict)
    head: ndarray | None = None
    facial: ndarray | None = None

    def __post_init__(self) -> None:
        if self.uv is not None:
            check_shape(self.uv, "uv", (self.num_faces, 3, 2))
        for name, faces in {**self.parts, "head": self.head, "facial": self.facial}.items():
            if faces is not None and len(faces) and not 0 <= np.min(faces) <= np.max(faces) < self.num_faces:
                raise InputError(f"{name} names faces outside 0 to {self.num_faces - 1}")

    @classmethod
    def from_body(cls, body: BodyData) -> FaceLabels:
        """Take the labels of a body."""
        lists = body.face_lists
        return cls(len(body.faces), body.uv, body.face_parts, lists.get("head"), lists.get("face"))

    def doubled(self) -> FaceLabels:
        """Return the labels of the mesh with all faces appended in reversed corner order (`fill_back`)."""

        def both(faces: ndarray) -> ndarray:
            return np.concatenate([faces, np.asarray(faces) + self.num_faces])

        uv = None if self.uv is None else np.concatenate([self.uv, self.uv[:, ::-1]])
        parts = {name: both(faces) for name, faces in self.parts.items()}
        head, facial = (None if faces is None else both(faces) for faces in (self.head, self.facial))
        return FaceLabels(2 * self.num_faces, uv, parts, head, facial)


def face_table(
    labels: FaceLabels | BodyData, name: MapName = "uv_seg", *, fill_back: bool = False
) -> Float32[ndarray, "rows C"]:
    """Make the table behind a condition map: one row per face, the last row for the background.

    Args:
        labels: the mesh's labels, or a body.
        name: "uv" (code of 2 numbers; background -1), "uv_seg" (code and 0; background 0, 0, 1), "seg" (1; background
            0), "par" (one-hot over the parts in the order of their names; the background last), "front" (facial
            faces), "head", "back" (head without facial faces; background 0 for the three), "ids" (index / F;
            background -1), "binary" (bits of the index, the highest first; background -1).
        fill_back: rows for the faces that `rasterise(fill_back=True)` appends.

    Raises:
        InputError: an unknown name, labels that the map needs and the mesh lacks, or parts that leave faces out.

    Source: svip-lab/impersonator `utils/mesh.py`. Differences: `fill_back` reaches "par" too, and "ids" has its column.
    """
    if isinstance(labels, BodyData):
        labels = FaceLabels.from_body(labels)
    if name not in _ROWS:
        raise InputError(f"map must be one of {', '.join(get_args(MapName))}, got {name!r}")
    rows, background = _ROWS[name](labels.doubled() if fill_back else labels)
    return np.concatenate([rows, np.broadcast_to(np.asarray(background, np.float32), (1, rows.shape[1]))]).astype(
        np.float32
    )


def condition_map(
    table: Float32[ndarray, "rows C"], face_index: Integer[ndarray, "*N H W"]
) -> Float32[ndarray, "*N H W C"]:
    """Look up a face table at every pixel.

    Raises:
        InputError: the map names a face that the table lacks.
    """
    if face_index.size and face_index.max() >= len(table) - 1:
        raise InputError(f"the map names face {face_index.max()}, the table has rows for {len(table) - 1} faces")
    return table[face_index]


def part_of_face(labels: FaceLabels | BodyData) -> Int32[ndarray, "F"]:
    """Return the number of each face's part, in the sorted order of their names."""
    table = face_table(labels, "par")
    return table[:-1].argmax(axis=1).astype(np.int32)


def part_map(labels: FaceLabels | BodyData, face_index: Integer[ndarray, "*N H W"]) -> Int32[ndarray, "*N H W"]:
    """Return the number of the part that owns each pixel, -1 for the background."""
    return np.append(part_of_face(labels), np.int32(-1))[face_index]


def first_edge_middle(corners: Float[ndarray, "*N F 3 D"]) -> Float[ndarray, "*N F D"]:
    """Return the middle of the first edge of each face.

    Parity: svip-lab/impersonator `utils/mesh.py` calls this the face's barycentre. It is not the centroid, but codes of
    condition maps and the older flow are made of it, and published weights have seen no other.
    """
    return (corners[..., 0, :] + corners[..., 1, :]) * corners.dtype.type(0.5)


def image_corners(corners: Float32[ndarray, "*N F 3 3"]) -> Float32[ndarray, "*N F 3 2"]:
    """Return (x, y) of the rasteriser's corners in the picture frame, y down again."""
    return corners[..., :2] * np.array([1, -1], np.float32)


def face_visibility(face_index: Integer[ndarray, "*N H W"], num_faces: int) -> Bool[ndarray, "F"]:
    """Tell which faces own at least one pixel.

    Source: svip-lab/impersonator `utils/nmr.py`, which drops the least value of the map, on the assumption that it is
        -1, and so loses a face when the body fills the picture; here only -1 is dropped.
    """
    visible = np.zeros(num_faces + 1, bool)
    visible[face_index] = True
    return visible[:-1]


def vertex_visibility(
    face_index: Integer[ndarray, "*N H W"], faces: Integer[ndarray, "F 3"], num_vertices: int
) -> Bool[ndarray, "V"]:
    """Tell which vertices belong to a face that owns a pixel."""
    visible = np.zeros(num_vertices, bool)
    visible[faces[face_visibility(face_index, len(faces))]] = True
    return visible


def only_faces(points: Float32[ndarray, "F 3 2"], keep: Bool[ndarray, "F"]) -> Float32[ndarray, "F 3 2"]:
    """Move the corners of all faces but those to `keep` out of the picture, to `NOWHERE`."""
    return np.where(keep[:, None, None], points, NOWHERE)


def atlas_samples(uv: Float32[ndarray, "F 3 2"], steps: int = 3) -> Float32[ndarray, "F S 2"]:
    """Return the points of the atlas that fill a `steps` x `steps` texture of each face, in [-1, 1], v down.

    The weights of the first two corners run over 0 to 1 each, the first slowest, so that a half of the points lie
    beyond the third edge, as the published renderer's texture cubes want it; all are cut to the atlas.

    Source: svip-lab/impersonator `utils/mesh.py`, `create_uvsampler`.
    """
    ramp = np.linspace(0, 1, steps, dtype=np.float32)
    first, second = (grid.reshape(-1, 1) for grid in np.meshgrid(ramp, ramp, indexing="ij"))
    a, b, c = (uv[:, None, corner] for corner in range(3))
    return np.clip(c + first * (a - c) + second * (b - c), 0, 1) * np.float32(2) - np.float32(1)


Rows = tuple[Float[ndarray, "F C"], float | list[float]]


def _code(labels: FaceLabels) -> Float32[ndarray, "F 2"]:
    if labels.uv is None:
        raise InputError("this map needs an atlas, and the body has none; choose another map or another body")
    return first_edge_middle(np.asarray(labels.uv, np.float32))


def _uv(labels: FaceLabels) -> Rows:
    return _code(labels), -1.0


def _uv_seg(labels: FaceLabels) -> Rows:
    return np.pad(_code(labels), ((0, 0), (0, 1))), [0.0, 0.0, 1.0]


def _seg(labels: FaceLabels) -> Rows:
    return np.ones((labels.num_faces, 1)), 0.0


def _par(labels: FaceLabels) -> Rows:
    rows = np.zeros((labels.num_faces, len(labels.parts) + 1))
    for column, part in enumerate(sorted(labels.parts)):
        rows[labels.parts[part], column] = 1
    left_out = int((rows.sum(axis=1) == 0).sum())
    if left_out:
        raise InputError(f"the parts of the body leave out {left_out} of its {labels.num_faces} faces")
    return rows, [0.0] * len(labels.parts) + [1.0]


def _listed(labels: FaceLabels, *names: str) -> list[ndarray]:
    found = [getattr(labels, name) for name in names]
    if any(faces is None for faces in found):
        raise InputError(f"this map needs lists of the faces of {' and '.join(names)}, and the body has none")
    return found


def _marked(labels: FaceLabels, faces: ndarray) -> Rows:
    rows = np.zeros((labels.num_faces, 1))
    rows[faces] = 1
    return rows, 0.0


def _front(labels: FaceLabels) -> Rows:
    return _marked(labels, *_listed(labels, "facial"))


def _head(labels: FaceLabels) -> Rows:
    return _marked(labels, *_listed(labels, "head"))


def _back(labels: FaceLabels) -> Rows:
    head, facial = _listed(labels, "head", "facial")
    return _marked(labels, np.setdiff1d(head, facial))


def _ids(labels: FaceLabels) -> Rows:
    return np.arange(labels.num_faces)[:, None] / labels.num_faces, -1.0


def _binary(labels: FaceLabels) -> Rows:
    shifts = np.arange(labels.num_faces.bit_length())[::-1]
    return (np.arange(labels.num_faces)[:, None] >> shifts) & 1, -1.0


_ROWS = {
    "uv": _uv,
    "uv_seg": _uv_seg,
    "seg": _seg,
    "par": _par,
    "front": _front,
    "head": _head,
    "back": _back,
    "ids": _ids,
    "binary": _binary,
}
