from __future__ import annotations

import os
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import coo_matrix, csc_matrix, csr_matrix

from limner.body import SMPL, load_body, read_smpl_file
from limner.body.parts import PART_JOINTS, face_lists_of, face_parts_of, mirror_vertices_of
from limner.body.transfer import point_regressor
from limner.checks import FileProblem, InputError, WeightsError
from limner.pose import SKELETONS

from .made_up import small_body, smpl_arrays


@pytest.fixture
def chumpy() -> Iterator[types.ModuleType]:
    """A module of chumpy's name whose classes pickle as chumpy's do; gone again before the file is read."""
    package, module, other = (types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering"))

    class Ch:
        def __init__(self, x: np.ndarray) -> None:
            self.x = x

    class Select:
        def __init__(self, a: Ch, idxs: np.ndarray, preferred_shape: tuple[int, ...]) -> None:
            self.a, self.idxs, self.preferred_shape = a, idxs, preferred_shape

    for kind, home in ((Ch, module), (Select, other)):
        kind.__module__, kind.__qualname__ = home.__name__, kind.__name__
        setattr(home, kind.__name__, kind)
    package.ch, package.reordering = module, other
    modules = {"chumpy": package, "chumpy.ch": module, "chumpy.reordering": other}
    sys.modules.update(modules)
    yield package
    for name in modules:
        sys.modules.pop(name, None)


def _write(path: Path, content: object, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def _as_published(arrays: dict[str, np.ndarray]) -> dict[str, object]:
    return {
        **arrays,
        "J_regressor": csc_matrix(arrays["J_regressor"]),
        "bs_style": "lbs",
        "J": arrays["v_template"][:24],
    }


def _assert_is_the_made_up_body(path: Path) -> None:
    body, wanted = read_smpl_file(path), small_body()
    for name in ("v_template", "shapedirs", "posedirs", "weights", "parents", "faces"):
        np.testing.assert_array_equal(getattr(body, name), getattr(wanted, name))
    np.testing.assert_allclose(body.J_regressor.toarray(), wanted.J_regressor.toarray())


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_pickles_of_every_protocol_are_read(tmp_path: Path, protocol: int) -> None:
    _assert_is_the_made_up_body(_write(tmp_path / "body.pkl", _as_published(smpl_arrays()), protocol))


def test_npz_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "body.npz", **smpl_arrays())
    _assert_is_the_made_up_body(tmp_path / "body.npz")


@pytest.mark.parametrize("protocol", [0, 2])
def test_chumpy_objects_are_read_without_chumpy(tmp_path: Path, chumpy: types.ModuleType, protocol: int) -> None:
    arrays = _as_published(smpl_arrays())
    shape = arrays["shapedirs"].shape
    arrays["v_template"] = chumpy.ch.Ch(arrays["v_template"])
    arrays["shapedirs"] = chumpy.reordering.Select(chumpy.ch.Ch(arrays["shapedirs"]), np.arange(np.prod(shape)), shape)
    path = _write(tmp_path / "body.pkl", arrays, protocol)
    for name in ("chumpy.reordering", "chumpy.ch", "chumpy"):
        del sys.modules[name]
    _assert_is_the_made_up_body(path)


@pytest.mark.parametrize("layout", [csc_matrix, csr_matrix, coo_matrix, np.asarray])
@pytest.mark.parametrize("turned", [False, True])
def test_regressors_of_every_layout_are_read(tmp_path: Path, layout, turned: bool) -> None:
    arrays: dict[str, object] = dict(smpl_arrays())
    dense = smpl_arrays()["J_regressor"]
    arrays["J_regressor"] = layout(dense.T if turned else dense)
    _assert_is_the_made_up_body(_write(tmp_path / "body.pkl", arrays))


class _OldSparse:
    """Pickles under scipy's old module name with the attribute `shape` of its first versions."""

    def __init__(self, matrix: csc_matrix) -> None:
        self.__dict__.update(data=matrix.data, indices=matrix.indices, indptr=matrix.indptr, shape=matrix.shape)


def test_sparse_matrices_of_old_scipy_are_read(tmp_path: Path) -> None:
    arrays = {**smpl_arrays(), "J_regressor": _OldSparse(csc_matrix(smpl_arrays()["J_regressor"]))}
    name = f"{_OldSparse.__module__}\n_OldSparse".encode()
    content = pickle.dumps(arrays, protocol=2)
    assert name in content
    (tmp_path / "body.pkl").write_bytes(content.replace(name, b"scipy.sparse.csc\ncsc_matrix"))
    _assert_is_the_made_up_body(tmp_path / "body.pkl")


def test_hmrs_keypoints_long_shapes_and_atlas_are_read(tmp_path: Path) -> None:
    arrays = smpl_arrays(num_betas=300)
    arrays["cocoplus_regressor"] = np.tile(arrays["J_regressor"][:1], (19, 1))
    arrays["vt"], arrays["ft"] = np.array([[0.0, 0.25], [1.0, 0.0], [0.5, 1.0]]), np.tile([0, 1, 2], (40, 1))
    np.savez(tmp_path / "body.npz", **arrays)
    body = read_smpl_file(tmp_path / "body.npz")
    assert body.num_betas == 10 and body.keypoint_regressors["cocoplus19"].shape == (19, 120)
    np.testing.assert_allclose(body.uv[3], [[0, 0.75], [1, 1], [0.5, 0]])
    assert read_smpl_file(tmp_path / "body.npz", num_betas=None).num_betas == 300


class _Attack:
    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize(("function", "name"), [
    (os.system, "system"), (eval, "eval"), (exec, "exec"), (getattr, "getattr"), (open, "open"),
    (np.load, "load"), (pickle.loads, "loads"),
])  # fmt: skip
def test_pickles_that_call_anything_are_refused_and_not_run(tmp_path: Path, function, name: str) -> None:
    marker = tmp_path / "ran"
    arrays = {**smpl_arrays(), "extra": _Attack(function, f"touch {marker}")}
    path = _write(tmp_path / "body.pkl", arrays)
    with pytest.raises(WeightsError, match=rf"{name}.*refused"):
        read_smpl_file(path)
    assert not marker.exists()


def test_pickles_that_rebuild_foreign_objects_are_refused(tmp_path: Path) -> None:
    content = b"ccopy_reg\n_reconstructor\n(cnumpy\ndtype\nc__builtin__\nobject\nNtR."
    (tmp_path / "body.pkl").write_bytes(content)
    with pytest.raises(WeightsError, match="not read"):
        read_smpl_file(tmp_path / "body.pkl")


def test_all_missing_keys_are_named(tmp_path: Path) -> None:
    arrays = smpl_arrays()
    del arrays["posedirs"], arrays["f"]
    np.savez(tmp_path / "body.npz", **arrays)
    with pytest.raises(WeightsError, match="lacks posedirs, f"):
        read_smpl_file(tmp_path / "body.npz")


def test_all_wrong_shapes_are_named(tmp_path: Path) -> None:
    arrays = smpl_arrays()
    arrays["weights"], arrays["kintree_table"] = np.ones((120, 52)), np.zeros((2, 52), np.uint32)
    np.savez(tmp_path / "body.npz", **arrays)
    with pytest.raises(
        WeightsError, match=r"weights has \(120, 52\) instead of \(120, 24\); kintree_table has \(2, 52\)"
    ):
        read_smpl_file(tmp_path / "body.npz")


@pytest.mark.parametrize(("key", "value", "message"), [
    ("f", np.full((40, 3), 120), "faces"),
    ("f", np.zeros((0, 3), int), None),
    ("v_template", np.full((120, 3), np.nan), "finite"),
    ("weights", np.zeros((120, 24)), "sum to 1"),
    ("kintree_table", np.full((2, 24), 3, np.uint32), "parents"),
    ("ft", np.full((40, 3), 9), "texture points"),
])  # fmt: skip
def test_wrong_numbers_are_refused_in_one_sentence(tmp_path: Path, key, value, message) -> None:
    arrays = {**smpl_arrays(), "vt": np.zeros((3, 2)), "ft": np.zeros((40, 3), int), key: value}
    if key == "f" and len(value) == 0:
        arrays["ft"] = value
    np.savez(tmp_path / "body.npz", **arrays)
    if message is None:
        assert len(read_smpl_file(tmp_path / "body.npz").faces) == 0
        return
    with pytest.raises(WeightsError, match=message) as caught:
        read_smpl_file(tmp_path / "body.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "content", "message"), [
    ("body.pkl", b"", "empty"),
    ("body.npz", b"PK not a zip", "damaged or of another kind"),
    ("body.npz", pickle.dumps([1, 2]), "damaged or of another kind"),
    ("body.pkl", b"\x80\x02}q\x00(U\x01a", "not a whole pickle"),
    ("body.pkl", b"hello", "not a whole pickle"),
    ("body.pkl", pickle.dumps([1, 2]), "holds a list"),
    ("body.txt", b"{}", "neither"),
])  # fmt: skip
def test_broken_files_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises((FileProblem, WeightsError), match=message):
        read_smpl_file(tmp_path / name)


