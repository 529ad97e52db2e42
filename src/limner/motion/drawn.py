"""A body as one picture shows it: posed vertices, their pixels, its raster, and how its joints are turned."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.body import PARENTS, BodyData, FastSMPL, pixels_from_picture, project_weak
from limner.records import Bodies, Raster
from limner.render import corners_from_vertices, rasterise


@dataclass(frozen=True, eq=False)
class Figure:
    """One posed body seen by one camera.

    Attributes:
        vertices: (V, 3) metres in camera axes.
        points: (V, 2) the vertices' pixels.
        joint_rotations: (24, 3, 3) how each joint is turned from the rest body into camera axes.
        pixels_per_metre: the camera's scale in this picture.
        size_hw: the picture.
        raster: who owns each pixel.
    """

    vertices: Float32[ndarray, "V 3"]
    points: Float32[ndarray, "V 2"]
    joint_rotations: Float32[ndarray, "24 3 3"]
    pixels_per_metre: float
    size_hw: tuple[int, int]
    raster: Raster

    @cached_property
    def covered(self) -> ndarray:
        """(H, W) where the body is."""
        return self.raster.face_index >= 0


def chain_rotations(rotvec: Float32[ndarray, "24 3"]) -> Float32[ndarray, "24 3 3"]:
    """Turn rotations relative to the parent into rotations from the rest body."""
    own = Rotation.from_rotvec(np.asarray(rotvec, np.float64)).as_matrix()
    turned = own.copy()
    for joint, parent in enumerate(PARENTS[1:], start=1):
        turned[joint] = turned[parent] @ own[joint]
    return turned.astype(np.float32)


def draw_figure(
    body: BodyData,
    pose: FastSMPL,
    bodies: Bodies,
    size_hw: tuple[int, int],
    *,
    offsets: Float32[ndarray, "V 3"] | None = None,
    turn: Float32[ndarray, "3 3"] | None = None,
    threads: int = 1,
) -> Figure:
    """Pose one body and draw it into a picture of `size_hw`.

    Args:
        body: the body model.
        pose: its fast layer.
        bodies: exactly one body; its camera is used as it is, whatever the size of the picture it was found in.
        size_hw: the picture to draw.
        offsets: metres added to the shaped rest vertices.
        turn: a rotation in camera axes about the pelvis, for other views.
        threads: of the rasteriser.
    """
    vertices, joints = pose(bodies.betas, bodies.rotvec, offsets)
    verts, rotations = vertices[0], chain_rotations(bodies.rotvec[0])
    if turn is not None:
        pelvis = joints[0, 0]
        verts = ((verts - pelvis) @ turn.T + pelvis).astype(np.float32)
        rotations = (turn @ rotations).astype(np.float32)
    camera = bodies.weak_camera[0]
    points = pixels_from_picture(project_weak(verts, camera), size_hw).astype(np.float32)
    raster = rasterise(corners_from_vertices(verts, body.faces, camera), size_hw, threads=threads)
    return Figure(verts, points, rotations, float(camera[0]) * max(size_hw) / 2, size_hw, raster)
