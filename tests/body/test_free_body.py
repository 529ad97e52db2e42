from pathlib import Path

import numpy as np
import pytest

from limner.body import JOINT_NAMES, MIRROR_JOINTS, PARENTS, FastSMPL, free_body, load_body
from limner.body.free_body import PART_NAMES, load_free_body
from limner.checks import FileProblem
from limner.pose import SKELETONS

NPZ = Path(free_body.__file__).parent / "data" / "free_body.npz"
FLIP = np.array([-1, 1, 1])


@pytest.fixture(scope="module")
def body():
    return load_free_body()


@pytest.fixture(scope="module")
def stored():
    with np.load(NPZ, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def edges_of(faces):
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def winding_numbers(points, vertices, faces):
    """How often a closed surface goes round each point: 1 inside, 0 outside (van Oosterom and Strackee 1983)."""
    numbers = []
    for point in points:
        a, b, c = np.moveaxis(vertices[faces].astype(np.float64) - point, 1, 0)
        la, lb, lc = (np.linalg.norm(x, axis=1) for x in (a, b, c))
        top = np.einsum("fi,fi->f", a, np.cross(b, c))
        below = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
        numbers.append(np.arctan2(top, below).sum() / (2 * np.pi))
    return np.array(numbers)


def test_it_is_the_body_called_free(body):
    assert load_body("free").v_template.shape == body.v_template.shape
    assert body.name == "free" and tuple(body.parents) == PARENTS


def test_every_edge_has_exactly_two_faces(body):
    edges = edges_of(body.faces)
    assert (np.unique(np.sort(edges, 1), axis=0, return_counts=True)[1] == 2).all()
    assert len(np.unique(edges, axis=0)) == len(edges)  # and the two run along it in opposite directions


def test_the_surface_is_one_sphere(body):
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    num_edges = len(body.faces) * 3 // 2
    assert body.num_vertices - num_edges + len(body.faces) == 2
    edges = edges_of(body.faces)
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(body.num_vertices,) * 2)
    assert connected_components(graph, directed=False)[0] == 1


def test_faces_point_outwards_and_none_is_empty(body):
    a, b, c = np.moveaxis(body.v_template[body.faces].astype(np.float64), 1, 0)
    normals = np.cross(b - a, c - a)
    assert np.linalg.norm(normals, axis=1).min() > 1e-7  # m^2; the smallest is 0.15 mm^2
    volume = (a * np.cross(b, c)).sum() / 6
    assert 0.055 < volume < 0.08  # m^3: a person of 55 to 80 kg


def test_stands_in_a_t_pose_facing_z(body):
    joints = dict(zip(JOINT_NAMES, body.J_regressor @ body.v_template, strict=True))
    np.testing.assert_allclose(joints["pelvis"], [0, -0.22, 0.03], atol=2e-3)
    arm = joints["left_wrist"] - joints["left_shoulder"]
    assert arm[0] > 0.45 and np.abs(arm[1:]).max() < 5e-3
    leg = joints["left_ankle"] - joints["left_hip"]
    assert leg[1] < -0.75 and abs(leg[0]) < 0.03 and abs(leg[2]) < 0.05
    assert joints["left_foot"][2] > joints["left_ankle"][2] + 0.1
    assert 1.6 < np.ptp(body.v_template[:, 1]) < 1.75


def test_both_soles_lie_on_one_level(body):
    feet = {side: np.unique(body.faces[body.face_parts[name]]) for side, name in
            (("left", "07_foot_left"), ("right", "08_foot_right"))}  # fmt: skip
    floor = body.v_template[:, 1].min()
    for vertices in feet.values():
        sole = body.v_template[vertices]
        heel, toes = sole[sole[:, 2] < sole[:, 2].min() + 0.05], sole[sole[:, 2] > sole[:, 2].max() - 0.05]
        assert heel[:, 1].min() - floor < 0.012 and toes[:, 1].min() - floor < 0.012


