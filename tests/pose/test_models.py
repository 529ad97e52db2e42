"""Weights by name, by run and by file; heatmap networks behind the predictor; people followed through frames."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from limner.checks import FileProblem, InputError, WeightsError
from limner.people import People
from limner.pose import (
    PUBLISHED,
    HeatmapPredictor,
    PeopleTracker,
    PoseModel,
    PosePredictor,
    PoseTable,
    build_network,
    decode,
    draw_openpose,
    flip_average,
    hrnet_config,
    import_weights,
    load_pose_model,
)
from limner.pose.crop import crop_from_box, crop_matrix, cut_out, normalise
from limner.pose.skeletons import SKELETONS
from limner.records import Boxes, Keypoints
from limner.weights import file_path, list_weights, weight_record

TINY = hrnet_config(2, num_modules=(1, 1, 1), num_blocks=1, first_blocks=1, first_planes=2)
BOXES = Boxes(np.float32([[5, 3, 40, 60], [20, 10, 62, 70], [0, 0, 30, 30]]), np.ones(3))


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """hrnet-w32-coco becomes a tiny network; weights go to a folder of their own."""
    table = PoseTable(TINY, (64, 32), "coco17")
    known = dataclasses.replace(PUBLISHED["hrnet-w32-coco"], table=table)
    monkeypatch.setitem(PUBLISHED, "hrnet-w32-coco", known)
    monkeypatch.setenv("LIMNER_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "cache"))
    network = build_network(TINY).eval()
    path = tmp_path / known.file
    torch.save(network.state_dict(), path)
    return network, path


@pytest.fixture
def picture(rng):
    return rng.integers(0, 255, (80, 70, 3), dtype=np.uint8)


def test_published_names_have_files_of_their_own():
    assert len({known.file for known in PUBLISHED.values()}) == len(PUBLISHED) == 15
    assert PUBLISHED["pose-resnet50-coco"].table.as_bgr and not PUBLISHED["hrnet-w48-mpii"].table.as_bgr
    assert PUBLISHED["hrnet-w48-mpii"].table.network.num_joints == 16


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0), ("fp16", 1e-3)])
def test_import_keeps_weights_under_their_name(tiny, precision, tolerance):
    network, path = tiny
    record = import_weights("hrnet-w32-coco", path, precision=precision)
    assert record == weight_record("hrnet-w32-coco") and record in list_weights()
    assert file_path("hrnet-w32-coco").name == "hrnet-w32-coco.safetensors"
    loaded = load_pose_model("hrnet-w32-coco").network.state_dict()
    for key, value in network.state_dict().items():
        torch.testing.assert_close(loaded[key], value, rtol=tolerance, atol=tolerance / 10)
    with pytest.raises(WeightsError, match="not known to allow commercial use"):
        load_pose_model("hrnet-w32-coco", licence="commercial")
    file_path("hrnet-w32-coco").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"damaged.*import them again"):
        load_pose_model("hrnet-w32-coco")


def test_import_refuses_other_files_and_leaves_nothing(tiny, tmp_path):
    network, path = tiny
    other = path.rename(tmp_path / "pose_hrnet_w48_256x192.pth")
    with pytest.raises(WeightsError, match="published file of hrnet-w48-coco"):
        import_weights("hrnet-w32-coco", other)
    state = network.state_dict()
    state.pop("conv1.weight")
    torch.save(state, tmp_path / "own.pth")
    with pytest.raises(WeightsError, match=r"lacks 1 keys \(conv1.weight\)"):
        import_weights("hrnet-w32-coco", tmp_path / "own.pth")
    with pytest.raises(InputError, match="did you mean 'hrnet-w32-coco'"):
        import_weights("hrnet-w32-coc", other)
    with pytest.raises(WeightsError, match="not here yet"):
        load_pose_model("hrnet-w32-coco")
    with pytest.raises(WeightsError, match="no pose weights are called 'best'"):
        load_pose_model("best")
    assert not (tmp_path / "weights").exists()


def test_a_run_is_loaded_by_its_folder(tmp_path):
    network = build_network(TINY).eval()
    config = {
        "network": {"name": None, "hrnet": json.loads(json.dumps(dataclasses.asdict(TINY))), "resnet": None},
        "input": {"input_hw": [64, 32], "sigma": 1.5, "colour": "rgb"},
        "loss": {"name": "cross_entropy"},
    }
    with pytest.raises(FileProblem, match=r"no best.safetensors lies in"):
        load_pose_model(tmp_path)
    state = network.state_dict()
    joints = SKELETONS["coco17"].joints
    facts = {"config": config, "skeleton": {"name": "person", "joints": joints, "limbs": [[0, 1]]}}
    save_file(state, tmp_path / "best.safetensors", {"limner": json.dumps(facts)})
    model = load_pose_model(tmp_path)
    assert model.table == PoseTable(TINY, (64, 32), "coco17", 1.5, is_logits=True)
    facts["skeleton"]["joints"] = [f"left_{joint}" for joint in joints]
    save_file(state, tmp_path / "best.safetensors", {"limner": json.dumps(facts)})
    with pytest.raises(WeightsError, match="every left_ its right_"):
        load_pose_model(tmp_path)
    save_file(state, tmp_path / "best.safetensors", {"limner": json.dumps({"config": config})})
    with pytest.raises(WeightsError, match="does not say which network and which joints"):
        load_pose_model(tmp_path)
    save_file(state, tmp_path / "best.safetensors")
    with pytest.raises(WeightsError, match="was not written by limner train pose"):
        load_pose_model(tmp_path)


@pytest.mark.parametrize("flip_test", [True, False])
def test_all_people_go_through_at_once_as_one_by_one(picture, flip_test):
    table = PoseTable(TINY, (64, 32), "coco17")
    network = build_network(TINY).eval()
    predictor = HeatmapPredictor(PoseModel("tiny", table, network), runtime="torch", flip_test=flip_test, threads=1)
    peaks = predictor.peaks(picture, BOXES.xyxy)
    xywh = np.concatenate([BOXES.xyxy[:, :2], BOXES.xyxy[:, 2:] - BOXES.xyxy[:, :2]], axis=1)
    center, scale = crop_from_box(xywh, 0.5)
    for row in range(3):
        crop = normalise(cut_out(picture, crop_matrix(center[row], scale[row], (64, 32)), (64, 32)))[None]
        with torch.inference_mode():
            maps = network(torch.from_numpy(crop)).numpy()
            if flip_test:
                mirrored = network(torch.from_numpy(crop[..., ::-1].copy())).numpy()
                maps = flip_average(maps, mirrored, SKELETONS["coco17"].flip_pairs)
        alone = decode(maps, center[[row]], scale[[row]])
        np.testing.assert_allclose(peaks.xy[row], alone.xy[0], atol=1e-3)
        np.testing.assert_allclose(peaks.score[row], alone.score[0], atol=1e-5)
    assert len(predictor.predict(picture, BOXES[:0])) == 0


def test_predictor_by_name(tiny, picture):
    import_weights("hrnet-w32-coco", tiny[1])
    predictor = PosePredictor.load("hrnet-w32-coco", runtime="torch", decoding="dark", threads=1)
    assert predictor.predict(picture, BOXES, skeleton="openpose18").xy.shape == (3, 18, 2)
    with pytest.raises(InputError, match="no decoding is called 'best'"):
        PosePredictor.load("hrnet-w32-coco", decoding="best")


class TwoWalkers:
    """A predictor of two people who pass one another; the second is away for three frames, and comes later."""

    network = None
    native_skeleton = skeleton = "coco17"

    def __init__(self):
        self.searches, self.looks, self.locator = [], 0, self

    def locate(self, frame):
        self.searches.append(int(frame[0, 0, 0]))
        return People(self.boxes(frame), self.predict(frame, None), tuple(self.places(frame)))

    def boxes(self, frame):
        return Boxes(np.tile(np.float32([0, 0, 9, 9]), (len(self.places(frame)), 1)), np.ones(len(self.places(frame))))

    def places(self, frame):
        """Who is in a frame: 0 always, 1 from frame 2 on but not from 20 to 22."""
        number = int(frame[0, 0, 0])
        return [0] if number < 2 or 20 <= number < 23 else [1, 0] if number % 2 else [0, 1]

    def predict(self, frame, people, skeleton=None):
        xy = np.concatenate([self.joints(frame, who) for who in self.places(frame)])
        return Keypoints(xy, np.ones(xy.shape[:2]), "coco17")

    def joints(self, frame, who):
        number, shape = int(frame[0, 0, 0]), np.random.default_rng(1).uniform(0, 100, (17, 2))
        moved = shape + np.array([10 * number, 0]) if who == 0 else shape[::-1] + np.array([400 - 10 * number, 15])
        return moved[None]

    def follow(self, frame, region):
        self.looks += 1
        there = region in self.places(frame)
        return (Keypoints(self.joints(frame, region), np.ones((1, 17)), "coco17"), region) if there else None


def walked(frame_rate, count=42):
    walkers = TwoWalkers()
    frames = [np.full((4, 4, 3), number, np.uint8) for number in range(count)]
    return walkers, frames, list(PeopleTracker(walkers, frame_rate=frame_rate).track(iter(frames)))


@pytest.mark.parametrize("frame_rate", [10, 30, 60])
def test_people_keep_their_numbers_and_appear_when_they_come(frame_rate):
    walkers, frames, seen = walked(frame_rate)
    assert len(seen) == len(frames)
    for frame, people in zip(frames, seen, strict=True):
        assert sorted(people) == sorted(walkers.places(frame))
        for who, keypoints in people.items():
            np.testing.assert_allclose(keypoints.xy, walkers.joints(frame, who), rtol=1e-5)


@pytest.mark.parametrize(
    ("frame_rate", "searches"), [(10, [0, 5, 10, 15, 20, 25, 30, 35, 40, 41]), (60, [0, 15, 20, 35, 41])]
)
def test_pictures_are_searched_now_and_then(frame_rate, searches):
    assert walked(frame_rate)[0].searches == searches


def test_openpose_drawing_is_black_but_for_the_skeleton():
    xy = np.random.default_rng(0).uniform(10, 90, (1, 17, 2))
    drawn = draw_openpose((100, 120), Keypoints(xy, np.ones((1, 17)), "coco17"))
    assert drawn.shape == (100, 120, 3) and drawn[:, 95:].max() == 0 and drawn.any()
    x, y = np.round(xy[0, 15]).astype(int)  # the left ankle: joint 13 of 18
    assert drawn[y, x].argmax() == 2
    assert not draw_openpose((50, 50), Keypoints(xy, np.zeros((1, 17)), "coco17")).any()
