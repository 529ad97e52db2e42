"""The published face weights: what each file holds, how it is read, and how it is kept for use by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from torch import Tensor

from limner.checks import WeightsError, check_known
from limner.face.arcface import ir_101, ir_se50
from limner.face.cascade import read_mtcnn
from limner.face.nvidia import read_generator
from limner.face.psp import load_psp
from limner.face.sources import FaceTaskName
from limner.types import PrecisionName
from limner.weights import WeightRecord, check_precision, read_content, save_weights, weights_folder

FaceKind: TypeAlias = Literal["psp", "generator", "ir-se50", "ir-101", "mtcnn"]
"""What a file of face weights is: an encoder with its generator, a generator, a recogniser, or a detector."""


@dataclass(frozen=True)
class PublishedFace:
    """A published file.

    Attributes:
        file: its published name, or the folder's where it is several.
        title: its network in words.
        kind: what it is.
        source: who published it.
        task: what an encoder is for.
        licence: as stated by its source.
        commercial: whether that allows commercial use.
    """

    file: str
    title: str
    kind: FaceKind
    source: str
    task: FaceTaskName = "invert"
    licence: str = "MIT (the repository's; none is named for the weights)"
    commercial: Literal["yes", "no", "unknown"] = "unknown"


_PSP, _E4E, _RESTYLE = (
    "eladrich/pixel2style2pixel",
    "omertov/encoder4editing",
    "yuval-alaluf/restyle-encoder",
)
_NVIDIA = "Nvidia Source Code License-NC"

PUBLISHED: dict[str, PublishedFace] = {
    "psp-ffhq-inversion": PublishedFace("psp_ffhq_encode.pt", "pSp, inversion", "psp", _PSP),
    "psp-ffhq-frontalisation": PublishedFace(
        "psp_ffhq_frontalization.pt", "pSp, frontalisation", "psp", _PSP, "frontalise"
    ),
    "psp-celebs-sketch": PublishedFace("psp_celebs_sketch_to_face.pt", "pSp, sketch to face", "psp", _PSP, "sketch"),
    "psp-celebs-segments": PublishedFace("psp_celebs_seg_to_face.pt", "pSp, labels to face", "psp", _PSP, "segments"),
    "psp-celebs-upscale": PublishedFace(
        "psp_celebs_super_resolution.pt", "pSp, super-resolution", "psp", _PSP, "upscale"
    ),
    "psp-ffhq-toonify": PublishedFace("psp_ffhq_toonify.pt", "pSp, toonify", "psp", _PSP, "toonify"),
    "e4e-ffhq": PublishedFace("e4e_ffhq_encode.pt", "e4e", "psp", _E4E),
    "restyle-psp-ffhq": PublishedFace("restyle_psp_ffhq_encode.pt", "ReStyle over pSp", "psp", _RESTYLE),
    "restyle-e4e-ffhq": PublishedFace("restyle_e4e_ffhq_encode.pt", "ReStyle over e4e", "psp", _RESTYLE),
    "stylegan2-ffhq": PublishedFace(
        "stylegan2-ffhq-config-f.pt", "StyleGAN2 1024", "generator", _PSP, licence=_NVIDIA, commercial="no"
    ),
    "stylegan2-ffhq-toon": PublishedFace("ffhq_cartoon_blended.pt", "StyleGAN2 1024, drawn", "generator", _PSP),
    "stylegan2-ffhq-nvidia": PublishedFace(
        "stylegan2-ffhq-config-f.pkl", "StyleGAN2 1024", "generator", "NVlabs", licence=_NVIDIA, commercial="no"
    ),
    "stylegan2-ada-ffhq": PublishedFace(
        "ffhq.pkl", "StyleGAN2-ADA 1024", "generator", "NVlabs", licence=_NVIDIA, commercial="no"
    ),
    "arcface-ir-se50": PublishedFace("model_ir_se50.pth", "ArcFace IR-SE50", "ir-se50", "TreB1eN/InsightFace_Pytorch"),
    "curricularface-ir-101": PublishedFace(
        "CurricularFace_Backbone.pth", "CurricularFace IR-101", "ir-101", "HuangYG123/CurricularFace"
    ),
    "mtcnn": PublishedFace("mtcnn", "MTCNN, three networks", "mtcnn", _PSP),
}
"""The published weights by the names that limner gives them."""

_Reader: TypeAlias = Callable[[str | Path], tuple[dict[str, Tensor], dict[str, Any], int]]


def import_weights(name: str, path: str | Path, *, precision: PrecisionName = "fp32") -> WeightRecord:
    """Check a published file and keep it for use by name; nothing in it is run.

    Args:
        name: of `PUBLISHED`, such as psp-ffhq-inversion.
        path: the file as it was downloaded; for mtcnn the folder of its three files.
        precision: fp16 halves the file that is kept.

    Raises:
        InputError: there are no such published weights.
        FileProblem: there is no such file, or the weights folder cannot be written.
        WeightsError: the file is damaged, holds code, or belongs to another network; the message names it.
    """
    check_precision(precision)
    known = published_face(name)
    _check_file_name(name, Path(path))
    state, facts, side = _READERS[known.kind](path)
    return save_weights(
        published_record(name, side), state, weights_folder(), precision=precision, facts={**facts, "task": known.task}
    )


def published_face(name: str) -> PublishedFace:
    """Return what is known of the published weights called `name`.

    Raises:
        InputError: there are no such weights; the message offers the nearest name.
    """
    check_known(name, PUBLISHED, "published face weights are")
    return PUBLISHED[name]


def published_record(name: str, side: int) -> WeightRecord:
    """Return the record of published weights, still without a file."""
    known = published_face(name)
    return WeightRecord(
        name=name,
        file="",
        network=known.title,
        source=f"{known.source}, file {known.file}",
        licence=known.licence,
        commercial=known.commercial,
        sha256="",
        input_hw=(side, side),
        normalisation="RGB, 0..255 to [-1, 1], faces aligned by FFHQ's rule" if known.kind == "psp" else "RGB",
        notes="The pictures it learned from have terms of their own: commercial use is for you to settle.",
    )


def _check_file_name(name: str, path: Path) -> None:
    """Refuse a file whose published name is that of other weights: tasks of one network fit one another's files."""
    others = [other for other, known in PUBLISHED.items() if known.file == path.name]
    if others and name not in others:
        raise WeightsError(f"{path} is the published file of {' or '.join(others)}, not of {name}")


