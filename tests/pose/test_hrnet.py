"""HRNet: tables, shapes, and the importers of official checkpoints."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from limner.checks import FileProblem, InputError, ShapeError, WeightsError
from limner.pose import (
    NETWORKS,
    HRNet,
    HRNetConfig,
    StageConfig,
    build_network,
    config_from_official,
    hrnet_config,
    init_published,
    network_config,
)


def tiny(**changes: Any) -> HRNet:
    torch.manual_seed(0)
    given = {"num_modules": (1, 1, 2), "num_blocks": 1, "num_joints": 5, "first_blocks": 1, "first_planes": 4}
    return build_network(hrnet_config(4, **{**given, **changes})).eval()


def official_model(**extra: Any) -> dict[str, Any]:
    stages = {
        f"STAGE{n}": {
            "NUM_MODULES": modules,
            "NUM_BRANCHES": n,
            "BLOCK": "BASIC",
            "NUM_BLOCKS": [4] * n,
            "NUM_CHANNELS": [32 * 2**b for b in range(n)],
            "FUSE_METHOD": "SUM",
        }
        for n, modules in ((2, 1), (3, 4), (4, 3))
    }
    return {"NAME": "pose_hrnet", "NUM_JOINTS": 17, "EXTRA": {"FINAL_CONV_KERNEL": 1, **stages, **extra}}


@pytest.mark.parametrize(
    ("name", "num_joints", "parameters", "entries"),
    [
        ("hrnet-w32", 17, 28_536_113, 1754),
        ("hrnet-w32", 16, 28_536_080, 1754),
        ("hrnet-w48", 17, 63_595_745, 1754),
        ("hrnet-w48", 16, 63_595_696, 1754),
    ],
)
def test_published_networks_have_the_published_size(name, num_joints, parameters, entries) -> None:
    with torch.device("meta"):
        network = build_network(network_config(name, num_joints=num_joints))
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert len(network.state_dict()) == entries


def test_official_section_is_the_named_network() -> None:
    assert config_from_official(official_model()) == NETWORKS["hrnet-w32"]


def test_small_networks_are_smaller() -> None:
    with torch.device("meta"):
        sizes = {
            name: sum(p.numel() for p in build_network(config).parameters())
            for name, config in NETWORKS.items()
            if name.startswith("hrnet")
        }
    assert sizes["hrnet-w16-small"] < sizes["hrnet-w18-small"] < sizes["hrnet-w24-small"] < sizes["hrnet-w32"] / 3


@pytest.mark.parametrize("size_hw", [(32, 32), (64, 96)])
def test_heatmaps_are_a_quarter_of_the_picture(size_hw) -> None:
    assert tiny()(torch.zeros(2, 3, *size_hw)).shape == (2, 5, size_hw[0] // 4, size_hw[1] // 4)


def test_bottlenecks_three_by_three_head_and_two_new_branches() -> None:
    config = HRNetConfig(
        StageConfig(1, (1, 1), (2, 4), "BOTTLENECK"),
        StageConfig(1, (1, 1, 1, 1), (8, 16, 32, 64)),
        StageConfig(1, (1, 1, 1, 1), (8, 16, 32, 64)),
        num_joints=3,
        final_kernel=3,
        first_planes=4,
    )
    network = build_network(config)
    keys = network.state_dict().keys()
    assert {"transition2.3.0.0.weight", "transition2.3.1.0.weight", "stage2.0.branches.1.0.conv3.weight"} <= keys
    assert network(torch.zeros(1, 3, 64, 32)).shape == (1, 3, 16, 8)


def test_one_branch_is_not_fused() -> None:
    one = StageConfig(1, (1,), (4,))
    network = build_network(HRNetConfig(one, one, one, num_joints=2, first_planes=1))
    assert not [key for key in network.state_dict() if "fuse_layers" in key]
    assert not [key for key in network.state_dict() if key.startswith("transition")]  # 4 * 1 channels already
    assert network(torch.zeros(1, 3, 8, 4)).shape == (1, 2, 2, 1)


def test_batch_equals_singles_and_input_is_left_alone() -> None:
    network, x = tiny(), torch.randn(3, 3, 32, 64)
    before = x.clone()
    with torch.no_grad():
        together, single = network(x), torch.cat([network(row[None]) for row in x])
    torch.testing.assert_close(together, single, rtol=1e-5, atol=1e-6)
    assert torch.equal(x, before)


def test_gradients_reach_every_parameter() -> None:
    network = tiny().train()
    network(torch.randn(2, 3, 32, 32)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_published_starting_values() -> None:
    network = tiny()
    init_published(network, generator=torch.Generator().manual_seed(1))
    assert network.conv2.weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert network.final_layer.bias.abs().max() == 0
    assert network.bn1.weight.min() == network.bn1.weight.max() == 1


@pytest.mark.parametrize("shape", [(1, 3, 48, 64), (1, 3, 33, 32), (1, 1, 32, 32), (3, 32, 32), (1, 3, 0, 32)])
def test_other_shapes_are_refused(shape) -> None:
    with pytest.raises(ShapeError, match="multiples of 32"):
        tiny()(torch.zeros(shape))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"STAGE2": None}, "EXTRA.STAGE2 is missing"),
        ({"FINAL_CONV_KERNEL": 5}, "last kernel has side 1 or 3, got 5"),
        ({"FINAL_CONV_KERNEL": "1"}, "FINAL_CONV_KERNEL must be a whole number, got '1'"),
        ({"STAGE2": {"NUM_MODULES": 1, "NUM_BRANCHES": 3, "NUM_BLOCKS": [1, 1], "NUM_CHANNELS": [1, 1]}}, "is 3, with"),
        (
            {"STAGE2": {"NUM_MODULES": 1, "NUM_BRANCHES": 1, "NUM_BLOCKS": [1, 1], "NUM_CHANNELS": [1]}},
            "channels for 1",
        ),
        ({"STAGE2": {**official_model()["EXTRA"]["STAGE2"], "BLOCK": "WIDE"}}, "the block 'WIDE'"),
        ({"STAGE2": {**official_model()["EXTRA"]["STAGE2"], "NUM_CHANNELS": [16, 64]}}, "changes the width"),
    ],
)
def test_faults_of_a_section_are_told(change, words) -> None:
    with pytest.raises(InputError) as caught:
        config_from_official(official_model(**change))
    assert words in str(caught.value)


def test_all_faults_of_a_section_come_at_once() -> None:
    with pytest.raises(InputError) as caught:
        config_from_official({**official_model(STAGE3=None, STAGE4={"NUM_MODULES": 0}), "NUM_JOINTS": "many"})
    assert all(word in str(caught.value) for word in ("STAGE3", "STAGE4.NUM_BRANCHES", "NUM_JOINTS"))


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'hrnet-w32'"):
        network_config("hrnet-w23")
    with pytest.raises(InputError, match="pose_hrnet or pose_resnet"):
        config_from_official({"NAME": "hourglass"})


def save(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def test_official_checkpoints_load_flat_wrapped_and_as_training_left_them(tmp_path: Path) -> None:
    source = tiny().state_dict()
    training = {
        "epoch": 3,
        "model": "pose_hrnet",
        "perf": np.float64(0.7),
        "optimizer": {"state": {}, "param_groups": [{"lr": 1e-3}]},
        "state_dict": {f"module.{key}": value for key, value in source.items()},
        "best_state_dict": source,
    }
    old = {key: value for key, value in source.items() if not key.endswith("num_batches_tracked")}
    for content in (source, training, old):
        torch.manual_seed(9)
        network = build_network(tiny().config)
        report = network.load_official(save(tmp_path / "weights.pth", content))
        assert len(report.loaded) + len(report.kept) == len(source)
        assert all(torch.equal(value, source[key]) for key, value in network.state_dict().items())


def test_a_missing_a_surplus_and_a_misshapen_key_are_named(tmp_path: Path) -> None:
    state = tiny().state_dict()
    state["extra.weight"] = state.pop("stage2.0.branches.1.0.conv1.weight")
    state["final_layer.bias"] = torch.zeros(16)
    network = tiny()
    before = network.conv1.weight.clone()
    network_state = {**state, "conv1.weight": torch.zeros_like(before)}
    with pytest.raises(WeightsError) as caught:
        network.load_official(save(tmp_path / "other.pth", network_state))
    words = str(caught.value)
    assert "other.pth" in words and "stage2.0.branches.1.0.conv1.weight" in words and "extra.weight" in words
    assert "final_layer.bias: (16,) instead of (5,)" in words
    assert torch.equal(network.conv1.weight, before)


def test_a_checkpoint_with_the_wrong_prefix_does_not_load_nothing() -> None:
    state = {f"backbone.{key}": value for key, value in tiny().state_dict().items()}
    with pytest.raises(WeightsError, match=r"lacks \d+ keys .* and \d+ more"):
        tiny().load_official(state)


def test_imagenet_trunk_leaves_the_head_and_the_unused_outputs(tmp_path: Path) -> None:
    source, network = tiny().state_dict(), tiny(num_joints=7)
    with torch.no_grad():
        network.final_layer.weight.fill_(0.5)
    extra = (
        "stage4.1.fuse_layers.3.0.0.0.weight",
        "incre_modules.0.0.conv1.weight",
        "classifier.weight",
        "head.0.bias",
    )
    content = {**source, **{key: torch.ones(1) for key in extra}, "conv1.weight": torch.ones(64, 3, 3, 3)}
    report = network.load_imagenet(save(tmp_path / "imagenet.pth", content))
    assert set(extra) <= set(report.ignored)
    assert set(report.kept) == {"final_layer.weight", "final_layer.bias"}
    assert network.conv1.weight.min() == 1 and network.final_layer.weight.max() == 0.5


def test_imagenet_layers_can_be_chosen() -> None:
    content = {key: torch.full_like(value, 2) for key, value in tiny().state_dict().items()}
    network = tiny()
    before = network.state_dict()["stage4.0.branches.0.0.conv1.weight"].clone()
    report = network.load_imagenet(content, layers=["conv1", "bn1", "stage2"])
    assert {key.split(".")[0] for key in report.loaded} == {"conv1", "bn1", "stage2"}
    assert torch.equal(network.state_dict()["stage4.0.branches.0.0.conv1.weight"], before)
    assert network.conv1.weight.min() == 2


def test_an_imagenet_file_of_another_trunk_is_refused() -> None:
    with pytest.raises(WeightsError, match="strange"):
        tiny().load_imagenet({**tiny().state_dict(), "strange.weight": torch.ones(1)})


def test_damaged_files_and_files_with_code_are_refused(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self):
            return Path.touch, (tmp_path / "was-run",)

    whole = save(tmp_path / "whole.pth", tiny().state_dict()).read_bytes()
    truncated, text, code, inner = (tmp_path / f"{name}.pth" for name in ("truncated", "text", "code", "inner"))
    truncated.write_bytes(whole[: len(whole) // 2])
    text.write_text("no weights at all")
    code.write_bytes(pickle.dumps({"conv1.weight": Harmful()}))
    save(inner, {"conv1.weight": Harmful()})
    for path, words in ((truncated, "truncated"), (text, "no weight file"), (code, "code"), (inner, "code")):
        with pytest.raises(WeightsError, match=words) as caught:
            tiny().load_official(path)
        assert path.name in str(caught.value)
    assert not (tmp_path / "was-run").exists()


def test_other_content_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds no weights"):
        tiny().load_official(save(tmp_path / "list.pth", [1, 2]))
    with pytest.raises(WeightsError, match="epoch is something else"):
        tiny().load_official(save(tmp_path / "number.pth", {"epoch": 3}))
    with pytest.raises(FileProblem, match="does not exist"):
        tiny().load_official(tmp_path / "absent.pth")
