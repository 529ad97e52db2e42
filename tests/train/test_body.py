"""The body recipe: it learns, resumes, judges under each set's protocol, and says what is wrong before it starts."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from limner.body import HMR, SMPL, BodyDiscriminator, load_body, rotmat_from_rotvec, theta_details
from limner.checks import FileProblem, InputError, MissingExtra, WeightsError
from limner.data import BodySamples, read_bodies
from limner.losses import adversary_fake_loss, adversary_real_loss
from limner.media import read_image
from limner.train import ConfigError, body_config_of_run, evaluate_body, load_body_config, read_metrics, train_body
from limner.train.body import make_network, starting_theta
from limner.train.body_data import SyntheticBodies, crops_of, read_body_data, read_body_valid
from limner.train.body_settings import BodyLossSection
from limner.train.body_step import body_losses, real_poses, truth_of
from tests.train.lonely import write_people

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs" / "body").glob("*.yaml"))
TINY = """
data:
  synthetic: {{count: 6, seed: 1, side: 64, kept: "{kept}"}}
  valid: {{synthetic: {{count: 3, seed: 2, side: 64, kept: "{kept}2"}}}}
  epoch: 8
  looks: "{kept}3"
network: {{name: hmr-light, input_size: 64, mean: poses, dropout: 0.2}}
augment: {{rotation_deg: 10, occlusion: 0.2}}
loss: {{keypoints: 20, joints: 200, pose: 60, adversarial: 0.1}}
adversary: {{real: 1.5, optimiser: {{name: adam, lr: 1e-3}}}}
optimiser: {{name: adamw, lr: 1e-3}}
schedule: {{name: constant}}
loop: {{epochs: 2, batch: 4, log_steps: 1, device: cpu, tensorboard: false, pictures: 2, ema_decay: 0.5}}
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    path = folder / "tiny.yaml"
    path.write_text(TINY.format(kept=folder / "people"))
    return path


@pytest.fixture(scope="module")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    torch.set_num_threads(1)
    train_body(load_body_config(tiny), folder)
    return folder


@pytest.mark.recipe
def test_a_run_leaves_its_log_its_pictures_and_both_networks(trained: Path) -> None:
    lines = read_metrics(trained)
    first = next(line for line in lines if line["kind"] == "train")
    assert {"loss", "adversary", "keypoints", "joints", "pose", "adversarial"} <= first.keys()
    judged = [line for line in lines if line["kind"] == "valid"]
    assert [line["epoch"] for line in judged] == [1, 2]
    assert judged[0]["score"] == -judged[0]["PA-MPJPE"] and judged[0]["PVE"] > 0
    assert read_image(trained / "valid.png").shape == (3 * 64, 2 * 64, 3)
    assert (trained / "best-network.safetensors").exists() and (trained / "best-adversary.safetensors").exists()


@pytest.mark.recipe
def test_a_run_that_was_stopped_goes_on_bit_for_bit(tiny: Path, trained: Path, tmp_path: Path) -> None:
    config = load_body_config(tiny, ["loop.checkpoint_steps=1"])

    def stop(done: int, total: int | None, what: str) -> None:
        if (done, what) == (3, "training"):
            raise ZeroDivisionError  # the checkpoint is from after the second step

    with pytest.raises(ZeroDivisionError):
        train_body(config, tmp_path, watch=stop)
    train_body(config, tmp_path)
    one, other = (load_file(folder / "checkpoint.safetensors") for folder in (trained, tmp_path))
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    assert any(key.startswith("network.adversary") for key in one)
    straight, again = (
        [{k: v for k, v in line.items() if k != "seconds"} for line in read_metrics(folder)]
        for folder in (trained, tmp_path)
    )
    assert straight == again