def test_left_and_right_are_equal(body):
    mirror = body.mirror_vertices
    assert (mirror[mirror] == np.arange(body.num_vertices)).all()
    np.testing.assert_allclose(body.v_template[mirror] * FLIP, body.v_template, atol=1e-7)
    np.testing.assert_allclose(body.shapedirs[mirror] * FLIP[:, None], body.shapedirs, atol=1e-7)
    np.testing.assert_allclose(body.weights[mirror][:, MIRROR_JOINTS], body.weights, atol=1e-6)
    joints = body.J_regressor.toarray()
    np.testing.assert_allclose(joints[list(MIRROR_JOINTS)][:, mirror], joints, atol=1e-6)


def test_mirrored_faces_are_faces(body):
    def starting_low(faces):
        low = faces.argmin(1)
        return {tuple(np.roll(face, -first)) for face, first in zip(faces.tolist(), low, strict=True)}

    assert starting_low(body.mirror_vertices[body.faces][:, ::-1]) == starting_low(body.faces)


@pytest.mark.parametrize("betas", [[0, 0, 0], [2, 0, 0], [-2, 0, 0], [0, 2, -2], [0, -2, 2]])
def test_joints_lie_inside_the_mesh(body, betas):
    vertices = body.v_template + body.shapedirs[..., :3] @ np.array(betas, np.float32)
    inside = winding_numbers(body.J_regressor @ vertices, vertices, body.faces)
    np.testing.assert_allclose(inside, 1, atol=1e-3)


def test_inner_keypoints_lie_inside_the_mesh(body):
    skeleton = SKELETONS["lsp14"]
    points = body.keypoint_regressors["lsp14"] @ body.v_template
    limbs = [i for i, joint in enumerate(skeleton.joints) if joint != "head_top"]
    np.testing.assert_allclose(winding_numbers(points[limbs], body.v_template, body.faces), 1, atol=1e-3)


def test_betas_are_standard_normal_over_the_adults(stored):
    np.testing.assert_allclose(stored["betas_mean"], 0, atol=1e-5)
    np.testing.assert_allclose(stored["betas_std"], 1, atol=1e-5)


def test_directions_are_orthogonal_and_sorted(body):
    flat = body.shapedirs.reshape(-1, 10).astype(np.float64)
    size = np.linalg.norm(flat, axis=0)
    assert (np.diff(size) < 0).all()
    cosines = (flat / size).T @ (flat / size) - np.eye(10)
    assert np.abs(cosines).max() < 1e-3  # float16 storage leaves them a little less than orthogonal


def test_no_shape_moves_the_pelvis(body, rng):
    betas = rng.normal(0, 2, (10, 8)).astype(np.float32)
    pelvis = [(body.J_regressor @ (body.v_template + body.shapedirs @ b))[0] for b in betas.T]
    np.testing.assert_allclose(pelvis, np.broadcast_to([0, -0.22, 0.03], (8, 3)), atol=1e-4)  # worst seen: 4e-6


def test_first_shape_number_is_tallness(body):
    tall = body.v_template + 2 * body.shapedirs[..., 0]
    assert np.ptp(tall[:, 1]) > np.ptp(body.v_template[:, 1]) + 0.15


def test_shape_directions_leave_little(stored):
    report = dict(zip(stored["report_names"].tolist(), stored["report_values"].tolist(), strict=True))
    assert report["shape_error_mean_mm"] < 1.2 and report["shape_error_p99_mm"] < 6


def test_weights_are_few_and_sum_to_one(body):
    np.testing.assert_allclose(body.weights.sum(1), 1, atol=1e-6)
    assert (body.weights >= 0).all() and (body.weights > 0).sum(1).max() <= 6


@pytest.mark.parametrize("skeleton", list(SKELETONS))
def test_keypoint_rows_are_means(body, skeleton):
    regressor = body.keypoint_regressors[skeleton]
    assert regressor.shape == (len(SKELETONS[skeleton]), body.num_vertices)
    assert (regressor.data >= 0).all()
    np.testing.assert_allclose(np.asarray(regressor.sum(1)).ravel(), 1, atol=1e-6)


@pytest.mark.parametrize("skeleton", list(SKELETONS))
def test_keypoints_have_mirror_images(body, skeleton):
    points = body.keypoint_regressors[skeleton] @ body.v_template
    np.testing.assert_allclose(points[list(SKELETONS[skeleton].mirror)] * FLIP, points, atol=1e-6)
    left = [i for i, joint in enumerate(SKELETONS[skeleton].joints) if joint.startswith("left_")]
    assert (points[left, 0] > 0.01).all()


