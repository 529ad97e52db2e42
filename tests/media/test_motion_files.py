from __future__ import annotations

import json
import pickle
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from limner.checks import FileProblem, InputError
from limner.media import motion_kind, read_keypoints, read_motion, resample_motion
from limner.media.asf_amc import read_asf_amc
from limner.media.bvh import read_bvh, split_name
from limner.media.retarget import BONE_DIRECTIONS, JOINT_NAMES, PARENTS, SourceMotion, turn_to_y_up
from limner.records import Motion

HALF_TURN = np.array([np.pi, 0, 0])
LIMBS = [("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")]


def world_rotations(motion: Motion) -> np.ndarray:
    local = Rotation.from_rotvec(motion.rotvec.reshape(-1, 3).astype(np.float64)).as_matrix().reshape(-1, 24, 3, 3)
    world = local.copy()
    for joint in range(1, 24):
        world[:, joint] = world[:, PARENTS[joint]] @ local[:, joint]
    return world


def bone_errors_deg(motion: Motion, source: SourceMotion) -> dict[str, float]:
    """The largest angle over all frames between each limb's bone on SMPL and on the source."""
    world, errors = world_rotations(motion), {}
    for side in ("left", "right"):
        for start, end in LIMBS:
            name = f"{side} {start}"
            ours = world[:, JOINT_NAMES.index(name)] @ BONE_DIRECTIONS[name]
            theirs = source.positions[:, source.joints[f"{side} {end}"]] - source.positions[:, source.joints[name]]
            cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
            errors[name] = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).max())
    return errors


def geodesic_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(
        (Rotation.from_rotvec(a.reshape(-1, 3)).inv() * Rotation.from_rotvec(b.reshape(-1, 3))).magnitude()
    )


