"""limner's own kernels: the same numbers as torch for every shape of convolution, any batch, any number of threads."""

from __future__ import annotations

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from limner.checks import InputError
from limner.pose import build_network, hrnet_config
from limner.runtime import Convolution, LayerList, NumbaNetwork, load_network, program
from limner.runtime.fusing import fuse
from limner.runtime.plan import Plan, Weights
from limner.runtime.products import ROWS
from limner.runtime.program import _begin, _cut
from limner.runtime.reading import read_layers


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path))
    return tmp_path / "networks"


def both(module: nn.Module, x: np.ndarray, threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """What limner's kernels give, and what torch gives in float64."""
    network = load_network(module, input_shape=x.shape, runtime="numba", threads=threads)
    with torch.no_grad():
        wanted = module.double().eval()(torch.from_numpy(x).double()).numpy()
    module.float()
    return network(x)[0], wanted


def maps(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


# Errors are of float32 sums and, for Winograd's kernels, of their larger intermediate numbers: the worst measured here
# is 4e-6 of results whose standard deviation is about 0.6.
TOLERANCE = {"rtol": 1e-4, "atol": 2e-5}


@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "size_hw"),
    [
        ((3, 8), 3, 2, (16, 12)),
        ((8, 16), 3, 1, (16, 24)),  # Winograd's
        ((16, 24), 3, 1, (17, 9)),  # its tiles overlap
        ((24, 40), 3, 1, (5, 40)),
        ((8, 8), 3, 1, (3, 24)),  # too low for a tile of four
        ((8, 8), 3, 1, (4, 4)),  # too few tiles of four
        ((16, 24), 3, 1, (7, 5)),  # small tiles overlap
        ((8, 8), 3, 1, (1, 9)),  # too low for any tile
        ((5, 17), 1, 1, (7, 8)),
        ((32, 16), 1, 1, (6, 3)),  # fewer than six pixels in a row
        ((4, 7), 1, 2, (9, 9)),
        ((3, 16), 7, 2, (33, 20)),
        ((8, 9), 5, 1, (11, 13)),
    ],
)
def test_convolutions(channels, kernel, stride, size_hw) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, channels[0], 1), nn.Conv2d(*channels, kernel, stride, kernel // 2), nn.Conv2d(channels[1], 4, 3)
    )
    if min(size_hw) <= 4:
        module = module[:2]
    got, wanted = both(module, maps(3, 3, *size_hw))
    np.testing.assert_allclose(got, wanted, **TOLERANCE)


@pytest.mark.parametrize("rows", range(1, 40))
def test_rows_are_cut_into_bundles_of_six_and_five(rows: int) -> None:
    bundles, fewer = _cut(rows)
    begins = [_begin(bundle, fewer) for bundle in range(bundles + 1)]
    sizes = np.diff(begins)
    assert begins[0] == 0 and set(sizes) <= {ROWS, ROWS - 1} and list(sizes) == sorted(sizes, reverse=True)
    # What six and five cannot make up is made up by the last row again, at most once too often in every bundle.
    assert begins[-1] == rows if fewer < bundles or rows % ROWS == 0 else ROWS * bundles > rows


@pytest.mark.parametrize("name", ["maps", "products", "program", "vectors", "winograd"])
def test_code_is_kept_for_the_text_of_all_its_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in Path(program.__file__).parent.glob("*.py"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(program, "__file__", str(tmp_path / "program.py"))
    assert program._text_of_kernels() in program.LAYER.names
    with (tmp_path / f"{name}.py").open("a") as file:
        file.write("# another version")
    assert program._text_of_kernels() not in program.LAYER.names


@pytest.mark.parametrize("width", [1, 4, 5, 10, 11, 13, 16, 25, 29, 103, 112])
def test_any_number_of_pixels(width: int) -> None:
    torch.manual_seed(0)
    got, wanted = both(nn.Conv2d(8, 24, 1), maps(1, 8, 1, width))
    np.testing.assert_allclose(got, wanted, **TOLERANCE)


@pytest.mark.parametrize("tiles", [8, 9, 11, 13, 16, 17, 19, 37])
def test_any_number_of_tiles(tiles: int) -> None:
    torch.manual_seed(0)
    got, wanted = both(nn.Conv2d(8, 24, 3, 1, 1), maps(1, 8, 4, 4 * tiles))
    np.testing.assert_allclose(got, wanted, **TOLERANCE)


@pytest.mark.parametrize(
    ("channels", "size_hw", "batch", "threads"),
    [
        (3, (64, 64), 1, 1),  # folded
        (1, (66, 100), 3, 2),  # folded, its tiles overlap
        (4, (80, 64), 2, 1),
        (3, (65, 80), 1, 1),  # an odd side
        (3, (62, 64), 1, 2),  # too small to be folded
        (5, (64, 64), 1, 1),  # too many channels
    ],
)
def test_large_kernels_on_a_picture(channels: int, size_hw: tuple[int, int], batch: int, threads: int) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(channels, 16, 7, 2, 3), nn.ReLU(), nn.Conv2d(16, 4, 1))
    got, wanted = both(module, maps(batch, channels, *size_hw), threads)
    np.testing.assert_allclose(got, wanted, **TOLERANCE)


