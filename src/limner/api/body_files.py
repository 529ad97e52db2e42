"""The verb body: 3D bodies of people in many pictures and videos, as numbers, meshes, and motions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from limner.api.body_drawings import draw_bodies, turntable_views
from limner.api.body_formats import BodyWriter, check_body_output
from limner.api.body_looks import photo_look
from limner.api.body_tracks import BodyOptions, BodyReader, Track
from limner.api.inputs import FilesReport, Inputs, Progress, Source, gather, nobody, read_all
from limner.api.overlays import Overlays
from limner.body import DEFAULT_ANCHOR, FastSMPL, mean_change
from limner.checks import InputError
from limner.types import BodyFormat, BoneNames, LicenceName, RgbImage


def body(
    inputs: Inputs,
    output: str | Path,
    *,
    person: int | None = None,
    body: str = "free",
    format: Sequence[BodyFormat] | None = None,
    smooth: float = 0.0,
    max_gap: float = 1.0,
    world: bool = False,
    lock_feet: bool = False,
    focal: float | None = None,
    bones: BoneNames = "mixamo",
    texture: bool = False,
    draw: str | Path | None = None,
    turntable: bool = False,
    weights: str | Path | None = "auto",
    anchor: float = DEFAULT_ANCHOR,
    licence: LicenceName = "any",
    progress: Progress | None = None,
) -> FilesReport:
    """Find people and write their 3D bodies.

    Args:
        inputs: pictures, folders and videos.
        output: a file: .npz (everybody in all inputs), .glb (everybody in one), .bvh (one person in one), .obj or .ply
            (one person in one picture). Or a folder, new or empty, for any of these; see docs/commands.md.
        person: which person, 0 the largest; None takes everybody, and numbers them through a video. A file that holds
            one person takes the largest.
        body: "free", or "smpl:PATH".
        format: what to write into a folder; None for npz and glb.
        smooth: how much to smooth videos over time beyond the fit's own calm: 0 not at all, 1 is usual.
        max_gap: gaps up to so many seconds are filled in videos; longer ones stay empty.
        world: put people upright on a floor, with paths whose standing feet do not slide; the camera stands still.
        lock_feet: and nail feet down while they stand, by bending the legs.
        focal: focal length of the camera in pixels; None for the picture's diagonal.
        bones: how the joints of glb and bvh are called.
        texture: give people of a glb their looks from the photo.
        draw: a folder for overlays, made if need be: a picture or a video for each input.
        turntable: there also a video of a walk round the people of each input.
        weights: an HMR network whose prediction every fit starts from and stays near: "auto" for the one that comes
            with limner, a name of `limner weights list`, the folder of a run, or an official file. None fits to the
            joints alone.
        anchor: how much the prediction counts in the fit; 0 starts from it and lets it go.
        licence: "commercial" refuses weights that are not known to allow commercial use.
        progress: called after every picture and frame.

    Returns:
        What was done. Broken files found in a folder are left out with a warning.

    Raises:
        FileProblem: a file cannot be read, or the output cannot be written.
        InputError: an option is none of those there are, or does not go with another.
        NobodyFound: no input shows anybody, or not so many people.
    """
    started = time.monotonic()
    sources = gather(inputs)
    output, formats = check_body_output(output, format, sources)
    if turntable and draw is None:
        raise InputError("turntable says what to draw; name a folder to draw in")
    if texture and "glb" not in formats:
        raise InputError(f"texture is for glb, and {', '.join(formats)} is written")
    options = BodyOptions(
        person, body, smooth, max_gap, world, lock_feet, focal_px=focal, weights=weights, anchor=anchor, licence=licence
    )
    job = _BodyJob(options, Overlays(draw), turntable=turntable, progress=progress)
    looks = (lambda track: photo_look(track, job.reader.locator, job.model)) if texture else None
    writer = BodyWriter(job.reader.data, output, formats, bones=bones, looks=looks)
    job.frames = read_all(sources, job.read_picture, job.read_video, warnings=job.warnings, progress=progress)
    tracks = job.tracks_for(writer, sources)
    writer.write(tracks, body)
    return FilesReport(
        output,
        job.pictures,
        job.frames,
        sum(int(track.kept.sum()) for track in tracks),
        job.empty,
        [*job.warnings, *job.reader.warnings, *writer.warnings],
        time.monotonic() - started,
        mean_change(job.reader.changes),
    )


class _BodyJob:
    """What gathers while one file after the other is read."""

    def __init__(self, options: BodyOptions, overlays: Overlays, *, turntable: bool, progress: Progress | None) -> None:
        self.tracks: list[Track] = []
        self.warnings: list[str] = []
        self.pictures = self.frames = self.empty = 0
        self.reader = BodyReader(options, progress)
        self.model = FastSMPL(self.reader.data)
        self._options, self._overlays, self._turntable = options, overlays, turntable

    def read_picture(self, source: Source) -> int:
        image, tracks = self.reader.picture(source)
        self.pictures += 1
        if not tracks:
            self.empty += 1
            self.warnings.append(str(nobody([source], self._options.person)))
            return 0
        self.tracks += tracks
        self._overlays.picture(source, lambda: draw_bodies(image, tracks, 0, self.model))
        self._turn(source, tracks)
        return 0

    def read_video(self, source: Source) -> int:
        count, tracks = self.reader.video(source)
        there = {int(frame) for track in tracks for frame in track.first_frame + track.seen.nonzero()[0]}
        self.empty += count - len(there)
        if len(there) < count:
            self.warnings.append(f"nobody found in {count - len(there)} of {count} frames of {source.path}")
        if not tracks:
            return count
        self.tracks += tracks

        def overlay(frame: int, image: RgbImage) -> RgbImage:
            return draw_bodies(image, tracks, frame, self.model)

        self._overlays.video(source, overlay)
        self._turn(source, tracks)
        return count

    def tracks_for(self, writer: BodyWriter, sources: Sequence[Source]) -> list[Track]:
        """Return whom the writer is to write: everybody, or the first where its file holds one."""
        if not self.tracks:
            raise nobody(sources, self._options.person, self.warnings)
        if writer.one_person_only and len(self.tracks) > 1:
            self.warnings.append(f"one person of {len(self.tracks)} is written; name a folder to write everybody")
            return self.tracks[:1]
        return self.tracks

    def _turn(self, source: Source, tracks: list[Track]) -> None:
        if self._turntable:
            rate, views = turntable_views(tracks, self.model)
            self._overlays.extra(source, "_turntable", views, rate)
