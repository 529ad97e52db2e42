"""Encoders with their generators, ready to use: kept ones by name, a run's by its folder, an official file by its path.

Nothing but tensors and JSON is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from torch import Tensor

from limner.checks import FileProblem, WeightsError
from limner.face.nvidia import read_generator
from limner.face.psp import Psp, load_psp
from limner.face.published import PUBLISHED, generator_content
from limner.face.sources import FaceTaskName
from limner.face.stylegan2 import Generator, load_generator
from limner.types import LicenceName
from limner.weights import check_licence, file_path, list_weights, read_content, read_facts, weight_record

DEFAULT = "face-default-64"
"""The weights that the name `default` stands for, where they are there."""

_BEST = "best.safetensors"  # what a training run calls the weights that it judged best
_TASK_OF: dict[str, FaceTaskName] = {
    "inversion": "invert",
    "frontalisation": "frontalise",
    "sketch": "sketch",
    "segmentation": "segments",
    "super_resolution": "upscale",
    "colourisation": "colourise",
    "inpainting": "inpaint",
    "toonify": "toonify",
    "ffhq_encode": "invert",
    "ffhq_frontalize": "frontalise",
    "celebs_sketch_to_face": "sketch",
    "celebs_seg_to_face": "segments",
    "celebs_super_resolution": "upscale",
}


@dataclass(frozen=True)
class FaceModel:
    """An encoder with its generator and weights.

    Attributes:
        name: what messages call it.
        network: in evaluation mode, on the CPU.
        task: what it was trained for, where that is known.
    """

    name: str
    network: Psp
    task: FaceTaskName | None = None


def load_face_model(source: str | Path = "default", *, licence: LicenceName = "any") -> FaceModel:
    """Load an encoder with its generator.

    Args:
        source: a name of `limner weights list`, the folder of a run of `limner train face` or its best.safetensors, or
            a checkpoint of pixel2style2pixel, e4e or ReStyle.
        licence: commercial refuses weights that are not known to allow commercial use; one's own files are allowed.

    Raises:
        WeightsError: there are no such weights, they are damaged, hold another network, or may not be used.
        FileProblem: there is no such file, or the run has no weights yet.
    """
    name, path = str(source), Path(source)
    if name == "default":
        name = _default_name()
    if any(record.name == name for record in list_weights()):
        check_licence(weight_record(name), licence)
        return _loaded(name, file_path(name))
    if path.is_dir():
        if not (path / _BEST).exists():
            raise FileProblem(f"no {_BEST} lies in {path}: it is no run of limner train face, or was not judged yet")
        return _loaded(name, path / _BEST)
    if path.exists():
        return _loaded(name, path)
    raise WeightsError(_unknown(name))


def load_any_generator(source: str | Path, *, licence: LicenceName = "any") -> tuple[Generator, Tensor | None]:
    """Load a generator: a kept one by name, a file of rosinality's or NVIDIA's layout, or that of an encoder.

    Returns:
        The generator in evaluation mode, and the mean style, where the file has one.

    Raises:
        WeightsError: there are no such weights, they are damaged, hold another network, or may not be used.
        FileProblem: there is no such file.
    """
    name, path = str(source), Path(source)
    if any(record.name == name for record in list_weights()):
        check_licence(weight_record(name), licence)
        path = file_path(name)
        if read_facts(path).get("psp") is None:
            return load_generator(generator_content(path))
    elif not path.exists():
        raise WeightsError(f"no generator is called {name!r}, and no file lies there: see limner weights list")
    if path.is_dir() or _holds_encoder(path):
        network = load_face_model(path, licence=licence).network
        mean = network.latent_avg
        return network.decoder, None if mean is None else mean.reshape(-1, mean.shape[-1])[:1]
    return load_generator(generator_content(path)) if path.suffix == ".safetensors" else read_generator(path)


def _default_name() -> str:
    known = [record.name for record in list_weights()]
    if DEFAULT not in known:
        raise WeightsError(
            "no face weights come with limner: give --weights with a checkpoint of pixel2style2pixel, a name that "
            "limner weights import kept, or a run of limner train face"
        )
    return DEFAULT


def _unknown(name: str) -> str:
    if name in PUBLISHED:
        return (
            f"the weights {name} are not here yet: get {PUBLISHED[name].file} from its authors, then "
            f"limner weights import {name} {PUBLISHED[name].file}"
        )
    encoders = [known for known, published in PUBLISHED.items() if published.kind == "psp"]
    own = [record.name for record in list_weights() if record.name in encoders]
    return (
        f"no face weights are called {name!r}, and no run or file lies there; imported are "
        f"{', '.join(own) or 'none'}; limner weights import takes {', '.join(encoders)}"
    )


def _loaded(name: str, path: Path) -> FaceModel:
    content, facts = read_content(path), read_facts(path)
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path} holds no pixel2style2pixel network")
    if "state_dict" not in content:
        content = {"state_dict": content, "opts": _options(facts)}
    options = content.get("opts")
    task = facts.get("task") or (options.get("dataset_type", "") if isinstance(options, Mapping) else "")
    known = {own: own for own in get_args(FaceTaskName)} | _TASK_OF
    return FaceModel(name, load_psp(content), known.get(str(task)))


def _options(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What keys and shapes do not say, as a published checkpoint says it: from an import's facts or a run's."""
    if isinstance(facts.get("psp"), Mapping):
        return dict(facts["psp"])
    config = facts.get("config")
    if not isinstance(config, Mapping) or not {"network", "loss", "task"} <= set(config):
        return {}
    network = config["network"]
    return {
        "start_from_latent_avg": network["start_from_mean"],
        "learn_in_w": network["single_style"],
        "input_side": config["loss"]["side"],
        "dataset_type": config["task"],
    }


def _holds_encoder(path: Path) -> bool:
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="pt") as opened:
            return any(key.startswith("encoder.") for key in opened.keys())
    if path.suffix == ".pkl":
        return False
    content = read_content(path)
    return isinstance(content, Mapping) and "g_ema" not in content and "state_dict" in content
