"""HMR whole: the importers of published weights, and what a theta says."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from limner.body import HMR, HMR_NETWORKS, SMPL, HMRConfig, body_from_hmr_weights, plain_theta, theta_details
from limner.body.tensorflow_names import NETWORK_NAMES, read_tensorflow_variables
from limner.checks import FileProblem, InputError, MissingExtra, ShapeError, WeightsError

from .made_up import small_body

VARIANTS = ("hmr-resnet50", "pytorch-hmr-resnet50")


@pytest.fixture(scope="module")
def networks() -> dict[str, HMR]:
    torch.manual_seed(0)
    return {name: HMR(HMR_NETWORKS[name]).eval() for name in VARIANTS}


def published(network: HMR) -> dict[str, torch.Tensor]:
    """The weights as the published files hold them."""
    if network.config.encoder == "preact-resnet50":
        return network.official_state()
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    for number in (1, 2, 3):
        for leaf in ("weight", "bias"):
            value = state.pop(f"module.regressor.fc_blocks.fc{number}.{leaf}")
            state[f"module.regressor.fc_blocks.regressor_fc_{number - 1}.{leaf}"] = value
    return {**state, "module.regressor.mean_theta": state["module.regressor.mean_theta"].expand(400, 85)}


@pytest.mark.parametrize("name", VARIANTS)
def test_published_files_come_in_whole(networks, name, tmp_path) -> None:
    source = networks[name]
    torch.save({key: value.clone() for key, value in published(source).items()}, tmp_path / "weights.pth")
    network = HMR(source.config).eval()
    report = network.load_official(tmp_path / "weights.pth")
    assert len(report.loaded) == len(network.state_dict()) and not report.ignored
    state = source.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_files_of_old_torch_lack_the_counters(networks) -> None:
    state = published(networks["hmr-resnet50"])
    old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    assert len(state) == 326 and len(state) - len(old) == 49
    report = networks["hmr-resnet50"].load_official({**old, "smpl.v_template": torch.zeros(4, 3)})
    assert report.ignored == ("smpl.v_template",) and len(report.kept) == 49


def test_missing_surplus_and_foreign_keys_are_named(networks) -> None:
    network = networks["hmr-resnet50"]
    state = published(network)
    state["resnet.surplus"] = state.pop("resnet.layer3.5.conv3.bias")
    with pytest.raises(WeightsError, match=r"layer3.5.conv3.bias.*surplus"):
        network.load_official(state)
    with pytest.raises(WeightsError, match="another network than this HMR"):
        network.load_official(published(networks["pytorch-hmr-resnet50"]))


def test_a_mean_theta_of_differing_rows_is_refused(networks) -> None:
    network = networks["pytorch-hmr-resnet50"]
    state = published(network)
    rows = state["module.regressor.mean_theta"].clone()
    rows[7, 3] += 1
    with pytest.raises(WeightsError, match="400 rows differ"):
        network.load_official({**state, "module.regressor.mean_theta": rows})


def variables(network: HMR) -> dict[str, np.ndarray]:
    """The weights as TensorFlow's checkpoint holds them."""
    state, found = network.state_dict(), {}
    for name, (key, _) in NETWORK_NAMES.items():
        array = state[key].numpy()
        if array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        elif array.ndim == 2:
            array = array.T
        found[name] = array[None] if name == "mean_param" else array
    return found


def test_tensorflow_variables_come_in_whole(networks) -> None:
    network = networks["hmr-resnet50"]
    arrays = variables(network)
    assert len(arrays) == 277
    rest = {
        "global_step": np.int64(667589), "beta1_power": np.float32(0), "D/D_conv1/weights": np.zeros((1, 1, 9, 32)),
        "v_template": np.zeros((4, 3)), "3D_module/fc1/weights/Adam": np.zeros((2133, 1024), np.float32),
    }  # fmt: skip
    before = {key: value.clone() for key, value in network.state_dict().items()}
    report = network.load_tensorflow({**arrays, **rest})
    assert len(report.loaded) == 277 and set(report.ignored) == {"D/D_conv1/weights", "v_template"}
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    arrays["resnet_v2_50/odd"] = arrays.pop("resnet_v2_50/postnorm/beta")
    with pytest.raises(WeightsError, match=r"encoder.post_bn.bias.*resnet_v2_50/odd"):
        network.load_tensorflow(arrays)