@pytest.mark.recipe
def test_marked_joints_alone_teach_too(tiny: Path, tmp_path: Path) -> None:
    """No labels in space: four made-up people, whose projected joints come nearer to the marked ones."""
    words = [
        "data.synthetic.use_3d=false", "data.synthetic.count=4", "data.valid.synthetic.seed=1",
        "data.valid.synthetic.kept=''", "augment={flip: false, rotation_deg: 0, shift_px: 0, scale: [1, 1], colour: 0}",
        "loss={joints: 0, pose: 0, keypoints: 20, adversarial: 0.1}", "optimiser.lr=2e-3", "network.dropout=0",
        "loop.epochs=15", "loop.validate_epochs=15", "data.valid.synthetic.count=4",
    ]  # fmt: skip
    train_body(load_body_config(tiny, words), tmp_path)
    lines = [line for line in read_metrics(tmp_path) if line["kind"] == "train"]
    assert all(line["joints"] == 0 == line["pose"] for line in lines)
    first, last = (np.mean([line["keypoints"] for line in part]) for part in (lines[:4], lines[-4:]))
    assert last < 0.6 * first


@pytest.mark.recipe
def test_a_run_s_folder_is_all_that_judging_needs(trained: Path) -> None:
    scores = evaluate_body(body_config_of_run(trained), trained)
    best = max(line["score"] for line in read_metrics(trained) if line["kind"] == "valid")
    assert scores.score_name == "-PA-MPJPE" and scores.score == pytest.approx(best, abs=1e-4)
    assert all(word in scores.text for word in ("14 joints, LSP order", "3 bodies", "the mean body", "PVE", "PCK@0.2"))
    again = evaluate_body(body_config_of_run(trained), weights=trained / "best-network.safetensors")
    assert again.numbers == pytest.approx(scores.numbers)


def test_tensorboard_gets_numbers_and_pictures(tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("tensorboard")
    with caplog.at_level(logging.INFO, logger="limner.train"):
        train_body(load_body_config(tiny, ["loop.tensorboard=true", "loop.epochs=1", "adversary=null",
                                           "network.mean=plain"]), tmp_path)  # fmt: skip
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert all(tag in events.read_bytes() for tag in (b"train/loss", b"valid/PA-MPJPE", b"PNG"))
    assert (tmp_path / "best.safetensors").exists()  # one network, one file


def test_samples_repeat_and_change_with_the_epoch(tiny: Path) -> None:
    config = load_body_config(tiny)
    crops = crops_of(config, read_body_data(config))
    first, again, later = (crops.sample(3, epoch) for epoch in (0, 0, 1))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["landmarks"], later["landmarks"])
    assert first["real_rotvec"].shape == (2, 23, 3) and first["landmarks"].shape == (33, 6)
    pictures = load_body_config(tiny, ["network.name=hmr-resnet50"])
    assert crops_of(pictures, read_body_data(pictures)).sample(3, 0)["image"].shape == (3, 64, 64)


def test_kept_people_are_those_that_are_drawn(tiny: Path) -> None:
    source = read_body_data(load_body_config(tiny)).train[0]
    assert isinstance(source, SyntheticBodies) and source.kept is not None
    drawn, kept = replace(source, kept=None).person(4), source.person(4)
    assert (drawn.image == kept.image).all() and (drawn.keypoints == kept.keypoints).all()
    assert drawn.scale == kept.scale and (drawn.rotvec == kept.rotvec).all()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_are_sound(path: Path) -> None:
    config = load_body_config(path)
    assert path.name in path.read_text(encoding="utf-8") and config.run


