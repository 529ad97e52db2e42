"""Running verbs in this process, and files that are wrong in every way a file can be."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from limner.cli.app import app
from limner.media import write_image, write_video
from limner.motion import Actor

DEMO = Path(__file__).resolve().parents[2] / "assets" / "demo"


@dataclass(frozen=True)
class Outcome:
    """What a verb did."""

    code: int
    output: str

    @property
    def sentence(self) -> str:
        """The one sentence of a failure; fails the test where there is more or less than one."""
        lines = [line for line in self.output.splitlines() if line.strip()]
        assert len(lines) == 1 and lines[0].startswith("limner: "), self.output
        assert "Traceback" not in self.output and "fault of limner's own" not in self.output, self.output
        return lines[0]


@pytest.fixture
def run() -> Callable[..., Outcome]:
    """Run `limner` with the given words."""

    def run_words(*words: object) -> Outcome:
        result = CliRunner().invoke(app, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.output)

    return run_words


@pytest.fixture(scope="session")
def person_jpg() -> Path:
    return DEMO / "person.jpg"


@pytest.fixture(scope="session")
def dance_amc() -> Path:
    return DEMO / "dance.amc"


@pytest.fixture(scope="session")
def small_person(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo photo at 256 pixels."""
    path = tmp_path_factory.mktemp("photo") / "small.png"
    image = cv2.cvtColor(cv2.imread(str(DEMO / "person.jpg")), cv2.COLOR_BGR2RGB)
    write_image(path, cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA))
    return path


@pytest.fixture(scope="session")
def person_video(small_person: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames of the demo photo sliding to the right, then two of an empty wall."""
    path = tmp_path_factory.mktemp("video") / "film.mp4"
    image = cv2.cvtColor(cv2.imread(str(small_person)), cv2.COLOR_BGR2RGB)
    frames = [np.roll(image, 3 * step, axis=1) for step in range(6)]
    write_video(path, [*frames, *[np.full_like(image, 235)] * 2], frame_rate=10)
    return path


def _png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture(scope="session")
def bad_pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pictures that cannot be used, by what is wrong with them."""
    folder = tmp_path_factory.mktemp("bad")
    whole = (DEMO / "person.jpg").read_bytes()
    noise = np.random.default_rng(0).integers(0, 256, (120, 90, 3), dtype=np.uint8)
    contents = {
        "empty.jpg": b"",
        "text.jpg": b"this is not a picture\n" * 20,
        "truncated.jpg": whole[: len(whole) // 3],
        "corrupt.jpg": whole[:600] + bytes(2000) + whole[2600:4000],
        "truncated.png": _png(40, 30, bytes(41 * 30))[:-30],
        "one_pixel.png": _png(1, 1, bytes(2)),
        "huge.png": _png(20_000, 20_000, bytes(20_001)),
        "nobody.png": bytes(cv2.imencode(".png", np.full((96, 128, 3), 200, np.uint8))[1]),
        "noise.png": bytes(cv2.imencode(".png", noise)[1]),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {"missing.jpg": folder / "missing.jpg", **{name: folder / name for name in contents}}


@pytest.fixture(scope="session")
def bad_motions(tmp_path_factory: pytest.TempPathFactory, person_video: Path) -> dict[str, Path]:
    """Motions that cannot be used, by what is wrong with them."""
    folder = tmp_path_factory.mktemp("bad_motions")
    film = person_video.read_bytes()
    files = {name: folder / name for name in ("empty.mp4", "text.mp4", "truncated.mp4", "corrupt.mp4", "text.bvh")}
    files["empty.mp4"].write_bytes(b"")
    files["text.mp4"].write_bytes(b"this is not a film\n" * 50)
    files["truncated.mp4"].write_bytes(film[: len(film) // 3])
    files["corrupt.mp4"].write_bytes(film[:64] + bytes(len(film) - 64))
    files["text.bvh"].write_text("HIERARCHY nonsense")
    poses, transl = np.zeros((5, 72)), np.zeros((5, 3))
    poses[2, 7] = np.nan
    amass = {"trans": transl, "betas": np.zeros(10), "mocap_framerate": np.array(60.0), "gender": np.array("neutral")}
    np.savez(folder / "nan.npz", poses=poses, **amass)
    np.savez(folder / "no_frames.npz", poses=np.zeros((0, 72)), **{**amass, "trans": np.zeros((0, 3))})
    np.savez(folder / "nothing.npz", something=np.zeros(3))
    write_video(folder / "nobody.mp4", [np.full((64, 96, 3), 180, np.uint8)] * 2, frame_rate=10)
    (folder / "lonely.amc").write_text(":FULLY-SPECIFIED\n:DEGREES\n1\nroot 0 0 0 0 0 0\n")
    found = {path.name: path for path in folder.iterdir()}
    return {"missing.mp4": folder / "missing.mp4", **found}


@pytest.fixture(scope="session")
def _actor(small_person: Path) -> Actor:
    return Actor.prepare(small_person)


@pytest.fixture
def one_actor(_actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepare the photo once for all tests that are about something else."""
    monkeypatch.setattr(Actor, "prepare", lambda *args, **kwargs: _actor)
