"""The loop: a run that stops anywhere goes on to the same numbers, and a step is the same however it is cut up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from limner.checks import FileProblem, InputError, WeightsError
from limner.train import OptimiserConfig, ScheduleConfig, fit, load_weights_of_run, read_metrics, start_run
from limner.train.order import epoch_order
from limner.train.resume import CHECKPOINT_FILE
from tests.train import tiny
from tests.train.tiny import TinyConfig, TinySamples, tiny_judge, tiny_loop, tiny_network, tiny_step, train_tiny

STEPS = 5  # of an epoch: 18 samples by 4, the last step with two


def numbers(folder: Path) -> list[dict]:
    """The log without what depends on the clock."""
    return [{key: value for key, value in line.items() if key != "seconds"} for line in read_metrics(folder)]


def assert_same(first: Path, second: Path) -> None:
    for name in (CHECKPOINT_FILE, "best.safetensors"):
        one, other = load_file(first / name), load_file(second / name)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one), name
    assert numbers(first) == numbers(second)


class Killed(Exception):
    pass


def stop_after(folder: Path, steps: int, config: TinyConfig) -> None:
    """Run so many steps and leave as a kill would: without a word."""
    run = start_run(config, folder, {"network": tiny_network()}, {"network": config.optimiser})
    done = iter(range(steps))

    def step(run, parts):
        if next(done, None) is None:
            raise Killed
        return tiny_step(run, parts)

    with pytest.raises(Killed):
        fit(run, TinySamples(), step, tiny_judge)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("straight")
    torch.set_num_threads(1)
    train_tiny(folder, TinyConfig(loop=tiny_loop(checkpoint_steps=2)))
    return folder


def test_learns(straight: Path) -> None:
    losses = [line["loss"] for line in read_metrics(straight) if line["kind"] == "train"]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 7, 10, 14])
def test_a_run_that_stopped_goes_on_to_the_same_numbers(straight: Path, tmp_path: Path, steps: int) -> None:
    config = TinyConfig(loop=tiny_loop(checkpoint_steps=2))
    stop_after(tmp_path, steps, config)
    torch.manual_seed(12345)  # whatever happened in between
    train_tiny(tmp_path, config)
    assert_same(straight, tmp_path)


def test_a_run_killed_in_mid_epoch_goes_on_to_the_same_numbers(straight: Path, tmp_path: Path) -> None:
    # The sample of the second epoch's third step that kills the process that reads it.
    index = int(epoch_order(18, 1, 0)[2 * 4 + 1])
    words = [sys.executable, tiny.__file__, tmp_path, "--die", "1", str(index)]
    killed = subprocess.run(words, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(numbers(tmp_path)) == 4  # three lines of training, one of validation: it was in the second epoch
    train_tiny(tmp_path, TinyConfig(loop=tiny_loop(checkpoint_steps=2)))
    assert_same(straight, tmp_path)


@pytest.mark.parametrize("moment", ["write", "rename"])
def test_a_kill_while_the_checkpoint_is_written_leaves_the_old_one(
    straight: Path, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TinyConfig(loop=tiny_loop(checkpoint_steps=2))
    stop_after(tmp_path, 4, config)
    before = (tmp_path / CHECKPOINT_FILE).read_bytes()
    name = "safetensors.torch.save_file" if moment == "write" else "os.replace"

    def die(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(name, die)
        with pytest.raises(Killed):
            train_tiny(tmp_path, config)
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == before
    train_tiny(tmp_path, config)
    assert_same(straight, tmp_path)


def test_reading_in_other_processes_changes_nothing(straight: Path, tmp_path: Path) -> None:
    train_tiny(tmp_path, TinyConfig(loop=tiny_loop(checkpoint_steps=2)), workers=2)
    assert_same(straight, tmp_path)


def test_a_finished_run_has_nothing_left_to_do(straight: Path, tmp_path: Path) -> None:
    before = (straight / CHECKPOINT_FILE).read_bytes()
    run = train_tiny(straight, TinyConfig(loop=tiny_loop(checkpoint_steps=2)))
    assert run.position.step == 3 * STEPS
    assert (straight / CHECKPOINT_FILE).read_bytes() == before


def test_a_finished_run_may_be_made_longer(straight: Path, tmp_path: Path) -> None:
    config = TinyConfig(loop=tiny_loop(epochs=1))
    assert train_tiny(tmp_path, config).position.step == STEPS
    assert train_tiny(tmp_path, replace(config, loop=tiny_loop(epochs=2))).position.step == 2 * STEPS


def test_stops_after_the_step_when_asked_to_and_goes_on(straight: Path, tmp_path: Path) -> None:
    config = TinyConfig(loop=tiny_loop(checkpoint_steps=2))
    run = start_run(config, tmp_path, {"network": tiny_network()}, {"network": config.optimiser})

    def step(run, parts):
        if run.position.step == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return tiny_step(run, parts)

    with pytest.raises(KeyboardInterrupt):
        fit(run, TinySamples(), step, tiny_judge)
    assert run.position.step == 7
    train_tiny(tmp_path, config)
    assert_same(straight, tmp_path)


def test_stops_after_the_judgement_that_was_under_way(straight: Path, tmp_path: Path) -> None:
    config = TinyConfig(loop=tiny_loop(checkpoint_steps=2))
    run = start_run(config, tmp_path, {"network": tiny_network()}, {"network": config.optimiser})

    def judge(run):
        os.kill(os.getpid(), signal.SIGINT)
        return tiny_judge(run)

    with pytest.raises(KeyboardInterrupt):
        fit(run, TinySamples(), tiny_step, judge)
    assert (run.position.epoch, run.position.step) == (1, STEPS)
    train_tiny(tmp_path, config)
    assert_same(straight, tmp_path)


def test_parts_of_a_step_add_up_to_the_step(tmp_path: Path) -> None:
    # Norms see their own part alone, so the network has none.
    config = TinyConfig(loop=tiny_loop(epochs=2, batch=8), optimiser=OptimiserConfig("sgd", lr=1e-2))
    whole = start_run(config, tmp_path / "whole", {"network": plain_network()}, {"network": config.optimiser})
    fit(whole, TinySamples(23), tiny_step, tiny_judge)
    config = replace(config, loop=tiny_loop(epochs=2, batch=2, accumulate=4))
    parts = start_run(config, tmp_path / "parts", {"network": plain_network()}, {"network": config.optimiser})
    fit(parts, TinySamples(23), tiny_step, tiny_judge)  # the last step has parts of 2, 2, 2 and 1
    for one, other in zip(whole.networks["network"].parameters(), parts.networks["network"].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def plain_network() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return torch.nn.Conv2d(3, 1, 3, padding=1)


def test_the_running_average_is_what_is_judged_and_kept(straight: Path) -> None:
    checkpoint, best = load_file(straight / CHECKPOINT_FILE), load_file(straight / "best.safetensors")
    assert not torch.equal(checkpoint["network.network.0.weight"], checkpoint["average.network.0.weight"])
    network = tiny_network()
    stored = load_weights_of_run(straight, network)
    scores = {line["step"]: line["error"] for line in read_metrics(straight) if line["kind"] == "valid"}
    assert scores[stored.facts["position"]["step"]] == min(scores.values())
    assert stored.facts["numbers"]["error"] == min(scores.values())
    torch.testing.assert_close(network.state_dict()["0.weight"], best["0.weight"], rtol=0, atol=0)
    load_weights_of_run(straight, network, which="last")
    assert torch.equal(network.state_dict()["0.weight"], checkpoint["average.network.0.weight"])


def test_bf16_keeps_float32_weights_and_learns(tmp_path: Path) -> None:
    run = train_tiny(tmp_path, TinyConfig(loop=tiny_loop(precision="bf16")))
    assert {weight.dtype for weight in run.networks["network"].parameters()} == {torch.float32}
    losses = [line["loss"] for line in read_metrics(tmp_path) if line["kind"] == "train"]
    assert losses[-1] < 0.8 * losses[0]


def test_two_networks_take_turns(tmp_path: Path) -> None:
    """What an adversarial recipe does: two networks, two updates in a step, both kept and both taken up again."""
    config = TinyConfig(loop=tiny_loop(epochs=1, checkpoint_steps=2))
    networks = {"first": tiny_network(), "second": plain_network()}
    run = start_run(config, tmp_path, networks, dict.fromkeys(networks, config.optimiser))

    def step(run, parts):
        from limner.train import Cost, update

        def cost(network, batch):
            return Cost((network(batch["image"]) - batch["wanted"]).square().mean(), len(batch["image"]))

        return {name: update(run, parts, cost, name=name) for name in networks}

    def judge(run):
        from limner.train import Judgement

        return Judgement(0.0, {})

    fit(run, TinySamples(), step, judge)
    assert {path.name for path in tmp_path.glob("best*")} == {"best-first.safetensors", "best-second.safetensors"}
    again = start_run(
        config,
        tmp_path,
        {"first": tiny_network(), "second": plain_network()},
        dict.fromkeys(networks, config.optimiser),
    )
    for name in networks:
        for one, other in zip(run.networks[name].parameters(), again.networks[name].parameters(), strict=True):
            assert torch.equal(one, other)


def test_another_configuration_in_the_folder_is_refused(straight: Path) -> None:
    changed = TinyConfig(loop=tiny_loop(seed=1), schedule=ScheduleConfig("constant"))
    with pytest.raises(InputError, match=r"another configuration \(loop.seed, schedule.name, schedule.warmup differ\)"):
        train_tiny(straight, changed)


def test_a_damaged_checkpoint_is_refused(straight: Path, tmp_path: Path) -> None:
    content = (straight / CHECKPOINT_FILE).read_bytes()
    for name, damaged in {
        "cut": content[: len(content) // 2],
        "text": b"hello",
        "pickle": b"\x80\x04" + content,
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / CHECKPOINT_FILE).write_bytes(damaged)
        with pytest.raises(WeightsError, match="truncated or damaged"):
            train_tiny(tmp_path / name)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    config = TinyConfig(loop=tiny_loop(), optimiser=OptimiserConfig("sgd", lr=1e30))
    with pytest.raises(InputError, match=r"not finite at step \d+ \(epoch 1\)"):
        train_tiny(tmp_path, config)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileProblem, match="cannot be made"):
        train_tiny(tmp_path / "file" / "run")


def test_weights_of_a_run_without_any(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="no best weights yet"):
        load_weights_of_run(tmp_path, tiny_network())
