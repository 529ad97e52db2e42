"""Personalisation: the terms fall, a result is kept and found again, and what cannot learn is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from limner.body import load_body
from limner.checks import InputError
from limner.motion import Actor, LiquidWarpingGenerator, PublishedActor, PublishedOptions, PublishedPainter, personal
from limner.motion.personal import tune_pairs, tuned_actor
from limner.motion.photo import PhotoPerson
from limner.motion.tuning import TUNE_WEIGHTS, tune_generator, tune_terms
from limner.records import Bodies, Keypoints

from .conftest import photograph, standing
from .smpl_like import TINY, labels, write_smpl

SIZE_HW = (48, 40)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LIMNER_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture(scope="module")
def actor(tmp_path_factory: pytest.TempPathFactory) -> PublishedActor:
    smpl = f"smpl:{write_smpl(tmp_path_factory.mktemp('smpl') / 'made_up.npz')}"
    torch.manual_seed(0)
    generator = LiquidWarpingGenerator(TINY)
    generator.init_published(generator=torch.Generator().manual_seed(0))
    bodies = replace(standing(size_hw=SIZE_HW), body_model=smpl)
    image, alpha = photograph(load_body(smpl), bodies)
    points = Keypoints(np.zeros((1, 33, 2), np.float32), np.zeros((1, 33), np.float32), "blazepose33")
    options = PublishedOptions(copy_face=True)
    painter = PublishedPainter(generator, load_body(smpl), labels(), options=options)
    return PublishedActor.build(PhotoPerson(image, alpha, bodies, points), painter)


def poses(actor: PublishedActor, count: int = 3) -> Bodies:
    bodies = replace(standing(count, size_hw=SIZE_HW), body_model=actor.bodies.body_model)
    bodies.rotvec[:, 17, 1] += 0.3 * np.arange(count)
    return bodies


def loss(generator: LiquidWarpingGenerator, pairs: list) -> float:
    with torch.no_grad():
        terms = [tune_terms(generator, pair, None) for pair in pairs]
    return sum(TUNE_WEIGHTS[name] * float(term) for one in terms for name, term in one.items())


def test_tuning_lowers_the_loss_and_leaves_the_generator_alone(actor: PublishedActor) -> None:
    pairs = list(tune_pairs(actor, poses(actor)))
    before = {key: value.clone() for key, value in actor.painter.generator.state_dict().items()}
    tuned = tune_generator(actor.painter.generator, pairs, steps=20, face=None)
    assert loss(tuned, pairs) < 0.9 * loss(actor.painter.generator, pairs)
    assert all(torch.equal(value, before[key]) for key, value in actor.painter.generator.state_dict().items())
    background = [key for key in before if key.startswith("bg_model.")]
    assert background and all(torch.equal(tuned.state_dict()[key], before[key]) for key in background)


def test_the_published_way_back_keeps_the_background(actor: PublishedActor) -> None:
    pair = next(tune_pairs(actor, poses(actor)))
    mended, published = (tune_terms(actor.painter.generator, pair, None, as_published=flag) for flag in (False, True))
    assert mended["cycle"] != published["cycle"] and mended["structure"] == published["structure"]


def test_the_published_face_term_teaches_nothing(actor: PublishedActor) -> None:
    pair = next(tune_pairs(actor, poses(actor)))

    def face(heads: torch.Tensor) -> list[torch.Tensor]:
        return [heads]

    generator = actor.painter.generator.requires_grad_(True)
    terms = {flag: tune_terms(generator, pair, face, as_published=flag)["face"] for flag in (False, True)}
    assert terms[False].requires_grad and not terms[True].requires_grad
    generator.requires_grad_(False)


def test_a_result_is_kept_and_found_again(actor: PublishedActor, tmp_path: Path) -> None:
    told: list[int] = []
    first = tuned_actor(actor, poses(actor), 2, progress=lambda done, *_: told.append(done))
    again = tuned_actor(actor, poses(actor), 2, progress=lambda *_: pytest.fail("it was kept"))
    assert told == [1, 2] and len(list((tmp_path / "cache" / "personal").iterdir())) == 1
    frames = [one.frame(one.paint(one.bodies)) for one in (first, again)]
    assert (frames[0] == frames[1]).all()
    assert (frames[0] != actor.frame(actor.paint(actor.bodies))).any()
    assert any("lwgan-face-features" in warning for warning in first.warnings)


def test_other_steps_photos_and_poses_are_other_results(actor: PublishedActor, tmp_path: Path) -> None:
    brighter = replace(actor, people=(replace(actor.people[0], image=actor.people[0].image + 0.1),))
    for one, bodies, steps in ((actor, 3, 1), (actor, 3, 2), (actor, 2, 1), (brighter, 3, 1)):
        tuned_actor(one, poses(actor, bodies), steps)
    assert len(list((tmp_path / "cache" / "personal").iterdir())) == 4
    tuned_actor(actor, poses(actor), 3)
    assert len(list((tmp_path / "cache" / "personal").iterdir())) == personal.MOST_KEPT


def test_a_damaged_result_is_made_anew(actor: PublishedActor, tmp_path: Path) -> None:
    tuned_actor(actor, poses(actor), 1)
    (kept,) = (tmp_path / "cache" / "personal").iterdir()
    kept.write_bytes(b"no tensors")
    told: list[int] = []
    tuned_actor(actor, poses(actor), 1, progress=lambda done, *_: told.append(done))
    assert told == [1] and kept.stat().st_size > 1000


def test_the_composite_has_nothing_to_learn() -> None:
    image, alpha = photograph(load_body("free"), standing())
    composite = Actor.build(image, alpha, standing(), background="white")
    with pytest.raises(InputError, match="nothing to learn"):
        tuned_actor(composite, standing(3), 2)


def test_no_steps_and_no_poses_are_refused(actor: PublishedActor) -> None:
    with pytest.raises(InputError, match="needs a pose and a step"):
        tune_generator(actor.painter.generator, [], steps=3, face=None)
    with pytest.raises(InputError, match="0 steps"):
        tune_generator(actor.painter.generator, list(tune_pairs(actor, poses(actor, 1))), steps=0, face=None)
