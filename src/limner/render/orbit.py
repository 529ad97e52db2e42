"""People who move, seen by a viewer who walks round them: the turntable of a film."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Integer, UInt8
from numpy import ndarray

from limner.checks import InputError, check_shape
from limner.render.shading import (
    CLAY,
    _about_x,
    _about_y,
    _backdrop,
    _Colour,
    _fitting_camera,
    _floor_shadow,
    over,
    shade,
)

__all__ = ["orbit"]

_TURNS_TO_FIT = 8  # sides from which the camera makes sure that all is in the picture


def orbit(
    moments: Float[ndarray, "T V 3"],
    faces: Integer[ndarray, "F 3"],
    angles_deg: Float[ndarray, "N"],
    size_hw: tuple[int, int] = (512, 512),
    *,
    colour: _Colour = CLAY,
    elevation_deg: float = 9.0,
    supersample: int = 1,
) -> Iterator[UInt8[ndarray, "H W 3"]]:
    """Draw one view for each angle, from a camera that keeps its distance.

    Args:
        moments: metres in camera axes; a single moment is seen from all angles, else there is one for each angle.
        faces: vertex indices, anticlockwise seen from outside.
        angles_deg: how far the body has turned to its right in each view.
        size_hw: height and width of each view.
        colour: as in `shade`.
        elevation_deg: how far above the horizon the viewer stands.
        supersample: as in `shade`.

    Raises:
        InputError: neither one moment nor one for each angle, or a mesh without vertices.
    """
    check_shape(moments, "moments", ("T", "V", 3))
    if len(moments) not in (1, len(angles_deg)) or moments.shape[1] == 0:
        raise InputError(f"an orbit needs one moment or {len(angles_deg)}, got {len(moments)}")
    low, high = moments.min(axis=(0, 1)), moments.max(axis=(0, 1))
    middle = (low + high) / 2
    tilt = _about_x(np.deg2rad(elevation_deg))
    box = np.stack(np.meshgrid(*zip(low - middle, high - middle, strict=True)), axis=-1).reshape(-1, 3)
    sides = 2 * np.pi * np.arange(_TURNS_TO_FIT) / _TURNS_TO_FIT
    camera = _fitting_camera([box @ _about_y(angle).T @ tilt.T for angle in sides], size_hw)
    floor_y = camera[2] + float((np.array([0, high[1] - middle[1], 0]) @ tilt.T)[1])
    room = _backdrop(size_hw, camera[0] * floor_y)
    for number, angle in enumerate(angles_deg):
        moment = moments[0 if len(moments) == 1 else number] - middle
        turned = moment @ _about_y(np.deg2rad(angle)).T
        shadow = _floor_shadow(turned, faces, tilt, camera, size_hw)
        layer = shade(turned @ tilt.T, faces, camera, size_hw, colour=colour, supersample=supersample)
        yield over(layer, np.rint(room * (1 - shadow[..., None])).astype(np.uint8))
