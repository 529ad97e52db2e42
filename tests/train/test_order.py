"""Which samples a step sees does not depend on processes, parts or where a run stopped."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from limner.checks import FileProblem, InputError
from limner.train.order import batches, count_steps, epoch_order, judged_batches, step_parts


def seen(order, step: int, *, batch: int, processes: int, accumulate: int) -> list[int]:
    shards = [
        step_parts(order, step, batch=batch, processes=processes, rank=rank, accumulate=accumulate)
        for rank in range(processes)
    ]
    assert all(len(parts) == accumulate and all(len(part) for part in parts) for parts in shards)
    return sorted(int(index) for parts in shards for part in parts for index in part)


@pytest.mark.parametrize(("batch", "processes", "accumulate"), [(8, 1, 1), (4, 2, 1), (4, 1, 2), (2, 2, 2), (1, 4, 2)])
def test_a_step_sees_the_same_samples_however_it_is_dealt(batch: int, processes: int, accumulate: int) -> None:
    order = epoch_order(29, 3, seed=5)
    shards = processes * accumulate
    steps = count_steps(29, batch, shards)
    assert steps == (4 if shards <= 5 else 3)  # five are left over for the last step
    for step in range(steps):
        dealt = seen(order, step, batch=batch, processes=processes, accumulate=accumulate)
        assert dealt == sorted(order[8 * step : 8 * step + 8].tolist())


def test_an_epoch_sees_everybody_once_and_another_epoch_in_another_order() -> None:
    first, second = epoch_order(50, 0, seed=1), epoch_order(50, 1, seed=1)
    assert sorted(first) == sorted(second) == list(range(50))
    assert (first != second).any() and (first == epoch_order(50, 0, seed=1)).all()
    assert epoch_order(4, 7, seed=1, shuffle=False).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("num", "batch", "shards", "steps"),
    [(8, 4, 1, 2), (9, 4, 1, 3), (9, 2, 2, 2), (10, 2, 2, 3), (1, 32, 1, 1), (3, 32, 2, 1)],
)
def test_steps_of_an_epoch(num: int, batch: int, shards: int, steps: int) -> None:
    assert count_steps(num, batch, shards) == steps


def test_too_few_samples_for_the_processes() -> None:
    with pytest.raises(InputError, match="1 samples are too few for steps of 2 parts"):
        count_steps(1, 4, 2)


class Samples:
    def __len__(self) -> int:
        return 6

    def sample(self, index: int, epoch: int) -> dict:
        if index == 5:
            raise FileProblem("the fifth picture is damaged")
        return {"value": np.float32(10 * epoch + index)}


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_order_and_know_their_epoch(workers: int) -> None:
    read = batches(Samples(), [np.array([3, 1]), np.array([0])], 2, workers=workers)
    assert [batch["value"].tolist() for batch in read] == [[23.0, 21.0], [20.0]]


@pytest.mark.parametrize("workers", [0, 1])
def test_what_cannot_be_read_is_one_sentence_from_any_process(workers: int) -> None:
    read = batches(Samples(), [np.array([0]), np.array([1, 5])], 0, workers=workers)
    assert next(read)["value"].tolist() == [0.0]
    with pytest.raises(FileProblem, match=r"^the fifth picture is damaged$"):
        next(read)


@pytest.mark.parametrize(("rank", "shares"), [(0, [[0, 2], [4]]), (1, [[1, 3]])])
def test_processes_share_what_is_judged_by(rank: int, shares: list[list[int]]) -> None:
    told: list[tuple[int, int | None, str]] = []
    samples = [{"value": np.float32(n)} for n in range(5)]
    machine = SimpleNamespace(rank=rank, num_processes=2, device=torch.device("cpu"))
    read = judged_batches(_Listed(samples), 2, machine, watch=lambda *words: told.append(words))
    found = [(part.tolist(), batch["value"].tolist()) for part, batch in read]
    assert found == [(share, share) for share in shares]
    assert told == [(n, len(shares), "validating") for n in range(1, len(shares) + 1)]


class _Listed(list):
    def sample(self, index: int, epoch: int) -> dict:
        assert epoch == 0
        return self[index]
