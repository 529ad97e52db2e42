"""The verb face: faces in pictures and videos, found, aligned, changed, and laid back where they came from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from limner.api.face_tasks import FaceOptions, is_drawn, make_editor, make_tasks, read_mask, read_points, task_warnings
from limner.api.inputs import Inputs, Progress, Source, gather, left_out, read_all
from limner.checks import FileProblem, InputError, NobodyFound
from limner.face import (
    FaceEditor,
    FaceResult,
    Faces,
    FaceTask,
    FaceTaskName,
    PasteRegion,
    Refinement,
    cut_quad,
    cut_square,
    detail_lost,
    find_faces,
    paste_face,
    resize_8bit,
    track_face,
)
from limner.media import VideoWriter, open_video, over_white, read_image_rgba, write_image
from limner.types import LicenceName, RgbImage

_LEAST_CROP, _MOST_CROP = 256, 1024
_SOFT = 2.0  # pixels of the picture under one of a pasted face, from which on the loss of detail is plain to see
_SCORE_EVERY = 10  # frames of a video between two looks at the likeness, which costs as much as the rest


@dataclass(frozen=True)
class FaceOutput:
    """One file that was written.

    Attributes:
        source: the file it was made of.
        output: the file.
        face: which face of the source, counted by size; None where all were pasted into one picture.
        identity: how alike the faces are, the cosine of their embeddings, the mean where there are several; None where
            a face is not found, or none is to be recognised.
        refinement: what a refinement did.
    """

    source: Path
    output: Path
    face: int | None
    identity: float | None = None
    refinement: Refinement | None = None


@dataclass
class FaceReport:
    """What the verb did.

    Attributes:
        output: the folder.
        results: the files written.
        pictures: how many were read.
        frames: how many frames of videos were read.
        faces: how many were changed or aligned, each counted in every picture and frame.
        without_face: pictures and frames that show none.
        warnings: a sentence for everything that is not as it might be.
        seconds: how long it took.
    """

    output: Path
    results: list[FaceOutput] = field(default_factory=list)
    pictures: int = 0
    frames: int = 0
    faces: int = 0
    without_face: int = 0
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class FacePlace:
    """Which faces, and what becomes of the results.

    Attributes:
        face: which one, 0 the largest; None takes all of a picture, and the largest of a video.
        aligned: sources are aligned faces already: nothing is looked for.
        points: the face's five points by hand, ten numbers.
        paste: results are laid back into their pictures, and videos keep their size and sound.
        region: what is pasted: the face within its outline, or the whole square.
        match: whether pasted colours are made to fit.
        beside: the aligned source stands left of each result that is not pasted.
        save_styles: also write the styles of each result, as npz.
        smooth: how many frames of a video alignment is smoothed over; 0 not at all.
    """

    face: int | None = None
    aligned: bool = False
    points: list[float] | None = None
    paste: bool = False
    region: PasteRegion = "face"
    match: bool = True
    beside: bool = False
    save_styles: bool = False
    smooth: float = 1.0

    def __post_init__(self) -> None:
        if self.face is not None and self.face < 0:
            raise InputError(f"faces are counted from 0, got {self.face}")
        if self.paste and self.aligned:
            raise InputError("an aligned face has no picture to be pasted into: leave out one of paste and aligned")


def face(
    task: FaceTaskName,
    inputs: Inputs,
    output: str | Path,
    *,
    weights: str | Path = "default",
    generator: str | Path | None = None,
    blend_side: int | None = None,
    options: FaceOptions | None = None,
    place: FacePlace | None = None,
    licence: LicenceName = "any",
    editor: FaceEditor | None = None,
    progress: Progress | None = None,
) -> FaceReport:
    """Change the faces in pictures and videos.

    Args:
        task: what is done with them.
        inputs: pictures, folders and videos; drawings or label maps for tasks that begin with them.
        output: a folder, made if need be: a picture for each face, or with `place.paste` for each picture; a video for
            each video.
        weights: what `FaceEditor.load` takes.
        generator: a second generator that paints, for toonify and any other task.
        blend_side: with it: maps below this size stay the first's.
        options: what the task is given.
        place: which faces, and what becomes of the results.
        licence: "commercial" refuses weights that are not known to allow commercial use.
        editor: used in place of `weights` and `generator`.
        progress: called after every picture and frame.

    Raises:
        WeightsError: weights are missing, damaged, of another network, or may not be used.
        InputError: an option is none of those there are, or the weights cannot do the task.
        FileProblem: a file cannot be read, or the output cannot be written.
        NobodyFound: no input shows a face, or not so many.
    """
    started, options = time.monotonic(), options or FaceOptions()
    sources, folder = gather(inputs), _folder(output)
    editor = editor or make_editor(
        weights, generator=generator, blend_side=blend_side, lpips=options.lpips, licence=licence
    )
    tasks = make_tasks(task, options, editor)
    place = place or FacePlace()
    if is_drawn(tasks):
        place = replace(place, aligned=True, paste=False)
    job = _FaceJob(folder, place, progress, editor, tasks, None if options.mask is None else read_mask(options.mask))
    job.report.warnings += task_warnings(editor, tasks)
    return _walk(job, sources, started)


def align(
    inputs: Inputs,
    output: str | Path,
    *,
    side: int = _LEAST_CROP,
    place: FacePlace | None = None,
    progress: Progress | None = None,
) -> FaceReport:
    """Cut faces out of pictures and videos by FFHQ's rule, for encoders or for training.

    Args:
        inputs: pictures, folders and videos.
        output: a folder, made if need be.
        side: of the crops in pixels.
        place: which faces.
        progress: called after every picture and frame.

    Raises:
        InputError: the side is none, or an option does not go with another.
        FileProblem: a file cannot be read, or the output cannot be written.
        NobodyFound: no input shows a face, or not so many.
    """
    started = time.monotonic()
    if not 16 <= side <= 4096:
        raise InputError(f"faces are aligned to 16 to 4096 pixels, got {side}")
    place = replace(place or FacePlace(), paste=False)
    job = _FaceJob(_folder(output), place, progress, side=side)
    return _walk(job, gather(inputs), started)


def _walk(job: _FaceJob, sources: Sequence[Source], started: float) -> FaceReport:
    report = job.report
    read_all(sources, job.read_picture, job.read_video, warnings=report.warnings, progress=job.progress)
    if not report.results:
        raise _no_face(sources, job.place.face, report.warnings)
    report.seconds = time.monotonic() - started
    return report


class _FaceJob:
    """What gathers while one file after the other is read; without an editor faces are only aligned."""

    def __init__(
        self,
        folder: Path,
        place: FacePlace,
        progress: Progress | None,
        editor: FaceEditor | None = None,
        tasks: list[tuple[str, FaceTask]] | None = None,
        mask: Bool[ndarray, "H W"] | None = None,
        *,
        side: int | None = None,
    ) -> None:
        self.report = FaceReport(folder)
        self.place, self.progress = place, progress
        self._editor, self._tasks, self._mask, self._side = editor, tasks or [], mask, side
        self._by_hand = read_points(place.points)
        self._used: set[str] = set()

    def read_picture(self, source: Source) -> int:
        rgba = read_image_rgba(source.path)
        try:
            return self._do_picture(source, rgba)
        except InputError as error:  # of the task or the face, neither of which knows the file
            raise InputError(f"{source.path}: {error}") from error

    def _do_picture(self, source: Source, rgba: UInt8[ndarray, "H W 4"]) -> int:
        picture = over_white(rgba)
        self.report.pictures += 1
        hole = self._hole(rgba)
        if self.place.aligned:
            self._write_crops(source, [(None, picture, hole)])
            return 1
        faces, chosen = self._chosen(picture)
        if not chosen:
            self.report.without_face += 1
            self.report.warnings.append(str(_no_face([source], self.place.face)))
            return 0
        if self.place.paste:
            self._paste_all(source, rgba if rgba[..., 3].min() < 255 else picture, picture, faces, chosen, hole)
        else:
            several = len(chosen) > 1
            self._write_crops(
                source,
                [(n if several else None, *self._cut(picture, faces, n, hole)) for n in chosen],
            )
        return len(chosen)

    def _chosen(self, picture: RgbImage) -> tuple[Faces, list[int]]:
        faces = self._by_hand or find_faces(picture)
        rows = range(len(faces))
        return faces, list(rows if self.place.face is None else rows[self.place.face : self.place.face + 1])

    def _hole(self, rgba: UInt8[ndarray, "H W 4"]) -> Bool[ndarray, "H W"] | None:
        """What inpainting is to fill: the mask, else what is transparent."""
        if not any(task.shown == "inpaint" for _, task in self._tasks):
            return None
        if self._mask is not None:
            if self._mask.shape != rgba.shape[:2]:
                raise InputError(
                    f"the mask has {self._mask.shape[::-1]} pixels and the picture {rgba.shape[1::-1]}: they must agree"
                )
            return self._mask
        if rgba[..., 3].min() >= 128:
            raise InputError("inpainting needs to know what is to be filled: give a mask, or a picture with a hole")
        transparent: Bool[ndarray, "H W"] = rgba[..., 3] < 128
        return transparent

    def _cut(
        self, picture: RgbImage, faces: Faces, index: int, hole: ndarray | None
    ) -> tuple[RgbImage, ndarray | None]:
        """The aligned face, as large as the result or the picture has use for, and the hole in it."""
        quad = faces.quads[index]
        side = self._side or min(max(_LEAST_CROP, 0 if self._editor is None else self._editor.side), _MOST_CROP)
        crop = cut_quad(picture, quad, side).image
        if hole is None:
            return crop, None
        return crop, cut_square(np.repeat(hole[..., None].astype(np.uint8) * 255, 3, 2), quad, side)[..., 0] > 127

    def _results(self, crop: RgbImage, hole: ndarray | None) -> Iterator[tuple[str, FaceResult]]:
        """Each result with what is added to its name; without an editor the crop itself."""
        assert self._editor is not None
        for suffix, task in self._tasks:
            results = self._editor.run(crop, replace(task, hole=hole))
            for number, result in enumerate(results):
                yield suffix + (f"_{number}" if len(results) > 1 else ""), result

    def _write_crops(self, source: Source, crops: list[tuple[int | None, RgbImage, ndarray | None]]) -> None:
        for index, crop, hole in crops:
            stem = source.path.stem + ("" if index is None else f"_face{index}")
            self.report.faces += 1
            if self._editor is None:
                path = self._name(stem, ".png")
                write_image(path, resize_8bit(crop, (self._side or 256,) * 2), synthetic=False)
                self.report.results.append(FaceOutput(source.path, path, index or 0))
                continue
            for suffix, result in self._results(crop, hole):
                path = self._name(stem + suffix, ".png")
                write_image(path, _beside(crop, result.image) if self.place.beside else result.image)
                self._keep_styles(path, result)
                output = FaceOutput(source.path, path, index or 0, result.identity, result.refinement)
                self.report.results.append(output)

    def _paste_all(
        self,
        source: Source,
        picture: ndarray,
        opaque: RgbImage,
        faces: Faces,
        chosen: list[int],
        hole: ndarray | None,
    ) -> None:
        """Write the picture with all its faces changed, once for each result that a face has."""
        pasted: dict[str, ndarray] = {}
        scores: dict[str, list[float | None]] = {}
        self._tell_of_softness(source, faces.quads[chosen[0]])
        for index in chosen:
            self.report.faces += 1
            for suffix, result in self._results(*self._cut(opaque, faces, index, hole)):
                under = pasted.get(suffix, picture)
                pasted[suffix] = paste_face(
                    under, result.image, faces, index, region=self.place.region, match=self.place.match
                )
                scores.setdefault(suffix, []).append(result.identity)
        for suffix, image in pasted.items():
            path = self._name(source.path.stem + suffix, ".png")
            write_image(path, image)
            one = chosen[0] if len(chosen) == 1 else None
            self.report.results.append(FaceOutput(source.path, path, one, _mean(scores[suffix])))

    def read_video(self, source: Source) -> int:
        if self.place.aligned or self._by_hand is not None:
            raise InputError(
                f"{source.path} is a video, in which faces are followed: aligned and points are for pictures"
            )
        if any(task.shown == "inpaint" for _, task in self._tasks):
            raise InputError(f"{source.path} is a video; inpaint takes pictures")
        if len(self._tasks) > 1 or any(task.name == "mix" and task.count > 1 for _, task in self._tasks):
            self.report.warnings.append(f"{source.path} is a video and gets the first of several results")
        video, editor = open_video(source.path), self._editor
        size = video.size_hw if self.place.paste else (self._crop_side(),) * 2
        path = self._name(source.path.stem, ".mp4")
        scores: list[float | None] = []
        seen = read = 0
        with VideoWriter(
            path,
            video.frame_rate,
            size,
            sound_from=video if self.place.paste else None,
            synthetic=editor is not None,
        ) as writer:
            tracked = track_face(video.frames(), self.place.face or 0, smooth=self.place.smooth)
            for number, frame, faces in tracked:
                read = number + 1
                if faces is not None:
                    if self.place.paste and not seen:
                        self._tell_of_softness(source, faces.quads[0])
                    scored = seen % _SCORE_EVERY == 0
                    image, identity = self._frame(frame, faces, scored=scored)
                    scores += [identity] * scored
                    seen += 1
                    writer.write(image)
                elif self.place.paste:
                    writer.write(frame)
                if self.progress is not None:
                    self.progress(read, video.num_frames, source.path.name)
            if not seen:
                raise _no_face([source], self.place.face)
        self.report.frames += read
        self.report.faces += seen
        self.report.without_face += read - seen
        if read > seen:
            became = "are as they were" if self.place.paste else "were left out"
            self.report.warnings.append(f"{read - seen} of {read} frames of {source.path} show no face and {became}")
        self.report.results.append(FaceOutput(source.path, path, self.place.face or 0, _mean(scores)))
        return seen

    def _crop_side(self) -> int:
        return self._side or 0 if self._editor is None else self._editor.side

    def _frame(self, frame: RgbImage, faces: Faces, *, scored: bool) -> tuple[RgbImage, float | None]:
        """One frame with its face changed, or the changed face alone."""
        crop, _ = self._cut(frame, faces, 0, None)
        if self._editor is None:
            return crop, None
        result = self._editor.run(crop, self._tasks[0][1], scored=scored)[0]
        if not self.place.paste:
            return result.image, result.identity
        pasted = paste_face(frame, result.image, faces, 0, region=self.place.region, match=self.place.match)
        return pasted, result.identity

    def _tell_of_softness(self, source: Source, quad: ndarray) -> None:
        assert self._editor is not None
        side = self._editor.side
        times = detail_lost(quad, side)
        if times > _SOFT:
            self.report.warnings.append(
                f"the face in {source.path} covers a square of {times * side:.0f} pixels and the weights make {side}: "
                "what is pasted is softer than what was there"
            )

    def _keep_styles(self, path: Path, result: FaceResult) -> None:
        if self.place.save_styles:
            result.latent.save(path.with_suffix(".npz"))

    def _name(self, stem: str, suffix: str) -> Path:
        name, number = f"{stem}{suffix}", 2
        while name in self._used:  # inputs of one name from several folders
            name, number = f"{stem}_{number}{suffix}", number + 1
        self._used.add(name)
        try:
            self.report.output.mkdir(parents=True, exist_ok=True)  # not before there is something to put into it
        except OSError as error:
            raise FileProblem(f"the folder {self.report.output} cannot be made: {error.strerror}") from None
        return self.report.output / name


def _folder(output: str | Path) -> Path:
    folder = Path(output)
    if any(part.exists() and not part.is_dir() for part in (folder, *folder.parents)):
        raise FileProblem(f"the folder {folder} cannot be made: there is a file of that name")
    return folder


def _beside(crop: RgbImage, image: RgbImage) -> RgbImage:
    return np.hstack([cv2.resize(crop, image.shape[1::-1], interpolation=cv2.INTER_AREA), image])


def _mean(scores: list[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return float(np.mean(known)) if known else None


def _no_face(sources: Sequence[Source], face: int | None, warnings: Sequence[str] = ()) -> NobodyFound:
    wanted = "no face" if not face else f"no face number {face}"
    others = " and the other inputs" * (len(sources) > 1)
    return NobodyFound(
        f"{wanted} was found in {sources[0].path}{others}: give its five points, or aligned if it is cut out already"
        f"{left_out(warnings)}"
    )
