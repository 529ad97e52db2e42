"""The pose recipe: it learns, resumes, judges by the data set's score, and says what is wrong before it starts."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from limner.checks import FileProblem, InputError, WeightsError
from limner.data import DatasetError, read_samples
from limner.losses import joints_cross_entropy, joints_mse, joints_ohkm
from limner.media import read_image
from limner.pose import SKELETONS, PosePredictor, load_pose_model
from limner.records import Boxes
from limner.train import config_of_run, evaluate_pose, load_pose_config, read_metrics, train_pose
from limner.train.machine import open_machine
from limner.train.pose import make_network, pose_cost
from limner.train.pose_data import PosePictures, read_pose_data, sample_config
from limner.train.pose_judge import judge_predictions, predict_people
from limner.train.pose_settings import LossSection
from tests.train.dots import write_config, write_dots


@pytest.fixture(scope="module")
def dots_yaml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_config(tmp_path_factory.mktemp("dots"))


@pytest.fixture(scope="module")
def trained(dots_yaml: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    torch.set_num_threads(1)
    train_pose(load_pose_config(dots_yaml, ["loop.epochs=12", "loop.validate_epochs=6"]), folder)
    return folder


@pytest.mark.recipe
def test_the_loss_falls_and_joints_are_found(trained: Path) -> None:
    lines = read_metrics(trained)
    losses = [line["loss"] for line in lines if line["kind"] == "train"]
    assert np.mean(losses[-4:]) < 0.5 * np.mean(losses[:4])
    judged = [line for line in lines if line["kind"] == "valid"]
    assert [line["epoch"] for line in judged] == [6, 12]
    assert judged[-1]["score"] == judged[-1]["AP"] > 0.5
    assert 0 < judged[-1]["loss"] < losses[0]


@pytest.mark.recipe
def test_a_run_that_was_stopped_goes_on_bit_for_bit(dots_yaml: Path, trained: Path, tmp_path: Path) -> None:
    words = ["loop.epochs=3", "loop.checkpoint_steps=1", "loop.validate_epochs=3"]
    train_pose(load_pose_config(dots_yaml, words), tmp_path / "straight")
    config, stopped = load_pose_config(dots_yaml, words), tmp_path / "stopped"

    def stop(done: int, total: int | None, what: str) -> None:
        if (done, what) == (3, "training"):
            raise ZeroDivisionError  # the checkpoint is from after the second step

    with pytest.raises(ZeroDivisionError):
        train_pose(config, stopped, watch=stop)
    train_pose(config, stopped)
    one, other = (load_file(folder / "checkpoint.safetensors") for folder in (tmp_path / "straight", stopped))
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    straight, again = (
        [{k: v for k, v in line.items() if k != "seconds"} for line in read_metrics(folder)]
        for folder in (tmp_path / "straight", stopped)
    )
    assert straight == again


def test_a_run_s_folder_is_all_that_judging_needs(trained: Path) -> None:
    scores = evaluate_pose(config_of_run(trained), trained)
    judged = [line for line in read_metrics(trained) if line["kind"] == "valid"]
    assert scores.score_name == "AP"
    assert scores.score == pytest.approx(max(line["score"] for line in judged), abs=1e-6)
    assert "boxes: annotated boxes" in scores.text and "flip test: yes" in scores.text
    assert "quarter-cell shift" in scores.text and "OKS suppression at 0.9" in scores.text
    plain = evaluate_pose(config_of_run(trained, ["test.flip=false", "test.decoding=dark"]), trained, which="last")
    assert "flip test: no" in plain.text and "DARK" in plain.text


def test_best_weights_load_as_any_checkpoint(trained: Path) -> None:
    config = config_of_run(trained)
    scores = evaluate_pose(config, weights=trained / "best.safetensors")
    assert scores.score == evaluate_pose(config, trained).score


@pytest.fixture
def registry() -> Iterator[None]:
    """Skeletons that a test adds are gone after it."""
    before = dict(SKELETONS)
    yield
    SKELETONS.clear()
    SKELETONS.update(before)


def test_a_run_predicts_what_its_judge_saw(trained: Path, registry: None) -> None:
    """Its heatmaps are logits, and its four joints are a skeleton of its own."""
    config = config_of_run(trained)
    people = read_pose_data(config).valid
    model = load_pose_model(trained)
    assert model.table.is_logits and SKELETONS[model.table.skeleton].joints == people.skeleton.joints
    judged = predict_people(model.network, people, config, open_machine(config.loop)).keypoints
    predictor = PosePredictor.load(trained, runtime="torch", threads=1)
    boxes = Boxes(np.float32([[4, 4, 59, 59]]), np.ones(1))  # as COCO's boxes are cut
    for index in range(len(people)):
        found = predictor.predict(people.read_picture(index), boxes)
        assert found.skeleton == predictor.native_skeleton == model.table.skeleton
        np.testing.assert_allclose(found.xy[0], judged[index, :, :2], atol=1e-3)
        np.testing.assert_allclose(found.score[0], np.clip(judged[index, :, 2], 0, 1), atol=1e-4)
        # Sure joints of a taught network peak near one, whatever its logits are.
        assert found.score.mean() > 0.3


def test_pictures_show_who_was_judged(trained: Path) -> None:
    assert read_image(trained / "valid.png").shape == (
        512,
        512,
        3,
    )  # two people, four times as large, found and annotated


@pytest.mark.parametrize(("limit", "measure"), [(0, "AP"), (8, "PCK@0.2")])
def test_only_the_whole_set_has_its_published_score(dots_yaml: Path, limit: int, measure: str) -> None:
    config = load_pose_config(dots_yaml, [f"data.limit={limit}"])
    data = read_pose_data(config)
    perfect = np.concatenate([data.valid.joints, np.ones((len(data.valid), 4, 1))], axis=2).astype(np.float32)
    scores = judge_predictions(perfect, data.valid, config, is_whole=data.is_whole)
    assert scores.score_name == measure
    assert scores.score == pytest.approx(1 if measure == "AP" else 100)


def test_joints_without_a_torso_are_measured_by_the_crop(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    people = tmp_path / "people.json"
    people.write_text(people.read_text().replace("_shoulder", "_horn").replace("_hip", "_hoof"))
    config = load_pose_config(path)
    data = read_pose_data(config)
    off = np.concatenate([data.valid.joints, np.ones((len(data.valid), 4, 1))], axis=2).astype(np.float32)
    off[:, 0, 0] += 5  # more than a twentieth of a crop of 70 pixels
    scores = judge_predictions(off, data.valid, config, is_whole=True)
    assert "crop's longer side" in scores.score_name and scores.score == pytest.approx(75)


def test_samples_repeat_and_change_with_the_epoch(dots_yaml: Path) -> None:
    data = read_pose_data(load_pose_config(dots_yaml))
    pictures = PosePictures(data.train, sample_config(load_pose_config(dots_yaml), data.train), seed=1)
    first, again, later = (pictures.sample(3, epoch)["image"] for epoch in (0, 0, 1))
    assert first.shape == (3, 64, 64) and (first == again).all() and (first != later).any()


def test_people_kept_for_judging_share_no_picture(dots_yaml: Path) -> None:
    data = read_pose_data(load_pose_config(dots_yaml, ["data.valid_root=null", "data.valid_share=0.25"]))
    assert len(data.valid) == 4 and len(data.train) == 12
    assert not set(data.train.picture) & set(data.valid.picture)


@pytest.mark.parametrize(
    ("count", "share", "kept"), [(16, 0.5, 8), (16, 0.1, 1), (16, 0.06, 0), (100, 0.05, 5), (1000, 0.05, 40)]
)
def test_a_share_is_kept_for_judging(count: int, share: float, kept: int) -> None:
    from limner.train.pose_data import part_pictures

    class People:
        picture = tuple(f"{number}.png" for number in range(count))

        def __getitem__(self, rows):
            return np.flatnonzero(rows)

    train, valid = part_pictures(People(), share)
    assert (len(valid), len(train)) == (kept, count - kept)


@pytest.mark.parametrize("name", ["mse", "ohkm", "cross_entropy"])
def test_costs_are_the_losses_and_say_what_they_stand_for(name: str) -> None:
    maps, target = torch.randn(3, 4, 8, 8), torch.rand(3, 4, 8, 8)
    weight = torch.tensor([[1.0, 1, 0, 1.5], [0, 0, 0, 0], [1, 1, 1, 1]])
    target[2, 3] = 0  # a joint outside the crop
    batch = {"target": target, "weight": weight}
    cost = pose_cost(LossSection(name, topk=2), maps, batch)
    wanted = {
        "mse": (joints_mse(maps, target, weight), 3),
        "ohkm": (joints_ohkm(maps, target, weight, topk=2), 3),
        "cross_entropy": (joints_cross_entropy(maps, target, weight), 6.5),
    }
    torch.testing.assert_close(cost.mean, wanted[name][0])
    assert float(cost.weight) == wanted[name][1]
    # Two parts by their weights are the whole.
    if name == "cross_entropy":
        parts = [
            pose_cost(LossSection(name), maps[i : i + 1], {k: v[i : i + 1] for k, v in batch.items()}) for i in range(3)
        ]
        mean = sum(part.mean * part.weight for part in parts) / sum(part.weight for part in parts)
        torch.testing.assert_close(mean, cost.mean)


def test_starting_weights_do_not_hang_on_what_was_drawn_before(dots_yaml: Path) -> None:
    config = load_pose_config(dots_yaml)
    first = make_network(config, 4).state_dict()
    torch.rand(7)
    state = torch.get_rng_state()
    second = make_network(config, 4).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert torch.equal(state, torch.get_rng_state())
    published = make_network(load_pose_config(dots_yaml, ["network.start=published"]), 4)
    assert float(published.final_layer.weight.detach().std()) == pytest.approx(0.001, rel=0.5)


def test_a_trained_network_is_a_start_for_another(trained: Path, dots_yaml: Path) -> None:
    weights = trained / "best.safetensors"
    whole = make_network(
        load_pose_config(dots_yaml, [f"network.pretrained={weights}", "network.pretrained_kind=pose"]), 4
    )
    trunk = make_network(load_pose_config(dots_yaml, [f"network.pretrained={weights}"]), 3)
    kept = load_file(weights)
    assert torch.equal(whole.final_layer.weight.detach(), kept["final_layer.weight"])
    assert torch.equal(trunk.conv1.weight.detach(), kept["conv1.weight"]) and trunk.final_layer.out_channels == 3


def faulty(folder: Path, fault: str) -> Path:
    path = write_config(folder)
    people = folder / "people.json"
    tree = json.loads(people.read_text())
    first, second = tree["annotations"][:2]
    if fault == "nan":
        first["keypoints"][0] = float("nan")
    elif fault == "several":
        first["keypoints"] = first["keypoints"][:-3]
        second["bbox"] = [3, 3, 0, 0]
        del tree["annotations"][2]["area"]
    elif fault == "picture":
        (folder / "images" / f"{3:012d}.png").unlink()
    people.write_text(json.dumps(tree))
    return path


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("nan", ["annotation 1"]),
        ("several", ["annotation 1", "annotation 2", "'area'", "3 faults"]),
        ("picture", ["000000000003.png"]),
    ],
)
def test_a_faulty_annotation_file_stops_the_run_before_it_starts(tmp_path: Path, fault: str, words: list[str]) -> None:
    path = faulty(tmp_path / "data", fault)
    with pytest.raises(DatasetError) as caught:
        train_pose(load_pose_config(path), tmp_path / "run")
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("override", "error", "sentence"),
    [
        ("network.num_joints=5", InputError, "network.num_joints is 5, but the data set's"),
        ("data.root=nowhere", FileProblem, "no data set at nowhere"),
        ("network.pretrained=nowhere.pth", FileProblem, "nowhere.pth"),
        ("data.valid_root=null", InputError, "leaves nobody to be judged by"),
        ("loop.device=mps", InputError, "loop.device is mps"),
        ("loss={name: ohkm, topk: 5}", InputError, "loss.topk is 5"),
    ],
)
def test_what_cannot_be_is_said_before_the_first_step(
    dots_yaml: Path, tmp_path: Path, override: str, error: type, sentence: str
) -> None:
    words = [override, "data.valid_share=0.01"]
    if torch.backends.mps.is_available() and "mps" in override:
        pytest.skip("this machine has an MPS device")
    with pytest.raises(error, match=sentence):
        train_pose(load_pose_config(dots_yaml, words), tmp_path / "run")


def test_weights_of_another_network_are_named(dots_yaml: Path, tmp_path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    config = load_pose_config(dots_yaml, [f"network.pretrained={tmp_path / 'other.safetensors'}"])
    with pytest.raises(WeightsError, match="another network"):
        train_pose(config, tmp_path / "run")
    with pytest.raises(WeightsError, match="another network"):
        evaluate_pose(load_pose_config(dots_yaml), weights=tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="nothing to judge"):
        evaluate_pose(load_pose_config(dots_yaml))


def test_a_picture_that_breaks_later_is_named(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    (tmp_path / "images" / f"{4:012d}.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(FileProblem, match=r"000000000004\.png"):
        train_pose(load_pose_config(path), tmp_path / "run")


def test_tensorboard_gets_numbers_and_pictures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("tensorboard")
    path = write_config(tmp_path)
    with caplog.at_level(logging.INFO, logger="limner.train"):
        train_pose(load_pose_config(path, ["loop.tensorboard=true", "loop.epochs=1"]), tmp_path / "run")
    (events,) = (tmp_path / "run" / "tensorboard").iterdir()
    content = events.read_bytes()
    assert all(tag in content for tag in (b"train/loss", b"valid/AP", b"PNG"))
    assert any("valid, step 2" in message for message in caplog.messages)


@pytest.mark.slow
@pytest.mark.recipe
@pytest.mark.timeout(3600)
def test_twenty_photos_are_learned_by_heart(shared_data: Path, tmp_path: Path) -> None:
    """From scratch on LSP-extended: 160 steps, 65 s of CPU on one thread of an AMD EPYC without AVX-512."""
    path = Path(__file__).resolve().parents[2] / "configs" / "pose" / "hrnet-w16-lspet-overfit.yaml"
    outcome = train_pose(load_pose_config(path, [f"data.root={shared_data / 'lspet'}", "loop.device=cpu"]), tmp_path)
    assert outcome.best > 95


def test_lsp_extended_is_read_by_the_shipped_configuration(shared_data: Path) -> None:
    path = Path(__file__).resolve().parents[2] / "configs" / "pose" / "hrnet-w16-lspet-cpu.yaml"
    data = read_pose_data(load_pose_config(path, [f"data.root={shared_data / 'lspet'}"]))
    people = read_samples(shared_data / "lspet")
    assert len(data.train) + len(data.valid) == len(people)
    assert 0.04 < len(data.valid) / len(people) < 0.06
    assert not set(data.train.picture) & set(data.valid.picture)


def test_dots_are_where_their_labels_are(tmp_path: Path) -> None:
    people = read_samples(write_dots(tmp_path, 2), images=tmp_path / "images", image_hw=(64, 64))
    x, y = np.rint(people.joints[1, 0]).astype(int)
    assert people.read_picture(1)[y, x].tolist() == [255, 60, 60]