def test_tensorflow_files_need_tensorflow(tmp_path, monkeypatch) -> None:
    with pytest.raises(FileProblem, match=r"no model.ckpt-5.index"):
        read_tensorflow_variables(tmp_path / "model.ckpt-5")
    (tmp_path / "model.ckpt-5.index").write_bytes(b"index")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingExtra, match="needs TensorFlow once"):
        read_tensorflow_variables(tmp_path / "model.ckpt-5")


class _Reader:
    def __init__(self, prefix: str) -> None:
        assert prefix.endswith("model.ckpt-5")

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        return {"mean_param": [1, 85]}

    def get_tensor(self, name: str) -> np.ndarray:
        return np.full((1, 85), 2.0) if name == "mean_param" else np.zeros(0)


def test_tensorflow_files_are_read_by_their_prefix(tmp_path, monkeypatch) -> None:
    module = type(sys)("tensorflow")
    module.train = type("train", (), {"load_checkpoint": _Reader})
    monkeypatch.setitem(sys.modules, "tensorflow", module)
    (tmp_path / "model.ckpt-5.index").write_bytes(b"index")
    for name in ("model.ckpt-5", "model.ckpt-5.index"):
        assert read_tensorflow_variables(tmp_path / name)["mean_param"].shape == (1, 85)


def test_forward_is_the_last_correction_of_every_row() -> None:
    network = HMR(HMRConfig("landmarks")).eval()
    with torch.no_grad():
        image = torch.rand(2, 33, 6) * 2 - 1
        thetas, last = network.thetas(image), network(image)
    assert len(thetas) == 3 and torch.equal(last, thetas[-1]) and last.shape == (2, 85)


def test_theta_details_of_a_turned_base_differ() -> None:
    body, theta = small_body(skeleton="cocoplus19"), torch.tensor(plain_theta(), dtype=torch.float32)[None]
    upright, turned = (theta_details(theta, SMPL(body, turn_base=turn)) for turn in (False, True))
    assert upright.weak_camera.tolist() == [[pytest.approx(0.9), 0, 0]]
    torch.testing.assert_close(upright.keypoints_crop, 0.9 * upright.keypoints[..., :2])
    assert not torch.allclose(upright.vertices, turned.vertices)
    with pytest.raises(ShapeError, match="theta"):
        theta_details(theta[:, :82], SMPL(body))


def test_the_body_in_the_file_is_the_body() -> None:
    body = small_body(skeleton="cocoplus19")
    state = {
        "smpl.v_template": body.v_template,
        "smpl.shapedirs": body.shapedirs.reshape(-1, 10).T,
        "smpl.posedirs": body.posedirs.reshape(-1, 207).T,
        "smpl.J_regressor": body.J_regressor.toarray().T,
        "smpl.weights": body.weights,
        "smpl.joint_regressor": body.keypoint_regressors["cocoplus19"].toarray().T,
    }
    tensors = {key: torch.from_numpy(np.array(value)) for key, value in state.items()}
    found, theta = body_from_hmr_weights(tensors, body.faces), 0.2 * torch.randn(2, 85)
    for ours, theirs in zip(theta_details(theta, SMPL(found)), theta_details(theta, SMPL(body)), strict=True):
        torch.testing.assert_close(ours, theirs)
    with pytest.raises(InputError, match="posedirs"):
        body_from_hmr_weights({**tensors, "smpl.posedirs": torch.zeros(207, 9)}, body.faces)
    del tensors["smpl.weights"]
    with pytest.raises(WeightsError, match=r"lacks smpl.weights"):
        body_from_hmr_weights(tensors, body.faces)
