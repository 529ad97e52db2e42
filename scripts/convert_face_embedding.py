"""Turn the published 8-bit face embedding (TensorFlow.js) into the safetensors file and the card of the package.

Run `python scripts/convert_face_embedding.py face_recognition_model-weights_manifest.json`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from safetensors.torch import save_file

from limner.face.embedding import CHIP, FACE_EMBEDDING, FaceEmbedder, read_tfjs
from limner.weights import WeightRecord
from limner.weights.registry import checksum

WEIGHTS = Path(__file__).resolve().parents[1] / "src" / "limner" / "weights"


def main() -> None:
    state = read_tfjs(sys.argv[1])
    FaceEmbedder().load_quantised(state)
    path = WEIGHTS / "files" / "face_embedding.safetensors"
    save_file(state, path, {"format": "pt"})
    record = WeightRecord(
        name=FACE_EMBEDDING,
        file=path.name,
        network="face embedding, ResNet of 29 convolutions (dlib)",
        source="dlib_face_recognition_resnet_model_v1 by Davis King, quantised in the npm package @vladmandic/face-api",
        licence="CC0-1.0",
        commercial="yes",
        sha256=checksum(path),
        input_hw=(CHIP, CHIP),
        normalisation="RGB, 0..255 less (122.782, 117.001, 104.298), over 256",
        notes="8-bit values, each tensor with its step and least value under KEY.range; packaging MIT.",
    )
    card = json.dumps(dataclasses.asdict(record), indent=2) + "\n"
    (WEIGHTS / "cards" / f"{FACE_EMBEDDING}.json").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
