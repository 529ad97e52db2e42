"""The verbs that train and judge: help, overrides, a run and its judgement, exit codes, one sentence for a failure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from limner.train import read_metrics
from tests.train.dots import write_config

from .conftest import Outcome

Run = Callable[..., Outcome]


@pytest.fixture(scope="module")
def dots_yaml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_config(tmp_path_factory.mktemp("dots"))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("train", "pose"), ("--config", "--run", "--check", "KEY=VALUE", "--json")),
        (("eval", "pose"), ("--run", "--which", "--config", "--weights", "KEY=VALUE")),
    ],
    ids=["train pose", "eval pose"],
)
def test_help_names_every_option(run: Run, words: tuple[str, ...], named: tuple[str, ...]) -> None:
    outcome = run(*words, "--help")
    assert outcome.code == 0
    assert all(word in outcome.output for word in named)


def test_check_prints_the_whole_configuration_and_trains_nothing(run: Run, dots_yaml: Path) -> None:
    outcome = run("train", "pose", "--config", dots_yaml, "--check", "loop.seed=7", "run=nowhere")
    tree = yaml.safe_load(outcome.output)
    assert outcome.code == 0 and not Path("nowhere").exists()
    assert (tree["loop"]["seed"], tree["optimiser"]["name"], tree["test"]["flip"]) == (7, "adam", True)


@pytest.mark.recipe
def test_a_run_and_its_judgement(run: Run, dots_yaml: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    trained = run("train", "pose", "--config", dots_yaml, "--run", folder, "loop.epochs=1", "--json")
    assert trained.code == 0
    report = json.loads(trained.output[trained.output.index("{") :])
    assert (report["epochs"], report["steps"]) == (1, 2)
    assert "valid, step 2" in trained.output  # what a run tells goes to standard error
    judged = run("eval", "pose", "--run", folder)
    assert judged.code == 0 and "flip test: yes" in judged.output and "AP" in judged.output
    as_json = json.loads(run("eval", "pose", "--run", folder, "test.flip=false", "--json").output)
    assert as_json["measure"] == "AP" and as_json["score"] == as_json["AP"]
    again = run("train", "pose", "--config", dots_yaml, "--run", folder, "loop.epochs=1")
    assert again.code == 0 and "1 epochs, 2 steps" in again.output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("train", "pose", "loop.epochs=1"), "data is missing; network is missing"),
        (("train", "pose", "--config", "nowhere.yaml"), "no configuration at nowhere.yaml"),
        (("train", "pose", "--config", "{dots}", "lop.epochs=3"), "unknown key lop, did you mean loop?"),
        (("train", "pose", "--config", "{dots}", "epochs=3"), "unknown key epochs, did you mean loop.epochs?"),
        (("train", "pose", "--config", "{dots}", "loop.epochs"), "'loop.epochs' is no override; write key=value"),
        (("train", "pose", "--config", "{dots}", "data.root=nowhere"), "no data set at nowhere"),
        (("eval", "pose"), "name either a run with --run, or a network with --config and its --weights"),
        (("eval", "pose", "--config", "{dots}"), "name either a run"),
        (("eval", "pose", "--run", "nowhere"), "nowhere holds no run"),
        (("eval", "pose", "--config", "{dots}", "--weights", "nowhere.pth"), "nowhere.pth"),
        (("eval", "pose", "--run", "nowhere", "--which", "first"), "nowhere holds no run"),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, tuple) else None,
)
def test_a_failure_is_one_sentence(run: Run, dots_yaml: Path, tmp_path: Path, words: tuple, sentence: str) -> None:
    outcome = run(*(str(word).replace("{dots}", str(dots_yaml)) for word in words))
    assert outcome.code == 1
    assert sentence in outcome.sentence


@pytest.mark.recipe
def test_a_polite_kill_stops_after_the_step_and_the_run_goes_on(run: Run, dots_yaml: Path, tmp_path: Path) -> None:
    words = ["train", "pose", "--config", str(dots_yaml), "--run", str(tmp_path / "run"), "loop.epochs=2000"]
    program = [sys.executable, "-c", "from limner.cli import main; main()", *words]
    running = subprocess.Popen(program, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    began = time.monotonic()
    while not read_metrics(tmp_path / "run") and time.monotonic() - began < 60:
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert b"nothing was left half-written" in told and b"Traceback" not in told
    done = read_metrics(tmp_path / "run")[-1]["epoch"]
    again = run(*words[:-1], f"loop.epochs={done + 1}")
    assert again.code == 0 and "going on from" in again.output
