"""GLB files: read back by trimesh and by a reader of the tests' own, and skinned to the same vertices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from limner.body import BodyData, FastSMPL, bind_skin, load_body
from limner.checks import InputError, ShapeError
from limner.media import SkinnedPerson, bone_names, split_at_seams, write_glb

from ..body.made_up import small_body
from .glb_reader import Glb

trimesh = pytest.importorskip("trimesh")


def moving_person(data: BodyData, rng: np.random.Generator, frames: int = 10) -> tuple[SkinnedPerson, np.ndarray]:
    """A person who swings about, and where the body layer has the vertices."""
    swing = np.sin(np.arange(frames)[:, None] / 4 * np.arange(1, 4))
    rotvec = np.einsum("tk,kjc->tjc", swing, rng.normal(0, 0.3, (3, 24, 3))).astype(np.float32)
    betas = rng.normal(size=data.num_betas).astype(np.float32)
    vertices, joints = FastSMPL(data)(np.repeat(betas[None], frames, axis=0), rotvec)
    root = joints[:, 0] + np.linspace((0, 1, 0), (1, 1, 2), frames)
    skin = bind_skin(data, betas, rotvec)
    repeats, faces, uv = np.arange(data.num_vertices), data.faces, None
    if data.uv is not None:
        repeats, faces, uv = split_at_seams(data.faces, data.uv, data.num_vertices)
    person = SkinnedPerson(
        name="somebody",
        vertices=skin.vertices[repeats],
        normals=np.tile(np.float32([0, 0, 1]), (len(repeats), 1)),
        faces=faces,
        uv=uv,
        bones=skin.bones[repeats],
        bone_weights=skin.weights[repeats],
        joint_names=bone_names("mixamo"),
        parents=data.parents.tolist(),
        joints_rest=skin.joints,
        times=np.arange(frames) / 25,
        rotvec=rotvec,
        root=root,
        targets=skin.targets[:, repeats],
        target_weights=skin.target_weights,
    )
    return person, vertices + (root - joints[:, 0])[:, None]


@pytest.mark.parametrize("data", [load_body("free"), small_body()], ids=["free", "made-up SMPL"])
def test_skinning_the_file_gives_the_body_within_a_millimetre(
    data: BodyData, rng: np.random.Generator, tmp_path: Path
) -> None:
    person, vertices = moving_person(data, rng)
    write_glb(tmp_path / "a.glb", [person])
    glb = Glb(tmp_path / "a.glb")
    for frame in (0, 4, 9):
        assert np.abs(glb.posed(frame)[: data.num_vertices] - vertices[frame]).max() < 1e-3
    np.testing.assert_allclose(glb.times(), np.arange(10) / 25, atol=1e-6)


def test_trimesh_reads_the_rest_mesh(rng: np.random.Generator, tmp_path: Path) -> None:
    data = load_body("free")
    person, _ = moving_person(data, rng)
    write_glb(tmp_path / "a.glb", [person, replace(person, name="else", texture=np.full((8, 4, 3), 90, np.uint8))])
    scene = trimesh.load(tmp_path / "a.glb", process=False)
    assert len(scene.geometry) == 2
    for mesh in scene.geometry.values():
        np.testing.assert_allclose(mesh.vertices, person.vertices, atol=1e-6)
        np.testing.assert_array_equal(mesh.faces, person.faces)
    assert scene.geometry["else"].visual.material.baseColorTexture.size == (4, 8)


def test_seams_repeat_vertices_behind_the_old_ones() -> None:
    faces = np.array([[0, 1, 2], [2, 1, 3]])
    uv = np.float32([[[0, 0], [0.5, 0], [0, 1]], [[0.2, 1], [0.5, 0], [1, 1]]])  # vertex 2 lies on a seam
    source, new_faces, points = split_at_seams(faces, uv, 4)
    assert source[:4].tolist() == [0, 1, 2, 3] and source[4:].tolist() == [2]
    np.testing.assert_array_equal(source[new_faces], faces)
    np.testing.assert_array_equal(points[new_faces], uv)


def test_whoever_is_away_has_no_size(rng: np.random.Generator, tmp_path: Path) -> None:
    person, _ = moving_person(small_body(), rng)
    shown = np.arange(10) > 5
    write_glb(tmp_path / "a.glb", [replace(person, shown=shown)])
    glb = Glb(tmp_path / "a.glb")
    assert np.ptp(glb.posed(2), axis=0).max() < 1e-6 < np.ptp(glb.posed(7), axis=0).max()
    channels = glb.document["animations"][0]
    scale = next(c for c in channels["channels"] if c["target"]["path"] == "scale")
    assert channels["samplers"][scale["sampler"]]["interpolation"] == "STEP"


def test_a_single_frame_stands_without_animation(rng: np.random.Generator, tmp_path: Path) -> None:
    person, vertices = moving_person(small_body(), rng, frames=1)
    write_glb(tmp_path / "a.glb", [person])
    glb = Glb(tmp_path / "a.glb")
    assert "animations" not in glb.document
    assert np.abs(glb.posed(0) - vertices[0]).max() < 1e-3


def test_quaternions_do_not_jump(rng: np.random.Generator, tmp_path: Path) -> None:
    person, _ = moving_person(small_body(), rng, frames=40)
    rotvec = person.rotvec.copy()
    rotvec[:, 0] = np.linspace(0, 12, 40)[:, None] * np.float32([0, 1, 0])
    write_glb(tmp_path / "a.glb", [replace(person, rotvec=rotvec)])
    glb = Glb(tmp_path / "a.glb")
    quats = glb.array(glb.document["animations"][0]["samplers"][1]["output"])
    assert ((quats[1:] * quats[:-1]).sum(axis=1) > 0.9).all()


def test_what_is_no_person_is_refused(rng: np.random.Generator, tmp_path: Path) -> None:
    person, _ = moving_person(small_body(), rng)
    with pytest.raises(InputError, match="at least one person"):
        write_glb(tmp_path / "a.glb", [])
    with pytest.raises(ShapeError, match="bone_weights"):
        replace(person, bone_weights=person.bone_weights[:, :3])
    with pytest.raises(InputError, match="rising"):
        replace(person, times=person.times[::-1])
    with pytest.raises(InputError, match="root"):
        replace(person, root=person.root * np.nan)
    assert not list(tmp_path.iterdir())
