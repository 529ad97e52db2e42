"""People made of four coloured dots, in COCO's format: what a network of a thousand weights can learn in a second."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from limner.media import write_image

JOINTS = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
COLOURS = ((255, 60, 60), (60, 255, 60), (80, 80, 255), (255, 255, 60))
SIZE = 64

CONFIG = """
data: {{root: {root}, valid_root: {root}, images: {images}}}
network:
  start: torch
  hrnet:
    first_blocks: 1
    first_planes: 8
    stage2: {{num_modules: 1, num_blocks: [1, 1], num_channels: [8, 8]}}
    stage3: {{num_modules: 1, num_blocks: [1, 1, 1], num_channels: [8, 8, 8]}}
    stage4: {{num_modules: 1, num_blocks: [1, 1, 1, 1], num_channels: [8, 8, 8, 8]}}
input: {{input_hw: [64, 64], sigma: 1.5}}
augment: {{scale: 0.1, rotation_deg: 10, flip: true}}
loss: {{name: cross_entropy}}
optimiser: {{name: adam, lr: 1e-2}}
schedule: {{name: constant}}
loop: {{epochs: 2, batch: 8, log_steps: 1, device: cpu, tensorboard: false, pictures: 2}}
test: {{batch: 5}}
"""


def write_dots(folder: Path, count: int = 16, *, seed: int = 0, shift: float = 0.0) -> Path:
    """Write pictures and their annotation file; `shift` moves the labels off their dots."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number in range(1, count + 1):
        picture = np.full((SIZE, SIZE, 3), 30, np.uint8)
        middle = rng.uniform(26, 38, 2)
        xy = middle + np.array([(10, -12), (-10, -12), (8, 12), (-8, 12)]) + rng.uniform(-4, 4, (4, 2))
        for (x, y), colour in zip(xy, COLOURS, strict=True):
            cv2.circle(picture, (round(x), round(y)), 3, colour, -1)
        write_image(folder / "images" / f"{number:012d}.png", picture, synthetic=False)
        images.append({"id": number, "file_name": f"{number:012d}.png", "width": SIZE, "height": SIZE})
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "bbox": [4, 4, 56, 56],
                "area": 1500.0,
                "iscrowd": 0,
                "num_keypoints": 4,
                "keypoints": [value for x, y in xy + shift for value in (float(x), float(y), 2)],
            }
        )
    category = {"id": 1, "name": "person", "keypoints": list(JOINTS), "skeleton": [[1, 2], [3, 4]]}
    path = folder / "people.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [category]}))
    return path


def write_config(folder: Path, **dots) -> Path:
    """Write dots and the configuration of a run on them."""
    people = write_dots(folder, **dots)
    path = folder / "dots.yaml"
    path.write_text(CONFIG.format(root=people, images=folder / "images"))
    return path
