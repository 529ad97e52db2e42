"""The published weights of the Liquid Warping system by name: which network each file belongs to, import and loading.

Source: svip-lab/impersonator, `outputs/checkpoints` and `assets/pretrains`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import nn

from limner.checks import InputError, WeightsError, check_known
from limner.motion.discriminator import GlobalLocalDiscriminator, PatchDiscriminator
from limner.motion.face_features import FACE_SIZE_HW, SphereFace
from limner.motion.face_tables import read_face_tables, tables_from_state, tables_state
from limner.motion.generator import LiquidWarpingGenerator
from limner.motion.inpainting import GatedInpainter
from limner.render import FaceLabels
from limner.types import LicenceName, PrecisionName
from limner.weights import (
    WeightRecord,
    check_precision,
    imported_path,
    read_checkpoint,
    save_weights,
    weight_record,
    weights_folder,
)

Published = TypeVar("Published", bound=nn.Module)

GENERATORS = ("lwgan-iper", "lwgan-iper-place", "lwgan-iper-fashion-place")
"""The published generators, by what they learned from."""
DEFAULT_GENERATOR = GENERATORS[-1]
INPAINTER, FACE_FEATURES, FACE_TABLES = "lwgan-inpainter", "lwgan-face-features", "lwgan-face-tables"

SOURCE = "svip-lab/impersonator, {file}"
LICENCE = "none is named for the weights; the repository's code is for research"
NOTES = "Commercial use is for you to settle with the authors."
_SIDE = 256


@dataclass(frozen=True)
class PublishedFile:
    """A published file.

    Attributes:
        file: its published place.
        title: what it holds, in words.
        build: makes the network that its weights fit; None for tables.
        input_hw: of the pictures it was trained on.
    """

    file: str
    title: str
    build: Callable[[], nn.Module] | None
    input_hw: tuple[int, int] = (_SIDE, _SIDE)


def _generator_file(folder: str, data: str) -> PublishedFile:
    file = f"{folder}/net_epoch_30_id_G.pth"
    return PublishedFile(file, f"Liquid Warping generator, {data}", LiquidWarpingGenerator)


PUBLISHED: dict[str, PublishedFile] = {
    GENERATORS[0]: _generator_file("lwb_imper", "iPER"),
    GENERATORS[1]: _generator_file("lwb_imper_place", "iPER and Places"),
    GENERATORS[2]: _generator_file("lwb_imper_fashion_place", "iPER, DeepFashion and Places"),
    INPAINTER: PublishedFile("deepfillv2/net_epoch_50_id_G.pth", "gated inpainting network", GatedInpainter),
    "lwgan-patch-discriminator": PublishedFile(
        "net_epoch_30_id_D.pth of the plain recipe", "patch discriminator", PatchDiscriminator
    ),
    "lwgan-global-local-discriminator": PublishedFile(
        "net_epoch_30_id_D.pth of the recipe with backgrounds",
        "global and local discriminator",
        GlobalLocalDiscriminator,
    ),
    FACE_FEATURES: PublishedFile("sphere20a_20171020.pth", "SphereFace, twenty layers", SphereFace, FACE_SIZE_HW),
    FACE_TABLES: PublishedFile("the folder pretrains", "atlas and part tables of SMPL's faces", None),
}
"""The published files by the names that limner gives them."""


def import_weights(name: str, path: str | Path, *, precision: PrecisionName = "fp32") -> WeightRecord:
    """Check a published file and keep it for use by name.

    Args:
        name: of `PUBLISHED`.
        path: the file as it was downloaded; for the face tables the folder that holds them.
        precision: fp16 halves the file that is kept.

    Raises:
        InputError: there are no such published weights.
        FileProblem: there is no such file, or the weights folder cannot be written.
        WeightsError: the file is damaged, holds code, or belongs to another network.
    """
    check_precision(precision)
    known = published_file(name)
    if known.build is None:
        return save_weights(_record(name), tables_state(read_face_tables(path)), weights_folder())
    network = known.build()
    network.load_official(path)  # type: ignore[operator]
    return save_weights(_record(name), network.state_dict(), weights_folder(), precision=precision)


def published_file(name: str) -> PublishedFile:
    """Return what is known of the published weights called `name`.

    Raises:
        InputError: there are no such weights; the message offers the nearest name.
    """
    check_known(name, PUBLISHED, "published Liquid Warping weights are")
    return PUBLISHED[name]


def is_imported(name: str) -> bool:
    """Whether published weights were imported."""
    try:
        weight_record(name)
    except WeightsError:
        return False
    return True


def load_published(name: str, kind: type[Published], *, licence: LicenceName = "any") -> Published:
    """Load an imported network, in evaluation mode, without gradients.

    Args:
        name: of `PUBLISHED`.
        kind: the class of its network.
        licence: commercial refuses weights that are not known to allow commercial use.

    Raises:
        InputError: there are no such weights, or they are of another kind.
        WeightsError: they were not imported yet, are damaged, or may not be used.
    """
    if published_file(name).build is not kind:
        raise InputError(f"{name} is a {published_file(name).title}, no {kind.__name__}")
    path = _imported_path(name, licence)
    network = kind()
    network.load_official({key: value.float() for key, value in read_checkpoint(path).items()})  # type: ignore[operator]
    return network.eval().requires_grad_(False)


def load_face_tables(*, licence: LicenceName = "any") -> FaceLabels:
    """Load the imported atlas and part tables of SMPL's faces.

    Raises:
        WeightsError: they were not imported yet, are damaged, or may not be used.
    """
    return tables_from_state(read_checkpoint(_imported_path(FACE_TABLES, licence)))


def _imported_path(name: str, licence: LicenceName) -> Path:
    known = PUBLISHED[name]
    given = "FOLDER" if known.build is None else "FILE"
    return imported_path(name, licence, source=f"{known.file} from its authors", given=given)


def _record(name: str) -> WeightRecord:
    known = PUBLISHED[name]
    return WeightRecord(
        name=name,
        file="",
        network=known.title,
        source=SOURCE.format(file=known.file),
        licence=LICENCE,
        commercial="unknown",
        sha256="",
        input_hw=known.input_hw,
        normalisation="RGB, -1 to 1",
        notes=NOTES,
    )
