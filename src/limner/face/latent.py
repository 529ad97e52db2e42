"""Styles as things that people keep, mix and move: W+ codes, their files, and directions of edits."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor

from limner.checks import FileProblem, InputError, ShapeError, check_file, check_shape
from limner.face.psp import mix_rows
from limner.media import written_beside
from limner.weights import read_content

_ARRAY = "wplus"


@dataclass(frozen=True)
class Latent:
    """Styles of B faces, one for each row of the generator.

    Attributes:
        wplus: (B, R, D).
    """

    wplus: Float[Tensor, "B R D"]

    def __post_init__(self) -> None:
        check_shape(self.wplus, "styles", ("B", "R", "D"))
        if not bool(torch.isfinite(self.wplus).all()):
            raise InputError("styles must be finite numbers")

    def __len__(self) -> int:
        return len(self.wplus)

    @property
    def num_rows(self) -> int:
        """How many styles a face has."""
        return self.wplus.shape[1]

    def mix(self, other: Latent, rows: Sequence[int], alpha: float | None = None) -> Latent:
        """Return styles of which some rows come from `other`.

        Args:
            other: as many faces, or one.
            rows: which; coarse rows first.
            alpha: how much of `other` they get; all where it is None.

        Raises:
            InputError: a row is not there.
            ShapeError: the others have another shape.
        """
        return Latent(mix_rows(self.wplus, rows, other.wplus, alpha))

    def move(self, direction: Float[Tensor, "R D"], strength: float = 1.0, rows: Sequence[int] | None = None) -> Latent:
        """Return styles moved along a direction, in all rows or in some.

        Raises:
            InputError: a row is not there.
            ShapeError: the direction has another shape.
        """
        check_shape(direction, "a direction", tuple(self.wplus.shape[1:]))
        moved = Latent(self.wplus + strength * direction.to(self.wplus))
        return moved if rows is None else self.mix(moved, rows)

    def truncate(self, psi: float, mean: Float[Tensor, "*R D"]) -> Latent:
        """Return styles drawn towards the mean: psi 1 leaves them, 0 gives the mean.

        Raises:
            InputError: psi is not in 0..1.
        """
        if not 0 <= psi <= 1:
            raise InputError(f"a truncation lies between 0 (the mean face) and 1 (as it is), got {psi}")
        middle = mean.to(self.wplus)
        return Latent(middle + psi * (self.wplus - middle))

    def save(self, path: str | Path) -> None:
        """Write the styles as an npz with the array `wplus`.

        Raises:
            FileProblem: the file cannot be written.
        """
        with written_beside(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, wplus=self.wplus.detach().cpu().numpy())

    @classmethod
    def load(cls, path: str | Path) -> Latent:
        """Read styles: an npz of `save`, an npy, or a PyTorch file of one tensor; (R, D) or (B, R, D).

        Raises:
            FileProblem: there is no such file, or it holds no styles.
            WeightsError: a PyTorch file is damaged or holds code.
        """
        array = read_array(path, "file of styles", _ARRAY)
        if array.ndim not in (2, 3):
            raise FileProblem(f"{path} holds no styles: they are (R, D) or (B, R, D), this is {array.shape}")
        return cls(torch.from_numpy(array if array.ndim == 3 else array[None]))


def read_direction(path: str | Path, num_rows: int, style_dim: int) -> Float[Tensor, "R D"]:
    """Read a direction of edits: npy, npz with one array, or a PyTorch file of one tensor; code is never run.

    Args:
        path: the file; (D,), (1, D) for all rows alike, or (R, D), (1, R, D).
        num_rows: of the generator.
        style_dim: of the generator.

    Raises:
        FileProblem: there is no such file, or it holds no array of numbers.
        WeightsError: a PyTorch file is damaged or holds code.
        ShapeError: the direction belongs to another generator.
    """
    array = read_array(path, "direction")
    flat = torch.from_numpy(array.reshape(array.shape[1:] if array.ndim == 3 and len(array) == 1 else array.shape))
    if flat.shape in ((style_dim,), (1, style_dim)):
        return flat.reshape(1, style_dim).expand(num_rows, -1)
    if flat.shape != (num_rows, style_dim):
        raise ShapeError(
            f"the direction in {path} has shape {array.shape}, and this generator moves along ({style_dim},) or "
            f"({num_rows}, {style_dim})",
            expected=f"({num_rows}, {style_dim})",
            actual=array.shape,
        )
    return flat


def read_array(path: str | Path, what: str, name: str | None = None) -> Float32[ndarray, "..."]:
    """Read one array of numbers from npy, npz or a PyTorch file, without running what the file may hold.

    Raises:
        FileProblem: there is no such file, or it holds no single array of finite numbers.
        WeightsError: a PyTorch file is damaged or holds code.
    """
    path = check_file(path, what)
    content = _read_numpy(path, what) if path.suffix in (".npy", ".npz") else read_content(path)
    if isinstance(content, dict):
        known = [key for key, value in content.items() if isinstance(value, ndarray | Tensor)]
        key = name if name in known else known[0] if len(known) == 1 else None
        if key is None:
            raise FileProblem(f"{path} must hold one array, the {what}; it holds {', '.join(known) or 'none'}")
        content = content[key]
    array = content.detach().float().numpy() if isinstance(content, Tensor) else content
    if not isinstance(array, ndarray) or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise FileProblem(f"{path} is no {what}: it holds no array of finite numbers")
    return np.ascontiguousarray(array, np.float32)


def _read_numpy(path: Path, what: str) -> Any:
    try:
        read = np.load(path, allow_pickle=False)
        return dict(read) if isinstance(read, np.lib.npyio.NpzFile) else read
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise FileProblem(f"{path} is no {what} that can be read: {error}") from None
