"""A run's folder: its configuration, its checkpoint, its best weights, and whether a run may go on in it.

The folder holds `config.yaml`, `checkpoint.safetensors` (everything, after the latest step saved),
`best.safetensors` (weights alone, `best-NAME.safetensors` where a recipe has several networks), `metrics.jsonl`, and
TensorBoard's files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limner.checks import FileProblem, InputError
from limner.media import written_beside
from limner.train.checkpoint import (
    Stored,
    network_tensors,
    optimiser_content,
    random_state,
    read_stored,
    restore_network,
    restore_optimiser,
    restore_random_state,
    write_stored,
)
from limner.train.config import Schema, changed_keys, fill, load_config, plain_tree, to_yaml
from limner.train.log import logger
from limner.train.run import Position, Run

CHECKPOINT_FILE = "checkpoint.safetensors"
CONFIG_FILE = "config.yaml"

# What may differ when a run goes on: none of it changes the numbers of the steps that were done.
_FREE = ("data.workers", "data.root", "data.valid_root", "data.images", "run", "test.")
_FREE_LOOP = ("epochs", "device", "log_steps", "validate_epochs", "checkpoint_", "tensorboard", "pictures")


def best_file(name: str = "network", *, is_only: bool = True) -> str:
    """Return the name of the file with a network's best weights."""
    return "best.safetensors" if is_only else f"best-{name}.safetensors"


def adopt_folder(run: Run) -> int:
    """Make the folder, or take up the checkpoint in it; return the steps done.

    Raises:
        InputError: it holds a run of another configuration.
        WeightsError: its checkpoint is damaged.
        FileProblem: it cannot be made.
    """
    path = run.folder / CHECKPOINT_FILE
    if path.exists():
        stored = read_stored(path)
        _check_same_run(run, stored)
        _restore(run, stored)
        place = f"epoch {run.position.epoch + 1}, step {run.position.step}"
        logger.info("going on from %s: %s", path, place)
    elif run.machine.is_main:
        _make_folder(run.folder)
    if run.machine.is_main:
        with written_beside(run.folder / CONFIG_FILE) as temporary:
            temporary.write_text(to_yaml(run.config), encoding="utf-8")
    run.machine.wait()
    return run.position.step


def save_run(run: Run) -> None:
    """Write the checkpoint; every process must call it."""
    states = run.machine.everyone(random_state(run.machine.device).to(run.machine.device))
    if run.machine.is_main:
        tensors, facts = _content(run)
        tensors |= {f"random.{rank}": state for rank, state in enumerate(states)}
        write_stored(run.folder / CHECKPOINT_FILE, Stored(tensors, facts))
    run.machine.wait()


def save_best(run: Run, numbers: Mapping[str, float]) -> None:
    """Write the weights that were just judged, with what the judgement found."""
    if run.machine.is_main:
        for name in run.networks:
            state = run.judged(name).state_dict()
            facts = {"config": plain_tree(run.config), "numbers": dict(numbers), "position": asdict(run.position)}
            facts |= run.facts
            write_stored(run.folder / best_file(name, is_only=len(run.networks) == 1), Stored(state, facts))
    run.machine.wait()


def _content(run: Run) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors: dict[str, Tensor] = {}
    optimisers = {}
    for name, network in run.networks.items():
        tensors |= network_tensors(f"network.{name}", network)
        if name in run.averages:
            tensors |= network_tensors(f"average.{name}", run.averages[name].network)
    for name, optimiser in run.optimisers.items():
        moments, optimisers[name] = optimiser_content(f"optimiser.{name}", optimiser)
        tensors |= moments
    facts = {
        "config": plain_tree(run.config),
        "position": asdict(run.position),
        "sums": run.sums,
        "best": run.best if run.best > float("-inf") else None,
        "samples_a_step": _samples_a_step(run),
        "optimisers": optimisers,
    }
    return tensors, facts


