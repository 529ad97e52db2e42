"""Turn the best weights of a run of `limner train face` into the small face weights of the package, and their card.

Run `python scripts/make_face_default.py RUN`. The words beside the card, with what was measured, are written by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

from limner.face import FaceEditor, psp_facts
from limner.face.models import DEFAULT
from limner.weights import WeightRecord, save_weights

WEIGHTS = Path(__file__).resolve().parents[1] / "src" / "limner" / "weights"


def main() -> None:
    editor = FaceEditor.load(sys.argv[1])
    network = editor.network
    side = network.config.input_side
    record = WeightRecord(
        name=DEFAULT,
        file="",
        network=f"pixel2style2pixel, {network.config.num_layers} layers, over StyleGAN2 of {editor.side} pixels",
        source="limner, configs/face/encoder-64-cpu.yaml, on FFHQ's faces of 128 pixels",
        licence="CC-BY-NC-SA-4.0",
        commercial="no",
        sha256="",
        input_hw=(side, side),
        normalisation="RGB, 0..255 to [-1, 1], faces aligned by FFHQ's rule",
        notes="Small and soft: it shows what the verbs do; published weights make better faces.",
    )
    facts = {"psp": psp_facts(network.config), "task": editor.task or "invert"}
    kept = save_weights(record, network.state_dict(), WEIGHTS / "files", precision="fp16", facts=facts)
    (WEIGHTS / "files" / f"{DEFAULT}.json").replace(WEIGHTS / "cards" / f"{DEFAULT}.json")
    print(f"{kept.file}: {(WEIGHTS / 'files' / kept.file).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
