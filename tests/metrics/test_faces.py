"""Scores of faces: formulas on made-up pictures, identity on real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from limner.checks import InputError, ShapeError
from limner.face import Faces
from limner.media import read_image
from limner.metrics import FaceJudge, map_scores


class _Mean(torch.nn.Module):
    """Stands for a network: the mean of each colour, twice."""

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return image.mean(dim=(2, 3)), image


def test_the_squared_error_is_of_pictures_from_minus_one_to_one() -> None:
    judge = FaceJudge(has_faces=False)
    black, grey = np.zeros((300, 280, 3), np.uint8), np.full((64, 64, 3), 51, np.uint8)
    assert judge.add("a", black, black) == {"l2": 0.0}
    assert judge.add("b", black, grey)["l2"] == pytest.approx(0.16, rel=1e-4)
    assert judge.scores().means == {"l2": pytest.approx(0.08, rel=1e-4)}


def test_fid_needs_two_pictures_and_its_network() -> None:
    judge = FaceJudge(inception=_Mean(), has_faces=False)
    pictures = [np.full((16, 16, 3), value, np.uint8) for value in (0, 51, 102)]
    judge.add("a", pictures[0], pictures[1])
    assert judge.scores().fid is None
    judge.add("b", pictures[1], pictures[2])
    # Equal spreads, means apart by 0.4 in each of three colours.
    assert judge.scores().fid == pytest.approx(3 * 0.16, rel=1e-3)
    assert "fid" in judge.scores().table()


def test_nobody_to_be_judged_by() -> None:
    with pytest.raises(InputError, match="no pair"):
        FaceJudge().scores()


def test_identity_tells_people_apart_and_counts_pictures_without_a_face(shared_data: Path) -> None:
    faces = [read_image(shared_data / "ffhq128" / "images" / f"{number:05d}.jpg") for number in (0, 1)]
    judge = FaceJudge()
    darker = (faces[0] * 0.8).astype(np.uint8)
    same = judge.add("same", faces[0], darker)["identity"]
    other = judge.add("other", faces[0], faces[1])["identity"]
    assert same > 0.95 > other + 0.05
    assert "identity" not in judge.add("none", faces[0], np.zeros_like(faces[0]))
    scores = judge.scores()
    assert scores.num_without_face == 1 and scores.means["identity"] == pytest.approx((same + other) / 2)
    assert "1 without a face" in scores.table() and "published 0.56" not in scores.table()


def test_identity_by_a_recogniser_takes_the_points_of_whom_it_is_given() -> None:
    class Finder:
        def find(self, picture: np.ndarray) -> Faces:
            five = np.array([[[38, 52], [74, 52], [56, 72], [42, 92], [71, 92]]], np.float32)
            return Faces.by_hand(five + 40 + picture[0, 0, 0])

    class Recogniser(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.mean(dim=1).flatten(1)

    judge = FaceJudge(recogniser=Recogniser(), mtcnn=Finder())
    picture = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    picture[0, 0, 0], moved = 0, np.roll(picture, 5, axis=(0, 1))
    moved[0, 0, 0] = 5
    assert judge.add("a", picture, moved)["identity"] > 0.95 > judge.add("b", picture, 255 - picture)["identity"]
    assert "points of MTCNN; published 0.56" in judge.scores().table()


def test_overlap_of_maps() -> None:
    wanted = np.array([[0, 0, 1, 1], [2, 2, 2, 2]])
    labels = np.array([[0, 1, 1, 1], [2, 2, 2, 0]])
    scores = map_scores(labels, wanted, 4)
    assert scores["accuracy"] == 0.75
    assert scores["iou"][:3].tolist() == pytest.approx([1 / 3, 2 / 3, 3 / 4])
    assert np.isnan(scores["iou"][3]) and scores["miou"] == pytest.approx((1 / 3 + 2 / 3 + 3 / 4) / 3)


def test_maps_that_cannot_be_compared() -> None:
    with pytest.raises(ShapeError, match="wanted"):
        map_scores(np.zeros((2, 2), int), np.zeros((2, 3), int), 2)
    with pytest.raises(InputError, match=r"may hold 0\.\.1, got 0\.\.5"):
        map_scores(np.array([[0, 5]]), np.array([[0, 1]]), 2)
