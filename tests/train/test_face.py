"""The recipe of pixel2style2pixel: every task makes a step, runs go on, results load, and bad input is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from limner.checks import InputError, WeightsError
from limner.data import DatasetError
from limner.face import Generator, GeneratorConfig, import_weights, load_psp
from limner.media import read_image, write_image
from limner.train import ConfigError, FaceTrainConfig, load_config, read_metrics, train_face
from limner.train.checkpoint import read_stored
from limner.train.face import make_psp
from limner.train.face_data import draw_hole, read_face_data
from tests.train.faces import SMALL_ENCODER, draw_faces

pytest.importorskip("accelerate")


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    return draw_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def generator(tmp_path_factory) -> Path:
    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("generator") / "generator.pt"
    network = Generator(GeneratorConfig(16, 16, 2, max_channels=8))
    torch.save({"g_ema": network.state_dict(), "latent_avg": network.mean_style(64)[0]}, path)
    return path


def _config(faces: Path, generator: Path, *changes: str) -> FaceTrainConfig:
    given = [f"data.target={faces}", f"network.generator={generator}"]
    return load_config(FaceTrainConfig, None, [*given, *SMALL_ENCODER, *changes])


@pytest.fixture(scope="module")
def straight(faces: Path, generator: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("straight")
    train_face(_config(faces, generator), folder)
    return folder


def test_the_best_weights_load_as_a_published_checkpoint_does(straight: Path, generator: Path) -> None:
    network = load_psp(straight / "best.safetensors")
    assert network.config.num_layers == 18 and network.config.width == 4 and network.config.start_from_mean
    assert torch.equal(network.latent_avg, torch.load(generator)["latent_avg"].expand(6, -1))
    pictures, wplus = network(torch.zeros(2, 3, 32, 32), resize=False)
    assert pictures.shape == (2, 3, 16, 16) and wplus.shape == (2, 6, 16)


def test_any_generator_can_be_learned_over(
    straight: Path, faces: Path, generator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMNER_WEIGHTS", str(tmp_path))
    import_weights("stylegan2-ffhq", generator)
    expected = torch.load(generator)
    for given in ("stylegan2-ffhq", straight):
        network = make_psp(_config(faces, generator, f"network.generator={given}"))
        assert torch.equal(network.latent_avg, expected["latent_avg"].expand(6, -1))
        assert torch.equal(
            network.decoder.state_dict()["convs.0.conv.weight"], expected["g_ema"]["convs.0.conv.weight"]
        )
    with pytest.raises(WeightsError, match="no generator is called 'nothing'"):
        make_psp(_config(faces, generator, "network.generator=nothing"))


def test_the_generator_stays_as_it_was(straight: Path, generator: Path) -> None:
    start = torch.load(generator)["g_ema"]
    learned = read_stored(straight / "best.safetensors").tensors
    assert all(torch.equal(learned[f"decoder.{key}"], value) for key, value in start.items())


def test_each_part_of_the_loss_is_told(straight: Path) -> None:
    lines = read_metrics(straight)
    assert {"loss", "l2", "structure", "w_norm"} <= lines[0].keys()
    valid = [line for line in lines if line["kind"] == "valid"][-1]
    assert valid["loss"] == pytest.approx(valid["l2"] + 0.5 * valid["structure"] + 0.005 * valid["w_norm"], rel=1e-4)
    assert read_image(straight / "valid.png").shape == (3 * 128, 4 * 128, 3)


def test_a_run_that_stopped_goes_on_to_the_same_numbers(
    faces: Path, generator: Path, straight: Path, tmp_path: Path
) -> None:
    train_face(_config(faces, generator, "loop.epochs=1"), tmp_path)
    train_face(_config(faces, generator), tmp_path)
    wanted, found = (read_stored(folder / "checkpoint.safetensors").tensors for folder in (straight, tmp_path))
    assert wanted.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in wanted.items())


@pytest.mark.parametrize(
    "task", ["frontalisation", "sketch", "super_resolution", "colourisation", "inpainting", "toonify", "other_domain"]
)
def test_every_task_makes_its_source_of_the_target(task: str, faces: Path, generator: Path) -> None:
    config = _config(faces, generator, f"task={task}", "data.factors=[4]")
    train, valid = read_face_data(config)
    sample = train.sample(0, 0)
    assert sample["source"].shape == (config.input_channels, 32, 32) and sample["target"].shape == (3, 32, 32)
    changed = any(
        train.sample(index, 0)["source"].shape != sample["target"].shape
        or not torch.equal(train.sample(index, 0)["source"], train.sample(index, 0)["target"])
        for index in range(len(train))
    )
    assert changed == (task not in ("toonify", "other_domain"))
    assert torch.equal(valid.sample(0, 0)["source"], valid.sample(0, 5)["source"])


def test_label_maps_are_learned_from(faces: Path, generator: Path, tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    for number in range(12):
        labels = np.random.default_rng(number).integers(0, 5, (32, 32, 1)).astype(np.uint8)
        write_image(tmp_path / "maps" / f"{number:03d}.png", labels.repeat(3, 2), synthetic=False)
    given = ["task=segmentation", f"data.source={tmp_path / 'maps'}", "data.classes=5", "loop.epochs=1"]
    outcome = train_face(_config(faces, generator, *given), tmp_path / "run")
    assert outcome.steps == 2 and np.isfinite(outcome.best)
    assert load_psp(tmp_path / "run" / "best.safetensors").config.input_channels == 5


def test_classes_that_there_are_not_stop_the_run(faces: Path, generator: Path, tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    for number in range(12):
        write_image(tmp_path / "maps" / f"{number:03d}.png", np.full((8, 8, 3), 7, np.uint8), synthetic=False)
    given = ["task=segmentation", f"data.source={tmp_path / 'maps'}", "data.classes=5"]
    with pytest.raises(InputError, match=r"may hold 0\.\.4, and this one has \[7\]"):
        train_face(_config(faces, generator, *given), tmp_path / "run")


def test_sources_without_a_target_are_all_named(faces: Path, generator: Path, tmp_path: Path) -> None:
    draw_faces(tmp_path / "source", 14)
    with pytest.raises(DatasetError, match=r"2 faults.*012\.png, 013\.png"):
        train_face(_config(faces, generator, "task=paired", f"data.source={tmp_path / 'source'}"), tmp_path / "run")


def test_networks_that_measure_are_asked_for(faces: Path) -> None:
    config = load_config(FaceTrainConfig, None, [f"data.target={faces}", "network.generator=some.pt"])
    with pytest.raises(InputError, match=r"as loss\.lpips and .* name model_ir_se50\.pth as loss\.recogniser"):
        train_face(config, faces / "run")
    assert not (faces / "run").exists()


def test_crops_are_measured_at_their_side_alone(faces: Path) -> None:
    with pytest.raises(ConfigError, match=r"measured at 256 pixels, and loss\.side is 64"):
        load_config(FaceTrainConfig, None, ["loss.side=64", "loss.weights.lpips=0", "loss.weights.l2_crop=1"])


def test_without_a_generator_there_is_nothing_to_train(faces: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"name a StyleGAN2 file as network\.generator"):
        train_face(load_config(FaceTrainConfig, None, [f"data.target={faces}", *SMALL_ENCODER]), tmp_path)


def test_a_start_with_other_channels_is_refused(faces: Path, straight: Path, tmp_path: Path) -> None:
    given = [f"data.target={faces}", f"network.pretrained={straight / 'best.safetensors'}", "task=sketch"]
    with pytest.raises((InputError, WeightsError), match="takes 3 channels, and the task sketch gives 1"):
        train_face(load_config(FaceTrainConfig, None, [*given, *SMALL_ENCODER]), tmp_path)


def test_holes_cover_a_tenth_to_a_third() -> None:
    shares = [draw_hole(64, np.random.default_rng(seed)).mean() for seed in range(20)]
    assert min(shares) >= 0.1 and max(shares) <= 0.35
    assert np.std(shares) > 0.01