@pytest.fixture(scope="module")
def cmu(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cmu")
    with zipfile.ZipFile(shared_data / "motion" / "cmu_asf_amc.zip") as archive:
        for name in ("01_01.asf", "02_02.asf", "02_02_01.amc", "01_01_14.amc"):
            archive.extract(name, folder)
    # The first 200 frames of a long take are enough.
    lines = (folder / "01_01_14.amc").read_text().splitlines(keepends=True)
    (folder / "01_01_14.amc").write_text("".join(lines[: 3 + 30 * 200]))
    return folder


# CMU's asf and amc, on real takes


@pytest.mark.parametrize("take", ["02_02_01", "01_01_14"])
def test_every_limb_of_a_cmu_take_points_where_it_pointed(cmu: Path, take: str) -> None:
    motion, source = read_motion(cmu / f"{take}.amc"), read_asf_amc(cmu / f"{take}.amc")
    errors = bone_errors_deg(motion, source)
    # Measured: 0.003 degrees at most, the rounding of float32.
    assert len(motion) == len(source.positions) and max(errors.values()) < 0.05, errors


def test_cmu_walk_is_upright_faces_its_way_and_is_as_tall_as_a_man(cmu: Path) -> None:
    motion = read_motion(cmu / "02_02_01.amc")
    world = world_rotations(motion)
    moved = motion.transl[-1] - motion.transl[0]
    assert motion.frame_rate == 120 and motion.name == "02_02_01.amc"
    assert world[:, 0, 1, 1].min() > 0.9 and 0.85 < motion.transl[:, 1].mean() < 1.05
    assert np.linalg.norm(moved[[0, 2]]) > 3 and world[:, 0, :, 2].mean(0) @ moved / np.linalg.norm(moved) > 0.95
    feet = world[:, JOINT_NAMES.index("left ankle"), 1, 1]
    assert np.median(feet) > 0.85, "soles point down most of the time"


def test_cmu_walk_moves_without_jumps(cmu: Path) -> None:
    motion = read_motion(cmu / "02_02_01.amc")
    steps = geodesic_deg(motion.rotvec[:-1], motion.rotvec[1:]).reshape(-1, 24)
    assert steps.max() < 10 and np.abs(np.diff(motion.transl, axis=0)).max() < 0.03


def test_forearm_twist_is_shared_between_elbow_and_wrist(cmu: Path) -> None:
    motion, source = read_motion(cmu / "02_02_01.amc"), read_asf_amc(cmu / "02_02_01.amc")
    wrist, elbow = source.rotmats[:, source.joints["left wrist"]], source.rotmats[:, source.joints["left elbow"]]
    before = Rotation.from_matrix(np.swapaxes(elbow, 1, 2) @ wrist).as_rotvec()[:, 0]
    after = motion.rotvec[:, JOINT_NAMES.index("left wrist"), 0]
    assert np.abs(after).mean() < 0.65 * np.abs(before).mean()


def test_amc_that_breaks_off_loses_its_last_frame_only(cmu: Path, tmp_path: Path) -> None:
    (tmp_path / "02.asf").write_bytes((cmu / "02_02.asf").read_bytes())
    lines = (cmu / "02_02_01.amc").read_text().splitlines()
    (tmp_path / "02_01.amc").write_text("\n".join(lines[: 3 + 30 * 5 + 7]))
    assert len(read_motion(tmp_path / "02_01.amc")) == 5


def test_amc_without_its_skeleton_or_frames_says_what_is_missing(cmu: Path, tmp_path: Path) -> None:
    (tmp_path / "02_01.amc").write_bytes((cmu / "02_02_01.amc").read_bytes())
    with pytest.raises(FileProblem, match=r"needs its skeleton beside it: put 02\.asf into"):
        read_motion(tmp_path / "02_01.amc")
    (tmp_path / "02.asf").write_text("no skeleton")
    with pytest.raises(FileProblem, match="is not an asf skeleton"):
        read_motion(tmp_path / "02_01.amc")
    (tmp_path / "02.asf").write_bytes((cmu / "02_02.asf").read_bytes())
    (tmp_path / "02_01.amc").write_text(":DEGREES\n")
    with pytest.raises(FileProblem, match="zero frames"):
        read_motion(tmp_path / "02_01.amc")


def test_nan_in_an_amc_names_the_file_and_the_first_bad_frame(cmu: Path, tmp_path: Path) -> None:
    (tmp_path / "02.asf").write_bytes((cmu / "02_02.asf").read_bytes())
    text = (cmu / "02_02_01.amc").read_text().split("\n")
    at = text.index("4") + 1
    text[at] = "root nan 1 1 1 1 1"
    (tmp_path / "02_01.amc").write_text("\n".join(text))
    with pytest.raises(InputError, match=r"02_01\.amc has numbers that are not finite .* first in frame 3"):
        read_motion(tmp_path / "02_01.amc")


# BVH: a skeleton written with the names and habits of several programs

_SKELETON = [
    # joint, parent, offset in metres of a man in T pose, facing +z
    ("Hips", -1, (0, 0.9, 0)),
    ("Spine", 0, (0, 0.1, 0)),
    ("Spine1", 1, (0, 0.12, 0)),
    ("Spine2", 2, (0, 0.12, 0)),
    ("Neck", 3, (0, 0.2, 0)),
    ("Head", 4, (0, 0.1, 0.02)),
    ("LeftShoulder", 3, (0.05, 0.15, 0)),
    ("LeftArm", 6, (0.12, 0, 0)),
    ("LeftForeArm", 7, (0.28, 0, 0)),
    ("LeftHand", 8, (0.25, 0, 0)),
    ("RightShoulder", 3, (-0.05, 0.15, 0)),
    ("RightArm", 10, (-0.12, 0, 0)),
    ("RightForeArm", 11, (-0.28, 0, 0)),
    ("RightHand", 12, (-0.25, 0, 0)),
    ("LeftUpLeg", 0, (0.1, -0.08, 0)),
    ("LeftLeg", 14, (0, -0.42, 0)),
    ("LeftFoot", 15, (0, -0.42, 0)),
    ("LeftToeBase", 16, (0, -0.06, 0.15)),
    ("RightUpLeg", 0, (-0.1, -0.08, 0)),
    ("RightLeg", 18, (0, -0.42, 0)),
    ("RightFoot", 19, (0, -0.42, 0)),
    ("RightToeBase", 20, (0, -0.06, 0.15)),
]  # fmt: skip
_BLENDER = {
    "Hips": "hips", "Spine": "spine", "Spine1": "spine.001", "Spine2": "spine.002", "Neck": "neck", "Head": "head",
    "LeftShoulder": "shoulder.L", "LeftArm": "upper_arm.L", "LeftForeArm": "forearm.L", "LeftHand": "hand.L",
    "RightShoulder": "shoulder.R", "RightArm": "upper_arm.R", "RightForeArm": "forearm.R", "RightHand": "hand.R",
    "LeftUpLeg": "thigh.L", "LeftLeg": "shin.L", "LeftFoot": "foot.L", "LeftToeBase": "toe.L",
    "RightUpLeg": "thigh.R", "RightLeg": "shin.R", "RightFoot": "foot.R", "RightToeBase": "toe.R",
}  # fmt: skip


def motion_frames(count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Local rotation matrices (T, J, 3, 3) and root positions of somebody who turns, bends a knee and lifts an arm."""
    angles = np.zeros((count, len(_SKELETON), 3))
    share = np.linspace(0, 1, count)
    turns = {
        "Hips": (0, 60, 0),
        "Spine1": (20, 10, 5),
        "LeftUpLeg": (-70, 0, 10),
        "LeftLeg": (80, 0, 0),
        "RightArm": (0, 30, 60),
        "RightForeArm": (0, 80, 0),
        "LeftArm": (0, 0, -75),
        "Head": (0, 30, 0),
    }
    for name, turn in turns.items():
        angles[:, [n for n, _, _ in _SKELETON].index(name)] = share[:, None] * np.array(turn)
    rotations = Rotation.from_euler("xyz", angles.reshape(-1, 3), degrees=True).as_matrix()
    return rotations.reshape(count, -1, 3, 3), np.stack([share, 0.9 + 0 * share, 0.5 * share], axis=1)


def write_bvh(
    path: Path,
    *,
    names: dict[str, str] | None = None,
    prefix: str = "",
    order: str = "ZXY",
    unit: float = 100.0,
    axes: np.ndarray | None = None,
    bone_frames: np.ndarray | None = None,
    frame_time: str = "0.0333333",
) -> None:
    """Write the skeleton and its motion; `axes` turns the world, `bone_frames` (J, 3, 3) the axes of each joint."""
    local, positions = motion_frames()
    axes = np.eye(3) if axes is None else axes
    frames = np.tile(np.eye(3), (len(_SKELETON), 1, 1)) if bone_frames is None else bone_frames
    children: dict[int, list[int]] = {}
    for joint, (_, parent, _) in enumerate(_SKELETON):
        children.setdefault(parent, []).append(joint)
    lines, listed = ["HIERARCHY"], []

    def add(joint: int, depth: int) -> None:
        name, parent, offset = _SKELETON[joint]
        stored = (
            axes @ offset if parent < 0 else (frames[parent].T @ offset if bone_frames is not None else axes @ offset)
        )
        tab = "\t" * depth
        position = "6 Xposition Yposition Zposition " if parent < 0 else "3 "
        lines.append(f"{tab}{'ROOT' if parent < 0 else 'JOINT'} {prefix}{(names or {}).get(name, name)}")
        lines.append(f"{tab}{{\n{tab}\tOFFSET {' '.join(f'{v * unit:.6f}' for v in stored)}")
        lines.append(f"{tab}\tCHANNELS {position}{' '.join(f'{c}rotation' for c in order)}")
        listed.append(joint)
        for child in children.get(joint, []):
            add(child, depth + 1)
        if joint not in children:
            lines.append(f"{tab}\tEnd Site\n{tab}\t{{\n{tab}\t\tOFFSET 0 1 0\n{tab}\t}}")
        lines.append(f"{tab}}}")

    add(0, 0)
    lines += ["MOTION", f"Frames: {len(local)}", f"Frame Time: {frame_time}"]
    for turn, position in zip(local, positions, strict=True):
        row = [f"{v * unit:.6f}" for v in axes @ position]
        for joint in listed:
            if bone_frames is None:
                matrix = axes @ turn[joint] @ axes.T
            else:
                parent = _SKELETON[joint][1]
                matrix = (frames[parent].T if parent >= 0 else np.eye(3)) @ turn[joint] @ frames[joint]
            row += [f"{a:.8f}" for a in Rotation.from_matrix(matrix).as_euler(order, degrees=True)]
        lines.append(" ".join(row))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def plain(tmp_path: Path) -> Motion:
    write_bvh(tmp_path / "plain.bvh")
    return read_motion(tmp_path / "plain.bvh")


def test_bvh_in_a_t_pose_gives_the_rotations_it_was_made_of(plain: Motion) -> None:
    local, positions = motion_frames()
    names = [n for n, _, _ in _SKELETON]
    pairs = {
        "pelvis": "Hips",
        "spine2": "Spine1",
        "left shoulder": "LeftArm",
        "right elbow": "RightForeArm",
        "head": "Head",
    }
    assert plain.frame_rate == 30 and np.allclose(plain.transl, positions, atol=1e-5)
    for ours, theirs in pairs.items():
        wanted = Rotation.from_matrix(local[:, names.index(theirs)]).as_rotvec()
        assert geodesic_deg(plain.rotvec[:, JOINT_NAMES.index(ours)], wanted).max() < 0.01, ours


@pytest.mark.parametrize(
    "habits",
    [
        {"prefix": "mixamorig:", "order": "XYZ"},
        {"names": _BLENDER, "unit": 1.0, "order": "YXZ"},
        {"unit": 0.45 / 0.0254},
        {"unit": 1000.0, "order": "YZX"},
        {"axes": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), "names": _BLENDER, "unit": 1.0},
    ],
    ids=["mixamo", "blender", "cmu inches", "millimetres", "z up"],
)
def test_bvh_of_other_programs_gives_the_same_motion(tmp_path: Path, plain: Motion, habits: dict) -> None:
    write_bvh(tmp_path / "other.bvh", **habits)
    other = read_motion(tmp_path / "other.bvh")
    assert geodesic_deg(other.rotvec, plain.rotvec).max() < 0.01
    assert np.allclose(other.transl, plain.transl, atol=1e-4)


def test_bvh_whose_zero_pose_is_no_person_still_points_every_bone(tmp_path: Path, plain: Motion) -> None:
    # Every bone along its own x axis, as engines export: the zero pose is a bundle of sticks.
    frames = np.tile(np.eye(3), (len(_SKELETON), 1, 1))
    for _, parent, offset in _SKELETON:
        if parent > 0 and offset != (0, 0, 0):
            direction = np.array(offset) / np.linalg.norm(offset)
            frames[parent] = Rotation.align_vectors([direction], [[1, 0, 0]])[0].as_matrix()
    write_bvh(tmp_path / "sticks.bvh", bone_frames=frames)
    motion = read_motion(tmp_path / "sticks.bvh")
    source, _ = read_bvh(tmp_path / "sticks.bvh")
    assert max(bone_errors_deg(motion, source).values()) < 0.01
    assert geodesic_deg(motion.rotvec[:, 0], plain.rotvec[:, 0]).max() < 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mixamorig:LeftUpLeg", ("left", "upleg")),
        ("thigh.L", ("left", "thigh")),
        ("Bip01 R Thigh", ("right", "thigh")),
        ("lowerarm_r", ("right", "lowerarm")),
        ("L_Hip", ("left", "hip")),
        ("rShldr", ("right", "shldr")),
        ("Left_Foot", ("left", "foot")),
        ("RightToeBase", ("right", "toebase")),
        ("LowerBack", ("", "lowerback")),
        ("LHipJoint", ("left", "hipjoint")),
        ("Reference", ("", "reference")),
        ("Root", ("", "root")),
        ("Spine1", ("", "spine1")),
    ],
)
def test_split_name_finds_side_and_part(name: str, expected: tuple[str, str]) -> None:
    assert split_name(name) == expected


@pytest.mark.parametrize(
    ("frame_time", "rate"),
    [
        ("0.0333333", Fraction(30)),
        ("0.033333", Fraction(30)),
        ("0.0333667", Fraction(30_000, 1001)),
        (".0083333", Fraction(120)),
        ("0.04", Fraction(25)),
        ("0.0166667", Fraction(60)),
        ("0.4", Fraction(5, 2)),
    ],
)
def test_bvh_frame_time_becomes_the_exact_rate(tmp_path: Path, frame_time: str, rate: Fraction) -> None:
    write_bvh(tmp_path / "a.bvh", frame_time=frame_time)
    assert read_motion(tmp_path / "a.bvh").frame_rate == rate


@pytest.mark.parametrize(
    ("old", "new", "problem", "sentence"),
    [
        ("HIERARCHY", "HELLO", FileProblem, "is not a BVH file"),
        ("MOTION", "", FileProblem, "is not a BVH file, or it is truncated"),
        ("Frames: 6", "", FileProblem, "number of frames"),
        ("LeftArm", "Wing", InputError, "no joints that limner knows as left shoulder"),
        ("LeftForeArm", "Wing", InputError, "lacks joints for left elbow"),
        ("OFFSET", "OFFSTE", FileProblem, "is not a BVH file"),
        ("0.0333333", "0.0", InputError, "frame time that is not positive"),
        ("100.000000 90.000000 50.000000", "nan 90 50", InputError, "first in frame 5"),
        ("60.00000000", "nan", InputError, "first in frame 4"),
    ],
)
def test_broken_bvh_is_one_sentence(
    tmp_path: Path, old: str, new: str, problem: type[Exception], sentence: str
) -> None:
    write_bvh(tmp_path / "a.bvh")
    text = (tmp_path / "a.bvh").read_text()
    assert old in text
    names = text.replace("LeftShoulder", "LeftCollar") if old == "LeftArm" else text
    (tmp_path / "a.bvh").write_text(names.replace(old, new))
    with pytest.raises(problem, match=sentence) as caught:
        read_motion(tmp_path / "a.bvh")
    assert "a.bvh" in str(caught.value)


def test_truncated_bvh_gives_its_whole_frames(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_bvh(tmp_path / "a.bvh")
    text = (tmp_path / "a.bvh").read_text()
    (tmp_path / "a.bvh").write_text(text[:-300])
    assert len(read_motion(tmp_path / "a.bvh")) == 5 and "5 of 6 frames" in caplog.text
    (tmp_path / "a.bvh").write_text(text[: text.index("0.0333333") + 9])
    with pytest.raises(FileProblem, match="zero frames"):
        read_motion(tmp_path / "a.bvh")


# SMPL's numbers


@pytest.mark.parametrize("width", [72, 156, 165])
@pytest.mark.parametrize("key", ["mocap_framerate", "mocap_frame_rate"])
def test_amass_is_turned_from_z_up_to_y_up(tmp_path: Path, rng: np.random.Generator, width: int, key: str) -> None:
    poses = rng.normal(0, 0.3, (5, width))
    poses[:, :3] = Rotation.from_euler("x", 90, degrees=True).as_rotvec()
    trans = np.array([[0.1 * k, 2.0, 0.9] for k in range(5)])
    np.savez(tmp_path / "a.npz", poses=poses, trans=trans, betas=np.zeros(16), **{key: 120.0}, gender="female")
    motion = read_motion(tmp_path / "a.npz")
    assert motion.frame_rate == 120 and np.abs(motion.rotvec[:, 0]).max() < 1e-6
    assert np.allclose(motion.rotvec[:, 1:22].reshape(5, -1), poses[:, 3:66], atol=1e-6)
    assert np.allclose(motion.transl, [[0.1 * k, 0.9, -2.0] for k in range(5)])
    assert width == 72 or not motion.rotvec[:, 22:].any()


def test_limners_own_bodies_are_turned_from_camera_to_world(tmp_path: Path, rng: np.random.Generator) -> None:
    body = rng.normal(0, 0.2, (6, 69)).astype(np.float32)
    orient = np.tile(HALF_TURN, (6, 1))
    np.savez(
        tmp_path / "a.npz", global_orient=orient, body_pose=body, transl=np.tile([1.0, 2, 3], (6, 1)),
        weak_camera=np.ones((6, 3)), frame=[0, 0, 1, 1, 4, 4], person=[0, 1, 0, 1, 0, 1], body_model="free",
    )  # fmt: skip
    motion = read_motion(tmp_path / "a.npz", person=1, frame_rate=25)
    assert len(motion) == 5 and motion.frame_rate == 25 and np.allclose(motion.transl, [1, -2, -3])
    assert np.allclose(motion.rotvec[[0, 1, 4], 1:].reshape(3, -1), body[[1, 3, 5]], atol=1e-6)
    assert geodesic_deg(motion.rotvec[:, 0], np.zeros((5, 3))).max() < 1e-3
    half = geodesic_deg(motion.rotvec[1], motion.rotvec[4])
    assert np.allclose(geodesic_deg(motion.rotvec[1], motion.rotvec[2]) * 3, half, atol=1e-2)
    with pytest.raises(InputError, match=r"has no person 7; it has \[0, 1\]"):
        read_motion(tmp_path / "a.npz", person=7)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_hmr_vectors_keep_pose_and_shift(tmp_path: Path, rng: np.random.Generator, suffix: str) -> None:
    vectors = rng.normal(0, 0.2, (4, 85))
    vectors[:, 3:6] = HALF_TURN
    path = tmp_path / f"a.{suffix}"
    np.save(path, vectors) if suffix == "npy" else np.savez(path, theta=vectors)
    motion = read_motion(path)
    assert motion.frame_rate == 30 and np.allclose(motion.rotvec[:, 1:].reshape(4, -1), vectors[:, 6:75], atol=1e-6)
    assert np.allclose(motion.transl, np.stack([vectors[:, 1], -vectors[:, 2], 0 * vectors[:, 0]], 1), atol=1e-6)
    assert geodesic_deg(motion.rotvec[:, 0], np.zeros((4, 3))).max() < 1e-3


@pytest.mark.parametrize("form", ["rotvec", "matrices", "smplx"])
def test_other_smpl_layouts_are_read(tmp_path: Path, rng: np.random.Generator, form: str) -> None:
    root, body = np.zeros((3, 3)), rng.normal(0, 0.2, (3, 21, 3))
    as_matrix = Rotation.from_rotvec(body.reshape(-1, 3)).as_matrix().reshape(3, 21, 3, 3)
    arrays = {
        "rotvec": {"global_orient": root, "body_pose": body.reshape(3, -1)},
        "matrices": {"global_orient": np.tile(np.eye(3), (3, 1, 1, 1)), "body_pose": as_matrix},
        "smplx": {"root_orient": root, "pose_body": body.reshape(3, -1), "trans": np.zeros((3, 3))},
    }[form]
    np.savez(tmp_path / "a.npz", **arrays)
    motion = read_motion(tmp_path / "a.npz")
    assert np.allclose(motion.rotvec[:, 1:22], body, atol=1e-6) and not motion.transl.any()


def test_turn_to_y_up_knows_the_usual_worlds() -> None:
    for angle, expected in {0: (0, 1, 0), 90: (0, 0, 1), 180: (0, -1, 0)}.items():
        turn = Rotation.from_euler("x", angle, degrees=True).as_matrix()
        assert turn_to_y_up(turn[None]) @ np.array(expected) == pytest.approx([0, 1, 0])
    slanted = Rotation.from_euler("x", 45, degrees=True).as_matrix()
    assert np.array_equal(turn_to_y_up(slanted[None]), np.eye(3))


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"xyz": np.zeros(3)}, r"needs 'poses' and 'trans'.* and has \['xyz'\]"),
        ({"poses": np.zeros((4, 71)), "trans": np.zeros((4, 3))}, "has 71 pose numbers a frame"),
        ({"poses": np.zeros((4, 72)), "trans": np.zeros((5, 3))}, "4 frames of rotations and 5 of positions"),
        ({"poses": np.zeros((0, 72)), "trans": np.zeros((0, 3))}, "zero frames"),
        ({"poses": np.full((4, 72), np.nan), "trans": np.zeros((4, 3))}, r"in 4 frames, first in frame 0"),
        ({"poses": np.zeros((2, 72)), "trans": [[0, 0, 0], [0, np.inf, 0]]}, "first in frame 1"),
        ({"theta": np.zeros((0, 85))}, "zero frames"),
    ],
)  # fmt: skip
def test_bad_smpl_file_is_one_sentence(tmp_path: Path, arrays: dict, sentence: str) -> None:
    np.savez(tmp_path / "take.npz", **arrays)
    with pytest.raises(InputError, match=sentence):
        read_motion(tmp_path / "take.npz")


def test_no_code_in_a_file_is_run(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "b.npz").write_bytes(pickle.dumps({"poses": 1}))
    for name in ("a.npy", "b.npz"):
        with pytest.raises(FileProblem, match="without running code"):
            read_motion(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a.pkl", "is a pickle"),
        ("a.fbx", "export it as BVH"),
        ("a.asf", "give the amc file"),
        ("a.mp4", "is not a motion file; limner reads .npz"),
        ("a.json", "is not a motion file"),
    ],
)
def test_other_kinds_of_files_say_what_to_do(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / name).write_text("x")
    with pytest.raises(FileProblem, match=sentence):
        read_motion(tmp_path / name)


@pytest.mark.parametrize("suffix", ["npz", "npy", "bvh", "amc"])
def test_missing_empty_and_garbage_motion_files_are_one_sentence(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    with pytest.raises(FileProblem, match="does not exist"):
        read_motion(path)
    for content in (b"", b"garbage " * 30):
        path.write_bytes(content)
        with pytest.raises(FileProblem, match=rf"a\.{suffix}"):
            read_motion(path)


def test_motion_kind_goes_by_the_suffix(tmp_path: Path) -> None:
    kinds = {"a.mp4": "video", "a.GIF": "video", "f_%d.png": "video", "a.npz": "motion", "a.BVH": "motion"}
    kinds |= {"a.amc": "motion", "a.npy": "motion", "a.json": "keypoints", "odd": "video"}
    assert {name: motion_kind(tmp_path / name) for name in kinds} == kinds
    (tmp_path / "0_keypoints.json").touch()
    assert motion_kind(tmp_path) == "keypoints"


# Resampling


def spin(count: int = 7, rate: int = 30) -> Motion:
    rotvec = np.zeros((count, 24, 3))
    rotvec[:, 0, 1] = np.linspace(0, 3, count)
    transl = np.stack([np.arange(count), np.zeros(count), np.zeros(count)], 1)
    return Motion(rotvec, transl, Fraction(rate))


@pytest.mark.parametrize(("rate", "count"), [(60, 13), (15, 4), (25, 6), (Fraction(30_000, 1001), 6), (30, 7)])
def test_resample_keeps_time_and_even_speed(rate: Fraction | int, count: int) -> None:
    motion = resample_motion(spin(), rate)
    times = np.arange(count) / float(rate) * 30
    assert motion.frame_rate == rate and len(motion) == count
    assert np.allclose(motion.rotvec[:, 0, 1], times * 0.5, atol=1e-5) and np.allclose(
        motion.transl[:, 0], times, atol=1e-5
    )


def test_resample_goes_the_short_way_round() -> None:
    rotvec = np.zeros((2, 24, 3))
    rotvec[:, 5, 2] = [3.0, -3.0]
    middle = resample_motion(Motion(rotvec, np.zeros((2, 3)), Fraction(1)), 2).rotvec[1, 5]
    assert abs(middle[2]) == pytest.approx(np.pi, abs=1e-5)


def test_resample_of_one_frame_and_of_a_bad_rate() -> None:
    assert len(resample_motion(spin(1), 60)) == 1
    with pytest.raises(InputError, match="must be positive"):
        resample_motion(spin(), 0)


# Keypoints


def entry(frame: int | None, person: int = 0, x: float = 0.0, count: int = 17) -> dict:
    keypoints = [[x + k, 2 * k, 0.5] for k in range(count)]
    return {"image": "a.mp4", "frame": frame, "person": person, "skeleton": "coco17", "keypoints": keypoints}


def test_read_keypoints_sorts_frames_and_fills_gaps_with_score_0(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([entry(4, x=8), entry(2), entry(2, person=1, x=99), entry(5, x=9)]))
    keypoints, rate = read_keypoints(tmp_path / "a.json", frame_rate=25)
    assert rate == 25 and keypoints.skeleton == "coco17" and keypoints.xy.shape == (4, 17, 2)
    assert keypoints.xy[:, 3, 0].tolist() == [3, 7, 11, 12]
    assert keypoints.score[:, 0].tolist() == [0.5, 0, 0.5, 0.5]
    assert read_keypoints(tmp_path / "a.json", person=1)[0].xy[0, 0, 0] == 99


def test_read_keypoints_of_openpose(tmp_path: Path) -> None:
    for frame in range(3):
        content = {"people": [{"pose_keypoints_2d": [float(frame), 1.0, 0.9] * 25}]}
        (tmp_path / f"v_{frame:012d}_keypoints.json").write_text(json.dumps(content))
    keypoints, rate = read_keypoints(tmp_path)
    assert keypoints.skeleton == "openpose25" and keypoints.xy[:, 7, 0].tolist() == [0, 1, 2] and rate == 30


@pytest.mark.parametrize(
    ("content", "problem", "sentence"),
    [
        ("{", FileProblem, "is not json"),
        ('{"a": 1}', InputError, "is not a list of keypoints"),
        ("[]", InputError, "has no keypoints of person 0"),
        (json.dumps([entry(0, person=3)]), InputError, "has no keypoints of person 0"),
        (json.dumps([{**entry(0), "skeleton": "dog12"}]), InputError, "has the skeletons"),
        (json.dumps([entry(0), entry(1, count=5)]), InputError, "of one length"),
        (json.dumps([entry(0), entry(1, x=float("nan"))]), InputError, "first in frame 1"),
    ],
)
def test_bad_keypoints_are_one_sentence(tmp_path: Path, content: str, problem: type[Exception], sentence: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(problem, match=sentence):
        read_keypoints(tmp_path / "a.json")