def test_npz_with_objects_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "body.npz", **{**smpl_arrays(), "J_regressor": np.array([{}], dtype=object)})
    with pytest.raises(FileProblem, match="damaged or of another kind"):
        read_smpl_file(tmp_path / "body.npz")


def test_truncated_pickle_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "body.pkl", smpl_arrays())
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(FileProblem, match="not a whole pickle"):
        read_smpl_file(path)


def test_load_body_refuses_other_names(tmp_path: Path) -> None:
    for name in ("smplx", "smpl:", ""):
        with pytest.raises(InputError, match="no body is called"):
            load_body(name)
    with pytest.raises(FileProblem, match="does not exist"):
        load_body(f"smpl:{tmp_path / 'none.npz'}")


def _free_as_smpl(path: Path) -> str:
    """The free body, a tenth larger, written as if it were a user's SMPL file without keypoints."""
    free = load_body("free")
    np.savez(
        path,
        v_template=free.v_template * 1.1,
        shapedirs=free.shapedirs,
        posedirs=np.zeros((free.num_vertices, 3, 207), np.float32),
        J_regressor=free.J_regressor.toarray(),
        weights=free.weights,
        kintree_table=np.stack([free.parents, np.arange(24)]).astype(np.uint32),
        f=free.faces,
    )
    return f"smpl:{path}"


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory):
    return load_body(_free_as_smpl(tmp_path_factory.mktemp("smpl") / "larger.npz"))


