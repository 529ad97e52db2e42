"""Learning rates as a function of how far a run is, and the optimisers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from limner.checks import InputError
from limner.train import OptimiserConfig, ScheduleConfig
from limner.train.schedule import make_optimiser, rate_share, set_rate


def test_published_drops_come_where_the_file_says() -> None:
    schedule = ScheduleConfig("multistep", steps=(170, 200))
    shares = [rate_share(schedule, epoch, 210) for epoch in (0, 169, 169.99, 170, 199, 200, 209)]
    assert shares == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_cosine_falls_along_half_a_wave() -> None:
    schedule = ScheduleConfig("cosine", final_share=0.1)
    assert [rate_share(schedule, epoch, 8) for epoch in (0, 4, 8, 9)] == pytest.approx([1, 0.55, 0.1, 0.1])


@pytest.mark.parametrize("name", ["multistep", "cosine", "constant"])
def test_warm_up_rises_in_a_straight_line_to_the_full_rate(name: str) -> None:
    schedule = ScheduleConfig(name, warmup=2)
    assert [rate_share(schedule, epoch, 10) for epoch in (0, 0.5, 1, 2)] == pytest.approx([0, 0.25, 0.5, 1])


def test_a_run_all_of_warm_up_is_no_division_by_zero() -> None:
    assert rate_share(ScheduleConfig("cosine", warmup=3), 3, 3) == pytest.approx(1)


def test_adamw_spares_biases_and_norms() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    optimiser = make_optimiser(network, OptimiserConfig("adamw", weight_decay=0.1))
    groups = {group["weight_decay"]: [weight.ndim for weight in group["params"]] for group in optimiser.param_groups}
    assert groups == {0.1: [4], 0.0: [1, 1, 1]}


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_optimisers_follow_their_settings(name: str, kind: type) -> None:
    frozen = nn.Linear(2, 2)
    frozen.bias.requires_grad_(False)
    optimiser = make_optimiser(frozen, OptimiserConfig(name, lr=0.5, betas=(0.8, 0.9), momentum=0.7))
    assert isinstance(optimiser, kind)
    assert sum(len(group["params"]) for group in optimiser.param_groups) == 1
    assert optimiser.defaults.get("betas", (0.8, 0.9)) == (0.8, 0.9)
    set_rate(optimiser, 0.25)
    assert {group["lr"] for group in optimiser.param_groups} == {0.25}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"lr": 0}, "lr must be above 0"),
        ({"weight_decay": -1}, "weight_decay must not be negative"),
        ({"betas": (0.9, 1.0)}, "betas must lie"),
        ({"momentum": 1}, "momentum must lie"),
        ({"nesterov": True, "momentum": 0}, "nesterov needs a momentum"),
        ({"clip_norm": -1}, "clip_norm must not be negative"),
    ],
)
def test_settings_of_the_optimiser_are_checked(wrong: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        OptimiserConfig(**wrong)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": "cosine", "steps": (1,)}, "steps are for multistep"),
        ({"steps": (2, 1)}, "steps must rise"),
        ({"steps": (-1,)}, "steps must not be negative"),
        ({"factor": 0}, "factor must lie"),
        ({"final_share": 2}, "final_share must lie"),
        ({"warmup": -1}, "warmup must not be negative"),
    ],
)
def test_settings_of_the_schedule_are_checked(wrong: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        ScheduleConfig(**wrong)
