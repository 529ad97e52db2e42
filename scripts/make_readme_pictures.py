"""Make the pictures of the README from assets/demo: `python scripts/make_readme_pictures.py docs/pictures`."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from limner import Actor, PosePredictor, draw_keypoints, read_image, write_image, write_video
from limner.motion import read_driver
from limner.render import over, shade

DEMO = Path(__file__).resolve().parents[1] / "assets" / "demo"
SIDE = 640
CUT = slice(90, 450)
"""Columns of the demo photo that the person moves in."""


def strip(pictures: list[UInt8[ndarray, "H W 3"]], height: int) -> UInt8[ndarray, "H W 3"]:
    """Put pictures side by side at one height."""
    return np.hstack(
        [
            cv2.resize(p, (round(p.shape[1] * height / p.shape[0]), height), interpolation=cv2.INTER_AREA)
            for p in pictures
        ]
    )


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    actor = Actor.prepare(DEMO / "person.jpg", size=SIDE)
    driver = read_driver(DEMO / "dance.amc")
    placed = actor.place(driver.motion)
    moments = np.linspace(0, len(placed) - 1, 7).astype(int)
    dance = [actor.frame(actor.paint(placed[t : t + 1])) for t in moments]
    views = list(actor.view([0, 45, 90, 135, 180, 225, 270, 315]))
    photo = cv2.resize(read_image(DEMO / "person.jpg"), actor.size_hw[::-1], interpolation=cv2.INTER_AREA)
    write_image(folder / "imitate.jpg", strip([p[:, CUT] for p in (photo, *dance)], 400), quality=88)
    write_image(folder / "view.jpg", strip([p[:, CUT] for p in views], 400), quality=88)
    joints = draw_keypoints(photo, PosePredictor.load("default").predict(photo))
    vertices, _ = actor.pose(actor.bodies.betas, actor.bodies.rotvec)
    body = over(shade(vertices[0], actor.body.faces, actor.bodies.weak_camera[0], actor.size_hw), photo)
    write_image(folder / "chain.jpg", strip([p[:, CUT] for p in (photo, joints, body, dance[3])], 400), quality=88)
    small = (
        cv2.resize(f[:, CUT], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for f in actor.imitate(driver.motion)
    )
    write_video(folder / "dance.gif", (f for n, f in enumerate(small) if n % 3 == 0), frame_rate=10)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
