"""Write LSP-extended again without the people whose left and right are in doubt.

    python scripts/filter_lspet.py DATA/lspet OUT

DATA/lspet holds images, joints.npz, and blazepose_heavy.npz: the joints that BlazePose finds in the same pictures. OUT
gets joints.npz and a link to the pictures. About an eighth of the people of LSP-extended have left and right mixed up,
which teaches a network to turn bodies round. Kept is who BlazePose was sure to see (the detector's score), whose marked
limbs lie near those found, and nearer than they would lie with left and right exchanged.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from limner.media import written_beside
from limner.pose import SKELETONS, conversion

LIMBS = list(range(12))
SURE = 0.7
NEAR_TORSOS = 0.35  # median distance of the limbs' joints


def main() -> None:
    """Read the command line and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    asked = parser.parse_args()
    with np.load(asked.source / "joints.npz") as held:
        arrays = {name: held[name] for name in held.files}
    with np.load(asked.source / "blazepose_heavy.npz") as held:
        found, score = held["xy"][:, :33], held["detector_score"]
        if not (held["name"] == arrays["name"]).all():
            parser.error("joints.npz and blazepose_heavy.npz list other pictures")
    kept = agreeing(arrays["joints"], found, score)
    asked.output.mkdir(parents=True, exist_ok=True)
    with written_beside(asked.output / "joints.npz") as temporary, temporary.open("wb") as file:
        np.savez(file, **{name: array[kept] for name, array in arrays.items()})
    images = asked.output / "images"
    if not images.exists():
        images.symlink_to((asked.source / "images").resolve())
    print(f"kept {kept.sum()} of {len(kept)} people")


def agreeing(joints: np.ndarray, found: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return who is kept: (N, 14, 3) marked joints, (N, 33, 2) found ones, (N,) the detector's scores."""
    second = conversion("blazepose33", "lsp14") @ found
    mirror = list(SKELETONS["lsp14"].mirror)
    marked = joints[:, LIMBS, 2] > 0
    torso = np.linalg.norm(second[:, 9] - second[:, 2], axis=1).clip(1)[:, None]

    def distance(other: np.ndarray) -> np.ndarray:
        gaps = np.linalg.norm(joints[:, LIMBS, :2] - other[:, LIMBS], axis=2) / torso
        return np.nanmedian(np.where(marked, gaps, np.nan), axis=1)

    enough = marked.sum(1) >= 6
    same, swapped = np.full(len(joints), np.inf), np.zeros(len(joints))
    same[enough] = distance(second)[enough]
    swapped[enough] = distance(second[:, mirror])[enough]
    return enough & (score > SURE) & (same < NEAR_TORSOS) & (same < swapped)


if __name__ == "__main__":
    main()
