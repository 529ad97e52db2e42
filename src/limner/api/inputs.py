"""What the verbs that read many files are given: pictures, folders and videos, in order, and the walk over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from limner.body import FitChange
from limner.checks import FileProblem, InputError, LimnerError, NobodyFound, check_file
from limner.media import PICTURE_SUFFIXES, VIDEO_SUFFIXES, open_video
from limner.people import track_person
from limner.records import Keypoints

Progress: TypeAlias = Callable[[int, int | None, str], None]
"""Called with what is done, how much there is (None: unknown) and its name."""

Inputs: TypeAlias = str | Path | Sequence[str | Path]

_LEFT_OUT = "left out: "


@dataclass(frozen=True)
class Source:
    """One picture or video.

    Attributes:
        path: the file.
        kind: by the file's suffix; an unknown suffix counts as a picture, whose reader looks at the bytes.
        named: whether the caller named it; False for what was found in a folder.
    """

    path: Path
    kind: Literal["picture", "video"]
    named: bool


@dataclass(frozen=True)
class FilesReport:
    """What a verb over many files did.

    Attributes:
        output: the file written.
        pictures: how many pictures were read.
        frames: how many frames of videos were read.
        people: how many people the output holds, each counted in every picture and frame.
        frames_without_person: pictures and frames that show nobody.
        warnings: a sentence for everything that is not as it might be.
        seconds: how long it took.
        fit_change: what fitting made of a network's predictions, on the mean; None without predictions.
    """

    output: Path
    pictures: int
    frames: int
    people: int
    frames_without_person: int
    warnings: list[str]
    seconds: float
    fit_change: FitChange | None = None


def gather(inputs: Inputs) -> list[Source]:
    """Return the pictures and videos that `inputs` name, folders replaced by what lies in them, by name.

    Raises:
        InputError: nothing is named.
        FileProblem: a file is missing or empty, or a folder has neither pictures nor videos.
    """
    named = [inputs] if isinstance(inputs, (str, Path)) else list(inputs)
    if not named:
        raise InputError("no input is named; give pictures, folders or videos")
    return [source for name in named for source in _expand(Path(name))]


def _expand(path: Path) -> Iterator[Source]:
    if not path.is_dir():
        yield Source(check_file(path, "picture or video"), _kind(path), named=True)
        return
    known = (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES)
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in known and not file.name.startswith("."))
    if not files:
        raise FileProblem(f"the folder {path} holds neither pictures nor videos that limner reads: {', '.join(known)}")
    for file in files:
        yield Source(file, _kind(file), named=False)


def _kind(path: Path) -> Literal["picture", "video"]:
    return "video" if path.suffix.lower() in VIDEO_SUFFIXES else "picture"


def read_all(
    sources: Sequence[Source],
    read_picture: Callable[[Source], int],
    read_video: Callable[[Source], int],
    *,
    warnings: list[str],
    progress: Progress | None,
) -> int:
    """Read every source and return the sum of what reading returned.

    A broken file that was only found in a folder becomes a warning and counts 0.

    Raises:
        LimnerError: what reading a file that was named raised.
    """
    total = 0
    for number, source in enumerate(sources):
        try:
            total += (read_video if source.kind == "video" else read_picture)(source)
        except LimnerError as error:
            if source.named:
                raise
            warnings.append(f"{_LEFT_OUT}{error}")
        if progress is not None and len(sources) > 1:
            progress(number + 1, len(sources), "files")
    return total


def nobody(sources: Sequence[Source], person: int | None, warnings: Sequence[str] = ()) -> NobodyFound:
    """Return the error for sources that do not show the wanted person; it tells what was left out."""
    wanted = "nobody" if not person else f"no person number {person}"
    others = " and the other inputs" * (len(sources) > 1)
    return NobodyFound(f"{wanted} was found in {sources[0].path}{others}{left_out(warnings)}")


def left_out(warnings: Sequence[str]) -> str:
    """Return the end of a sentence on the files that `read_all` left out: the first one's fault, and how many more."""
    faults = [warning for warning in warnings if warning.startswith(_LEFT_OUT)]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"; {faults[0]}{more}" if faults else ""


def follow(source: Source, person: int, progress: Progress | None) -> list[Keypoints | None]:
    """Return the keypoints of one person in every frame of a video; None where the person is not seen."""
    video = open_video(source.path)
    followed = []
    for index, keypoints, _ in track_person(video.frames(), person):
        followed.append(keypoints)
        if progress is not None:
            progress(index + 1, video.num_frames, source.path.name)
    return followed
