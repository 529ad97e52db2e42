"""The face embedding: published weights, faces of one person near one another, chips by five points."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from limner.checks import FileProblem, ShapeError, WeightsError
from limner.face import FaceEmbedder, face_chip, find_faces
from limner.face.embedding import CHIP, CHIP_POINTS, read_tfjs
from limner.media import read_image


@pytest.fixture(scope="module")
def embedder() -> FaceEmbedder:
    return FaceEmbedder.load()


def test_one_person_is_nearer_than_two(embedder: FaceEmbedder, shared_data: Path) -> None:
    def rows(name: str) -> np.ndarray:
        image = read_image(shared_data / "people" / name)
        return embedder.embed(image, find_faces(image).five[:1])[0]

    face, body = rows("ai-face.jpg"), rows("ai-body.jpg")
    other = rows("research_only/internet__ins3.jpg")
    assert np.linalg.norm(face - body) < 0.55 and np.linalg.norm(face - other) > 0.7


def test_the_package_s_file_is_the_published_one(embedder: FaceEmbedder, shared_data: Path) -> None:
    published = FaceEmbedder()
    published.load_quantised(read_tfjs(shared_data / "models" / "face_recognition_model-weights_manifest.json"))
    state = published.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in embedder.state_dict().items())


@pytest.mark.parametrize(("scale", "turn_rad"), [(1.0, 0.0), (3.0, 0.5), (0.4, -2.0)])
def test_a_chip_undoes_turn_and_size(scale: float, turn_rad: float) -> None:
    turn = scale * np.array([[np.cos(turn_rad), -np.sin(turn_rad)], [np.sin(turn_rad), np.cos(turn_rad)]])
    middle = np.array([250.0, 260.0])
    five = (CHIP_POINTS - CHIP / 2) @ turn.T + middle
    image = np.full((600, 600, 3), 90, np.uint8)
    x, y = np.rint(five[0]).astype(int)
    radius = max(2, round(6 * scale))
    image[y - radius : y + radius + 1, x - radius : x + radius + 1] = 255
    chip = face_chip(image, five).astype(float)
    rows, columns = np.nonzero(chip[..., 0] > 170)
    assert (columns.mean(), rows.mean()) == pytest.approx(tuple(CHIP_POINTS[0]), abs=1.5)


def test_maps_halve_and_nobody_has_no_rows(embedder: FaceEmbedder) -> None:
    maps = embedder.maps(torch.zeros(1, 3, 96, 80))
    assert [one.shape[1] for one in maps] == [32, 32, 64, 128, 256]
    assert embedder.embed(np.zeros((8, 8, 3), np.uint8), np.zeros((0, 5, 2))).shape == (0, 128)


def test_what_does_not_fit_is_refused(embedder: FaceEmbedder, tmp_path: Path) -> None:
    with pytest.raises(ShapeError):
        embedder(torch.zeros(1, 3, 64, 64))
    with pytest.raises(ShapeError):
        face_chip(np.zeros((8, 8, 3), np.uint8), np.zeros((4, 2)))
    with pytest.raises(WeightsError, match="range"):
        FaceEmbedder().load_quantised({"last.weight": torch.zeros(128, 256, dtype=torch.uint8)})
    (tmp_path / "m.json").write_text(json.dumps([{"paths": ["m.bin"], "weights": []}]))
    (tmp_path / "m.bin").write_bytes(b"surplus")
    with pytest.raises(FileProblem, match="0 weights"):
        read_tfjs(tmp_path / "m.json")
