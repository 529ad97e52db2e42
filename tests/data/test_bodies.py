"""Data sets of bodies: published layouts become one record, and all that is wrong is told at once."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from limner.checks import FileProblem, InputError, MissingExtra
from limner.data import (
    DatasetError,
    PoseSamples,
    bodies_from_pose,
    crop_of_people,
    read_bodies,
    read_poses,
    read_samples,
    read_silhouette,
    show,
    silhouette_files,
)
from limner.data.annot_h5 import clip_of, person_of
from limner.data.body_samples import cocoplus_keypoints
from limner.data.mpi_inf_3dhp import moved_frames
from limner.data.tfrecords import records
from limner.media import write_image
from limner.pose import SKELETONS
from tests.data.body_sets import (
    encode_example,
    record_values,
    write_3dhp,
    write_3dhp_test,
    write_3dpw,
    write_tfrecord,
)


def pose_samples(skeleton: str, joints: np.ndarray, visible: np.ndarray) -> PoseSamples:
    count = len(joints)
    return PoseSamples(
        "some", Path(), tuple(f"{n}.jpg" for n in range(count)), np.arange(count), np.zeros((count, 2)),
        np.ones((count, 2)), joints, visible, np.ones(count), SKELETONS[skeleton],
    )  # fmt: skip


# Orders as the published conversions have them; -1 where a set does not mark the joint.
@pytest.mark.parametrize(
    ("skeleton", "rows"),
    [
        ("lsp14", [*range(14), -1, -1, -1, -1, -1]),
        ("coco17", [16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9, -1, -1, 0, 1, 2, 3, 4]),
        ("mpii16", [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 8, 9, -1, -1, -1, -1, -1]),
    ],
)
def test_joints_come_in_the_published_order(skeleton: str, rows: list[int]) -> None:
    count = len(SKELETONS[skeleton])
    xy = np.arange(2.0 * count).reshape(1, count, 2)
    found = cocoplus_keypoints(xy, np.ones((1, count), bool), skeleton)[0]
    assert found[:, 2].tolist() == [float(row >= 0) for row in rows]
    assert [int(point[0]) // 2 for point in found if point[2]] == [row for row in rows if row >= 0]


def person(**points: tuple[float, float]) -> np.ndarray:
    rows = {"ankle": 0, "hip": 2, "wrist": 6, "shoulder": 8, "head": 13}
    found = np.zeros((1, 19, 3), np.float32)
    for name, xy in points.items():
        found[0, rows[name]] = (*xy, 1)
    return found


@pytest.mark.parametrize(
    ("points", "scale"),
    [
        ({"ankle": (10, 300), "head": (50, 0)}, 150 / np.hypot(40, 300)),
        ({"hip": (20, 100), "shoulder": (20, 60), "head": (22, 20)}, 56 / 40),  # no ankle: from shoulder to hip
        ({"head": (0, 0), "wrist": (30, 40)}, 50 / 50),  # neither
    ],
)
def test_a_person_is_scaled_by_what_can_be_seen(points: dict, scale: float) -> None:
    center, found = crop_of_people(person(**points))
    assert found[0] == pytest.approx(scale)
    xy = np.array(list(points.values()))
    assert center[0] == pytest.approx((xy.min(0) + xy.max(0)) / 2)


def test_a_person_without_size_has_no_scale_and_is_left_out() -> None:
    assert np.isnan(crop_of_people(np.zeros((1, 19, 3), np.float32))[1]).all()
    joints, visible = np.ones((2, 14, 2)), np.ones((2, 14))
    joints[1] = np.random.default_rng(0).uniform(0, 100, (14, 2))
    assert bodies_from_pose(pose_samples("lsp14", joints, visible)).picture == ("1.jpg",)


def test_heads_and_shoulders_alone_teach_no_body() -> None:
    joints = np.random.default_rng(0).uniform(0, 100, (2, 17, 2))
    visible = np.zeros((2, 17))
    visible[0, :7] = 1
    visible[1, :10] = 1
    assert bodies_from_pose(pose_samples("coco17", joints, visible)).picture == ("1.jpg",)


def test_3dhp_is_read_in_metres_and_without_still_frames(tmp_path: Path) -> None:
    people = read_bodies(write_3dhp(tmp_path))
    assert len(people) == 8 * 4 and people.has_joints.all() and not people.has_smpl.any()
    assert people.picture[1] == "S1/Seq1/imageFrames/video_0/frame_000002.jpg"
    # LSP's first joint, the right ankle, is row 25 of 28.
    assert people.joints[0, 0] == pytest.approx((2.5, 0.025, 2.0))
    assert people.keypoints[0, 0] == pytest.approx((350, 700, 1))
    assert people.person(3).image.shape == (32, 32, 3)
    still = np.zeros((5, 28, 3)) + np.array([0, 150, 210, 300, 420.0])[:, None, None]
    assert moved_frames(still, np.array([1, 1, 1, 0, 1], bool)) == [0, 1, 4]


def test_3dhp_keeps_one_person_for_tuning(tmp_path: Path) -> None:
    write_3dhp(tmp_path)
    write_3dhp(tmp_path, person="S8")
    assert {clip.split("/")[0] for clip in read_bodies(tmp_path, "valid").clip} == {"S8"}
    assert {clip.split("/")[0] for clip in read_bodies(tmp_path, "train").clip} == {"S1"}
    with pytest.raises(InputError, match="train, valid, all and test"):
        read_bodies(tmp_path, "val")


def test_3dhp_test_frames_are_those_marked_valid(tmp_path: Path) -> None:
    people = read_bodies(write_3dhp_test(tmp_path))
    assert people.name == "MPI-INF-3DHP test" and people.frame.tolist() == [0, 2]


def test_3dhp_faults_are_told_at_once(tmp_path: Path) -> None:
    bad = np.random.default_rng(0).uniform(0, 900, (4, 84))
    bad[2, 75] = np.nan
    root = write_3dhp(tmp_path, annot3=bad)
    (root / "S1/Seq1/imageFrames/video_0/frame_000001.jpg").unlink()
    write_3dhp(tmp_path, person="S2", annot2=np.zeros((4, 50)))
    with pytest.raises(DatasetError) as caught:
        read_bodies(tmp_path)
    text = str(caught.value)
    assert all(
        word in text for word in ("(F, 56)", "S2/Seq1, camera 8", "camera 0, frame 2", "video_0/frame_000001.jpg")
    )


def test_tfrecords_hold_pictures_and_labels(tmp_path: Path) -> None:
    rows = [
        encode_example(record_values()),
        encode_example(record_values(**{"mosh/pose": [-1.0] * 72, "meta/has_3d": [0]})),
    ]
    write_tfrecord(tmp_path / "test" / "S9_Directions_0_cam3.tfrecord", rows)
    people = read_bodies(tmp_path, "test")
    assert people.clip == ("S9_Directions_0_cam3",) * 2 and people.frame.tolist() == [0, 1]
    assert people.has_joints.tolist() == people.has_smpl.tolist() == [True, False]
    assert people.keypoints[0, 14] == pytest.approx((1.5, 6.5, 1)) and (people.keypoints[0, 13] == 0).all()
    assert people.joints[0].ravel() == pytest.approx(record_values()["mosh/gt3d"], abs=1e-6)
    assert people.person(1).image.shape == (32, 32, 3) and people.person(1).rotvec is None
    assert read_samples(tmp_path, "test").skeleton.name == "cocoplus19"


def test_tfrecord_faults(tmp_path: Path) -> None:
    rows = [
        encode_example(record_values(**{"image/encoded": None})),
        b"\x0bno example",
        encode_example(record_values(**{"image/x": [1.0] * 3})),
        encode_example(record_values(**{f"image/{axis}": [1.0] * 7 for axis in ("x", "y", "visibility")})),
    ]
    path = write_tfrecord(tmp_path / "a.tfrecord", rows)
    with pytest.raises(DatasetError) as caught:
        read_bodies(tmp_path)
    words = ("lacks image/encoded", "no tf.train.Example", "unequal lengths", "7 joints", "a.tfrecord, record 3")
    assert all(word in str(caught.value) for word in words)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(FileProblem, match="cut short"):
        list(records(path))


def test_3dpw_bodies_are_turned_into_the_camera(tmp_path: Path) -> None:
    people = read_bodies(write_3dpw(tmp_path))
    assert len(people) == 9 and set(people.sex) == {"male", "female"}
    assert people.clip[0] == "walk_00/0" and people.frame[5] == 1
    held = pickle.loads((tmp_path / "sequenceFiles/test/walk_00.pkl").read_bytes())
    wanted = held["cam_poses"][0, :3, :3] @ Rotation.from_rotvec(held["poses"][0][0, :3]).as_matrix()
    assert Rotation.from_rotvec(people.rotvec[0, 0]).as_matrix() == pytest.approx(wanted, abs=1e-5)
    assert people.betas[-1] == pytest.approx(held["betas"][1][:10], abs=1e-6)


class Evil:
    def __reduce__(self):
        return os.system, ("touch never",)


def test_3dpw_refuses_code_and_names_what_is_missing(tmp_path: Path) -> None:
    write_3dpw(tmp_path, genders=None)
    (tmp_path / "sequenceFiles/test/bad.pkl").write_bytes(pickle.dumps({"poses": Evil()}, protocol=2))
    short = pickle.loads((tmp_path / "sequenceFiles/test/walk_00.pkl").read_bytes())
    short |= {"genders": ["m", "f"], "cam_poses": short["cam_poses"][:2]}
    (tmp_path / "sequenceFiles/test/short.pkl").write_bytes(pickle.dumps(short, protocol=2))
    with pytest.raises(DatasetError) as caught:
        read_bodies(tmp_path)
    words = ("posix.system", "lacks genders", "walk_00.pkl", "short.pkl, person 0", "do not fit")
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert not Path("never").exists()


def write_h5(root: Path, **changes) -> Path:
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(4)
    names = [f"S{p}_Walking_1_cam{n}_{7 * n:06d}.jpg" for n, p in enumerate((1, 9, 11))]
    arrays = {
        "gt2d": np.concatenate([rng.uniform(4, 28, (3, 14, 2)), np.ones((3, 14, 1))], 2).reshape(3, 42),
        "gt3d": rng.normal(size=(3, 14, 3)),
        "pose": rng.normal(size=(3, 72)),
        "shape": rng.normal(size=(3, 10)),
        "imagename": np.array([list(name.encode()) for name in [n.ljust(40, "\0") for n in names]], np.uint8),
    } | changes
    root.mkdir(exist_ok=True)
    with h5py.File(root / "annot.h5", "w") as file:
        for name, array in arrays.items():
            if array is not None:
                file[name] = array
    for name in names:
        write_image(root / name, np.zeros((32, 32, 3), np.uint8), synthetic=False)
    return root


def test_h5_annotations_keep_test_people_apart(tmp_path: Path) -> None:
    root = write_h5(tmp_path)
    assert read_bodies(root).picture == ("S1_Walking_1_cam0_000000.jpg",)
    test = read_bodies(root, "test")
    assert test.clip == ("S9_Walking_1_cam1", "S11_Walking_1_cam2") and test.frame.tolist() == [7, 14]
    assert test.has_smpl.all() and test.has_joints.all()
    with pytest.raises(DatasetError, match=r"gt3d of shape \(2, 42\).*pose and shape"):
        read_bodies(write_h5(tmp_path, gt3d=np.zeros((2, 42)), shape=None))


def test_h5_files_need_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "annot.h5").write_bytes(b"\x89HDF")

    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("limner.data.mpi_inf_3dhp.import_module", absent)
    with pytest.raises(MissingExtra, match="h5py"):
        read_bodies(tmp_path)


@pytest.mark.parametrize(
    ("name", "who", "clip"),
    [
        ("a/S9_Directions_0_cam0/000005.jpg", "S9", ("S9_Directions_0_cam0", 5)),
        ("S11_Walking 1_1_cam3_x12.jpg", "S11", ("S11_Walking 1_1_cam3", 12)),
        ("TS1/img.jpg", "", ("", 0)),
        ("S19/img.jpg", "S19", ("", 0)),
    ],
)
def test_names_tell_people_and_films(name: str, who: str, clip: tuple[str, int]) -> None:
    assert person_of(name) == who and clip_of(name) == clip


def test_poses_of_the_adversary(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    poses = rng.normal(0, 0.2, (6, 156)).astype(np.float32)
    betas = rng.normal(size=16)
    np.savez(tmp_path / "walk.npz", poses=poses, trans=np.zeros((6, 3)), betas=betas, mocap_framerate=60.0)
    mosh = {"new_poses": rng.normal(0, 0.2, (4, 72)), "betas": np.arange(10.0)}
    (tmp_path / "mosh.pkl").write_bytes(pickle.dumps(mosh, protocol=2))
    (tmp_path / "S9_walk.pkl").write_bytes(pickle.dumps(mosh, protocol=2))
    found = read_poses(tmp_path)
    assert len(found) == 10
    assert found.rotvec[0] == pytest.approx(mosh["new_poses"][0, 3:].reshape(23, 3), abs=1e-6)
    assert found.betas[0] == pytest.approx(np.arange(10)) and found.betas[-1] == pytest.approx(betas[:10], abs=1e-6)
    assert found.rotvec[-1, :21] == pytest.approx(poses[-1, 3:66].reshape(21, 3), abs=1e-4)
    assert len(read_poses(tmp_path, every=3)) == 4


def test_poses_that_cannot_be_used_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps({"poses": Evil(), "betas": 0}, protocol=2))
    (tmp_path / "bare.pkl").write_bytes(pickle.dumps({"poses": np.zeros((2, 72))}, protocol=2))
    (tmp_path / "odd.npz").write_bytes(b"PK no")
    with pytest.raises(DatasetError) as caught:
        read_poses(tmp_path)
    assert all(word in str(caught.value) for word in ("posix.system", "bare.pkl", "odd.npz", "3 faults"))
    with pytest.raises(FileProblem, match="holds no motion"):
        read_poses(tmp_path, check=False)
    with pytest.raises(FileProblem, match="nothing is there"):
        read_poses(tmp_path / "nowhere")


def test_silhouettes_belong_to_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "lsp"
    folder.mkdir(parents=True)
    mask = np.zeros((6, 5, 3), np.uint8)
    mask[2:4, 1] = 255
    write_image(folder / "im1001_segmentation.png", mask, synthetic=False)
    (path,) = silhouette_files(tmp_path, ("images/im1001.jpg",))
    assert read_silhouette(path).sum() == 2 and read_silhouette(path)[3, 1]
    with pytest.raises(DatasetError, match="im1002_segmentation"):
        silhouette_files(tmp_path, ("images/im1001.jpg", "images/im1002.jpg"))


def test_data_show_knows_them(tmp_path: Path) -> None:
    report = show(write_3dhp(tmp_path / "set"), tmp_path / "drawn", count=2)
    assert report.num_samples == 32 and len(report.drawn) == 2 and not report.problem


def test_real_people_become_bodies(shared_data: Path) -> None:
    people = read_bodies(shared_data / "lspet")
    assert len(people) > 9000
    seen = people.keypoints[..., 2] > 0
    whole = np.flatnonzero(seen[:, :14].all(1))[:200]
    box = np.ptp(people.keypoints[whole, :14, :2], axis=1) * people.scale[whole, None]
    assert np.hypot(*box.T) == pytest.approx(150, rel=1e-4)


def test_some_of_them(tmp_path: Path) -> None:
    people = read_bodies(write_3dhp(tmp_path))
    some = people[[3, 5]]
    assert some.picture == (people.picture[3], people.picture[5]) and (some.joints == people.joints[[3, 5]]).all()
    with pytest.raises(InputError, match="slice"):
        people[3]
