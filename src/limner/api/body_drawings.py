"""Pictures of fitted bodies: laid over the input, and seen from all round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.api.body_formats import colour_of
from limner.api.body_tracks import Track
from limner.body import BodyData, FastSMPL
from limner.render import orbit, over, shade
from limner.types import RgbImage

__all__ = ["draw_bodies", "turntable_views"]

_OPACITY = 0.9
_TURN_FRAMES = 72  # of a turn round a single moment
_LONGEST = 360  # frames of a turntable; longer films are thinned out
_VIEW_HW = (512, 512)
_Y_DOWN = np.diag([1.0, -1.0, -1.0])


def draw_bodies(image: RgbImage, tracks: Sequence[Track], frame: int, model: FastSMPL) -> RgbImage:
    """Lay the people of one frame over its picture, each in their colour, the nearer before the farther.

    Who is nearer is told by size: all stand in one scene, at the depth where a camera of any focal length sees them as
    large as they are, so that somebody's arm may reach round somebody else.
    """
    here = [(track, row) for track in tracks if (row := track.row(frame)) is not None]
    if not here:
        return image
    cameras = np.stack([track.bodies.weak_camera[row] for track, row in here]).astype(np.float64)
    nearest = cameras[:, 0].max()
    meshes = []
    for (track, row), (scale, tx, ty) in zip(here, cameras, strict=True):
        body = track.bodies[[row]]
        vertices = model(body.betas, body.rotvec)[0][0].astype(np.float64)
        share = scale / nearest
        depth = 2 * track.focal_px / max(track.bodies.size_hw) * (1 / scale - 1 / nearest)
        meshes.append((vertices + np.array([tx, ty, 0])) * share + np.array([0, 0, depth]))
    faces, colours = _together([len(mesh) for mesh in meshes], [track for track, _ in here], model.data)
    camera = np.array([nearest, 0.0, 0.0])
    layer = shade(np.concatenate(meshes), faces, camera, image.shape[:2], colour=colours)
    return over(layer, image, opacity=_OPACITY)


def turntable_views(tracks: Sequence[Track], model: FastSMPL) -> tuple[float, Iterator[RgbImage]]:
    """Return a frame rate and the views of a walk round the people of one picture, or round those of a film at play."""
    rate = tracks[0].frame_rate
    frames = np.unique(np.concatenate([track.frames for track in tracks]))
    step = -(-len(frames) // _LONGEST)
    frames = frames[::step]
    moments = np.stack([_moment(tracks, int(frame), model) for frame in frames])
    count = _TURN_FRAMES if len(frames) == 1 else len(frames)
    faces, colours = _together([model.data.num_vertices] * len(tracks), tracks, model.data)
    angles = 360.0 * np.arange(count) / count
    return float(rate or 24) / step, orbit(moments, faces, angles, _VIEW_HW, colour=colours)


def _moment(tracks: Sequence[Track], frame: int, model: FastSMPL) -> Float32[ndarray, "V 3"]:
    """Return everybody's mesh in the scene, y down; who is away has shrunk to a point where they were."""
    meshes = []
    for track in tracks:
        row = int(np.clip(frame - track.first_frame, 0, len(track.kept) - 1))
        vertices, joints = model(track.bodies.betas[row : row + 1], track.rotvec[row : row + 1].astype(np.float32))
        mesh = (vertices[0] - joints[0, 0]) * float(track.row(frame) is not None)
        meshes.append((mesh + track.pelvis[row]) @ _Y_DOWN)
    return np.concatenate(meshes).astype(np.float32)


def _together(counts: Sequence[int], tracks: Sequence[Track], data: BodyData) -> tuple[ndarray, ndarray]:
    """Return the faces and vertex colours of several bodies as one mesh."""
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    faces = np.concatenate([data.faces + start for start in starts])
    colours = [np.tile(colour_of(track.person), (count, 1)) for track, count in zip(tracks, counts, strict=True)]
    return faces, np.concatenate(colours).astype(np.float32)
