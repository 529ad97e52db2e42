"""Time the compiled body layer against smplx: CPU time of one thread, rounds of the two interleaved.

Run `python benchmarks/smpl.py [--body FILE.pkl] [--rounds N]`. The must is 3 times smplx for one body and 1.9
times for 64, the stretch 4 times both. Without a file the made-up body of the parity cases is used, of SMPL's size: its
pose directions fade with the distance from the joint, and what cannot be noticed is left out. The same body with pose
directions that nowhere fade is printed below, the worst case of any file: one body is then as fast as memory is.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import pickle
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import smplx
import torch
from numpy import ndarray

from limner.body import FastSMPL, read_smpl_file
from timing import cpu_times, machine, report

MUST, STRETCH = {1: 3.0, 64: 1.9}, 4.0
ROOT = Path(__file__).resolve().parents[1]


def made_up_bodies(folder: Path) -> dict[str, Path]:
    """Write the made-up body of the parity cases, with its own and with dense pose directions, as SMPL pickles."""
    sys.path.insert(0, str(ROOT))
    from tests.parity.cases import DEFAULT_CASES, OWN_CASES, Case

    roots = [root for root in (DEFAULT_CASES, OWN_CASES) if root.exists()]
    case = next((path.parent for root in roots for path in sorted(root.glob("mesh/*/case.json"))), None)
    if case is None:
        raise SystemExit("no parity cases on this machine; name an SMPL file with --body")
    fading = Case(case).body(0)
    dense = {**fading, "posedirs": np.random.default_rng(0).normal(0, 2e-3, fading["posedirs"].shape)}
    paths = {}
    for name, arrays in (("made-up body", fading), ("made-up body, dense pose directions", dense)):
        paths[name] = folder / f"{len(paths)}.pkl"
        paths[name].write_bytes(pickle.dumps(arrays, protocol=2))
    return paths


def peer(path: Path, betas: ndarray, rotvec: ndarray) -> Callable[[], ndarray]:
    """The same bodies through smplx, without gradients."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smplx.SMPL(str(path), batch_size=len(betas))
    given = {
        "betas": torch.from_numpy(betas),
        "global_orient": torch.from_numpy(rotvec[:, 0]),
        "body_pose": torch.from_numpy(rotvec[:, 1:].reshape(len(rotvec), 69)),
    }

    def call() -> ndarray:
        with torch.no_grad():
            return model(**given).vertices.numpy()

    return call


def compare(name: str, path: Path, count: int, rounds: int) -> bool:
    rng = np.random.default_rng(0)
    betas = rng.normal(size=(count, 10)).astype(np.float32)
    rotvec = rng.normal(0, 0.3, (count, 24, 3)).astype(np.float32)
    fast = FastSMPL(read_smpl_file(path))
    sides = {"limner": lambda: fast(betas, rotvec)[0], "smplx": peer(path, betas, rotvec)}
    gap = np.abs(sides["limner"]() - sides["smplx"]()).max()
    times = cpu_times(sides, rounds)
    print(f"{name}, batch {count}: largest difference {gap:.1e} m")
    return report(times, slow="smplx", fast="limner", must=MUST[count], stretch=STRETCH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--body", type=Path, help="an SMPL file, .pkl")
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}; one thread\n")
    with tempfile.TemporaryDirectory() as folder:
        bodies = {options.body.name: options.body} if options.body else made_up_bodies(Path(folder))
        held = {name: all([compare(name, path, n, options.rounds) for n in MUST]) for name, path in bodies.items()}
    for name, is_held in held.items():
        print(f"{name}: musts {'held' if is_held else 'missed'}")


if __name__ == "__main__":
    main()