def test_keypoints_follow_the_joints_of_a_posed_body(body, rng):
    rotvec = rng.normal(0, 0.35, (20, 24, 3)).astype(np.float32)
    betas = rng.normal(0, 1, (20, 10)).astype(np.float32)
    vertices, joints = FastSMPL(body)(betas, rotvec)
    points = np.stack([body.keypoint_regressors["smpl24"] @ v for v in vertices])
    away = np.linalg.norm(points - joints, axis=-1)
    assert away.mean() < 0.004 and away.max() < 0.05


def test_face_landmarks_are_in_order(body):
    at = dict(
        zip(SKELETONS["blazepose33"].joints, body.keypoint_regressors["blazepose33"] @ body.v_template, strict=True)
    )
    assert at["left_eye_inner"][0] < at["left_eye"][0] < at["left_eye_outer"][0] < at["left_ear"][0]
    assert at["left_mouth"][1] < at["nose"][1] < at["left_eye"][1]
    assert at["nose"][2] > at["left_eye"][2] > at["left_ear"][2]
    assert at["left_big_toe"][2] > at["left_ankle"][2] > at["left_heel"][2]


def test_parts_hold_every_face_once(body):
    assert tuple(body.face_parts) == PART_NAMES
    together = np.sort(np.concatenate(list(body.face_parts.values())))
    np.testing.assert_array_equal(together, np.arange(len(body.faces)))
    for left, right in ((1, 2), (3, 4), (5, 6), (7, 8)):
        assert len(body.face_parts[PART_NAMES[left]]) == len(body.face_parts[PART_NAMES[right]]) > 500


def test_lists_of_the_head_nest(body):
    head, front, face = (set(body.face_lists[name].tolist()) for name in ("head", "front", "face"))
    assert face < front < head == set(body.face_parts["00_head"].tolist())


def covered_texels(uv, size):
    """How many faces hold each texel's centre strictly inside; faces of like size are done at once."""
    count = np.zeros(size * size, np.int64)
    corners = uv.astype(np.float64) * size
    low = np.floor(corners.min(1)).astype(int)
    reach = np.ceil((corners.max(1) - low).max(1)).astype(int)
    for box in np.unique(reach):
        some = reach == box
        cell = low[some][:, None] + np.stack(np.meshgrid(np.arange(box), np.arange(box)), -1).reshape(-1, 2)
        inside = np.ones(cell.shape[:2], bool)
        for k in range(3):
            p, q = corners[some, k][:, None], corners[some, (k + 1) % 3][:, None]
            edge, away = q - p, cell + 0.5 - p
            inside &= edge[..., 0] * away[..., 1] - edge[..., 1] * away[..., 0] < 0  # v down turns faces clockwise
        count += np.bincount((cell[..., 1] * size + cell[..., 0])[inside], minlength=size * size)
    return count


def test_atlas_islands_do_not_overlap(body):
    assert body.uv.min() >= 0 and body.uv.max() <= 1
    count = covered_texels(body.uv, 1024)
    assert count.max() == 1 and (count > 0).mean() > 0.5


def test_file_is_small_and_says_its_licence(body):
    assert NPZ.stat().st_size < 6e6
    assert "CC0" in body.licence and "Apache-2.0" in body.licence
    assert "CC0" in (NPZ.parent / "free_body.md").read_text(encoding="utf-8")


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(FileProblem, match="does not exist"):
        load_free_body(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("not a zip")
    with pytest.raises(FileProblem, match="not a readable body npz"):
        load_free_body(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", format=np.array(99))
    with pytest.raises(FileProblem, match="format 99"):
        load_free_body(tmp_path / "other.npz")
    np.savez(tmp_path / "pickled.npz", format=np.array([{"a": 1}], dtype=object))
    with pytest.raises(FileProblem, match="not a readable body npz"):
        load_free_body(tmp_path / "pickled.npz")


def test_a_changed_number_is_noticed(tmp_path, stored):
    changed = dict(stored, v_template=stored["v_template"] + np.float32(1e-4))
    np.savez(tmp_path / "changed.npz", **changed)
    with pytest.raises(FileProblem, match="checksum"):
        load_free_body(tmp_path / "changed.npz")
