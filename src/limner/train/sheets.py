"""Sheets of pictures that a run shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limner.types import RgbImage


def picture_sheet(rows: Sequence[Sequence[RgbImage]], *, wrap: int = 0) -> RgbImage:
    """Return pictures of one size side by side.

    Args:
        rows: pictures from left to right; rows of one length.
        wrap: begin a new row after so many pictures; 0 keeps the rows.
    """
    if wrap:
        flat = [picture for row in rows for picture in row]
        blank = np.zeros_like(flat[0])
        flat += [blank] * (-len(flat) % min(wrap, len(flat)))
        wide = min(wrap, len(flat))
        rows = [flat[start : start + wide] for start in range(0, len(flat), wide)]
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)
