"""HMR networks with their weights: limner's own and imported ones by name, a run's by its folder, an official file.

Nothing but tensors and JSON is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from limner.body.hmr import HMR, HMR_NETWORKS, HMRConfig
from limner.body.spin import SPIN
from limner.checks import FileProblem, WeightsError, check_known, name_hint
from limner.types import LicenceName, PrecisionName
from limner.weights import (
    WeightRecord,
    check_licence,
    check_precision,
    file_path,
    imported_path,
    list_weights,
    read_facts,
    save_weights,
    weight_record,
    weights_folder,
)

__all__ = ["PUBLISHED", "HMRModel", "PublishedHMR", "import_weights", "is_hmr", "load_hmr_model"]

_BEST = ("best-network.safetensors", "best.safetensors")  # of runs with and without an adversary
_LICENCE = "none is named for the weights; the repositories are for research"
_NOTES = (
    "Learned from people with SMPL's bodies: the shape numbers are SMPL's and count with --body smpl:PATH only. "
    "Commercial use is for you to settle with the authors."
)


@dataclass(frozen=True)
class HMRModel:
    """A network with its weights.

    Attributes:
        name: what messages call it.
        config: what it expects.
        network: in evaluation mode, on the CPU; a crop in, theta out.
        body: whose shape numbers it gives.
    """

    name: str
    config: HMRConfig
    network: HMR | SPIN
    body: Literal["free", "smpl"]


@dataclass(frozen=True)
class PublishedHMR:
    """A published file.

    Attributes:
        file: its published name, or how that ends.
        title: what it holds, in words.
        source: where it was published.
        build: makes the network that its weights fit.
    """

    file: str
    title: str
    source: str
    build: Callable[[], HMR | SPIN]


PUBLISHED: dict[str, PublishedHMR] = {
    "hmr": PublishedHMR(
        "hmr_tf2pt.pth",
        "HMR, pre-activation ResNet-50",
        "svip-lab/impersonator",
        partial(HMR, HMR_NETWORKS["hmr-resnet50"]),
    ),
    "pytorch-hmr": PublishedHMR(
        "_generator.pkl",
        "HMR, ResNet-50",
        "MandyMo/pytorch_HMR",
        partial(HMR, HMR_NETWORKS["pytorch-hmr-resnet50"]),
    ),
    "spin": PublishedHMR("model_checkpoint.pt", "SPIN, ResNet-50", "nkolot/SPIN", SPIN),
}
"""The published files by the names that limner gives them."""


def load_hmr_model(source: str | Path, *, licence: LicenceName = "any") -> HMRModel:
    """Load an HMR network with its weights.

    Args:
        source: a name of `limner weights list`, the folder of a run of `limner train body` or its best.safetensors, or
            an official file under its published name.
        licence: commercial refuses weights that are not known to allow commercial use; one's own run is allowed.

    Raises:
        WeightsError: there are no such weights, they are damaged, fit no network, or may not be used.
        FileProblem: there is no such file, or the run has no weights yet.
    """
    path, name = Path(source), str(source)
    if name in PUBLISHED:
        return _imported(name, licence)
    if name in _own():
        check_licence(weight_record(name), licence)
        return _of_limner(name, file_path(name))
    if path.is_dir() or path.suffix == ".safetensors":
        return _of_run(path)
    if path.exists():
        return _of_official_file(path, licence)
    known = [*_own(), *PUBLISHED]
    raise WeightsError(f"no HMR weights are called {name!r}, and no run or file lies there; {name_hint(name, known)}")


def is_hmr(source: str | Path) -> bool:
    """Whether weights, a run's folder or a file are an HMR network's, told by the name or by what is written beside.

    Raises:
        WeightsError: the file is damaged.
    """
    path, name = Path(source), str(source)
    if name in PUBLISHED or name in _own():
        return True
    if path.is_dir() or path.suffix == ".safetensors":
        file = _run_file(path)
        config = read_facts(file).get("config") if file.exists() else None
        return isinstance(config, Mapping) and "body" in config
    return any(path.name.endswith(known.file) for known in PUBLISHED.values())


def import_weights(name: str, path: str | Path, *, precision: PrecisionName = "fp32") -> WeightRecord:
    """Check a published file and keep it for use by name.

    Args:
        name: of `PUBLISHED`.
        path: the file as it was downloaded.
        precision: fp16 halves the file that is kept.

    Raises:
        InputError: there are no such published weights.
        FileProblem: there is no such file, or the weights folder cannot be written.
        WeightsError: the file is damaged, holds code, or belongs to another network.
    """
    check_precision(precision)
    check_known(name, PUBLISHED, "published HMR weights are")
    network = PUBLISHED[name].build()
    network.load_official(path)
    return save_weights(_record(name), network.state_dict(), weights_folder(), precision=precision)


def _record(name: str) -> WeightRecord:
    known = PUBLISHED[name]
    config = known.build().config
    ordered = "ImageNet's statistics" if name == "spin" else f"{config.channels.upper()}, 0..255 to [-1, 1]"
    return WeightRecord(
        name=name,
        file="",
        network=known.title,
        source=f"{known.source}, {known.file.lstrip('_')}",
        licence=_LICENCE,
        commercial="unknown",
        sha256="",
        input_hw=(config.input_size, config.input_size),
        normalisation=ordered,
        notes=_NOTES,
    )


def _own() -> list[str]:
    """Names of the weights that limner trained itself: their cards say HMR, and their files which network."""
    return [record.name for record in list_weights() if record.name.startswith("hmr-")]


def _imported(name: str, licence: LicenceName) -> HMRModel:
    known = PUBLISHED[name]
    path = imported_path(name, licence, source=f"{known.file.lstrip('_')} from {known.source}")
    return _loaded(name, known.build(), path, "smpl")


def _of_official_file(path: Path, licence: LicenceName) -> HMRModel:
    names = [name for name, known in PUBLISHED.items() if path.name.endswith(known.file)]
    if not names:
        raise WeightsError(
            f"{path} has none of the published names ({', '.join(known.file for known in PUBLISHED.values())}), so its "
            "network is not known: limner weights import NAME FILE says which it is"
        )
    check_licence(_record(names[0]), licence)
    return _loaded(path.name, PUBLISHED[names[0]].build(), path, "smpl")


def _of_limner(name: str, file: Path) -> HMRModel:
    facts = read_facts(file)
    if facts.get("network") not in HMR_NETWORKS:
        raise WeightsError(f"the weights {name} do not say which HMR network they belong to")
    config = HMR_NETWORKS[facts["network"]]
    return _loaded(name, HMR(config), file, "smpl" if str(facts.get("body", "free")).startswith("smpl") else "free")


def _of_run(path: Path) -> HMRModel:
    file = _run_file(path)
    if not file.exists():
        raise FileProblem(f"no {_BEST[0]} lies in {path}: it is no run of limner train body, or was not judged yet")
    config = read_facts(file).get("config")
    try:
        section = config["network"]  # type: ignore[index]
        table = HMR_NETWORKS[section["name"]]
        side = int(section.get("input_size") or table.input_size)
        # A crop of another size shows people as large as it does at its own.
        table = replace(table, input_size=side, person_px=table.person_px * side / table.input_size)
        body = str(config["body"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{file} was not written by limner train body: its configuration lacks {error}") from None
    return _loaded(str(path), HMR(table), file, "free" if body == "free" else "smpl")


def _run_file(path: Path) -> Path:
    """The weights of a run's folder, there or not; a file is its own."""
    if not path.is_dir():
        return path
    return next((path / name for name in _BEST if (path / name).exists()), path / _BEST[0])


def _loaded(name: str, network: HMR | SPIN, file: Path, body: Literal["free", "smpl"]) -> HMRModel:
    network.load_official(file)
    network.eval().requires_grad_(False)
    return HMRModel(name, network.config, network, body)
