"""Pose networks with their weights: imported ones by name, a run's by its folder, an official file by its path.

Nothing but tensors and JSON is read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limner.checks import FileProblem, WeightsError
from limner.pose.configs import HRNetConfig, PoseNetworkConfig, PoseResNetConfig, StageConfig, network_config
from limner.pose.published import (
    LICENCE,
    NOTES,
    PUBLISHED,
    SOURCE,
    PoseTable,
    check_file_name,
    published_pose,
)
from limner.pose.skeletons import add_skeleton
from limner.types import LicenceName, PrecisionName
from limner.weights import (
    WeightRecord,
    check_licence,
    check_precision,
    imported_path,
    list_weights,
    read_facts,
    save_weights,
    weights_folder,
)

if TYPE_CHECKING:
    from limner.pose.hrnet import HRNet
    from limner.pose.resnet import PoseResNet

_BEST = "best.safetensors"  # what a training run calls the weights that it judged best


@dataclass(frozen=True)
class PoseModel:
    """A network with its weights.

    Attributes:
        name: what messages call it.
        table: what it stands for.
        network: in evaluation mode, on the CPU.
    """

    name: str
    table: PoseTable
    network: HRNet | PoseResNet


def load_pose_model(source: str | Path, *, licence: LicenceName = "any") -> PoseModel:
    """Load a pose network with its weights.

    Args:
        source: a name of `limner weights list`, the folder of a training run or its best.safetensors, or an official
            file under its published name.
        licence: commercial refuses weights that are not known to allow commercial use; one's own run is allowed.

    Raises:
        WeightsError: there are no such weights, they are damaged, fit no network, or may not be used.
        FileProblem: there is no such file, or the run has no weights yet.
    """
    path = Path(source)
    if str(source) in PUBLISHED:
        return _imported(str(source), licence)
    if path.is_dir() or path.suffix == ".safetensors":
        return _of_run(path)
    if path.exists():
        return _of_official_file(path, licence)
    own = [record.name for record in list_weights() if record.name in PUBLISHED]
    raise WeightsError(
        f"no pose weights are called {str(source)!r}, and no run or file lies there; "
        f"imported are {', '.join(own) or 'none'}; limner weights import takes {', '.join(PUBLISHED)}"
    )


def import_weights(name: str, path: str | Path, *, precision: PrecisionName = "fp32") -> WeightRecord:
    """Check a published checkpoint and keep it for use by name.

    Args:
        name: of `PUBLISHED`, such as hrnet-w32-coco.
        path: the file as it was downloaded.
        precision: fp16 halves the file that is kept.

    Raises:
        InputError: there are no such published weights.
        FileProblem: there is no such file, or the weights folder cannot be written.
        WeightsError: the file is damaged, holds code, or belongs to another network; the message names it.
    """
    check_precision(precision)
    known = published_pose(name)
    check_file_name(name, Path(path))
    network = _built(known.table.network)
    network.load_official(path)
    return save_weights(published_record(name), network.state_dict(), weights_folder(), precision=precision)


def published_record(name: str) -> WeightRecord:
    """Return the record of published weights, still without a file."""
    known = published_pose(name)
    data = "COCO" if known.table.skeleton == "coco17" else "MPII"
    order = "BGR with RGB's statistics" if known.table.as_bgr else "RGB"
    return WeightRecord(
        name=name,
        file="",
        network=known.title,
        source=SOURCE.format(file=known.file),
        licence=LICENCE,
        commercial="unknown",
        sha256="",
        input_hw=known.table.input_hw,
        normalisation=f"{order}, over 255, less ImageNet's mean, over its standard deviation",
        notes=NOTES.format(data=data),
    )


def _imported(name: str, licence: LicenceName) -> PoseModel:
    known = published_pose(name)
    path = imported_path(name, licence, source=f"{known.file} from its authors", given=known.file)
    return _loaded(name, known.table, path)


def _of_official_file(path: Path, licence: LicenceName) -> PoseModel:
    names = [name for name, known in PUBLISHED.items() if known.file == path.name]
    if not names:
        raise WeightsError(
            f"{path} has none of the published names ({PUBLISHED['hrnet-w32-coco'].file}, ...), so its network is not "
            "known: limner weights import NAME FILE says which it is"
        )
    # MPII's and COCO's files of one size have names of their own, so there is one.
    check_licence(published_record(names[0]), licence)
    return _loaded(path.name, published_pose(names[0]).table, path)


def _of_run(path: Path) -> PoseModel:
    file = path / _BEST if path.is_dir() else path
    if not file.exists():
        raise FileProblem(f"no {_BEST} lies in {path}: it is no run of limner train pose, or was not judged yet")
    return _loaded(str(path), _run_table(_run_facts(file), file), file)


def _run_facts(file: Path) -> Mapping[str, Any]:
    """What a training run wrote beside the tensors: its configuration and its skeleton."""
    facts = read_facts(file)
    config, skeleton = facts.get("config"), facts.get("skeleton")
    has_config = isinstance(config, Mapping) and {"network", "input", "loss"} <= set(config)
    if not has_config or not isinstance(skeleton, Mapping):
        raise WeightsError(
            f"{file} was not written by limner train pose: it does not say which network and which joints it holds"
        )
    return facts


def _run_table(facts: Mapping[str, Any], file: Path) -> PoseTable:
    config, said = facts["config"], facts["skeleton"]
    shown, network = config["input"], config["network"]
    try:
        skeleton = add_skeleton(said["name"], said["joints"], said["limbs"])
        return PoseTable(
            network=dataclasses.replace(_network_table(network), num_joints=len(skeleton)),
            input_hw=(int(shown["input_hw"][0]), int(shown["input_hw"][1])),
            skeleton=skeleton.name,
            sigma=float(shown["sigma"]),
            as_bgr=shown["colour"] == "bgr",
            is_logits=config["loss"]["name"] == "cross_entropy",
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise WeightsError(f"the configuration in {file} cannot be read: {error}") from error


def _network_table(section: Mapping[str, Any]) -> PoseNetworkConfig:
    if section.get("name"):
        return network_config(section["name"])
    if section.get("hrnet"):
        return HRNetConfig(**_tuples(section["hrnet"]))
    return PoseResNetConfig(**_tuples(section["resnet"]))


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    def changed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return StageConfig(**_tuples(value))
        return tuple(value) if isinstance(value, list) else value

    return {key: changed(value) for key, value in values.items()}


def _built(config: PoseNetworkConfig) -> HRNet | PoseResNet:
    from limner.pose.networks import build_network

    return build_network(config).eval()


def _loaded(name: str, table: PoseTable, path: Path) -> PoseModel:
    network = _built(table.network)
    network.load_official(path)
    network.requires_grad_(False)
    return PoseModel(name, table, network)
