from __future__ import annotations

import numpy as np
import pytest

from limner.checks import InputError, ShapeError
from limner.render import (
    FaceLabels,
    atlas_samples,
    condition_map,
    face_table,
    face_visibility,
    first_edge_middle,
    image_corners,
    only_faces,
    part_map,
    part_of_face,
    vertex_visibility,
)

UV = np.float32([[[0.1, 0.2], [0.3, 0.6], [0.9, 0.9]], [[0, 0], [1, 0], [0, 1]], [[0.5, 0.5], [0.7, 0.5], [0.5, 0.8]]])


@pytest.fixture
def labels() -> FaceLabels:
    parts = {"b": np.array([0]), "a": np.array([2, 1])}
    return FaceLabels(3, UV, parts, head=np.array([0, 2]), facial=np.array([2]))


EXPECTED = {
    "uv": [[0.2, 0.4], [0.5, 0], [0.6, 0.5], [-1, -1]],
    "uv_seg": [[0.2, 0.4, 0], [0.5, 0, 0], [0.6, 0.5, 0], [0, 0, 1]],
    "seg": [[1], [1], [1], [0]],
    "par": [[0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]],
    "front": [[0], [0], [1], [0]],
    "head": [[1], [0], [1], [0]],
    "back": [[1], [0], [0], [0]],
    "ids": [[0], [1 / 3], [2 / 3], [-1]],
    "binary": [[0, 0], [0, 1], [1, 0], [-1, -1]],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_table_is_what_the_reference_sheet_says(name, labels):
    table = face_table(labels, name)
    assert table.dtype == np.float32
    np.testing.assert_allclose(table, EXPECTED[name], atol=1e-7)


@pytest.mark.parametrize("name", [name for name in EXPECTED if name not in ("ids", "binary", "uv", "uv_seg")])
def test_fill_back_repeats_the_rows(name, labels):
    rows = np.float32(EXPECTED[name])
    np.testing.assert_array_equal(face_table(labels, name, fill_back=True), [*rows[:-1], *rows[:-1], rows[-1]])


def test_fill_back_codes_come_from_the_turned_faces(labels):
    table = face_table(labels, "uv", fill_back=True)
    np.testing.assert_allclose(table[3:6], (UV[:, 1] + UV[:, 2]) / 2)


def test_binary_has_fourteen_columns_for_smpl():
    assert face_table(FaceLabels(13776), "binary").shape == (13777, 14)


def test_maps_look_the_table_up_and_the_last_row_for_no_face(labels):
    face_index = np.array([[[2, -1], [0, 1]], [[-1, -1], [1, 1]]])
    picture = condition_map(face_table(labels, "head"), face_index)
    np.testing.assert_array_equal(picture[..., 0], [[[1, 0], [1, 0]], [[0, 0], [0, 0]]])
    np.testing.assert_array_equal(part_map(labels, face_index), [[[0, -1], [1, 0]], [[-1, -1], [0, 0]]])
    np.testing.assert_array_equal(part_of_face(labels), [1, 0, 0])


def test_the_code_is_the_middle_of_the_first_edge_not_the_centroid():
    np.testing.assert_allclose(first_edge_middle(UV[:1]), [[0.2, 0.4]])


def test_image_corners_turn_y_down_again():
    np.testing.assert_array_equal(image_corners(np.float32([[[1, 2, 3]] * 3])), np.float32([[[1, -2]] * 3]))


def test_visibility_with_and_without_background():
    faces = np.array([[0, 1, 2], [1, 2, 3], [3, 4, 5]])
    np.testing.assert_array_equal(face_visibility(np.array([[-1, 2]]), 3), [False, False, True])
    # A body that fills the picture keeps its lowest face.
    np.testing.assert_array_equal(face_visibility(np.array([[0, 2]]), 3), [True, False, True])
    np.testing.assert_array_equal(face_visibility(np.zeros((0, 0), int), 3), [False] * 3)
    np.testing.assert_array_equal(
        vertex_visibility(np.array([[-1, 1]]), faces, 7), [False, True, True, True, False, False, False]
    )


def test_faces_left_out_lie_nowhere():
    points = only_faces(UV, np.array([True, False, True]))
    assert (points[1] == -2).all() and (points[[0, 2]] == UV[[0, 2]]).all()


def test_atlas_samples_span_the_face_and_stay_in_the_atlas():
    samples = atlas_samples(UV, 2)
    # weights (0, 0), (0, 1), (1, 0), (1, 1) of the first two corners
    np.testing.assert_allclose(
        samples[2], np.float32([[0.5, 0.8], [0.7, 0.5], [0.5, 0.5], [0.7, 0.2]]) * 2 - 1, atol=1e-6
    )
    assert samples.min() >= -1 and samples.max() <= 1


@pytest.mark.parametrize("name", ["uv", "uv_seg", "front", "head", "back", "par"])
def test_a_map_without_its_labels_is_refused(name):
    with pytest.raises(InputError):
        face_table(FaceLabels(2), name)


def test_bad_labels_and_indices_are_refused(labels):
    with pytest.raises(InputError, match="one of uv"):
        face_table(labels, "normals")
    with pytest.raises(InputError, match="leave out 1"):
        face_table(FaceLabels(2, parts={"a": np.array([0])}), "par")
    with pytest.raises(InputError, match="outside 0 to 1"):
        FaceLabels(2, head=np.array([2]))
    with pytest.raises(ShapeError):
        FaceLabels(2, UV)
    with pytest.raises(InputError, match="names face 3"):
        condition_map(face_table(labels, "seg"), np.array([[3]]))
