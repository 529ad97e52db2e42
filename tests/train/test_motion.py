"""The motion recipes: every one makes its steps and resumes to the same bits; faults are told before the first step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from limner.checks import FileProblem, InputError
from limner.data import SyntheticPeople, read_folder, read_synthetic
from limner.media import read_image, write_image
from limner.motion import SlimPainter
from limner.train import ConfigError, ScheduleConfig, load_motion_config, read_metrics, train_motion
from limner.train.motion_bend import bend_source, pixel_grid, random_field, sample, unbend
from limner.train.motion_data import MotionSamples
from limner.train.motion_pairs import PairOptions, PairSamples, square_view
from limner.train.motion_step import motion_batch
from limner.train.schedule import rate_share
from tests.data.test_motion_clips import bare_clip, write_fashion

PUBLISHED_WEIGHTS = {
    "source": 10,
    "transfer": 10,
    "style": 0,
    "face": 5,
    "mask": 1,
    "smoothness": 1,
    "adversarial": 1,
    "mask_cross_entropy": True,
}
TINY = [
    "data.synthetic=2",
    "data.size=64",
    "data.targets_per_photo=3",
    "data.interval=3",
    "network.width=4",
    "network.num_blocks=1",
    "network.input_hw=[64,40]",
    "network.judge_width=4",
    "network.judge_halvings=2",
    "loop.epochs=2",
    "loop.batch=2",
    "loop.log_steps=1",
    "loop.tensorboard=false",
    "loop.device=cpu",
    "loop.pictures=2",
    "test.limit=2",
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("places")
    for number in range(3):
        write_image(folder / f"{number}.png", np.full((40, 70, 3), 60 * number, np.uint8), synthetic=False)
    return folder


def words(cache: Path, recipe: str, *more: str) -> list[str]:
    return [*TINY, f"data.cache={cache}", f"recipe={recipe}", *more]


def same(one: Path, other: Path) -> bool:
    states = [load_file(folder / "checkpoint.safetensors") for folder in (one, other)]
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][k], states[1][k]) for k in states[0])


@pytest.mark.recipe
@pytest.mark.parametrize("recipe", ["slim", "published"])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(recipe: str, cache: Path, tmp_path: Path) -> None:
    asked = words(cache, recipe, "loop.checkpoint_steps=1", "loop.ema_decay=0.9", "loss.target_background=true")
    config = load_motion_config(None, asked)
    outcome = train_motion(config, tmp_path / "straight")

    def stop(done: int, total: int | None, what: str) -> None:
        if (done, what) == (2, "training"):
            raise ZeroDivisionError  # the checkpoint is from after the first step

    with pytest.raises(ZeroDivisionError):
        train_motion(config, tmp_path / "stopped", watch=stop)
    train_motion(config, tmp_path / "stopped")
    assert (
        outcome.epochs == 2 and outcome.weights.exists() and (tmp_path / "straight" / "best-judge.safetensors").exists()
    )
    assert same(tmp_path / "straight", tmp_path / "stopped")
    lines = read_metrics(tmp_path / "straight")
    assert all(np.isfinite(line["loss"]) and np.isfinite(line["judge"]) for line in lines if line["kind"] == "train")
    assert read_image(tmp_path / "straight" / "valid.png").shape[1] == 4 * (40 if recipe == "slim" else 64)


@pytest.mark.recipe
def test_the_slim_network_learns_and_its_best_weights_load(cache: Path, tmp_path: Path) -> None:
    asked = words(
        cache, "slim", "network.judge_width=0", "loop.epochs=12", "painter.lr=2e-3", "loop.validate_epochs=12"
    )
    outcome = train_motion(load_motion_config(None, asked), tmp_path)
    losses = [line["loss"] for line in read_metrics(tmp_path) if line["kind"] == "train"]
    assert np.mean(losses[-6:]) < 0.97 * np.mean(losses[:6])
    painter = SlimPainter.load(outcome.weights)
    assert outcome.weights.name == "best.safetensors" and painter.network.config.width == 4


@pytest.mark.recipe
def test_auxiliary_backgrounds_are_learned_too(cache: Path, places: Path, tmp_path: Path) -> None:
    config = load_motion_config(None, words(cache, "auxiliary", f"data.places={places}", "loop.epochs=1"))
    train_motion(config, tmp_path)
    kept = load_file(tmp_path / "best-judge.safetensors")
    assert any(key.startswith("global_model.") for key in kept) and any(key.startswith("local_model.") for key in kept)


@pytest.mark.recipe
def test_all_sets_are_learned_together(
    cache: Path, places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fashion = tmp_path / "fashion"
    for part in ("train", "test"):
        write_fashion(fashion, part)
    # The free body stands in for SMPL, whose file is licensed.
    asked = words(cache, "all_sets", f"data.places={places}", f"data.deepfashion={fashion}", "data.body=smpl:x")
    config = load_motion_config(None, [*asked, "data.synthetic=0", "loop.epochs=1"])
    config = replace(config, data=replace_body(config.data))
    outcome = train_motion(config, tmp_path / "run")
    assert outcome.steps == 2  # pairs of made-up people, and two of DeepFashion


def replace_body(data):
    made = object.__new__(type(data))
    made.__dict__.update(data.__dict__, body="free", synthetic=2)
    return made


def test_samples_are_a_function_of_seed_epoch_and_index(cache: Path, places: Path) -> None:
    clips = tuple(read_synthetic(SyntheticPeople(seed=0, side=64), 2, cache))
    samples = PairSamples(clips, options=PairOptions(64, 2, target_background=True), places=read_folder(places))
    one, again, later = samples.sample(0, 0), samples.sample(0, 0), samples.sample(0, 1)
    assert all((one[key] == again[key]).all() for key in one)
    assert any((one[key] != later[key]).any() for key in one)
    assert one["background"].shape == (3, 4, 64, 64) and one["masks"].shape == (2, 1, 64, 64)
    batch = {key: torch.from_numpy(np.stack([one[key], later[key]])) for key in one}
    made = motion_batch(batch)
    assert made.background.shape == (6, 4, 64, 64) and torch.equal(made.background[1], batch["background"][1, 0])
    assert torch.equal(made.masks[2], batch["masks"][0, 1])


def test_a_bent_picture_is_found_again_by_its_flow() -> None:
    numbers = np.random.default_rng(5)
    grid = pixel_grid((48, 40))
    image = np.stack([np.sin(3 * grid[..., 0]), np.cos(2 * grid[..., 1]), grid[..., 0]])
    person = np.zeros((48, 40), bool)
    person[14:34, 12:28] = True
    bent, _, flow = bend_source(image, image[:1], person, numbers)
    assert np.abs(bent - image).mean() > 0.03
    np.testing.assert_allclose(sample(bent, flow)[:, person], image[:, person], atol=0.05)
    assert (flow[~person] == -2).all()
    field = random_field((48, 40), numbers)
    found = unbend(field, grid[20:24, 18:22])
    np.testing.assert_allclose(
        found + sample(field.transpose(2, 0, 1), found).transpose(1, 2, 0), grid[20:24, 18:22], atol=1e-3
    )


def test_a_square_view_keeps_the_person_where_they_are() -> None:
    from limner.body import pixels_from_picture, project_weak

    joints = np.random.default_rng(0).normal(0, 0.4, (24, 3)).astype(np.float32)
    camera = np.float32([0.5, 0.7, 0.1])
    picture = np.zeros((60, 100, 3), np.uint8)
    before = pixels_from_picture(project_weak(joints, camera), (60, 100))
    picture[30, 80] = 255
    cut, squared = square_view(picture, camera, joints)
    after = pixels_from_picture(project_weak(joints, squared), (60, 60))
    row, column = np.argwhere(cut[..., 0] == 255)[0]
    np.testing.assert_allclose(before - [80, 30], after - [column, row], atol=1e-3)


def test_linear_rates_are_the_published_ones() -> None:
    schedule = ScheduleConfig("linear", hold=5, final_share=0.01)
    shares = [rate_share(schedule, epoch, 30) for epoch in (0, 5.9, 6, 29.5, 30)]
    assert shares == pytest.approx([1, 1, 1 - 0.99 / 25, 1 - 0.99 * 24 / 25, 0.01])


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ([], "name what to learn from"),
        (["data.iper=x"], "set body to smpl:PATH"),
        (["data.synthetic=1", "recipe=auxiliary"], "needs data.places"),
        (["data.synthetic=1", "recipe=all_sets", "data.places=x"], "needs data.deepfashion"),
        (["data.synthetic=1", "recipe=slim", "data.places=x"], "no part in the recipe slim"),
        (["data.synthetic=1", "network.judge_width=0"], "need a judge"),
        (["data.synthetic=1", "recipe=slim", "network.input_hw=[32,24]"], "judge_halvings"),
        (["data.synthetic=1", "slim.colour=-1"], "colour must not be negative"),
        (["data.synthetic=1", "loss.weights.fase=1"], "face"),
    ],
    ids=str,
)
def test_faults_of_a_configuration_are_named(asked: list[str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load_motion_config(None, asked or ["loop.epochs=1", "data.interval=1"])


def test_missing_data_is_told_before_the_first_step(tmp_path: Path) -> None:
    for asked in (["data.videos=nowhere"], ["data.photos=nowhere"], ["data.iper=nowhere", "data.body=smpl:x.npz"]):
        with pytest.raises((FileProblem, InputError)):
            train_motion(load_motion_config(None, asked), tmp_path)


def test_shipped_configurations_are_whole() -> None:
    folder = Path(__file__).resolve().parents[2] / "configs" / "motion"
    files = sorted(folder.glob("*.yaml"))
    assert {file.stem for file in files} >= {"slim-cpu", "lwgan-iper", "lwgan-iper-places", "lwgan-all-sets"}
    for file in files:
        config = load_motion_config(file, ["data.videos=x"])
        assert config.loop.epochs >= 8 and config.run.endswith(file.stem)
        assert (config.recipe == "slim") == (not config.data.iper)
        if config.recipe != "slim":
            assert vars(config.loss.weights) == PUBLISHED_WEIGHTS and config.painter == config.judge
            assert (config.painter.lr, config.painter.betas) == (2e-4, (0.5, 0.999))
            assert (config.loop.batch, config.loop.epochs, config.schedule.hold) == (4, 30, 5)


def test_a_clip_without_masks_gives_no_slim_samples(tmp_path: Path) -> None:
    from limner.train.motion_slim import SlimPairing, slim_files

    assert slim_files([bare_clip("x")], tmp_path, SlimPairing(1, 1, (64, 40))) == []
    assert isinstance(MotionSamples, type)