def test_keypoints_are_carried_over_from_the_free_body(larger) -> None:
    free = load_body("free")
    for skeleton in SKELETONS:
        places = larger.keypoint_regressors[skeleton] @ larger.v_template
        wanted = 1.1 * (free.keypoint_regressors[skeleton] @ free.v_template)
        np.testing.assert_allclose(places, wanted, atol=2e-3)


def test_carried_keypoints_follow_the_pose(larger) -> None:
    free, rotvec = load_body("free"), torch.zeros(1, 24, 3)
    rotvec[0, 4, 0], rotvec[0, 16, 2], rotvec[0, 18, 1], rotvec[0, 15, 1] = 1.2, -1.0, -1.0, 0.6
    places = []
    for data in (free, larger):
        layer = SMPL(data, skeletons=["blazepose33"])
        places.append(layer.keypoints(layer(torch.zeros(1, 10), rotvec).vertices, "blazepose33")[0])
    gap = (places[0] * 1.1 - places[1]).norm(dim=-1)
    assert gap.max() < 0.02, gap


def test_parts_of_the_free_body_are_told_from_its_mesh() -> None:
    free = load_body("free")
    joints = free.J_regressor @ free.v_template
    parts = face_parts_of(free.v_template, free.faces, free.weights, joints)
    assert list(parts) == sorted(PART_JOINTS)
    np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(len(free.faces)))
    centre = {name: free.v_template[free.faces[ids]].mean((0, 1)) for name, ids in parts.items()}
    assert centre["00_head"][1] > centre["09_torso"][1] > centre["05_leg_left"][1] > centre["07_foot_left"][1]
    assert centre["03_hand_left"][0] > centre["01_arm_left"][0] > 0 > centre["02_arm_right"][0]


def test_face_lists_lie_inside_each_other_and_look_forward() -> None:
    free = load_body("free")
    lists = face_lists_of(free.v_template, free.faces, free.weights, free.J_regressor @ free.v_template)
    assert 0 < len(lists["face"]) < len(lists["front"]) < len(lists["head"])
    assert set(lists["face"]) <= set(lists["front"]) <= set(lists["head"])
    front = free.v_template[free.faces[lists["front"]]].mean((0, 1))
    assert front[2] > free.v_template[free.faces[lists["head"]]].mean((0, 1))[2]


def test_mirror_vertices_swap_sides() -> None:
    free = load_body("free")
    mirrored = mirror_vertices_of(free.v_template)
    gap = np.linalg.norm(free.v_template[mirrored] * (-1, 1, 1) - free.v_template, axis=1)
    assert np.percentile(gap, 99) < 0.005
    assert (mirrored[mirrored] == np.arange(len(mirrored))).mean() > 0.9


def test_point_regressor_gives_back_its_points() -> None:
    rng = np.random.default_rng(0)
    vertices, points = rng.normal(0, 0.1, (200, 3)), rng.normal(0, 0.05, (6, 3))
    rows = point_regressor(vertices, points)
    np.testing.assert_allclose(rows @ vertices, points, atol=1e-9)
    np.testing.assert_allclose(rows.sum(1), 1, atol=1e-9)
