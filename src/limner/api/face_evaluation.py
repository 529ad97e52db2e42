"""The verb eval face: a folder of results against a folder of wanted pictures, paired by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from limner.api.inputs import Progress
from limner.data import PictureFolder, pair_folders, read_folder
from limner.face import LABELS, MtcnnFinder, ir_101
from limner.losses import Lpips
from limner.media import check_output, written_beside
from limner.metrics import FaceJudge, FaceScores, Inception, map_scores
from limner.weights import file_path, list_weights

_MTCNN = "mtcnn"


def evaluate_faces(
    results: str | Path,
    wanted: str | Path,
    output: str | Path | None = None,
    *,
    lpips: tuple[str | Path, str | Path] | None = None,
    recogniser: str | Path | None = None,
    inception: str | Path | None = None,
    progress: Progress | None = None,
) -> FaceScores:
    """Compare aligned faces with wanted ones.

    Args:
        results: a folder of pictures.
        wanted: a folder with pictures of the same names; the suffix does not count.
        output: a json file for the scores of each picture and their means; None writes none.
        lpips: AlexNet as torchvision publishes it, and the weights of LPIPS 0.1; None leaves LPIPS out.
        recogniser: CurricularFace_Backbone.pth, or the name it was imported by; None compares by the package's own
            embedding. With it faces are aligned by MTCNN where that was imported, as published.
        inception: weights of Inception, for FID; None leaves it out.
        progress: called after every pair.

    Raises:
        FileProblem: a folder or file is missing, or a picture cannot be decoded.
        DatasetError: pictures have no partner; all are named.
        WeightsError: a file holds another network.
    """
    path = None if output is None else check_output(output, (".json",))
    pairs = pair_folders(read_folder(results), read_folder(wanted))
    judge = FaceJudge()
    if lpips is not None:
        judge.lpips = Lpips("alex").eval()
        judge.lpips.load_parts(*lpips)
    if recogniser is not None:
        kept = {record.name for record in list_weights()}
        judge.recogniser = ir_101().eval()
        judge.recogniser.load_official(file_path(str(recogniser)) if str(recogniser) in kept else recogniser)
        judge.mtcnn = MtcnnFinder.load() if _MTCNN in kept else None
    if inception is not None:
        judge.inception, _ = Inception.load(inception)
    for index, name in enumerate(pairs[0].names):
        judge.add(name, pairs[0].read(index), pairs[1].read(index))
        if progress is not None:
            progress(index + 1, len(pairs[0]), "comparing")
    scores = judge.scores()
    if path is not None:
        with written_beside(path) as temporary:
            content = {"means": scores.means, "protocol": dict(scores.protocol), "each": scores.each}
            temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return scores


def evaluate_maps(
    results: str | Path, wanted: str | Path, *, classes: int = len(LABELS), progress: Progress | None = None
) -> dict[str, float]:
    """Compare label maps with wanted ones: the mean accuracy and mIoU over the pictures, and the IoU of each class.

    Args:
        results: a folder of label maps.
        wanted: a folder with maps of the same names and sizes.
        classes: how many there are.
        progress: called after every pair.

    Raises:
        FileProblem: a folder is missing, or a map cannot be decoded.
        DatasetError: maps have no partner.
        ShapeError: two maps differ in size.
        InputError: a map has a class that there is not.
    """
    pairs = pair_folders(read_folder(results), read_folder(wanted))
    found = []
    for index in range(len(pairs[0])):
        found.append(map_scores(_labels(pairs[0], index), _labels(pairs[1], index), classes))
        if progress is not None:
            progress(index + 1, len(pairs[0]), "comparing")
    overlaps = np.array([one["iou"] for one in found])
    seen = ~np.isnan(overlaps).all(axis=0)
    names = LABELS if classes == len(LABELS) else [f"class {number}" for number in range(classes)]
    return {
        "accuracy": float(np.mean([one["accuracy"] for one in found])),
        "miou": float(np.mean([one["miou"] for one in found])),
        **{f"iou {names[number]}": float(np.nanmean(overlaps[:, number])) for number in np.flatnonzero(seen)},
    }


def _labels(folder: PictureFolder, index: int) -> np.ndarray:
    return folder.read(index)[..., 0]
