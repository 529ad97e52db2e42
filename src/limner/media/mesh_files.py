"""Meshes as Wavefront OBJ and as binary PLY: metres, y up, faces anticlockwise seen from outside.

Sources: Wavefront's OBJ and Turk's PLY as their authors describe them; `texcoord` per face as MeshLab writes it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from limner.checks import InputError, check_shape
from limner.media.files import written_beside

__all__ = ["write_obj", "write_ply"]


def write_obj(
    path: str | Path,
    vertices: Float[ndarray, "V 3"],
    faces: Integer[ndarray, "F 3"],
    uv: Float[ndarray, "F 3 2"] | None = None,
) -> None:
    """Write a mesh as OBJ, with as many digits as 32-bit numbers hold.

    Args:
        path: the file.
        vertices: metres.
        faces: indices from 0.
        uv: texture coordinates of each face's corners, u right and v DOWN; the file's v runs up, as OBJ has it.

    Raises:
        ShapeError: the arrays do not fit each other.
        InputError: a number is not finite, or a face names no vertex.
        FileProblem: the file cannot be written.
    """
    _check_mesh(vertices, faces, uv)
    lines = ["# limner: metres, y up", *(f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in np.asarray(vertices).tolist())]
    corners = np.asarray(faces) + 1
    if uv is None:
        lines += [f"f {a} {b} {c}" for a, b, c in corners.tolist()]
    else:
        points, index = np.unique(np.asarray(uv, np.float32).reshape(-1, 2), axis=0, return_inverse=True)
        lines += [f"vt {u:.9g} {1 - v:.9g}" for u, v in points.tolist()]
        both = np.stack([corners, index.reshape(-1, 3) + 1], axis=-1).reshape(-1, 6)
        lines += [f"f {a}/{i} {b}/{j} {c}/{k}" for a, i, b, j, c, k in both.tolist()]
    with written_beside(Path(path)) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="ascii")


def write_ply(
    path: str | Path,
    vertices: Float[ndarray, "V 3"],
    faces: Integer[ndarray, "F 3"],
    uv: Float[ndarray, "F 3 2"] | None = None,
) -> None:
    """Write a mesh as little-endian binary PLY with 32-bit numbers; arguments and errors as for `write_obj`."""
    _check_mesh(vertices, faces, uv)
    fields: list[tuple[str, str] | tuple[str, str, int]] = [("count", "u1"), ("corners", "<i4", 3)]
    properties = ["property list uchar int vertex_indices"]
    if uv is not None:
        fields += [("numbers", "u1"), ("texcoord", "<f4", 6)]
        properties.append("property list uchar float texcoord")
    table = np.zeros(len(faces), np.dtype(fields))
    table["count"], table["corners"] = 3, faces
    if uv is not None:
        upwards = np.asarray(uv, np.float32) * (1, -1) + (0, 1)
        table["numbers"], table["texcoord"] = 6, upwards.reshape(-1, 6)
    header = [
        "ply", "format binary_little_endian 1.0", "comment limner: metres, y up",
        f"element vertex {len(vertices)}", *(f"property float {axis}" for axis in "xyz"),
        f"element face {len(faces)}", *properties, "end_header", "",
    ]  # fmt: skip
    content = "\n".join(header).encode("ascii") + np.asarray(vertices).astype("<f4").tobytes() + table.tobytes()
    with written_beside(Path(path)) as temporary:
        temporary.write_bytes(content)


def _check_mesh(vertices: ndarray, faces: ndarray, uv: ndarray | None) -> None:
    check_shape(vertices, "vertices", ("V", 3))
    check_shape(faces, "faces", ("F", 3))
    if uv is not None:
        check_shape(uv, "uv", (len(faces), 3, 2))
    if not np.isfinite(vertices).all():
        raise InputError("vertices hold numbers that are not finite")
    if len(faces) and (np.min(faces) < 0 or np.max(faces) >= len(vertices)):
        raise InputError(f"faces must name vertices 0 to {len(vertices) - 1}")
