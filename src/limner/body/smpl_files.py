"""Bodies by name: the free body that comes with limner, and a user's own SMPL file."""

from __future__ import annotations

from functools import lru_cache

from limner.body.smpl import BodyData
from limner.checks import InputError

__all__ = ["load_body"]


@lru_cache(maxsize=4)
def load_body(name: str = "free") -> BodyData:
    """Load a body: "free" for the one that comes with limner, or "smpl:PATH" for a user's SMPL file.

    Raises:
        InputError: another name.
    """
    if name == "free":
        from limner.body.free_body import load_free_body

        return load_free_body()
    raise InputError(f'no body is called {name}; use "free", or "smpl:PATH" for an SMPL file')
