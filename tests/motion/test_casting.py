"""Who plays: which weights are for whom, and what is refused before the photo is looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import save_file

from limner.checks import FileProblem, InputError, WeightsError
from limner.motion import SLIM_GENERATOR, Actor, PatchDiscriminator, SlimGenerator
from limner.motion.casting import Casting, cast

SMALL = replace(SLIM_GENERATOR, width=4, num_blocks=1)


@pytest.fixture
def _prepared(monkeypatch: pytest.MonkeyPatch, actor: Actor) -> None:
    monkeypatch.setattr(Actor, "prepare", lambda *_, **__: actor)


@pytest.fixture
def _unprepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Actor, "prepare", lambda *_, **__: pytest.fail("weights are read before the photo"))


@pytest.mark.usefixtures("_prepared")
@pytest.mark.parametrize("painter", ["auto", "slim"])
def test_a_slim_network_of_one_s_own_corrects(tmp_path: Path, painter: str) -> None:
    weights = tmp_path / "best.safetensors"
    save_file(SlimGenerator(SMALL).state_dict(), weights)
    player = cast("me.jpg", Casting(painter=painter, weights=str(weights)))
    assert isinstance(player, Actor) and player.painter is not None
    assert player.painter.network.config == SMALL


@pytest.mark.usefixtures("_prepared")
def test_the_composite_paints_alone() -> None:
    player = cast("me.jpg", Casting(painter="composite"))
    assert isinstance(player, Actor) and player.painter is None


@pytest.mark.parametrize(
    ("painter", "weights", "named"),
    [("composite", "lwgan-iper", "without weights"), ("slim", "lwgan-iper", ".safetensors file")],
)
def test_painters_and_weights_that_do_not_go_together(painter: str, weights: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        Casting(painter=painter, weights=weights)


def test_there_is_nothing_to_adapt_without_published_weights() -> None:
    for weights in (None, "best.safetensors"):
        with pytest.raises(InputError, match="needs published weights"):
            Casting(weights=weights, tune=5)


@pytest.mark.usefixtures("_unprepared")
def test_weights_are_read_before_the_photo(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="nowhere"):
        cast("me.jpg", Casting(weights=str(tmp_path / "nowhere.safetensors")))
    other = tmp_path / "judge.safetensors"
    save_file(PatchDiscriminator().state_dict(), other)
    with pytest.raises((InputError, WeightsError), match="slim network"):
        cast("me.jpg", Casting(weights=str(other)))
