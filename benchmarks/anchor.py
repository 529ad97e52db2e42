"""Does a network's prediction help the fit? On people that limner renders, whose bodies are known exactly.

    python benchmarks/anchor.py [--weights NAME|RUN|FILE] [--motions FILE] [--garments FOLDER] [--count 60] [--seed 77]

The locator finds the people in the rendered pictures, as it does in photos; whom it does not find is left out. Printed
are MPJPE and PA-MPJPE (mm, LSP's fourteen joints about the hips; mean, and the median of PA-MPJPE) of the network's
prediction, of the fit to the keypoints alone, and of fits that are anchored at the prediction more or less; and how far
the fit moves what was predicted, in pixels and millimetres.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from limner.body import FastSMPL, HMRPredictor, fit_change, fit_keypoints, load_body
from limner.data import SyntheticPeople
from limner.metrics import mpjpe, pa_mpjpe
from limner.people import Locator
from limner.records import Bodies

ANCHORS = (0.0, 0.3, 1.0, 3.0)


def lsp_joints(model: FastSMPL, rotvec: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """LSP's joints (14, 3) of one body, metres."""
    vertices = model(betas[None], rotvec[None])[0][0]
    return model.data.keypoint_regressors["lsp14"] @ vertices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights")
    parser.add_argument("--motions", type=Path)
    parser.add_argument("--garments", type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=77)
    options = parser.parse_args()
    people = SyntheticPeople(
        seed=options.seed, count=options.count, side=384, motions=options.motions, garments=options.garments
    )
    locator, network = Locator.load(), HMRPredictor.load(options.weights) if options.weights else None
    names = ["fit alone", *([] if network is None else ["predicted", *(f"anchor {a:g}" for a in ANCHORS)])]
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    truth, changes, model = [], [], FastSMPL(load_body())
    for index in range(len(people)):
        person = people.sample(index)
        seen = locator.locate(person.image)
        if not len(seen):
            continue
        keypoints, size_hw = seen.keypoints[[0]], person.image.shape[:2]
        results: dict[str, Bodies] = {"fit alone": fit_keypoints(keypoints, size_hw)}
        if network is not None:
            results["predicted"] = look = network.predict(person.image, keypoints)
            for anchor in ANCHORS:
                results[f"anchor {anchor:g}"] = fit_keypoints(keypoints, size_hw, prediction=look, anchor=anchor)
            changes.append(fit_change(look, results["anchor 1"], keypoints))
        truth.append(lsp_joints(model, person.rotvec, person.betas))
        for name, bodies in results.items():
            found[name].append(lsp_joints(model, bodies.rotvec[0], bodies.betas[0]))
    print(f"{len(truth)} of {len(people)} people found")
    for name, rows in found.items():
        plain, aligned = mpjpe(np.stack(rows), np.stack(truth)), pa_mpjpe(np.stack(rows), np.stack(truth))
        print(f"{name:12s} MPJPE {plain.mean():6.1f}  PA-MPJPE {aligned.mean():6.1f}  median {np.median(aligned):6.1f}")
    if changes:
        before, after, moved = np.mean([(c.before_px, c.after_px, c.moved_mm) for c in changes], 0)
        print(f"anchor 1 takes the joints from {before:.1f} to {after:.1f} px of the keypoints and by {moved:.0f} mm")


if __name__ == "__main__":
    main()
