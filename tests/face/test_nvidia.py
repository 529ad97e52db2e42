"""NVIDIA's pickles: both layouts give the generator they were made of, and whatever could act is refused by name."""

from __future__ import annotations

import io
import math
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from limner.checks import FileProblem, WeightsError
from limner.face import Generator, import_weights, read_generator, read_nvidia
from limner.face.cascade import _NETWORKS, read_mtcnn
from limner.face.pickles import read_pickle, read_pickled_npy
from tests.face.tiny import tiny_psp


@pytest.fixture(scope="module")
def generator() -> Generator:
    network = tiny_psp(16).decoder
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith(("noise.weight", "bias")):
                value.normal_(0.1 if name.endswith("noise.weight") else 0.5, 0.3)
    return network


def layers(generator: Generator):
    """Side, the layer's name in ADA and in TensorFlow, its module, and its noise where it has one."""
    noises = [buffer for _, buffer in generator.noises.named_buffers()]
    yield 4, "conv1", "Conv", generator.conv1, noises[0]
    yield 4, "torgb", "ToRGB", generator.to_rgb1, None
    for block in range(int(math.log2(generator.config.size)) - 2):
        side = 2 ** (block + 3)
        yield side, "conv0", "Conv0_up", generator.convs[2 * block], noises[2 * block + 1]
        yield side, "conv1", "Conv1", generator.convs[2 * block + 1], noises[2 * block + 2]
        yield side, "torgb", "ToRGB", generator.to_rgbs[block], None


def tensorflow_variables(generator: Generator) -> tuple[list, list]:
    """Variables of mapping and synthesis as TensorFlow's program stores them."""
    mapping, synthesis = [], [("4x4/Const/const", generator.input.input.detach().numpy())]
    for number, layer in enumerate(list(generator.style)[1:]):
        mapping += [(f"Dense{number}/weight", layer.weight.detach().numpy().T), (f"Dense{number}/bias", layer.bias)]
    count = 0
    for side, _, name, layer, noise in layers(generator):
        weight = layer.conv.weight[0].detach().numpy().transpose(2, 3, 1, 0)
        place = f"{side}x{side}/{name}"
        synthesis += [
            (f"{place}/weight", weight[::-1, ::-1] if name == "Conv0_up" else weight),
            (f"{place}/mod_weight", layer.conv.modulation.weight.detach().numpy().T),
            (f"{place}/mod_bias", layer.conv.modulation.bias.detach().numpy() - 1),
        ]
        if noise is None:
            synthesis.append((f"{place}/bias", layer.bias.detach().numpy().ravel()))
            continue
        synthesis.append((f"{place}/bias", layer.activate.bias.detach().numpy()))
        synthesis.append((f"{place}/noise_strength", layer.noise.weight.detach().numpy().reshape(())))
        synthesis.append((f"noise{count}", noise.numpy()))
        count += 1
    return mapping, synthesis


@pytest.fixture
def modules(monkeypatch):
    """Modules of NVIDIA's names, to make pickles with; what they would do when loaded is an error."""

    def make(name: str) -> types.ModuleType:
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    for name in ("dnnlib", "dnnlib.tflib", "torch_utils"):
        make(name)
    return {name: make(name) for name in ("dnnlib.tflib.network", "dnnlib.util", "torch_utils.persistence")}


def plain(pairs):
    arrays = [(name, value.detach().numpy() if isinstance(value, torch.Tensor) else value) for name, value in pairs]
    return [(name, np.ascontiguousarray(value, np.float32)) for name, value in arrays]


def tensorflow_pickle(generator: Generator, path: Path, modules, protocol: int = 4) -> None:
    class Network:
        def __getstate__(self):
            return self.kept

        def __setstate__(self, state):
            raise AssertionError("a network was made")

    Network.__module__, Network.__qualname__ = "dnnlib.tflib.network", "Network"
    modules["dnnlib.tflib.network"].Network = Network

    def network(variables, components=None):
        made = Network()
        made.kept = {
            "version": 4,
            "name": "G",
            "static_kwargs": {},
            "components": components or {},
            "build_module_src": "import os; os.abort()",
            "build_func_name": "G_main",
            "variables": variables,
        }
        return made

    mapping, synthesis = tensorflow_variables(generator)
    mean = [("dlatent_avg", np.arange(16, dtype=np.float32)), ("lod", np.float32(0))]
    whole = network(plain(mean), {"mapping": network(plain(mapping)), "synthesis": network(plain(synthesis))})
    path.write_bytes(pickle.dumps((network([]), network([]), whole), protocol=protocol))