def _read_psp(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any], int]:
    network = load_psp(path)
    return network.state_dict(), {"psp": psp_facts(network.config)}, network.config.input_side


def psp_facts(config: Any) -> dict[str, Any]:
    """Return what keys and shapes do not say of an encoder, as options that `psp_config` reads."""
    return {
        "start_from_latent_avg": config.start_from_mean,
        "learn_in_w": config.single_style,
        "encoder_type": "Encoder4Editing" if config.rows_from_first else config.encoder,
        "input_side": config.input_side,
        **({"n_iters_per_batch": config.iterations} if config.iterations > 1 else {}),
    }


def _read_generator(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any], int]:
    generator, mean = read_generator(path)
    state = generator.state_dict()
    return state if mean is None else {**state, "latent_avg": mean}, {}, generator.config.size


def _read_recogniser(kind: FaceKind) -> _Reader:
    def read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any], int]:
        network = ir_se50() if kind == "ir-se50" else ir_101()
        network.load_official(path)
        return network.state_dict(), {}, network.side

    return read


def _read_mtcnn(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any], int]:
    return read_mtcnn(path), {}, 48


_READERS: Mapping[FaceKind, _Reader] = {
    "psp": _read_psp,
    "generator": _read_generator,
    "ir-se50": _read_recogniser("ir-se50"),
    "ir-101": _read_recogniser("ir-101"),
    "mtcnn": _read_mtcnn,
}


def generator_content(path: str | Path) -> dict[str, Any]:
    """Return a kept generator as rosinality's layout has it: `g_ema`, and `latent_avg` where it is known."""
    state = dict(read_content(path))
    mean = state.pop("latent_avg", None)
    return {"g_ema": state} if mean is None else {"g_ema": state, "latent_avg": mean}