def _restore(run: Run, stored: Stored) -> None:
    facts = stored.facts
    for name, network in run.networks.items():
        restore_network(f"network.{name}", network, stored)
        if name in run.averages:
            restore_network(f"average.{name}", run.averages[name].network, stored)
    for name, optimiser in run.optimisers.items():
        restore_optimiser(f"optimiser.{name}", optimiser, stored, facts["optimisers"][name])
    state = stored.tensors.get(f"random.{run.machine.rank}")
    if state is not None:
        restore_random_state(state, run.machine.device)
    run.position = Position(**facts["position"])
    run.sums = facts["sums"]
    run.best = float("-inf") if facts["best"] is None else facts["best"]


def _check_same_run(run: Run, stored: Stored) -> None:
    before = fill(type(run.config), stored.facts["config"], f"{run.folder / CHECKPOINT_FILE}")
    changed = [key for key in changed_keys(before, run.config) if not _is_free(key)]
    if changed:
        raise InputError(
            f"{run.folder} holds a run of another configuration ({', '.join(changed)} differ): "
            "name another folder with --run, or take the keys back"
        )
    if stored.facts["samples_a_step"] != _samples_a_step(run):
        raise InputError(
            f"{run.folder} holds a run with {stored.facts['samples_a_step']} samples a step, now there are "
            f"{_samples_a_step(run)}: batch x accumulate x processes must stay the same"
        )


def _is_free(key: str) -> bool:
    is_place = key.startswith("data.") and key.endswith((".root", ".kept", ".looks"))
    return is_place or key.startswith((*_FREE, *(f"loop.{name}" for name in _FREE_LOOP)))


def _samples_a_step(run: Run) -> int:
    return run.settings.batch * run.settings.accumulate * run.machine.num_processes


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FileProblem(f"the run's folder {folder} cannot be made: {problem.strerror}") from None


def load_config_of_run(folder: str | Path, schema: type[Schema], overrides: Sequence[str] = ()) -> Schema:
    """Return the configuration of a run's folder, with overrides.

    Raises:
        FileProblem: the folder holds no run.
        ConfigError: its configuration has been damaged.
    """
    path = Path(folder) / CONFIG_FILE
    if not path.exists():
        raise FileProblem(f"{folder} holds no run: there is no {CONFIG_FILE} in it")
    return load_config(schema, path, overrides)


def load_judged(
    network: torch.nn.Module, folder: str | Path | None, weights: str | Path | None, *, which: str = "best"
) -> None:
    """Load what is to be judged into a network: a file of weights where one is named, else those of a run.

    Raises:
        InputError: neither is named.
        FileProblem: the weights are missing.
        WeightsError: they are damaged, or of another network.
    """
    if weights is not None:
        network.load_official(weights)  # type: ignore[operator]
    elif folder is not None:
        load_weights_of_run(folder, network, which=which)
    else:
        raise InputError("there is nothing to judge: name a run or a file of weights")


def load_weights_of_run(folder: str | Path, network: torch.nn.Module, *, which: str = "best") -> Stored:
    """Load the best weights of a run, or those of its last checkpoint, into a network; return what the file says.

    Raises:
        FileProblem: the run has no such weights yet.
        WeightsError: the file is damaged or holds another network.
    """
    alone = Path(folder) / best_file()
    best = alone if alone.exists() else Path(folder) / best_file(is_only=False)
    path = best if which == "best" else Path(folder) / CHECKPOINT_FILE
    if not path.exists():
        raise FileProblem(f"{folder} has no {which} weights yet: there is no {path.name} in it")
    stored = read_stored(path)
    if which == "best":
        restore_network("best", network, Stored({f"best.{k}": v for k, v in stored.tensors.items()}, stored.facts))
    else:
        averaged = any(key.startswith("average.network.") for key in stored.tensors)
        restore_network("average.network" if averaged else "network.network", network, stored)
    return stored
