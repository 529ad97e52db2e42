"""Faces are found where they are: in aligned pictures, in whole photos, small, turned, many, and not where none is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from limner.checks import InputError, ShapeError
from limner.face import FaceFinder, Faces, find_faces, turned_square
from limner.face.detector import views_of
from limner.media import read_image


@pytest.fixture(scope="module")
def finder():
    return FaceFinder.load(threads=1)


@pytest.fixture(scope="module")
def photo(shared_data):
    return read_image(shared_data / "people" / "ai-face.jpg")


def on_canvas(faces, size_hw, places, sides):
    """Faces of given sides on a grey picture, their left top corners at the places."""
    canvas = np.full((*size_hw, 3), 128, np.uint8)
    for face, (x, y), side in zip(faces, places, sides, strict=True):
        canvas[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return canvas


def test_find_gives_the_square_that_ffhq_was_cut_by(shared_data, finder):
    # 128 pixels, cut out by FFHQ's authors: the rule must give the whole picture back, within their own noise.
    whole = np.array([[-0.5, -0.5], [-0.5, 127.5], [127.5, 127.5], [127.5, -0.5]])
    errors = []
    for path in sorted((shared_data / "ffhq128" / "images").iterdir())[:1200:60]:
        faces = finder.find(read_image(path))
        assert len(faces) >= 1, path.name
        errors.append(np.abs(faces.quads[0] - whole).max())
    assert np.median(errors) < 5 and np.percentile(errors, 90) < 12


def test_find_sees_small_and_many_faces(photo, finder):
    places = [(40 + 180 * (i % 5), 60 + 280 * (i // 5)) for i in range(10)]
    sides = [150, 60, 90, 48, 120, 70, 140, 52, 100, 80]
    faces = finder.find(on_canvas([photo] * 10, (600, 960), places, sides))
    assert len(faces) == 10
    widths = faces.boxes.xyxy[:, 2] - faces.boxes.xyxy[:, 0]
    assert (np.diff(widths) <= 1.5).all()
    middles = sorted(tuple(np.round((box[:2] + box[2:]) / 2)) for box in faces.boxes.xyxy)
    wanted = sorted((x + 0.47 * s, y + 0.53 * s) for (x, y), s in zip(places, sides, strict=True))
    assert np.abs(np.array(middles) - np.array(wanted)).max() < 12


@pytest.mark.parametrize("degrees", [0, 40, 90, 180, 250])
def test_find_follows_the_turn_of_a_face(photo, finder, degrees):
    canvas = on_canvas([photo], (512, 512), [(128, 128)], [256])
    matrix = cv2.getRotationMatrix2D((255.5, 255.5), -degrees, 1.0)
    turned = cv2.warpAffine(canvas, matrix, (512, 512), borderValue=(128, 128, 128))
    still, found = finder.find(canvas), finder.find(turned)
    wanted = still.five[0] @ matrix[:, :2].T + matrix[:, 2]
    assert len(found) == 1
    assert np.abs(found.five[0] - wanted).max() < 5


def test_find_says_nothing_of_empty_pictures(finder, rng):
    assert len(finder.find(np.zeros((64, 90, 3), np.uint8))) == 0
    assert len(finder.find(rng.integers(0, 255, (120, 77, 3), dtype=np.uint8))) == 0
    empty = finder.find(np.full((1, 1, 3), 200, np.uint8))
    assert len(empty) == 0 and empty.quads.shape == (0, 4, 2)


def test_find_sees_every_person_of_a_composite(shared_data, finder):
    sheet = read_image(shared_data / "people" / "research_only" / "authors_results.jpg")
    assert len(finder.find(sheet)) == 8  # the other four look away


def test_follow_keeps_a_moved_face_and_loses_an_absent_one(photo, finder):
    canvas = on_canvas([photo], (400, 400), [(80, 80)], [200])
    moved = on_canvas([photo], (400, 400), [(92, 74)], [200])
    score, mesh = finder.settle(canvas, finder.detector.search(canvas).quads[0], 1.0)
    again = finder.follow(moved, mesh.next_quad)
    assert score > 0.9 and again is not None
    assert np.median(again.points[:, :2] - mesh.points[:, :2], axis=0) == pytest.approx([12, -6], abs=1)
    assert finder.follow(np.full_like(canvas, 128), mesh.next_quad) is None


def test_by_hand_gives_the_same_square_as_the_mesh(photo, finder):
    found = finder.find(photo)
    by_hand = Faces.by_hand(found.five)
    assert np.array_equal(by_hand.quads, found.quads)
    assert by_hand.mesh is None and by_hand.boxes.score == pytest.approx([1.0])


def test_by_hand_refuses_what_is_no_face():
    with pytest.raises(ShapeError, match=r"\('?N'?, 5, 2\)|\(N, 5, 2\)"):
        Faces.by_hand(np.zeros((1, 4, 2)))
    with pytest.raises(InputError, match="coincide"):
        Faces.by_hand(np.ones((1, 5, 2)))
    with pytest.raises(InputError, match="finite"):
        Faces.by_hand(np.full((1, 5, 2), np.nan))


def test_faces_can_be_picked(photo, finder):
    faces = finder.find(on_canvas([photo, photo], (300, 500), [(10, 20), (260, 40)], [220, 160]))
    assert len(faces) == 2 and len(faces[:1]) == 1
    assert np.array_equal(faces[[1]].five[0], faces.five[1])


def test_pictures_of_another_kind_are_refused():
    with pytest.raises(ShapeError):
        find_faces(np.zeros((10, 10, 4), np.uint8))
    with pytest.raises(InputError, match="8 bits"):
        find_faces(np.zeros((10, 10, 3), np.float32))


def test_views_reach_every_corner():
    squares = views_of((300, 700), 1 / 10)
    layers = {round(side): [(x, y) for x, y, s in squares if round(s) == round(side)] for _, _, side in squares}
    for side, starts in layers.items():
        assert min(x for x, _ in starts) <= 0 and max(x for x, _ in starts) + side >= 700 - 1
    assert turned_square(np.array([5.0, 5.0]), 4.0)[0] == pytest.approx([3.0, 3.0])