def test_there_are_four_shipped_configurations() -> None:
    assert len(CONFIGS) == 4


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["data.synthetic=null"], "at least one source"),
        (["data.synthetic.share=-1"], "share must not be negative"),
        (["data.valid.root=here"], "one of root, synthetic and share"),
        (["data.valid={synthetic: null, share: 0.1}"], "one data set on disk, and 0 are named"),
        (["data.valid={synthetic: null, share: 1.5}", "data.lsp={root: here}"], "share must lie from 0 to below 1"),
        (["network.name=hmr-huge"], "no network is called 'hmr-huge'"),
        (["network.input_size=100"], "multiple of 32"),
        (["augment.kind=hmr"], "hmr-light takes landmarks"),
        (["adversary=null"], "there is no adversary"),
        (["data.synthetic.cuont=3"], "did you mean data.synthetic.count"),
        (["augment.scale=[1.2, 0.8]", "adversary.real=0"], "2 faults"),
    ],
)
def test_faults_of_a_configuration(tiny: Path, words: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_body_config(tiny, words)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("words", "error", "sentence"),
    [
        (["data.coco={root: nowhere}"], FileProblem, "no data set at nowhere"),
        (["adversary.root=nowhere"], FileProblem, "no poses at nowhere"),
        (["network.mean=nowhere.npz"], FileProblem, "nowhere"),
        (["network.pretrained=nowhere.pth"], InputError, "no ImageNet weights"),
        (["data.synthetic.share=0"], InputError, "share 0"),
        (["data.share_3d=0.5"], InputError, "no source without labels"),
        (["body=smpl:nowhere.npz"], FileProblem, "nowhere"),
    ],
)
def test_what_cannot_be_is_said_before_the_first_step(
    tiny: Path, tmp_path: Path, words: list[str], error: type, sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        train_body(load_body_config(tiny, words), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_sources_are_mixed_by_their_shares(tiny: Path, tmp_path: Path) -> None:
    root = write_people(tmp_path)
    words = [f"data.lsp_extended={{root: {root}, share: 3}}", "data.synthetic.share=1"]
    data = read_body_data(load_body_config(tiny, words))
    assert data.chances == pytest.approx([0.25, 0.75])
    assert read_body_data(load_body_config(tiny, [*words, "data.share_3d=0.4"])).chances == pytest.approx([0.4, 0.6])
    config = load_body_config(tiny, [*words, "data.share_3d=0"])
    sample = crops_of(config, read_body_data(config)).sample(0, 0)
    assert sample["has_smpl"] == sample["has_joints"] == 0 and sample["keypoints"][:14, 2].all()


def test_people_kept_for_judging_are_not_learned_from(tiny: Path, tmp_path: Path) -> None:
    root = write_people(tmp_path, 8)
    words = [f"data.lsp_extended={{root: {root}}}", "data.valid.synthetic=null", "data.valid.share=0.25"]
    config = load_body_config(tiny, words)
    data = read_body_data(config)
    learned, judged = data.train[-1], read_body_valid(config)
    assert data.train[0].name == "synthetic people 1" and data.valid.picture == judged.picture
    assert len(learned) == 6 and len(judged) == 2 and not set(learned.picture) & set(judged.picture)
    everybody = read_body_data(load_body_config(tiny, words[:1]))
    assert everybody.train[-1].picture == read_bodies(root).picture


def test_faults_of_a_data_set_stop_a_run(tiny: Path, tmp_path: Path) -> None:
    root = write_people(tmp_path)
    (root / "images" / "im00001.png").unlink()
    with pytest.raises(InputError, match=r"im00001\.png"):
        train_body(load_body_config(tiny, [f"data.lsp_extended={{root: {root}}}"]), tmp_path / "run")


def test_the_mean_pose_is_where_theta_starts(tiny: Path) -> None:
    config = load_body_config(tiny)
    poses = read_body_data(config).poses
    theta = starting_theta(config, poses)
    assert theta[:6] == pytest.approx([0.9, 0, 0, np.pi, 0, 0])
    assert 0.1 < np.abs(theta[6:75]).max() < 2 and (theta == starting_theta(config, poses)).all()
    network = make_network(config, poses)
    assert network.regressor.mean_theta.detach().numpy() == pytest.approx(theta, abs=1e-6)


def test_starting_weights_do_not_hang_on_what_was_drawn_before(tiny: Path) -> None:
    config = load_body_config(tiny, ["network.mean=plain"])
    first = make_network(config).state_dict()
    torch.rand(5)
    second = make_network(config).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_trained_network_is_a_start_for_another(tiny: Path, trained: Path, tmp_path: Path) -> None:
    file = trained / "best-network.safetensors"
    words = [f"network.pretrained={file}", "network.pretrained_kind=hmr"]
    kept = load_file(file)
    network = make_network(load_body_config(tiny, [*words, "network.mean=plain"]))
    assert all(torch.equal(value, kept[key]) for key, value in network.state_dict().items())
    with pytest.raises(WeightsError, match="HMR"):
        make_network(load_body_config(tiny, [*words, "network.mean=plain", "network.name=hmr-resnet50"]))


def test_the_run_of_another_configuration_is_refused_but_data_may_move(tiny: Path, trained: Path) -> None:
    with pytest.raises(InputError, match=r"loss\.joints"):
        train_body(load_body_config(tiny, ["loss.joints=7"]), trained)
    moved = train_body(load_body_config(tiny, ["data.synthetic.kept=''"]), trained)
    assert moved.steps == 4


# -- one step --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def layer() -> SMPL:
    return SMPL(load_body("free"), skeletons=("cocoplus19",))


def batch_of(count: int = 4) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * 0.3

    return {
        "keypoints": torch.cat([draw(count, 19, 2), torch.ones(count, 19, 1)], 2),
        "joints": draw(count, 14, 3), "has_joints": torch.tensor([1.0, 0, 0, 1])[:count],
        "rotvec": draw(count, 24, 3), "betas": draw(count, 10), "has_smpl": torch.tensor([1.0, 1, 0, 0])[:count],
        "real_rotvec": draw(count, 3, 23, 3), "real_betas": draw(count, 3, 10), "landmarks": draw(count, 33, 6),
    }  # fmt: skip


def test_joints_in_space_come_from_labels_or_from_the_body(layer: SMPL) -> None:
    batch = batch_of()
    truth = truth_of(batch, layer)
    assert truth.has_joints.tolist() == [1, 1, 0, 1]
    posed = layer(batch["betas"], batch["rotvec"])
    torch.testing.assert_close(truth.joints[1], layer.keypoints(posed.vertices, "cocoplus19")[1, :14])
    assert torch.equal(truth.joints[[0, 3]], batch["joints"][[0, 3]])


@pytest.mark.parametrize("turn_base", [False, True])
def test_a_perfect_answer_costs_nothing(turn_base: bool) -> None:
    layer = SMPL(load_body("free"), skeletons=("cocoplus19",), turn_base=turn_base)
    theta = torch.cat([torch.tensor([[0.8, 0.1, -0.2]]), torch.randn(1, 72) * 0.3, torch.randn(1, 10)], 1)
    found = theta_details(theta, layer)
    root = rotmat_from_rotvec(theta[:, 3:6])
    if turn_base:  # labels are without the turn: the body stands as it is seen
        root = root @ torch.diag(torch.tensor([1.0, -1, -1]))
    from limner.body import rotvec_from_rotmat

    label = torch.cat([rotvec_from_rotmat(root)[:, None], theta[:, 6:75].unflatten(1, (23, 3))], 1)
    batch = {
        "keypoints": torch.cat([found.keypoints_crop, torch.ones(1, 19, 1)], 2), "joints": torch.zeros(1, 14, 3),
        "has_joints": torch.zeros(1), "rotvec": label, "betas": theta[:, 75:], "has_smpl": torch.ones(1),
    }  # fmt: skip
    for parameters in ("joined", "apart"):
        terms = body_losses(found, truth_of(batch, layer), BodyLossSection(parameters=parameters))
        assert len(terms) == (3 if parameters == "joined" else 4)
        assert all(float(value) < 1e-5 for value in terms.values()), terms


def test_the_two_ways_to_weigh_parameters(layer: SMPL) -> None:
    batch = batch_of()
    found = theta_details(torch.randn(4, 85, generator=torch.Generator().manual_seed(1)) * 0.3, layer)
    truth = truth_of(batch, layer)
    joined = body_losses(found, truth, BodyLossSection())["pose"]
    apart = body_losses(found, truth, BodyLossSection(parameters="apart"))
    rotations = (found.rotmats - truth.rotmats)[:2].flatten(1).square()
    betas = (found.betas - truth.betas)[:2].square()
    torch.testing.assert_close(joined, 0.5 * (rotations.sum() + betas.sum()) / (2 * 226))
    torch.testing.assert_close(apart["pose"], 0.5 * rotations[:, 9:].mean())
    torch.testing.assert_close(apart["shape"], 0.5 * betas.mean())


@pytest.mark.parametrize(("share", "count"), [(3.0, 12), (1.5, 6), (0.1, 1)])
def test_as_many_real_poses_as_asked_for(share: float, count: int) -> None:
    batch = batch_of()
    rotmats, betas = real_poses(batch, share)
    assert rotmats.shape == (count, 23, 3, 3) and len(betas) == count
    torch.testing.assert_close(betas[0], batch["real_betas"][0, 0])


def test_both_networks_learn_from_one_forward_pass(tiny: Path, tmp_path: Path, layer: SMPL) -> None:
    """The adversary's step is that of the bodies before the network moved, and leaves the network alone."""
    from limner.train import start_run
    from limner.train.body_step import make_step

    config = load_body_config(tiny, ["optimiser={name: sgd, lr: 1e-3, momentum: 0}", "network.dropout=0",
                                     "adversary.optimiser={name: sgd, lr: 1e-3, momentum: 0}",
                                     "adversary.real=3", "loop.ema_decay=0", "network.mean=plain"])  # fmt: skip
    network, adversary = make_network(config), BodyDiscriminator()
    before = {key: value.clone() for key, value in adversary.state_dict().items()}
    run = start_run(config, tmp_path, {"network": network, "adversary": adversary},
                    {"network": config.optimiser, "adversary": config.adversary.optimiser})  # fmt: skip
    batch = batch_of()
    twin = HMR(config.network.table)
    twin.load_state_dict(network.state_dict())
    twin.regressor.dropout.p = 0
    thetas = torch.cat(twin.train()(batch["landmarks"], in_full=True)).detach()
    judge = BodyDiscriminator()
    judge.load_state_dict(before)
    real = judge(*real_poses(batch, 3))
    wanted = adversary_real_loss(real) + adversary_fake_loss(judge.judge_theta(thetas))
    wanted.backward()
    measured = make_step(layer)(run, [batch])
    assert measured["adversary"] == pytest.approx(float(wanted.detach()), rel=1e-4)
    for key, value in adversary.named_parameters():
        gradient = dict(judge.named_parameters())[key].grad
        torch.testing.assert_close(value.detach(), before[key] - 1e-3 * gradient, rtol=1e-3, atol=1e-6)


# -- minutes ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.recipe
@pytest.mark.timeout(1800)
def test_bodies_are_learned_from_scratch(tmp_path: Path) -> None:
    """On unseen made-up people, the adversary on; see docs/training.md for what came out and how long it took."""
    path = next(path for path in CONFIGS if path.stem == "hmr-light-synthetic-cpu")
    words = [
        "data.synthetic.side=160", "data.synthetic.count=2000", "data.valid.synthetic.side=160",
        "data.valid.synthetic.count=150", "loop.epochs=20", "loop.validate_epochs=20", "loop.device=cpu",
    ]  # fmt: skip
    began = time.process_time()
    train_body(load_body_config(path, words), tmp_path / "run")
    last = read_metrics(tmp_path / "run")[-1]
    assert last["PA-MPJPE"] < 0.73 * last["start PA-MPJPE"]
    assert last["MPJPE"] < 0.55 * last["start MPJPE"]
    assert time.process_time() - began < 20 * 60


def test_missing_accelerate_is_said(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "accelerate", None)
    with pytest.raises(MissingExtra, match="accelerate"):
        train_body(load_body_config(tiny), tmp_path)


def test_people_without_films_are_samples(tmp_path: Path) -> None:
    assert BodySamples("none", tmp_path, (), np.zeros((0, 19, 3)), np.zeros((0, 2)), np.zeros(0)).clip == ()
