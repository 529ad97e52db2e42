"""OBJ and PLY, read back by trimesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from limner.body import FastSMPL, load_body
from limner.checks import FileProblem, InputError, ShapeError
from limner.media import write_obj, write_ply

trimesh = pytest.importorskip("trimesh")


def free_mesh() -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    data = load_body("free")
    rotvec = np.random.default_rng(0).normal(0, 0.3, (1, 24, 3)).astype(np.float32)
    return FastSMPL(data)(np.ones((1, 4), np.float32), rotvec)[0][0], data.faces, data.uv


@pytest.mark.parametrize(("write", "suffix"), [(write_obj, "obj"), (write_ply, "ply")])
def test_a_mesh_comes_back_equal(write, suffix: str, tmp_path: Path) -> None:
    vertices, faces, _ = free_mesh()
    write(tmp_path / f"a.{suffix}", vertices, faces)
    found = trimesh.load(tmp_path / f"a.{suffix}", process=False, maintain_order=True)
    np.testing.assert_array_equal(np.asarray(found.vertices, np.float32), vertices)
    np.testing.assert_array_equal(found.faces, faces)


@pytest.mark.parametrize(("write", "suffix"), [(write_obj, "obj"), (write_ply, "ply")])
def test_an_atlas_goes_along(write, suffix: str, tmp_path: Path) -> None:
    vertices, faces, uv = free_mesh()
    write(tmp_path / f"a.{suffix}", vertices, faces, uv)
    found = trimesh.load(tmp_path / f"a.{suffix}", process=False, maintain_order=True)
    # trimesh may repeat vertices at seams, so triangles are what is compared.
    np.testing.assert_array_equal(np.asarray(found.vertices, np.float32)[found.faces], vertices[faces])


def test_texture_points_of_an_obj_run_up(tmp_path: Path) -> None:
    triangle = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0]], np.float32)
    write_obj(tmp_path / "a.obj", triangle, np.array([[0, 1, 2]]), np.float32([[[0, 0.25], [1, 0.25], [0, 1]]]))
    lines = (tmp_path / "a.obj").read_text().splitlines()
    points = [line.split()[1:] for line in lines if line.startswith("vt ")]
    corners = next(line for line in lines if line.startswith("f ")).split()[1:]
    assert [points[int(corner.split("/")[1]) - 1] for corner in corners] == [["0", "0.75"], ["1", "0.75"], ["0", "0"]]


@pytest.mark.parametrize("write", [write_obj, write_ply])
def test_what_is_no_mesh_is_refused(write, tmp_path: Path) -> None:
    triangle, faces = np.eye(3), np.array([[0, 1, 2]])
    with pytest.raises(InputError, match="finite"):
        write(tmp_path / "a", triangle * np.nan, faces)
    with pytest.raises(InputError, match="0 to 2"):
        write(tmp_path / "a", triangle, faces + 1)
    with pytest.raises(ShapeError, match="uv"):
        write(tmp_path / "a", triangle, faces, np.zeros((2, 3, 2)))
    with pytest.raises(FileProblem):
        write(tmp_path / "nowhere" / "a", triangle, faces)
    assert not list(tmp_path.iterdir())
