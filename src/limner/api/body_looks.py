"""The skin of fitted people, taken from the picture or from the frame of the video that shows them best."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.api.body_formats import Look
from limner.api.body_tracks import Track
from limner.body import FastSMPL, pixels_from_picture, project_weak
from limner.checks import NobodyFound
from limner.media import open_video, read_image
from limner.motion import Actor, resize_photo
from limner.people import Locator, refine_mask
from limner.records import Bodies
from limner.types import RgbImage

__all__ = ["photo_look"]


def photo_look(track: Track, locator: Locator, model: FastSMPL) -> Look:
    """Paint a person's texture from the photo; what it does not show is filled from the other side and from around.

    Raises:
        NobodyFound: the locator does not see the person again in that frame.
    """
    row = _best_row(track)
    image, bodies = resize_photo(_frame(track, row), None), track.bodies[[row]]
    people = locator.locate(image)
    if len(people) == 0:
        raise NobodyFound(f"person {track.person} of {track.source.path} is not found again to take a texture from")
    index = _nearest(people.keypoints.xy, bodies, image, model)
    alpha = refine_mask(image, locator.mask(image, people, index))
    actor = Actor.build(image, alpha, bodies, keypoints=people.keypoints[[index]])
    assert actor.body.uv is not None  # Actor.build gives every body an atlas
    return Look(actor.layers[0].appearance.atlas, actor.body.faces, actor.body.uv)


def _best_row(track: Track) -> int:
    """Return the frame in which the person is seen, large, and turned towards the viewer."""
    towards = -Rotation.from_rotvec(track.bodies.rotvec[:, 0]).as_matrix()[:, 2, 2]
    worth = (1 + towards) * track.bodies.weak_camera[:, 0] * (track.seen & track.kept)
    return int(worth.argmax())


def _frame(track: Track, row: int) -> RgbImage:
    if track.frame_rate is None:
        return read_image(track.source.path)
    wanted = track.first_frame + row
    return next(frame for number, frame in enumerate(open_video(track.source.path).frames()) if number == wanted)


def _nearest(points: Float[ndarray, "N K 2"], bodies: Bodies, image: RgbImage, model: FastSMPL) -> int:
    """Return which of the people found is the fitted one: whose middle lies nearest to that of the body."""
    vertices, _ = model(bodies.betas, bodies.rotvec)
    middle = project_weak(vertices, bodies.weak_camera).mean(axis=1)
    centre = pixels_from_picture(middle, image.shape[:2])[0]
    return int(np.linalg.norm(points.mean(axis=1) - centre, axis=1).argmin())
