"""People that limner draws: the same each time, labels that fit the pictures, files that resume."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from limner.body import FastSMPL, load_body, pixels_from_picture, project_weak
from limner.checks import FileProblem, InputError
from limner.data import SyntheticPeople, read_bodies, read_people, read_samples, show, write_people
from limner.media import read_image
from limner.pose import SKELETONS

PEOPLE = SyntheticPeople(seed=5, count=6, side=96, occluded_share=0.0)


@pytest.fixture(scope="module")
def person():
    return PEOPLE.sample(2)


def _posed(person):
    return FastSMPL(load_body())(person.betas[None], person.rotvec[None])


def test_a_sample_follows_from_seed_and_index(person) -> None:
    again, other = SyntheticPeople(seed=5, count=9, side=96, occluded_share=0.0).sample(2), PEOPLE.sample(3)
    np.testing.assert_array_equal(person.image, again.image)
    np.testing.assert_array_equal(person.rotvec, again.rotvec)
    assert not np.array_equal(person.image, other.image)
    assert not np.array_equal(person.image, replace(PEOPLE, seed=6).sample(2).image)


def test_labels_are_those_of_the_body(person) -> None:
    vertices, joints = _posed(person)
    np.testing.assert_allclose(person.joints, joints[0] - joints[0, 0], atol=1e-6)
    points = (load_body().keypoint_regressors["cocoplus19"] @ vertices[0]).astype(np.float32)
    pixels = pixels_from_picture(project_weak(points, person.weak_camera), (96, 96))
    np.testing.assert_allclose(person.keypoints.xy[0], pixels, atol=1e-3)
    names = SKELETONS["cocoplus19"].joints
    hips = points[[names.index("left_hip"), names.index("right_hip")]].mean(0)
    np.testing.assert_allclose(person.keypoints.world[0], points - hips, atol=1e-5)


@pytest.mark.parametrize("index", range(6))
def test_mask_covers_the_body_and_keypoints_lie_on_it(index) -> None:
    person = PEOPLE.sample(index)
    assert 0.01 < person.mask.mean() < 0.7 and 0 <= person.mask.min() and person.mask.max() <= 1
    seen = person.keypoints.score[0] > 0
    x, y = np.rint(person.keypoints.xy[0][seen]).astype(int).T
    on_body = np.array(
        [person.mask[max(v - 3, 0) : v + 4, max(u - 3, 0) : u + 4].max() for u, v in zip(x, y, strict=True)]
    )
    assert (on_body > 0.5).mean() > 0.9
    assert (np.abs(person.image.astype(int) - person.background)[person.mask == 0]).mean() < 12


def test_a_hidden_keypoint_scores_less_than_a_seen_one() -> None:
    covered = replace(PEOPLE, occluded_share=1.0, count=20)
    scores = np.concatenate([covered.sample(index).keypoints.score[0] for index in range(8)])
    assert set(np.unique(scores)) <= {0.0, 0.5, 1.0} and (scores == 0.5).any() and (scores == 1).any()


def test_a_pair_shows_one_person_twice() -> None:
    first, second = PEOPLE.pair(1)
    np.testing.assert_array_equal(first.betas, second.betas)
    assert first.weak_camera[0] == second.weak_camera[0]
    assert np.abs(first.background.astype(int) - second.background).mean() < 12
    assert not np.array_equal(first.rotvec, second.rotvec)
    assert all(one.keypoints.score.min() > 0 for one in (first, second))
    assert len(PEOPLE.pair(0, 3)) == 3


def test_wear_can_be_left_out() -> None:
    clean = replace(PEOPLE, worn=False).sample(0)
    np.testing.assert_array_equal(clean.image[clean.mask == 0], clean.background[clean.mask == 0])


def test_motions_garments_and_backgrounds_are_used(shared_data, tmp_path) -> None:
    with np.load(shared_data / "motion/cmu_expmap.npz") as file:
        takes = {"walk": file["train_walking_walking_1"][:300], "run": file["train_running_running_1"]}
    np.savez(tmp_path / "takes.npz", **takes)
    people = SyntheticPeople(
        seed=1,
        count=4,
        side=64,
        motions=tmp_path / "takes.npz",
        garments=shared_data / "garments",
        backgrounds=shared_data / "people",
    )
    bare = SyntheticPeople(seed=1, count=4, side=64)
    first, second = people.pair(0)
    assert first.image.shape == (64, 64, 3)
    # A walk keeps the trunk as it is, whatever the limbs do.
    trunk = [6, 9, 12]
    assert np.abs(first.rotvec[trunk] - second.rotvec[trunk]).max() < 0.4
    assert not np.array_equal(people.sample(0).image, bare.sample(0).image)


def test_a_file_that_holds_no_motion_is_refused(tmp_path) -> None:
    (tmp_path / "takes.zip").write_bytes(b"PK")
    with pytest.raises(FileProblem, match="unpack it"):
        replace(PEOPLE, motions=tmp_path / "takes.zip", prior_share=0.0).sample(0)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"side": 8}, "side"),
        ({"fill": (0.9, 0.5)}, "fill"),
        ({"cut_share": 1.5}, "cut_share"),
        ({"count": -1}, "count"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, word) -> None:
    with pytest.raises(InputError, match=word):
        SyntheticPeople(**wrong)


def test_folders_that_are_missing_are_refused(tmp_path) -> None:
    with pytest.raises(FileProblem, match="garments"):
        SyntheticPeople(garments=tmp_path / "none")
    with pytest.raises(FileProblem, match="no picture"):
        replace(PEOPLE, backgrounds=tmp_path).sample(0)
    with pytest.raises(FileProblem, match="no motions"):
        replace(PEOPLE, motions=tmp_path / "none", prior_share=0.0).sample(0)


def test_indices_out_of_range_are_refused() -> None:
    for index in (-1, 6):
        with pytest.raises(InputError, match="index"):
            PEOPLE.sample(index)
    with pytest.raises(InputError, match="frames"):
        PEOPLE.pair(0, 0)


def test_a_folder_reads_back_as_what_was_drawn(tmp_path) -> None:
    folder = tmp_path / "set"
    report = write_people(PEOPLE, folder)
    assert (report.count, report.made) == (6, 6)
    third = PEOPLE.sample(2)
    bodies = read_bodies(folder)
    np.testing.assert_array_equal(bodies.rotvec[2], third.rotvec)
    np.testing.assert_array_equal(bodies.betas[2], third.betas)
    np.testing.assert_allclose(bodies.joints[2], third.keypoints.world[0, :14], atol=1e-6)
    assert np.abs(bodies.read_picture(2).astype(int) - third.image).mean() < 6
    samples = read_samples(folder)
    assert len(samples) == 6 and samples.skeleton.name == "cocoplus19"
    seen = samples.visible[2] > 0
    np.testing.assert_allclose(samples.joints[2][seen], third.keypoints.xy[0][seen], atol=0.01)
    assert not show(folder, count=0).problem
    mask = read_image(folder / "masks/synthetic/000000000002.png")[..., 0] / 255
    assert np.abs(mask - third.mask).max() < 0.003
    assert sorted(path.name for path in folder.iterdir()) == [
        "annotations",
        "bodies.npz",
        "images",
        "masks",
        "people.json",
    ]


def test_an_interrupted_folder_is_gone_on_with(tmp_path, monkeypatch) -> None:
    from limner.data import synthetic_files

    monkeypatch.setattr(synthetic_files, "_PART", 2)
    calls: list[int] = []

    def stop(done: int, total: int | None, what: str) -> None:
        calls.append(done)
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_people(PEOPLE, tmp_path / "set", progress=stop)
    assert not (tmp_path / "set" / "bodies.npz").exists()
    with pytest.raises(FileProblem, match="cannot be read"):
        read_people(tmp_path / "set")
    report = write_people(PEOPLE, tmp_path / "set")
    assert report.made == 2 and calls == [2, 4]
    straight = write_people(PEOPLE, tmp_path / "other").folder
    with np.load(tmp_path / "set" / "bodies.npz") as one, np.load(straight / "bodies.npz") as two:
        for name in one.files:
            np.testing.assert_array_equal(one[name], two[name])


def test_folders_of_others_are_left_alone(tmp_path) -> None:
    write_people(replace(PEOPLE, count=1), tmp_path / "set")
    with pytest.raises(InputError, match="other seed"):
        write_people(replace(PEOPLE, count=1, seed=9), tmp_path / "set")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(FileProblem, match="other files"):
        write_people(PEOPLE, tmp_path / "full")
    (tmp_path / "set" / "people.json").write_text("{")
    with pytest.raises(FileProblem, match="json"):
        write_people(replace(PEOPLE, count=1), tmp_path / "set")


def test_the_annotation_file_has_no_private_paths(tmp_path: Path) -> None:
    folder = write_people(replace(PEOPLE, count=1), tmp_path / "set").folder
    tree = json.loads((folder / "annotations" / "person_keypoints_synthetic.json").read_text())
    assert tree["images"] == [{"id": 0, "file_name": "synthetic/000000000000.jpg", "width": 96, "height": 96}]


def test_motions_that_are_damaged_are_refused(tmp_path: Path) -> None:
    (tmp_path / "motions.npz").write_bytes(b"hello")
    with pytest.raises(FileProblem, match=r"motions\.npz"):
        SyntheticPeople(count=1, motions=tmp_path / "motions.npz").sample(0)