def test_a_picture_that_two_layers_read_is_not_folded() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.large, self.small = nn.Conv2d(3, 8, 7, 2, 3), nn.Conv2d(3, 8, 3, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.large(x) + self.small(x)

    torch.manual_seed(0)
    got, wanted = both(Twice(), maps(1, 3, 64, 64))
    np.testing.assert_allclose(got, wanted, **TOLERANCE)


class Residual(nn.Module):
    """Every way in which a sum can be met: after a convolution, of two maps, of an upsampled one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.coarse = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.Upsample(scale_factor=2, mode="nearest"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        y = torch.relu_(self.norm(self.second(x)).add_(x))
        return torch.relu(y + self.coarse(y)) + x


class Corrected(nn.Module):
    """A row laid under every sample and corrected twice; what it is corrected by bears a name of the kept file."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.linear = nn.Conv2d(3, 16, 3, 1, 1), nn.Linear(16 + 5, 5)
        self.row = nn.Parameter(torch.randn(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        array = self.trunk(x).mean((2, 3))
        row = self.row.expand(x.shape[0], -1)
        for _ in range(2):
            row = row + self.linear(torch.cat([array, row], 1))
        return row


def test_a_row_under_every_sample_is_corrected(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(0)
    module, x = Corrected(), maps(3, 3, 8, 12)
    for _ in range(2):
        got, wanted = both(module, x)
        np.testing.assert_allclose(got, wanted, **TOLERANCE)
    assert len(list(cache.iterdir())) == 1 and not caplog.records


def test_products_with_what_stays_are_made_once() -> None:
    layers = fuse(read_layers(Corrected(), (1, 3, 8, 12))).layers
    wide = [layer for layer in layers if isinstance(layer, Convolution) and layer.weight.shape[:2] == (5, 16)]
    assert len(wide) == 1


def test_layers_that_share_weights_pack_them_once() -> None:
    weight, bias, x = maps(8, 8, 1, 1), np.arange(8, dtype=np.float32), maps(1, 8, 4, 4)
    layers = (Convolution("once", "x", weight, bias), Convolution("twice", "once", weight, bias))
    packed: Weights = {}
    plan = Plan(LayerList(("x",), layers, (("twice",),)), {"x": x.shape}, 1, packed)
    plan.set("x", x)
    wanted = x
    for _ in layers:
        wanted = np.einsum("oi,nihw->nohw", weight[:, :, 0, 0], wanted) + bias[:, None, None]
    np.testing.assert_allclose(plan()[0], wanted, rtol=1e-4, atol=1e-4)
    assert len(packed) == 1


def test_rows_that_differ_are_left_to_others() -> None:
    module = Corrected()
    module.row = nn.Parameter(torch.randn(2, 5))
    with pytest.raises(InputError, match="a constant differs"):
        load_network(module.eval(), input_shape=(2, 3, 8, 12), runtime="numba", threads=1)


class PreActivated(nn.Module):
    """Norms before convolutions: done as those read, where one pixel is read and nothing else asks for the map."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norms = nn.Conv2d(3, 24, 3, 1, 1), nn.ModuleList(nn.BatchNorm2d(24) for _ in range(4))
        self.narrow, self.shortcut = nn.Conv2d(24, 8, 1, bias=False), nn.Conv2d(24, 40, 1, 2)
        self.alone, self.round = nn.Conv2d(24, 40, 1, 2), nn.Conv2d(24, 40, 3, 2, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = self.first(x)
        fused = torch.relu_(self.norms[0](x))
        bordered, shown = torch.relu_(self.norms[1](x)), torch.nn.functional.leaky_relu(self.norms[3](x), 0.1)
        y = self.shortcut(fused) + self.alone(self.norms[2](x)) + self.round(bordered)
        return self.narrow(fused), y, shown, self.alone(shown)


@pytest.mark.parametrize(("batch", "size_hw", "threads"), [(1, (7, 7), 2), (3, (13, 22), 1), (2, (33, 17), 3)])
def test_norms_before_convolutions(batch: int, size_hw: tuple[int, int], threads: int) -> None:
    torch.manual_seed(0)
    module = PreActivated().train()
    for norm in module.norms:
        nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    module(torch.randn(4, 3, 16, 16))
    x = maps(batch, 3, *size_hw)
    network = load_network(module.eval(), input_shape=x.shape, runtime="numba", threads=threads)
    with torch.no_grad():
        wanted = module.double()(torch.from_numpy(x).double())
    for got, one in zip(network(x), wanted, strict=True):
        np.testing.assert_allclose(got, one.numpy(), **TOLERANCE)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_sums_norms_and_upsampling(threads: int) -> None:
    torch.manual_seed(0)
    module = Residual()
    module(torch.randn(4, 3, 8, 8))
    got, wanted = both(module.eval(), maps(2, 3, 10, 14), threads)
    np.testing.assert_allclose(got, wanted, **TOLERANCE)


def test_a_small_hrnet() -> None:
    torch.manual_seed(0)
    network = build_network(hrnet_config(8, num_modules=(1, 1, 2), num_blocks=1, num_joints=5, first_blocks=1)).eval()
    got, wanted = both(network, maps(2, 3, 64, 96), threads=2)
    assert got.shape == (2, 5, 16, 24) and got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, **TOLERANCE)


def test_batches_of_any_size_after_one_another() -> None:
    torch.manual_seed(0)
    network = load_network(Residual().eval(), input_shape=(-1, 3, 8, 12), threads=1)
    assert isinstance(network, NumbaNetwork)
    x = maps(5, 3, 8, 12)
    singles = np.concatenate([network(x[i : i + 1])[0] for i in range(5)])
    np.testing.assert_allclose(network(x)[0], singles, **TOLERANCE)
    assert network(x[:0])[0].shape == (0, 8, 8, 12)


def test_results_are_the_callers_own_and_repeat_exactly() -> None:
    network = load_network(Residual().eval(), input_shape=(2, 3, 8, 12), threads=2)
    x = maps(2, 3, 8, 12)
    first = network(x)[0]
    kept = first.copy()
    second = network(-x)[0]
    np.testing.assert_array_equal(first, kept)
    assert np.abs(second - first).max() > 0.1
    np.testing.assert_array_equal(network(x[:, ::1])[0], kept)
    np.testing.assert_array_equal(network(np.asfortranarray(x))[0], kept)


def test_callers_side_by_side_do_not_disturb_one_another() -> None:
    network = load_network(Residual().eval(), input_shape=(1, 3, 8, 12), threads=2)
    inputs = [maps(1, 3, 8, 12) * scale for scale in range(1, 9)]
    wanted = [network(x)[0] for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(pool.map(lambda x: network(x)[0], inputs), wanted, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_is_no_number_stays_none() -> None:
    network = load_network(Residual().eval(), input_shape=(1, 3, 8, 12), threads=1)
    x = maps(1, 3, 8, 12)
    x[0, 0, 4, 6] = np.nan
    assert np.isnan(network(x)[0]).any()


def test_layers_are_kept_and_found_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    module, x = Residual().eval(), maps(1, 3, 8, 12)
    first = load_network(module, input_shape=x.shape, threads=1)(x)[0]
    assert [path.suffix for path in cache.iterdir()] == [".npz"]
    monkeypatch.setattr("limner.runtime.reading.freeze_module", None)
    np.testing.assert_array_equal(load_network(module, input_shape=x.shape, threads=1)(x)[0], first)


def test_weights_of_layers_that_run_again_are_kept_once(cache: Path) -> None:
    load_network(Corrected().eval(), input_shape=(1, 3, 8, 12), runtime="numba", threads=1)
    with np.load(next(cache.iterdir()), allow_pickle=False) as file:
        arrays = [file[name].tobytes() for name in file.files]
    assert len(set(arrays)) == len(arrays)


def test_layers_are_kept_without_openvino(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert isinstance(load_network(Residual().eval(), input_shape=(1, 3, 8, 12), threads=1), NumbaNetwork)
    assert [path.suffix for path in cache.iterdir()] == [".npz"]


def test_damaged_layers_are_made_anew(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    module, x = Residual().eval(), maps(1, 3, 8, 12)
    first = load_network(module, input_shape=x.shape, threads=1)(x)[0]
    kept = next(cache.iterdir())
    kept.write_bytes(kept.read_bytes()[:100])
    np.testing.assert_array_equal(load_network(module, input_shape=x.shape, threads=1)(x)[0], first)
    assert "made anew" in caplog.text


class Overwriting(nn.Module):
    """Uses a map again after it was cut in place."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)
        z = torch.relu_(y)
        return z + y


def test_maps_that_are_overwritten() -> None:
    got, wanted = both(Overwriting(), maps(2, 3, 8, 12))
    np.testing.assert_allclose(got, wanted, **TOLERANCE)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.AvgPool2d(2)), "AvgPool2d"),
        (nn.Conv2d(3, 6, 3, groups=3), "grouped"),
        (nn.Conv2d(3, 4, 3, dilation=2), "dilated"),
        (nn.Conv2d(3, 4, (3, 1), padding=(1, 0)), "lopsided"),
        (nn.ReLU(), "few channels"),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.Upsample(scale_factor=2)), "come from no layer"),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.Upsample(scale_factor=1.5)), "whole factor"),
    ],
)
def test_other_modules_are_refused_and_left_to_others(module: nn.Module, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_network(module.eval(), input_shape=(1, 3, 8, 8), runtime="numba", threads=1)
    assert not isinstance(load_network(module.eval(), input_shape=(1, 3, 8, 8), threads=1), NumbaNetwork)


def test_arrays_of_another_shape_are_refused() -> None:
    network = load_network(Residual().eval(), input_shape=(-1, 3, 8, 12), threads=1)
    with pytest.raises(InputError, match=r"\(-1, 3, 8, 12\), got \(1, 3, 12, 8\)"):
        network(maps(1, 3, 12, 8))


class Norms(nn.Module):
    """Norms before convolutions, channels weighed by their means, slopes, pooling, doublings, tails of vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.slopes = nn.Conv2d(3, 16, 7, 1, 3), nn.PReLU(16)
        self.halve = nn.Sequential(nn.BatchNorm2d(16), nn.Conv2d(16, 24, 3, 2, 1), nn.LeakyReLU(0.1))
        self.narrow, self.weigh = nn.Conv2d(24, 8, 1), nn.Conv2d(8, 24, 1)
        self.grow = nn.Sequential(
            nn.ConvTranspose2d(24, 16, 3, 2, 1, output_padding=1), nn.InstanceNorm2d(16, affine=True), nn.ReLU()
        )
        self.joined, self.linear, self.pool = nn.Conv2d(32, 8, 3, 1, 1), nn.Linear(8 + 3, 5), nn.MaxPool2d(3, 2, 1)
        self.register_buffer("start", torch.randn(3))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x = self.slopes(self.first(x))
        y = self.halve(x)
        y = y * torch.sigmoid(self.weigh(torch.relu(self.narrow(y.mean((2, 3), keepdim=True))))) + y
        z = self.joined(torch.cat([x, self.grow(y)], 1))
        start = self.start.expand(len(x), -1)
        vector = self.linear(torch.cat([z.mean((2, 3)), start], 1))
        small = nn.functional.interpolate(self.pool(z), size=z.shape[2:], mode="bilinear", align_corners=True)
        return torch.tanh(z), small, torch.stack([vector, vector.relu()], 1)


@pytest.mark.parametrize(("batch", "size_hw", "threads"), [(1, (16, 24), 1), (4, (40, 32), 2)])
def test_norms_weights_of_channels_doublings_and_vectors(batch: int, size_hw: tuple[int, int], threads: int) -> None:
    torch.manual_seed(0)
    module = Norms().train()
    module(torch.randn(4, 3, 16, 16))
    x = maps(batch, 3, *size_hw)
    network = load_network(module.eval(), input_shape=(-1, 3, *size_hw), runtime="numba", threads=threads)
    with torch.no_grad():
        wanted = module.double()(torch.from_numpy(x).double())
    for got, one in zip(network(x), wanted, strict=True):
        np.testing.assert_allclose(got, one.numpy(), **TOLERANCE)
