"""Made-up faces and the settings of the smallest runs on them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from limner.media import write_image


def draw_faces(folder: Path, count: int = 12, side: int = 32) -> Path:
    """Write ovals with two eyes, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        random = np.random.default_rng(number)
        picture = np.full((side, side, 3), random.integers(0, 255, 3), np.uint8)
        centre = (side // 2, side // 2)
        cv2.ellipse(picture, centre, (side // 4, side // 3), 0, 0, 360, random.integers(80, 255, 3).tolist(), -1)
        for offset in (-side // 8, side // 8):
            cv2.circle(picture, (centre[0] + offset, centre[1] - side // 8), 2, (0, 0, 0), -1)
        write_image(folder / f"{number:03d}.png", picture, synthetic=False)
    return folder


LOOP = ["loop.device=cpu", "loop.tensorboard=false", "loop.log_steps=1", "loop.pictures=4", "data.workers=0"]

SMALL_GENERATOR = [
    *LOOP,
    "network.size=16",
    "network.style_dim=16",
    "network.mapping_layers=2",
    "network.max_channels=8",
    "loop.batch=4",
    "loop.ema_decay=0.9",
    "loop.epochs=2",
    "judged_pictures=8",
    "augment.probability=0.5",
    "augment.length=100",
    "augment.every=1",
    "game.r1_every=2",
    "game.path_every=2",
]

SMALL_ENCODER = [
    *LOOP,
    "network.num_layers=18",
    "network.width=4",
    "loss.side=32",
    "loss.weights.lpips=0",
    "loss.weights.structure=0.5",
    "loss.weights.w_norm=0.005",
    "loop.batch=4",
    "loop.epochs=2",
    "optimiser.lr=1e-3",
    "data.valid_share=0.34",
]
