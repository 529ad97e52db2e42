"""Motion data: clips, iPER, DeepFashion pairs, made-up people; all that is wrong comes in one message."""

from __future__ import annotations

import json
import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from limner.checks import FileProblem, InputError, ShapeError
from limner.data import (
    DatasetError,
    MotionClip,
    SyntheticPeople,
    read_deepfashion,
    read_iper,
    read_iper_protocol,
    read_photos,
    read_synthetic,
    read_videos,
    split_clips,
)
from limner.data.video_clips import _whole
from limner.media import write_image, write_video
from limner.people import Sighting
from limner.records import Bodies, Keypoints

FRAMES = 4


def write_frames(folder: Path, count: int = FRAMES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write_image(folder / f"{number:04d}.jpg", np.full((32, 32, 3), 40 * number, np.uint8), synthetic=False)


def write_iper(root: Path, names: tuple[str, ...] = ("001/1/1", "001/1/2"), *, frames: int = FRAMES) -> Path:
    for name in names:
        write_frames(root / "images" / name)
        smpls = root / "smpls" / name
        smpls.mkdir(parents=True)
        rows = {
            "cams": np.tile(np.float32([0.9, 0, 0]), (frames, 1)),
            "pose": np.zeros((frames, 72), np.float32),
            "shape": np.zeros((frames, 10), np.float32),
        }
        (smpls / "pose_shape.pkl").write_bytes(pickle.dumps(rows))
        (smpls / "kps.pkl").write_bytes(pickle.dumps({"kps": np.zeros((frames, 19, 2), np.float32)}))
    (root / "train.txt").write_text("\n".join(names) + "\n")
    return root


def test_iper_is_read(tmp_path: Path) -> None:
    clips = read_iper(write_iper(tmp_path), body="smpl:none")
    assert [clip.name for clip in clips] == ["001/1/1", "001/1/2"]
    assert len(clips[0]) == FRAMES and clips[0].bodies.size_hw == (32, 32) and clips[0].sources == (0, 1, 2, 3)
    assert clips[0].keypoints is not None and clips[0].read_picture(2).mean() == pytest.approx(80, abs=2)
    assert clips[0].read_mask(0) is None and clips[0].missing() == []


def test_all_faults_of_iper_come_in_one_message(tmp_path: Path) -> None:
    root = write_iper(tmp_path, ("a/1/1", "b/1/1", "c/1/1", "d/1/1"))
    (root / "smpls/a/1/1/pose_shape.pkl").write_bytes(pickle.dumps({"cams": np.zeros((2, 3))}))
    (root / "smpls/b/1/1/pose_shape.pkl").write_bytes(pickle.dumps(Path("code")))
    for file in (root / "images/c/1/1").glob("*"):
        file.unlink()
    with pytest.raises(DatasetError) as caught:
        read_iper(root)
    message = str(caught.value)
    assert all(name in message for name in ("a/1/1", "b/1/1", "c/1/1")) and "d/1/1" not in message
    assert "refused" in message  # a pickle that names code
    with pytest.raises(FileProblem, match="list of clips"):
        read_iper(root, "val")


def test_the_protocol_names_photos_and_ranges(tmp_path: Path) -> None:
    entry = {
        "source": {"1": ["0003.jpg"], "2": ["0003.jpg", "0001.jpg"]},
        "self_imitation": {"range": [0, 3]},
        "cross_imitation": {"target": "002/1/2", "range": [1, 2]},
        "flag": [0, 1],
    }
    path = tmp_path / "iPER_protocol.json"
    path.write_text(json.dumps({"val": {"001/1/1": entry}}))
    (run,) = read_iper_protocol(path, views=2)
    assert run.sources == ("0003.jpg", "0001.jpg") and run.own == (0, 3)
    assert (run.other, run.other_span, run.flag_span) == ("002/1/2", (1, 2), (0, 1))
    path.write_text(json.dumps({"val": {"a": {"source": {}}, "b": {**entry, "self_imitation": {"range": [5, 2]}}}}))
    with pytest.raises(DatasetError, match=r"2 faults.*a \(KeyError.*b \(ValueError: a range must rise"):
        read_iper_protocol(path)


def write_fashion(root: Path, part: str = "train", *, results: int = 3) -> Path:
    names = [("front_a.png", "pose_a.png"), ("side_b.png", "pose_b.png"), ("front_c.png", "pose_c.png")]
    (root / "img_256").mkdir(parents=True, exist_ok=True)
    for pair in names:
        for name in pair:
            write_image(root / "img_256" / name, np.full((16, 16, 3), 90, np.uint8), synthetic=False)
    (root / f"pairs_{part}.pkl").write_bytes(pickle.dumps([list(pair) for pair in names]))
    folder = root / f"{part}_256_v2_max_bbox_dp_hmr_pairs_results"
    folder.mkdir(exist_ok=True)
    faces = np.full((16, 16, 2), -1, np.int32)
    faces[4:12, 4:12, 0] = 7
    fit = {"from_face_index_map": faces, "to_face_index_map": faces, "T": np.zeros((16, 16, 2), np.float32)}
    for number in range(results):
        (folder / f"{number:05d}.pkl").write_bytes(pickle.dumps(fit))
    return root


def test_fashion_pairs_leave_out_hidden_views(tmp_path: Path) -> None:
    pairs = read_deepfashion(write_fashion(tmp_path))
    assert pairs.names == (("front_a.png", "pose_a.png"), ("front_c.png", "pose_c.png"))
    assert [path.name for path in pairs.results] == ["00000.pkl", "00002.pkl"]
    pair = pairs.read(1)
    assert pair.source_faces.shape == (16, 16) and (pair.target_faces == 7).sum() == 64


def test_fashion_lists_must_go_together(tmp_path: Path) -> None:
    root = write_fashion(tmp_path, results=2)
    (root / "img_256" / "pose_c.png").unlink()
    with pytest.raises(DatasetError, match=r"2 faults.*3 pairs, 2 results.*pose_c.png"):
        read_deepfashion(root)


def bare_clip(name: str, frames: int = 2) -> MotionClip:
    bodies = Bodies(np.zeros((frames, 24, 3)), np.zeros((frames, 10)), np.ones((frames, 3)), (8, 8))
    return MotionClip(name, Path("nowhere"), tuple(f"{n}.jpg" for n in range(frames)), bodies)


def test_people_stay_whole_when_clips_are_parted() -> None:
    clips = [bare_clip(f"film/{n}") for n in range(10)]
    learned, judged = split_clips(clips, (), 0.2)
    assert len(judged) == 2 and not {clip.name for clip in learned} & {clip.name for clip in judged}
    learned, judged = split_clips(clips, ("film/3", "*/7"), 0.2)
    assert [clip.name for clip in judged] == ["film/3", "film/7"] and len(learned) == 8
    with pytest.raises(InputError, match="film/11"):
        split_clips(clips, ("film/11",), 0)
    with pytest.raises(InputError, match="none is left"):
        split_clips(clips, ("*",), 0)
    with pytest.raises(ShapeError, match="2 bodies"):
        MotionClip("odd", Path("nowhere"), ("0.jpg",), bare_clip("x").bodies)


def test_made_up_people_are_kept(tmp_path: Path) -> None:
    people = SyntheticPeople(seed=3, side=64)
    (clip,) = read_synthetic(people, 1, tmp_path, frames=2)
    stamps = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.jpg")}
    (again,) = read_synthetic(people, 1, tmp_path, frames=2)
    assert len(clip) == 2 and clip.read_picture(1).shape == (64, 64, 3)
    mask = clip.read_mask(0)
    assert mask is not None and 0.02 < (mask > 0.5).mean() < 0.7
    assert (again.bodies.rotvec == clip.bodies.rotvec).all()
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.jpg")} == stamps


def seen_keypoints(ankle: float) -> Keypoints:
    score = np.ones((1, 33), np.float32)
    score[0, [27, 28]] = ankle
    return Keypoints(np.zeros((1, 33, 2)), score, "blazepose33")


def test_only_the_longest_run_from_head_to_foot_is_kept() -> None:
    ankles = (0.9, None, 0.1, 0.8, 0.8, 0.8, 0.2, 0.9)
    track = [None if ankle is None else seen_keypoints(ankle) for ankle in ankles]
    whole = _whole(Sighting(100, 120, track, [np.full((1, 1), n, np.uint8) for n in range(8)]))
    assert (whole.first, len(whole.track), whole.end) == (103, 3, 120)
    assert whole.masks[0] is not None and whole.masks[0][0, 0] == 3
    assert len(_whole(Sighting(0, 2, [None, None], [None, None])).track) == 0


def test_videos_and_photos_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="nothing is there"):
        read_videos(tmp_path / "none")
    with pytest.raises(FileProblem, match="holds no videos"):
        read_videos(tmp_path)
    write_video(tmp_path / "empty.mp4", [np.full((64, 64, 3), 128, np.uint8)] * 3, frame_rate=Fraction(10))
    with pytest.raises(InputError, match="nobody is seen"):
        read_videos(tmp_path, tmp_path / "cache")
    write_image(tmp_path / "wall.png", np.full((80, 80, 3), 128, np.uint8), synthetic=False)
    with pytest.raises(InputError, match="nobody was found in the 1 photos"):
        read_photos(tmp_path, tmp_path / "kept")


@pytest.mark.slow
def test_a_film_becomes_clips_once(shared_data: Path, tmp_path: Path) -> None:
    clips = read_videos(shared_data / "people" / "one-by-one-person-detection.mp4", tmp_path)
    assert len(clips) > 3 and all(clip.missing() == [] for clip in clips)
    assert [clip.name for clip in read_videos(shared_data / "people", tmp_path)] == [clip.name for clip in clips]
