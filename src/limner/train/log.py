"""What a run tells: a line of JSON for every few steps, the same in TensorBoard, pictures, and words for people."""

from __future__ import annotations

import json
import logging
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limner.media import write_image, written_beside
from limner.types import RgbImage

logger = logging.getLogger("limner.train")

METRICS_FILE = "metrics.jsonl"


class RunLog:
    """The log of a run in its folder; does nothing in any process but the first.

    Args:
        folder: of the run.
        step: steps done before; later lines of an earlier life are dropped, because their steps come again.
        is_main: whether this process writes.
        tensorboard: write TensorBoard files too, where the package is installed.
    """

    def __init__(self, folder: Path, *, step: int = 0, is_main: bool = True, tensorboard: bool = True) -> None:
        self._folder, self._is_main = folder, is_main
        self._path = folder / METRICS_FILE
        if is_main:
            _drop_later(self._path, step)
        self._board = _open_board(folder, step) if tensorboard and is_main else None

    def write(self, kind: str, step: int, numbers: Mapping[str, float], **facts: Any) -> None:
        """Add a line.

        Args:
            kind: train or valid.
            step: steps done.
            numbers: what was measured; one that is not finite becomes null.
            facts: what else the line says, such as the epoch.
        """
        if not self._is_main:
            return
        known = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, "step": step, **facts, **known}, allow_nan=False) + "\n")
        for name, value in numbers.items():
            if self._board is not None:
                self._board.add_scalar(f"{kind}/{name}", value, step)
        told = ", ".join(f"{name} {value:.4g}" for name, value in {**facts, **numbers}.items())
        logger.info("%s, step %d: %s", kind, step, told)

    def picture(self, name: str, step: int, picture: RgbImage) -> None:
        """Keep a picture: in TensorBoard, and the latest of each name in the folder."""
        if not self._is_main:
            return
        write_image(self._folder / f"{name}.png", picture, synthetic=False)
        if self._board is not None:
            self._board.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        """Write out what is still held back."""
        if self._board is not None:
            self._board.close()


def read_metrics(folder: str | Path) -> list[dict[str, Any]]:
    """Return the lines of a run's log; a line that a kill cut short is left out."""
    path = Path(folder) / METRICS_FILE
    return _whole_lines(path) if path.exists() else []


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    lines = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines


def _drop_later(path: Path, step: int) -> None:
    if not path.exists():
        return
    kept = [json.dumps(line) + "\n" for line in _whole_lines(path) if line["step"] <= step]
    with written_beside(path) as temporary:
        temporary.write_text("".join(kept), encoding="utf-8")


def _open_board(folder: Path, step: int) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the packages that TensorBoard brings
            from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logger.info("tensorboard is not installed; the log goes to %s alone", folder / METRICS_FILE)
        return None
    return SummaryWriter(os.fspath(folder / "tensorboard"), purge_step=step + 1 if step else None)
