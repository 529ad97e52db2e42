"""SimpleBaseline: sizes, upsampling kernels, and the importers of official checkpoints."""

from __future__ import annotations

import pytest
import torch

from limner.checks import InputError, ShapeError, WeightsError
from limner.pose import PoseResNetConfig, build_network, config_from_official, network_config


@pytest.mark.parametrize(
    ("depth", "parameters", "entries"),
    [(18, None, 140), (34, None, 236), (50, 33_999_697, 338), (101, 52_991_825, 644), (152, 68_635_473, 950)],
)
def test_networks_have_the_published_size(depth, parameters, entries) -> None:
    with torch.device("meta"):
        network = build_network(network_config(f"pose-resnet-{depth}"))
    assert len(network.state_dict()) == entries
    assert parameters in (None, sum(parameter.numel() for parameter in network.parameters()))


@pytest.mark.parametrize("kernels", [(4, 4), (3, 2)])
def test_every_upsampling_doubles_the_size(kernels) -> None:
    config = PoseResNetConfig(18, 5, (8, 4), kernels, final_kernel=3, deconv_bias=True)
    assert build_network(config).eval()(torch.zeros(1, 3, 64, 32)).shape == (1, 5, 8, 4)


def test_official_section_is_the_named_network() -> None:
    extra = {
        "FINAL_CONV_KERNEL": 1,
        "DECONV_WITH_BIAS": False,
        "NUM_DECONV_LAYERS": 3,
        "NUM_DECONV_FILTERS": [256] * 3,
        "NUM_DECONV_KERNELS": [4] * 3,
        "NUM_LAYERS": 101,
    }
    model = {"NAME": "pose_resnet", "NUM_JOINTS": 17, "EXTRA": extra}
    assert config_from_official(model) == network_config("pose-resnet-101")
    with pytest.raises(InputError, match=r"NUM_DECONV_LAYERS is 2"):
        config_from_official({**model, "EXTRA": {**extra, "NUM_DECONV_LAYERS": 2}})


def test_imagenet_trunk_leaves_its_classifier_and_our_head() -> None:
    network = build_network(PoseResNetConfig(18, 4, (8,), (4,)))
    trunk = {
        key: torch.ones_like(value)
        for key, value in network.state_dict().items()
        if not key.startswith(("deconv", "final")) and not key.endswith("num_batches_tracked")
    }
    report = network.load_imagenet({**trunk, "fc.weight": torch.ones(1), "fc.bias": torch.ones(1)})
    assert report.ignored == ("fc.bias", "fc.weight")
    assert {key.split(".")[0] for key in report.kept if "num_batches" not in key} == {"deconv_layers", "final_layer"}
    assert network.conv1.weight.min() == 1


def test_a_resnet_of_another_depth_is_refused() -> None:
    with torch.device("meta"):
        deeper = build_network(network_config("pose-resnet-34")).state_dict()
    state = {key: torch.zeros(value.shape) for key, value in deeper.items()}
    with pytest.raises(WeightsError, match=r"does not know \(layer1.2.conv1.weight"):
        build_network(network_config("pose-resnet-18")).load_official(state)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"depth": 51}, "no ResNet of depth 51"),
        ({"deconv_kernels": (5, 4, 4)}, "side 2, 3 or 4"),
        ({"deconv_kernels": (4,)}, "3 filters stand against 1"),
        ({"num_joints": 0}, "at least one heatmap"),
    ],
)
def test_impossible_tables_are_refused(changes, words) -> None:
    with pytest.raises(InputError, match=words):
        PoseResNetConfig(**changes)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ShapeError, match="multiples of 32"):
        build_network(PoseResNetConfig(18, 4, (), ()))(torch.zeros(1, 3, 40, 32))