def ada_tree(generator: Generator) -> dict:
    """Names and tensors of StyleGAN2-ADA's modules, as nested tables."""
    tree: dict = {"mapping": {"w_avg": torch.arange(16.0)}, "synthesis": {}}
    for number, layer in enumerate(list(generator.style)[1:]):
        tree["mapping"][f"fc{number}"] = {"weight": layer.weight, "bias": layer.bias}
    for side, name, _, layer, noise in layers(generator):
        block = tree["synthesis"].setdefault(f"b{side}", {"resample_filter": torch.ones(4, 4)})
        affine = {"weight": layer.conv.modulation.weight, "bias": layer.conv.modulation.bias}
        block[name] = {"weight": layer.conv.weight[0], "affine": affine}
        if noise is None:
            block[name]["bias"] = layer.bias.ravel()
        else:
            strength = layer.noise.weight.reshape(())
            block[name] |= {"bias": layer.activate.bias, "noise_strength": strength, "noise_const": noise[0, 0]}
    tree["synthesis"]["b4"]["const"] = generator.input.input[0]
    return tree


def ada_pickle(tree: dict, path: Path, modules, names=lambda name: "SynthesisLayer") -> None:
    def _reconstruct_persistent_obj(meta):
        raise AssertionError("a module was made")

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    modules["torch_utils.persistence"]._reconstruct_persistent_obj = _reconstruct_persistent_obj

    class Module:
        def __init__(self, name, table):
            parts = {key: Module(key, value) for key, value in table.items() if isinstance(value, dict)}
            parameters = {
                key: torch.nn.Parameter(value.detach().clone()) for key, value in table.items() if key not in parts
            }
            self.meta = {
                "type": "class",
                "version": 6,
                "module_src": "import os; os.abort()",
                "class_name": names(name),
                "state": {"training": False, "_parameters": parameters, "_buffers": {}, "_modules": parts},
            }

        def __reduce__(self):
            return _reconstruct_persistent_obj, (self.meta,)

    path.write_bytes(pickle.dumps({"G": None, "D": None, "G_ema": Module("G", tree), "augment_pipe": None}))


def assert_same(found: Generator, wanted: Generator) -> None:
    wplus = torch.randn(2, wanted.config.num_rows, 16)
    with torch.no_grad():
        torch.testing.assert_close(found(wplus), wanted(wplus), rtol=1e-5, atol=1e-5)
        z = torch.randn(3, 16)
        torch.testing.assert_close(found.map_z(z), wanted.map_z(z))


@pytest.mark.parametrize("protocol", [2, 4])
def test_tensorflows_pickle_gives_the_same_pictures(generator, tmp_path, modules, protocol):
    tensorflow_pickle(generator, tmp_path / "g.pkl", modules, protocol)
    found, mean = read_generator(tmp_path / "g.pkl")
    assert_same(found, generator)
    torch.testing.assert_close(mean, torch.arange(16.0))


def test_adas_pickle_gives_the_same_pictures(generator, tmp_path, modules):
    ada_pickle(ada_tree(generator), tmp_path / "g.pkl", modules)
    found, mean = read_generator(tmp_path / "g.pkl")
    assert_same(found, generator)
    torch.testing.assert_close(mean, torch.arange(16.0))
    assert found.config == generator.config


def test_a_generator_is_kept_by_name(generator, tmp_path, modules, monkeypatch):
    from limner.face import load_any_generator

    monkeypatch.setenv("LIMNER_WEIGHTS", str(tmp_path / "own"))
    ada_pickle(ada_tree(generator), tmp_path / "ffhq.pkl", modules)
    record = import_weights("stylegan2-ada-ffhq", tmp_path / "ffhq.pkl")
    assert record.commercial == "no" and record.input_hw == (16, 16)
    assert_same(load_any_generator("stylegan2-ada-ffhq")[0], generator)
    with pytest.raises(WeightsError, match="do not allow commercial use"):
        load_any_generator("stylegan2-ada-ffhq", licence="commercial")


