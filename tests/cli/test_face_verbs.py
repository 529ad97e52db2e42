"""The verb face: every task on pictures, folders and videos, with small networks of random numbers."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from limner.face import Faces, Latent, find_faces
from limner.media import open_video, read_image, read_image_rgba, read_mark, write_image, write_video
from limner.weights import list_weights
from tests.face.tiny import tiny_checkpoint, tiny_psp

from .conftest import DEMO, Outcome
from .test_bad_input import PICTURES

Run = Callable[..., Outcome]

SIDE = 64
_FOUND: dict[bytes, Faces] = {}


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of networks, by what they are for."""
    folder = tmp_path_factory.mktemp("face_weights")
    networks = {
        "photo": tiny_psp(SIDE),
        "drawing": tiny_psp(SIDE, input_channels=1),
        "labels": tiny_psp(SIDE, input_channels=5),
    }
    for name, network in networks.items():
        torch.save(tiny_checkpoint(network), folder / f"{name}.pt")
    for name, size in (("drawn", SIDE), ("large", 128)):
        torch.save({"g_ema": tiny_psp(size, seed=1).decoder.state_dict()}, folder / f"{name}.pt")
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture(scope="session")
def head() -> np.ndarray:
    """The head of the demo photo, 160 pixels."""
    return cv2.resize(read_image(DEMO / "person.jpg")[2:210, 485:693], (160, 160), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def portrait(head: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("portrait") / "me.png"
    write_image(path, head, synthetic=False)
    return path


@pytest.fixture(scope="session")
def ten(head: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten faces of sizes that differ."""
    picture = np.full((320, 800, 3), 200, np.uint8)
    for number in range(10):
        side = 158 - 5 * number
        top, left = 160 * (number // 5), 160 * (number % 5)
        picture[top : top + side, left : left + side] = cv2.resize(head, (side, side), interpolation=cv2.INTER_AREA)
    path = tmp_path_factory.mktemp("ten") / "group.png"
    write_image(path, picture, synthetic=False)
    return path


@pytest.fixture(scope="session")
def film(head: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four frames of the head sliding to the right, then one of a wall."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    wide = np.full((160, 240, 3), 200, np.uint8)
    frames = []
    for step in range(4):
        frame = wide.copy()
        frame[:, 10 * step : 10 * step + 160] = head
        frames.append(frame)
    write_video(path, [*frames, wide], frame_rate=10)
    return path


@pytest.fixture(autouse=True)
def _found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search each picture for faces once, not in every test."""

    def find(picture: np.ndarray) -> Faces:
        key = picture.tobytes()
        if key not in _FOUND:
            _FOUND[key] = find_faces(picture)
        return _FOUND[key]

    monkeypatch.setattr("limner.api.face_files.find_faces", find)


@pytest.fixture
def unscored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure no likeness, which takes longer than all else here."""
    monkeypatch.setattr("limner.face.editor.default_identity", lambda: lambda first, second: 0.25)


@pytest.fixture
def do(run: Run, weights: dict[str, Path], unscored: None, tmp_path: Path) -> Run:
    """Run a task with the photos' network and an output folder."""

    def run_task(task: str, *words: object) -> Outcome:
        return run("face", task, *words, "--weights", weights["photo"], "-o", tmp_path / "out")

    return run_task


def _written(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").iterdir())


@pytest.mark.parametrize("task", ["invert", "frontalise", "upscale", "colourise", "toonify", "mix"])
def test_a_task_gives_a_face_of_the_generators_size(task: str, do: Run, portrait: Path, tmp_path: Path) -> None:
    outcome = do(task, portrait)
    assert outcome.code == 0, outcome.output
    assert "me.png: identity 0.250" in outcome.output and "1 face in 1 picture" in outcome.output
    assert read_image(tmp_path / "out" / "me.png").shape == (SIDE, SIDE, 3)
    assert _written(tmp_path) == ["me.png"]


def test_results_say_how_alike_they_are_and_that_they_were_made(
    run: Run, weights: dict[str, Path], portrait: Path, tmp_path: Path
) -> None:
    words = ("--weights", weights["photo"], "-o", tmp_path / "out", "--json")
    outcome = run("face", "invert", portrait, *words)
    (result,) = json.loads(outcome.output)["results"]
    assert result["identity"] is None  # the tiny network draws no face
    assert result["output"].endswith("me.png") and result["face"] == 0
    assert "compositeWithTrainedAlgorithmicMedia" in read_mark(tmp_path / "out" / "me.png")


def test_drawings_and_label_maps_are_taken_as_they_are(
    run: Run, weights: dict[str, Path], rng: np.random.Generator, tmp_path: Path
) -> None:
    write_image(tmp_path / "labels.png", np.repeat(rng.integers(0, 5, (41, 57, 1), dtype=np.uint8), 3, 2))
    write_image(tmp_path / "sketch.png", rng.integers(0, 256, (57, 41, 3), dtype=np.uint8))
    for task, name, network in (("segments", "labels.png", "labels"), ("sketch", "sketch.png", "drawing")):
        outcome = run("face", task, tmp_path / name, "--weights", weights[network], "-o", tmp_path / "out")
        assert outcome.code == 0, outcome.output
        assert f"{name}: written" in outcome.output
    assert _written(tmp_path) == ["labels.png", "sketch.png"]


def test_a_folder_and_files_of_one_name_get_names_of_their_own(do: Run, portrait: Path, tmp_path: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    (album / "me.png").write_bytes(portrait.read_bytes())
    (album / "you.png").write_bytes(portrait.read_bytes())
    (album / "broken.jpg").write_bytes(b"no picture")
    outcome = do("invert", portrait, album)
    assert outcome.code == 0 and "broken.jpg" in outcome.output and "3 faces in 3 pictures" in outcome.output
    assert _written(tmp_path) == ["me.png", "me_2.png", "you.png"]


def test_ten_faces_become_ten_files_or_the_one_asked_for(do: Run, ten: Path, tmp_path: Path) -> None:
    outcome = do("invert", ten)
    assert outcome.code == 0 and "10 faces in 1 picture" in outcome.output
    assert _written(tmp_path) == [f"group_face{number}.png" for number in range(10)]
    last = read_image(tmp_path / "out" / "group_face9.png")
    assert do("invert", ten, "--face", 9).code == 0
    assert np.array_equal(read_image(tmp_path / "out" / "group.png"), last)


def test_pasted_faces_change_nothing_else(do: Run, ten: Path, tmp_path: Path) -> None:
    before = read_image(ten)
    outcome = do("invert", ten, "--paste", "--face", 0)
    after = read_image(tmp_path / "out" / "group.png")
    assert outcome.code == 0 and after.shape == before.shape
    changed = (after != before).any(axis=2)
    assert changed[30:130, 30:130].mean() > 0.3 and not changed[:, 170:].any() and not changed[170:].any()
    assert do("invert", ten, "--paste").code == 0
    everywhere = (read_image(tmp_path / "out" / "group.png") != before).any(axis=2)
    assert everywhere[200:300, 30:130].any() and everywhere[200:300, 660:760].any()


def test_pasting_fewer_pixels_than_there_were_is_told_of(do: Run, head: np.ndarray, tmp_path: Path) -> None:
    write_image(tmp_path / "large.png", cv2.resize(head, (400, 400)), synthetic=False)
    outcome = do("invert", tmp_path / "large.png", "--paste")
    assert outcome.code == 0 and "the weights make 64: what is pasted is softer" in outcome.output


def test_transparency_outlives_pasting(do: Run, head: np.ndarray, tmp_path: Path) -> None:
    alpha = np.full((160, 160, 1), 255, np.uint8)
    alpha[:, :12] = 0
    write_image(tmp_path / "cut.png", np.concatenate([head, alpha], axis=2))
    assert do("invert", tmp_path / "cut.png", "--paste", "--region", "square").code == 0
    assert np.array_equal(read_image_rgba(tmp_path / "out" / "cut.png")[..., 3:], alpha)
    assert do("invert", tmp_path / "cut.png", "--no-match").code == 0


def test_inpainting_fills_what_the_mask_or_transparency_shows(do: Run, head: np.ndarray, tmp_path: Path) -> None:
    hole = np.zeros((160, 160, 3), np.uint8)
    hole[90:120, 60:100] = 255
    write_image(tmp_path / "me.png", head, synthetic=False)
    write_image(tmp_path / "mask.png", hole, synthetic=False)
    alpha = 255 - hole[..., :1]
    write_image(tmp_path / "torn.png", np.concatenate([head, alpha], axis=2))
    assert do("inpaint", tmp_path / "me.png", "--mask", tmp_path / "mask.png", "--aligned").code == 0
    assert do("inpaint", tmp_path / "torn.png", "--aligned").code == 0
    outside = cv2.resize(head, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[:20].astype(int)
    for name in _written(tmp_path):
        assert np.abs(read_image(tmp_path / "out" / name)[:20] - outside).mean() < 12


def test_videos_are_followed_cut_out_or_pasted(do: Run, film: Path, tmp_path: Path) -> None:
    outcome = do("invert", film)
    assert outcome.code == 0, outcome.output
    assert "4 faces in 5 frames" in outcome.output and "1 of 5 frames" in outcome.output
    faces = open_video(tmp_path / "out" / "film.mp4")
    assert faces.size_hw == (SIDE, SIDE) and len(list(faces.frames())) == 4
    assert do("invert", film, "--paste", "--smooth", 0).code == 0
    pasted = open_video(tmp_path / "out" / "film.mp4")
    assert pasted.size_hw == (160, 240) and len(list(pasted.frames())) == 5
    assert "Algorithmic" in read_mark(tmp_path / "out" / "film.mp4")


def test_mix_takes_random_or_given_styles(do: Run, portrait: Path, head: np.ndarray, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert do("mix", portrait, "--count", 3, "--seed", 4, "--rows", "4-7", "--save-styles").code == 0
    assert _written(tmp_path) == sorted(f"me_{number}.{kind}" for number in range(3) for kind in ("npz", "png"))
    styles = [Latent.load(out / f"me_{number}.npz").wplus for number in range(3)]
    assert torch.equal(styles[0][:, :4], styles[1][:, :4]) and not torch.equal(styles[0][:, 4:], styles[1][:, 4:])
    write_image(tmp_path / "other.png", np.ascontiguousarray(head[:, ::-1]))
    given = ("--style", tmp_path / "other.png", "--style", out / "me_0.npz", "--alpha", 0.5)
    outcome = do("mix", portrait, *given)
    assert outcome.code == 0, outcome.output
    assert not np.array_equal(read_image(out / "me_0.png"), read_image(out / "me_1.png"))


def test_edit_goes_as_far_as_it_is_told(do: Run, portrait: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "smile.npy", np.linspace(-1, 1, 16))
    outcome = do("edit", portrait, "--direction", tmp_path / "smile.npy", "--strength", "-2,0,2", "--rows", "0,1")
    assert outcome.code == 0, outcome.output
    assert _written(tmp_path) == ["me_+0.png", "me_+2.png", "me_-2.png"]
    pictures = [read_image(tmp_path / "out" / name).astype(int) for name in _written(tmp_path)]
    assert all(np.abs(pictures[0] - other).mean() > 0.05 for other in pictures[1:])


def test_upscale_can_show_several_factors(do: Run, portrait: Path, tmp_path: Path) -> None:
    outcome = do("upscale", portrait, "--factor", "1,2,4,8,16,32")
    assert outcome.code == 0, outcome.output
    assert len(_written(tmp_path)) == 6 and "me_x32.png" in _written(tmp_path)
    assert do("upscale", portrait, "--factor", 8).code == 0
    assert np.array_equal(read_image(tmp_path / "out" / "me.png"), read_image(tmp_path / "out" / "me_x8.png"))


def test_aligned_sources_need_no_face_and_stand_beside(do: Run, rng: np.random.Generator, tmp_path: Path) -> None:
    write_image(tmp_path / "noise.png", rng.integers(0, 256, (31, 45, 3), dtype=np.uint8), synthetic=False)
    assert do("invert", tmp_path / "noise.png", "--aligned", "--beside", "--truncation", 0.5).code == 0
    assert read_image(tmp_path / "out" / "noise.png").shape == (SIDE, 2 * SIDE, 3)


def test_a_second_generator_paints_and_blends(
    do: Run, weights: dict[str, Path], portrait: Path, tmp_path: Path
) -> None:
    pictures = []
    for words in ((), ("--generator", weights["drawn"]), ("--generator", weights["drawn"], "--blend", 16)):
        outcome = do("toonify", portrait, *words)
        assert outcome.code == 0, outcome.output
        pictures.append(read_image(tmp_path / "out" / "me.png"))
    assert not np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[1], pictures[2])


def test_refinement_says_what_it_did(do: Run, portrait: Path) -> None:
    outcome = do("invert", portrait, "--refine", 3)
    assert outcome.code == 0 and " -> " in outcome.output and "l2 " in outcome.output


def test_align_cuts_faces_for_training(run: Run, ten: Path, film: Path, tmp_path: Path) -> None:
    outcome = run("face", "align", ten, film, "-o", tmp_path / "out", "--size", 48)
    assert outcome.code == 0, outcome.output
    assert len(_written(tmp_path)) == 11 and "film.mp4" in _written(tmp_path)
    crop = read_image(tmp_path / "out" / "group_face0.png")
    assert crop.shape == (48, 48, 3) and read_mark(tmp_path / "out" / "group_face0.png") is None


def test_points_by_hand_replace_the_search(run: Run, tmp_path: Path, rng: np.random.Generator) -> None:
    picture = cv2.GaussianBlur(rng.integers(0, 256, (90, 90, 3), dtype=np.uint8), (0, 0), 4)
    write_image(tmp_path / "blob.png", picture, synthetic=False)
    points = "35,40,55,40,45,50,38,60,52,60"
    outcome = run("face", "align", tmp_path / "blob.png", "-o", tmp_path / "out", "--points", points)
    assert outcome.code == 0, outcome.output
    assert read_image(tmp_path / "out" / "blob.png").shape == (256, 256, 3)


def test_imported_weights_are_used_by_name(
    run: Run, weights: dict[str, Path], portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unscored: None
) -> None:
    monkeypatch.setenv("LIMNER_WEIGHTS", str(tmp_path / "own"))
    name = "psp-ffhq-inversion"
    (tmp_path / "own.pt").write_bytes(weights["photo"].read_bytes())
    assert run("weights", "import", name, tmp_path / "own.pt").code == 0
    words = ("face", "invert", portrait, "--weights", name, "-o", tmp_path / "out")
    assert run(*words).code == 0
    before = read_image(tmp_path / "out" / "me.png")
    outcome = run(*words, "--licence", "commercial")
    assert outcome.code == 1 and "not known to allow commercial use" in outcome.sentence
    assert np.array_equal(read_image(tmp_path / "out" / "me.png"), before)
    front = run("face", "frontalise", portrait, "--weights", name, "-o", tmp_path / "out")
    assert front.code == 0 and "was trained to invert, and is asked to frontalise" in front.output


def test_a_face_pass_says_what_it_did(
    run: Run, weights: dict[str, Path], small_person: Path, one_actor: None, tmp_path: Path
) -> None:
    words = ("view", small_person, "--size", 256, "--angles", "0", "--face", weights["photo"], "-o")
    outcome = run(*words, tmp_path / "turn.mp4")
    assert outcome.code == 0 and "a better face was painted in 0 of 1 frames" in outcome.output
    assert json.loads(run(*words, tmp_path / "turn.mp4", "--json").output)["faces_repaired"] == 0


def test_weights_that_are_missing_are_a_sentence(
    run: Run, portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = [record for record in list_weights() if not record.name.startswith("face-default")]
    monkeypatch.setattr("limner.face.models.list_weights", lambda: shipped)
    outcome = run("face", "invert", portrait, "-o", tmp_path / "out")
    assert outcome.code == 1 and "no face weights come with limner: give --weights" in outcome.sentence
    outcome = run("face", "invert", portrait, "-o", tmp_path / "out", "--weights", "psp-ffhq-toonify")
    assert outcome.code == 1 and "limner weights import psp-ffhq-toonify psp_ffhq_toonify.pt" in outcome.sentence
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", PICTURES)
def test_bad_pictures(name: str, do: Run, bad_pictures: dict[str, Path], tmp_path: Path) -> None:
    outcome = do("invert", bad_pictures[name])
    assert outcome.code == 1 and name in outcome.sentence
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["empty.mp4", "text.mp4", "truncated.mp4", "nobody.mp4"])
def test_bad_videos(name: str, do: Run, bad_motions: dict[str, Path], tmp_path: Path) -> None:
    outcome = do("invert", bad_motions[name])
    assert outcome.code == 1 and name in outcome.sentence
    assert not (tmp_path / "out").exists() or _written(tmp_path) == []


@pytest.mark.parametrize(
    ("task", "words", "sentence"),
    [
        ("invert", ("{group}", "--face", "10"), "no face number 10 was found in"),
        ("invert", ("{me}", "--generator", "{large}"), "makes 128 pixels from 12 styles of 16, and the encoder is for"),
        ("invert", ("{me}", "--generator", "{evil}"), "asks for builtins.eval"),
        ("invert", ("{me}", "--blend", "16"), "blending needs a second generator"),
        ("invert", ("{me}", "--paste", "--aligned"), "leave out one of paste and aligned"),
        ("invert", ("{me}", "--points", "1,2,3"), "five points are ten numbers"),
        ("invert", ("{me}", "--points", "5,5,5,5,5,5,5,5,5,5"), "coincide"),
        ("invert", ("{film}", "--aligned"), "is a video"),
        ("inpaint", ("{me}",), "give a mask, or a picture with a hole"),
        ("inpaint", ("{me}", "--mask", "{group}"), "the mask has"),
        ("inpaint", ("{film}",), "inpaint takes pictures"),
        ("upscale", ("{me}", "--factor", "3"), "3"),
        ("mix", ("{me}", "--rows", "4,12"), "styles have rows 0..9"),
        ("mix", ("{me}", "--style", "{nothing}"), "nothing"),
        ("edit", ("{me}", "--direction", "{nothing}"), "nothing"),
        ("edit", ("{me}", "--direction", "{evil}"), "evil.pkl"),
        ("sketch", ("{me}",), "sketch needs a network that sees 1 channel,"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_is_one_sentence(
    task: str,
    words: tuple[str, ...],
    sentence: str,
    do: Run,
    weights: dict[str, Path],
    portrait: Path,
    ten: Path,
    film: Path,
    tmp_path: Path,
) -> None:
    evil = tmp_path / "evil.pkl"
    evil.write_bytes(pickle.dumps({"G_ema": _Acts()}))
    places = {"me": portrait, "group": ten, "film": film, "evil": evil, "nothing": tmp_path / "nothing.npy", **weights}
    outcome = do(task, *[word.format(**places) for word in words])
    assert outcome.code == 1 and sentence in outcome.sentence
    assert not (tmp_path / "out").exists()


def test_label_maps_of_unknown_classes_are_refused(run: Run, weights: dict[str, Path], tmp_path: Path) -> None:
    write_image(tmp_path / "map.png", np.full((32, 32, 3), 9, np.uint8), synthetic=False)
    outcome = run("face", "segments", tmp_path / "map.png", "--weights", weights["labels"], "-o", tmp_path / "out")
    assert outcome.code == 1 and "may hold 0..4, and this one has [9]" in outcome.sentence
    assert "map.png" in outcome.sentence and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("mix", "--rows", "all"),
        ("mix", "--count", "0"),
        ("upscale", "--factor", "2.5"),
        ("invert", "--refine", "2", "--lpips", "alexnet.pth"),
        ("invert", "--region", "nose"),
        ("edit",),
        ("align", "--size", "4"),
        ("paint",),
    ],
    ids=" ".join,
)
def test_wrong_usage_leaves_with_2(words: tuple[str, ...], run: Run, portrait: Path, tmp_path: Path) -> None:
    outcome = run("face", words[0], portrait, "-o", tmp_path / "out", *words[1:])
    assert outcome.code == 2 and "Traceback" not in outcome.output


class _Acts:
    """A pickle that would compute something if it were run."""

    def __reduce__(self) -> tuple:
        return eval, ("1 / 0",)
