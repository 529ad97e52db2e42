"""People alone in noise with marked joints, in LSP-extended's stored form."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from limner.media import write_image


def write_people(root: Path, count: int = 3) -> Path:
    """Write so many people of 14 joints, and pictures of 64 pixels."""
    rng = np.random.default_rng(0)
    names = [f"im{number:05d}.png" for number in range(1, count + 1)]
    joints = np.concatenate([rng.uniform(8, 56, (count, 14, 2)), np.ones((count, 14, 1))], 2)
    folder = root / "people" / "images"
    folder.mkdir(parents=True)
    for name in names:
        write_image(folder / name, rng.integers(0, 255, (64, 64, 3), dtype=np.uint8), synthetic=False)
    np.savez(root / "people" / "joints.npz", name=names, joints=joints, size_hw=np.full((count, 2), 64))
    return root / "people"