class Acts:
    """A pickle that would write a file if it were run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,)) if isinstance(self.path, Path) else (eval, (self.path,))


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (lambda path: Acts(path), r"pathlib\S*\.(Pos|Windows)?Path"),
        (lambda path: {"G_ema": Acts("__import__('os').abort()")}, r"builtins\.eval"),
        (lambda path: [types.SimpleNamespace(a=1)], r"types\.SimpleNamespace"),
        (lambda path: np.array([Acts("1/0")], dtype=object), r"builtins\.eval"),
    ],
)
def test_what_could_act_is_refused_by_name(tmp_path, made, named):
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(made(tmp_path / "touched"), protocol=4))
    with pytest.raises(WeightsError, match=rf"asks for {named}.*refused"):
        read_pickle(tmp_path / "evil.pkl")
    assert not (tmp_path / "touched").exists()


def test_code_within_a_tensors_storage_is_refused(tmp_path):
    buffer = io.BytesIO()
    torch.save(Acts("1/0"), buffer)

    class Storage:
        def __reduce__(self):
            from torch.storage import _load_from_bytes

            return _load_from_bytes, (buffer.getvalue(),)

    (tmp_path / "evil.pkl").write_bytes(pickle.dumps({"G_ema": Storage()}))
    with pytest.raises(WeightsError, match="storage asks for more than numbers"):
        read_pickle(tmp_path / "evil.pkl")


def test_a_pickle_cannot_change_its_reader(tmp_path):
    # BUILD with a table on a function of the list: c_codecs\nencode\n } b
    (tmp_path / "evil.pkl").write_bytes(b"\x80\x02c_codecs\nencode\n}X\x01\x00\x00\x00aK\x01sb.")
    with pytest.raises(WeightsError, match="changes what it is read by"):
        read_pickle(tmp_path / "evil.pkl")


def test_a_tensor_may_not_reach_beyond_its_storage(tmp_path):
    class Wide:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (Numbers(), 0, (1000, 1000), (1000, 1), False, {})

    class Numbers:
        def __reduce__(self):
            buffer = io.BytesIO()
            with pytest.warns(UserWarning):
                torch.save(torch.zeros(4).storage(), buffer, _use_new_zipfile_serialization=False)
            return torch.storage._load_from_bytes, (buffer.getvalue(),)

    (tmp_path / "wide.pkl").write_bytes(pickle.dumps(Wide()))
    with pytest.raises(WeightsError, match="beyond its storage"):
        read_pickle(tmp_path / "wide.pkl")


def test_other_networks_are_refused(generator, tmp_path, modules):
    tree = ada_tree(generator)
    ada_pickle(tree, tmp_path / "odd.pkl", modules, lambda name: "Backdoor" if name == "b8" else "SynthesisBlock")
    with pytest.raises(WeightsError, match="class 'Backdoor'"):
        read_nvidia(tmp_path / "odd.pkl")
    tree["mapping"]["embed"] = {"weight": torch.zeros(16, 10), "bias": torch.zeros(16)}
    ada_pickle(tree, tmp_path / "classes.pkl", modules)
    with pytest.raises(WeightsError, match="generator of classes"):
        read_nvidia(tmp_path / "classes.pkl")
    del tree["mapping"]["embed"], tree["synthesis"]["b8"]["conv1"]
    ada_pickle(tree, tmp_path / "short.pkl", modules)
    with pytest.raises(WeightsError, match=r"lacks \d+ keys"):
        read_generator(tmp_path / "short.pkl")
    (tmp_path / "table.pkl").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(WeightsError, match="holds no StyleGAN2"):
        read_nvidia(tmp_path / "table.pkl")


def test_damaged_and_missing_files_are_refused(tmp_path):
    (tmp_path / "cut.pkl").write_bytes(pickle.dumps({"a": np.zeros(100)})[:60])
    with pytest.raises(WeightsError, match="no pickle of a network"):
        read_pickle(tmp_path / "cut.pkl")
    with pytest.raises(FileProblem, match="does not exist"):
        read_generator(tmp_path / "none.pkl")


def test_mtcnns_files_are_read_without_running_them(tmp_path, rng):
    for name, kind in _NETWORKS:
        state = {key: value.numpy() for key, value in kind().state_dict().items()}
        np.save(tmp_path / f"{name}.npy", np.array(state, dtype=object), allow_pickle=True)
    state = read_mtcnn(tmp_path)
    assert len(state) == sum(len(kind().state_dict()) for _, kind in _NETWORKS)
    np.save(tmp_path / "evil.npy", np.array({"a": Acts("1/0")}, dtype=object), allow_pickle=True)
    with pytest.raises(WeightsError, match=r"asks for builtins\.eval"):
        read_pickled_npy(tmp_path / "evil.npy")
    np.save(tmp_path / "pnet.npy", np.array({"a": np.zeros(3)}, dtype=object), allow_pickle=True)
    with pytest.raises(WeightsError, match="another network"):
        read_mtcnn(tmp_path)
