"""The eight ways in which a camera may have stored a picture, and the turn that puts each upright.

EXIF numbers them 1 to 8; a video carries a display matrix instead, which names the same eight.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

_TURNS: dict[int, Callable[[ndarray], ndarray]] = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: image.swapaxes(0, 1)[::-1],
}

_BY_MATRIX = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}


def turn_upright(image: Shaped[ndarray, "H W ..."], orientation: int) -> Shaped[ndarray, "H2 W2 ..."]:
    """Turn a stored picture upright.

    Args:
        image: rows from the top as stored; further axes are kept.
        orientation: EXIF's number, 1 (upright as stored) to 8.

    Returns:
        A contiguous picture; 5 to 8 swap height and width.

    Source: EXIF 2.3 section 4.6.4, tag 274.
    """
    return np.ascontiguousarray(_TURNS[orientation](image))


def orientation_of_matrix(matrix: bytes) -> int:
    """Return EXIF's number for a video's display matrix (nine 32-bit integers); 1 where it is no quarter turn.

    Source: ISO/IEC 14496-12 section 6.2.2; a, b, c, d in 16.16 fixed point, point' = (a x + c y, b x + d y), y down.
    """
    numbers = np.frombuffer(matrix[:36], dtype=np.int32).astype(np.float64) / 65536
    if len(numbers) < 9:
        return 1
    a, b, c, d = (round(float(numbers[index])) for index in (0, 1, 3, 4))
    return _BY_MATRIX.get((a, b, c, d), 1)


def swaps_sides(orientation: int) -> bool:
    """Tell whether the turn exchanges height and width."""
    return orientation >= 5
