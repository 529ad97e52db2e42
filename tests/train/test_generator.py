"""The recipe of StyleGAN2: it learns, it stops and goes on, and it refuses what it cannot learn from."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from limner.checks import FileProblem, InputError, WeightsError
from limner.data import read_folder
from limner.face import load_generator
from limner.media import read_image
from limner.train import GeneratorTrainConfig, load_config, read_metrics, train_generator
from limner.train.checkpoint import read_stored
from limner.train.generator import FolderPictures, square_picture
from tests.train.faces import SMALL_GENERATOR, draw_faces

pytest.importorskip("accelerate")


def _config(faces: Path, *changes: str) -> GeneratorTrainConfig:
    return load_config(GeneratorTrainConfig, None, [f"data.root={faces}", *SMALL_GENERATOR, *changes])


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    return draw_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def straight(faces: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("straight")
    train_generator(_config(faces), folder)
    return folder


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    tensors = read_stored(folder / "checkpoint.safetensors").tensors
    return {name: value for name, value in tensors.items() if name.startswith(("network.", "average."))}


def test_the_folder_holds_a_generator_that_loads_as_any_other(straight: Path) -> None:
    generator, mean = load_generator(straight / "best-generator.safetensors")
    assert generator.config.size == 16 and mean is None
    with torch.no_grad():
        assert generator(generator.map_z(torch.randn(2, 16))).shape == (2, 3, 16, 16)
    assert read_image(straight / "samples.png").shape == (16, 64, 3)


def test_penalties_are_taken_lazily(straight: Path) -> None:
    lines = [line for line in read_metrics(straight) if line["kind"] == "train"]
    assert len(lines) == 6
    assert [("r1" in line, "path" in line) for line in lines] == [(step % 2 == 0,) * 2 for step in range(6)]
    assert all(np.isfinite(line["generator"]) and np.isfinite(line["discriminator"]) for line in lines)


def test_augmentation_moves_with_the_discriminator(straight: Path) -> None:
    values = [line["augmented"] for line in read_metrics(straight) if line["kind"] == "train"]
    assert all(abs(abs(a - b) - 0.04) < 1e-9 or a == b for a, b in pairwise(values))
    assert len(set(values)) > 1


def test_a_run_that_stopped_goes_on_to_the_same_numbers(faces: Path, straight: Path, tmp_path: Path) -> None:
    train_generator(_config(faces, "loop.epochs=1"), tmp_path)
    train_generator(_config(faces), tmp_path)
    wanted, found = _weights(straight), _weights(tmp_path)
    assert wanted.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in wanted.items())
    assert "network.pace.path_mean" in wanted


def test_rates_make_up_for_the_steps_of_penalties(straight: Path) -> None:
    line = next(line for line in read_metrics(straight) if line["kind"] == "train")
    assert line["lr_generator"] == pytest.approx(2e-3 * 2 / 3)


def test_an_epoch_begins_with_what_the_last_one_left_out(faces: Path) -> None:
    samples = FolderPictures(read_folder(faces), 16, step=5, flip=False)
    assert len(samples) == 10
    first = {samples.sample(index, 0)["image"].tobytes() for index in range(10)}
    second = [samples.sample(index, 1)["image"].tobytes() for index in range(10)]
    assert [picture in first for picture in second[:2]] == [False, False]


def test_the_middle_square_is_kept() -> None:
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, 10:20] = 200
    assert int(square_picture(image, 8).min()) == 200


def test_too_few_pictures_for_a_step_are_refused(faces: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"12 pictures, and a step takes 64: lower loop\.batch"):
        train_generator(_config(faces, "loop.batch=64"), tmp_path)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="holds no picture"):
        train_generator(_config(tmp_path), tmp_path / "run")


def test_a_generator_of_another_size_is_refused(faces: Path, straight: Path, tmp_path: Path) -> None:
    start = straight / "best-generator.safetensors"
    with pytest.raises(WeightsError, match="generator of 16 pixels, and this one makes 32"):
        train_generator(_config(faces, "network.size=32", f"network.pretrained={start}"), tmp_path)
