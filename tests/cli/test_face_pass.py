"""The face pass: a better face is kept, a worse one is not, and pictures without a face stay as they are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from limner.api import FaceRepair
from limner.checks import NobodyFound
from limner.media import read_image


class _Editor:
    """Stands for an editor: every face becomes the given one."""

    def __init__(self, image: np.ndarray) -> None:
        self._image = image

    def invert(self, face: np.ndarray) -> SimpleNamespace:
        assert face.shape == (256, 256, 3)
        return SimpleNamespace(image=self._image)


@pytest.fixture(scope="module")
def faces(shared_data: Path) -> tuple[np.ndarray, np.ndarray]:
    names = (shared_data / "ffhq128" / "images" / f"{number:05d}.jpg" for number in (0, 1))
    one, other = (cv2.resize(read_image(name), (256, 256), interpolation=cv2.INTER_CUBIC) for name in names)
    return one, other


def _frame(face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frame = np.full((400, 500, 3), 90, np.uint8)
    frame[60:316, 120:376] = face
    return frame, np.array([140, 70, 360, 310], np.float32)


def test_a_face_that_becomes_more_alike_is_kept(faces) -> None:
    wanted, other = faces
    repair = FaceRepair(_Editor(wanted), wanted)
    frame, box = _frame(other)
    repaired = repair(frame, box)
    assert repair.repaired == repair.frames == 1
    changed = np.abs(repaired.astype(int) - frame).max(axis=2) > 8
    assert changed.any() and not changed[:50].any() and not changed[:, 400:].any()


def test_a_face_that_becomes_less_alike_is_not(faces) -> None:
    wanted, other = faces
    repair = FaceRepair(_Editor(other), wanted)
    frame, box = _frame(wanted)
    assert np.array_equal(repair(frame, box), frame)
    assert (repair.frames, repair.repaired) == (1, 0)


def test_a_face_that_becomes_hardly_more_alike_is_not_kept(faces, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, other = faces
    repair, (frame, box) = FaceRepair(_Editor(wanted), wanted), _frame(other)
    near = 0.9
    for gain, kept in ((0.01, False), (0.03, True)):
        likeness = iter([near, near + gain])
        monkeypatch.setattr(repair, "_vector", lambda *_, likeness=likeness: next(likeness) * repair._wanted)
        assert np.array_equal(repair(frame, box), frame) is not kept


@pytest.mark.parametrize("box", [(0, 0, 100, 100), (490, 390, 900, 900), (-50, -50, -10, -10)])
def test_a_head_without_a_face_stays(faces, box: tuple[float, ...]) -> None:
    repair = FaceRepair(_Editor(faces[1]), faces[0])
    frame = np.full((400, 500, 3), 90, np.uint8)
    assert np.array_equal(repair(frame, np.array(box, np.float32)), frame)
    assert repair.repaired == 0


def test_a_photo_without_a_face_is_refused(faces) -> None:
    with pytest.raises(NobodyFound, match="no face was found in the photo"):
        FaceRepair(_Editor(faces[0]), np.zeros((64, 64, 3), np.uint8))
