"""The adversary: what it looks at, in which order, and its two published layouts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from limner.body import BodyDiscriminator, rotmat_from_rotvec
from limner.body.tensorflow_names import DISCRIMINATOR_NAMES
from limner.checks import InputError, ShapeError, WeightsError

NAMES = ("hmr", "pytorch-hmr")


def thetas(count: int = 3) -> torch.Tensor:
    return 0.4 * torch.randn(count, 85)


@pytest.mark.parametrize("name", NAMES)
def test_camera_and_root_have_no_effect(name) -> None:
    network, theta = BodyDiscriminator(name), thetas()
    moved = theta.clone()
    moved[:, :6] += 1
    torch.testing.assert_close(network.judge_theta(moved), network.judge_theta(theta))
    moved[:, 6] += 1
    assert not torch.allclose(network.judge_theta(moved), network.judge_theta(theta))


@pytest.mark.parametrize("name", NAMES)
def test_each_joint_has_its_own_number(name) -> None:
    network, theta = BodyDiscriminator(name), thetas(1)
    moved = theta.clone()
    moved[:, 6 + 3 * 4 : 9 + 3 * 4] += 0.5  # joint 5 of the body, the fifth of 23
    changed = (network.judge_theta(moved) != network.judge_theta(theta))[0]
    assert changed.nonzero().flatten().tolist() == [4, 23]
    moved = theta.clone()
    moved[:, 75:] += 0.5
    changed = (network.judge_theta(moved) != network.judge_theta(theta))[0]
    assert set(changed.nonzero().flatten().tolist()) <= {24}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_batch_is_single_rows(name, count) -> None:
    network, theta = BodyDiscriminator(name), thetas(count)
    out = network.judge_theta(theta)
    assert out.shape == (count, 25)
    for row, alone in zip(out, theta, strict=True):
        torch.testing.assert_close(row, network.judge_theta(alone[None])[0])


@pytest.mark.parametrize(("name", "shape"), [("hmr", (10, 10, 5, 1)), ("pytorch-hmr", (10, 5, 1))])
def test_networks_have_the_published_size(name, shape) -> None:
    rows = ((9, 32, 32), *[(32, 1)] * 23, (736, 1024, 1024, 1), shape)
    parameters = sum(a * b + b for row in rows for a, b in pairwise(row))
    assert sum(p.numel() for p in BodyDiscriminator(name).parameters()) == parameters


def test_published_layouts_give_other_judgements_of_the_same_shared_weights() -> None:
    first, second = BodyDiscriminator("hmr"), BodyDiscriminator("pytorch-hmr")
    for part in ("joint_layers", "joint_heads", "pose_layers"):
        getattr(second, part).load_state_dict(getattr(first, part).state_dict())
    rotmats = rotmat_from_rotvec(torch.randn(2, 23, 3))
    ours, theirs = first.judge(rotmats, torch.zeros(2, 10)), second.judge(rotmats, torch.zeros(2, 10))
    assert ours.inner.min() >= 0 > theirs.inner.min()
    assert not torch.allclose(ours.pose, theirs.pose)


def official_state(network: BodyDiscriminator) -> dict[str, torch.Tensor]:
    """The weights as pytorch_HMR's trainer saves them."""
    prefixes = {
        "joint_layers.": "pose_discriminator.conv_blocks.conv_",
        "joint_heads.": "pose_discriminator.fc_layer.",
        "pose_layers.": "full_pose_discriminator.fc_blocks.regressor_fc_",
        "shape_layers.": "shape_discriminator.fc_blocks.regressor_fc_",
    }
    state = {}
    for key, value in network.state_dict().items():
        prefix = next(p for p in prefixes if key.startswith(p))
        is_convolution = prefix == "joint_layers." and value.ndim == 2
        state["module." + key.replace(prefix, prefixes[prefix])] = value[:, :, None, None] if is_convolution else value
    return state


def test_saved_files_of_pytorch_hmr_come_in_whole(tmp_path) -> None:
    source, network = BodyDiscriminator("pytorch-hmr"), BodyDiscriminator("pytorch-hmr")
    torch.save(official_state(source), tmp_path / "500_0.1_discriminator.pkl")
    report = network.load_official(tmp_path / "500_0.1_discriminator.pkl")
    assert len(report.loaded) == 60 and not report.ignored and not report.kept
    theta = thetas()
    torch.testing.assert_close(network.judge_theta(theta), source.judge_theta(theta))


def test_missing_and_surplus_keys_are_named() -> None:
    state = official_state(BodyDiscriminator("pytorch-hmr"))
    state["module.extra"] = state.pop("module.pose_discriminator.fc_layer.7.bias")
    with pytest.raises(WeightsError, match=r"joint_heads.7.bias.*extra"):
        BodyDiscriminator("pytorch-hmr").load_official(state)
    with pytest.raises(WeightsError, match=r"shape_layers\.2"):
        BodyDiscriminator("hmr").load_official(official_state(BodyDiscriminator("pytorch-hmr")))


def test_tensorflow_variables_must_all_be_there() -> None:
    assert len(DISCRIMINATOR_NAMES) == 2 * (2 + 23 + 3 + 3)
    with pytest.raises(WeightsError, match="lacks 62 keys"):
        BodyDiscriminator("hmr").load_tensorflow({"global_step": np.int64(3), "3D_module/fc1/biases": np.zeros(3)})
    with pytest.raises(WeightsError, match="D_alljoints_out/weights has the shape"):
        BodyDiscriminator("hmr").load_tensorflow({"D/D_alljoints_out/weights": np.zeros(3)})


def test_wrong_shapes_and_names_are_refused() -> None:
    network = BodyDiscriminator()
    with pytest.raises(ShapeError, match="rotmats"):
        network(torch.zeros(2, 24, 3, 3), torch.zeros(2, 10))
    with pytest.raises(ShapeError, match="betas"):
        network(torch.zeros(2, 23, 3, 3), torch.zeros(1, 10))
    with pytest.raises(ShapeError, match="theta"):
        network.judge_theta(torch.zeros(2, 82))
    with pytest.raises(InputError, match="no discriminator"):
        BodyDiscriminator("wgan")
