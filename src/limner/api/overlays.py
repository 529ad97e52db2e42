"""Overlays beside the numbers: one picture or video for each input, in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

from limner.api.inputs import Source
from limner.checks import FileProblem
from limner.media import VideoWriter, open_video, write_image, write_video
from limner.types import RgbImage


class Overlays:
    """A folder of overlays; with no folder nothing is drawn."""

    def __init__(self, folder: str | Path | None, *, picture_suffix: str = ".jpg") -> None:
        """Make the folder if need be.

        Raises:
            FileProblem: it cannot be made.
        """
        self._folder = None if folder is None else Path(folder)
        self._used: set[str] = set()
        self._picture_suffix = picture_suffix
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FileProblem(f"the folder {folder} cannot be made: {error.strerror}") from None

    def picture(self, source: Source, draw: Callable[[], RgbImage]) -> None:
        """Write the picture that `draw` returns, named after the source."""
        if self._folder is not None:
            write_image(self._folder / self._name(source, self._picture_suffix), draw())

    def video(self, source: Source, draw: Callable[[int, RgbImage], RgbImage]) -> None:
        """Read the video once more and write it with `draw` applied to the number and the picture of every frame."""
        if self._folder is None:
            return
        video = open_video(source.path)
        with VideoWriter(self._folder / self._name(source, ".mp4"), video.frame_rate, video.size_hw) as writer:
            for number, frame in enumerate(video.frames()):
                writer.write(draw(number, frame))

    def extra(self, source: Source, ending: str, views: Iterable[RgbImage], frame_rate: float) -> None:
        """Write a video of other views, named after the source and `ending`."""
        if self._folder is None:
            return
        rate = Fraction(frame_rate).limit_denominator(1001)
        write_video(self._folder / self._name(source, f"{ending}.mp4"), views, frame_rate=rate)

    def _name(self, source: Source, suffix: str) -> str:
        name, number = f"{source.path.stem}{suffix}", 2
        while name in self._used:  # inputs of one name from several folders
            name, number = f"{source.path.stem}_{number}{suffix}", number + 1
        self._used.add(name)
        return name
