"""What `limner body` writes: every kind of file read back, several people, gaps, a floor, and nothing half-written."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from limner.api.body_tracks import BodyOptions, BodyReader
from limner.api.inputs import Source
from limner.body import FastSMPL, load_body
from limner.checks import InputError
from limner.media import read_image, read_motion, write_image, write_video
from limner.media.bvh import read_bvh
from limner.media.retarget import JOINT_NAMES
from limner.people import Locator

from ..body.made_up import smpl_arrays
from ..media.glb_reader import Glb
from .conftest import Outcome

Run = Callable[..., Outcome]


def numbers(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def amass_vertices(found: dict[str, np.ndarray]) -> np.ndarray:
    """What any reader of AMASS files makes of the numbers, turned from z up to y up."""
    model = FastSMPL(load_body(str(found["body_model"])))
    vertices, _ = model(found["betas"], found["poses"].reshape(-1, 24, 3))
    return (vertices + found["trans"][:, None]) @ np.float32([[1, 0, 0], [0, 0, -1], [0, 1, 0]])


@pytest.fixture(scope="module")
def locator() -> Locator:
    return Locator.load("full")


@pytest.fixture(autouse=True)
def one_locator(locator: Locator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile the locator's networks once, the light ones: who is found is not what is tested here."""
    monkeypatch.setattr(Locator, "load", lambda *args, **kwargs: locator)


@pytest.fixture(scope="module")
def pair_png(tmp_path_factory: pytest.TempPathFactory, small_person: Path) -> Path:
    """Two people side by side, the second one smaller."""
    image = read_image(small_person)
    small = cv2.resize(image, (180, 180), interpolation=cv2.INTER_AREA)
    wall = np.full((256, 190, 3), image[2, 2], np.uint8)
    wall[60:240, 5:185] = small
    path = tmp_path_factory.mktemp("pair") / "pair.png"
    write_image(path, np.concatenate([image, wall], axis=1))
    return path


@pytest.mark.parametrize("world", [False, True], ids=["camera", "world"])
def test_every_kind_of_file_holds_the_same_body(run: Run, person_video: Path, tmp_path: Path, world: bool) -> None:
    trimesh = pytest.importorskip("trimesh")
    words = ("--format", "npz,obj,ply,glb,bvh", *(("--world",) if world else ()))
    outcome = run("body", person_video, "-o", tmp_path / "out", *words)
    assert outcome.code == 0, outcome.output
    found = numbers(tmp_path / "out" / "bodies.npz")
    vertices, count = amass_vertices(found), len(found["frame"])
    assert bool(found["world"]) == world and float(found["mocap_framerate"]) == 10 and found["gender"] == "neutral"
    meshes = sorted((tmp_path / "out").glob("*.obj"))
    assert [path.name for path in meshes] == [f"film_person0_{frame:06d}.obj" for frame in found["frame"]]
    for row, suffix in ((0, ".obj"), (count - 1, ".ply")):
        mesh = trimesh.load(meshes[row].with_suffix(suffix), process=False, maintain_order=True)
        faces = load_body("free").faces
        assert np.abs(mesh.vertices[mesh.faces] - vertices[row][faces]).max() < 1e-4
    glb = Glb(tmp_path / "out" / "film.glb")
    assert np.abs(glb.posed(count - 1)[: vertices.shape[1]] - vertices[-1]).max() < 1e-3
    source, rate = read_bvh(tmp_path / "out" / "film_person0.bvh")
    assert rate == 10
    _joints_agree(found, source)


def _joints_agree(found: dict[str, np.ndarray], source) -> None:
    model = FastSMPL(load_body("free"))
    _, joints = model(found["betas"], found["poses"].reshape(-1, 24, 3))
    joints = (joints + found["trans"][:, None]) @ np.float32([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    there = np.stack([source.positions[:, source.joints[name]] for name in JOINT_NAMES], axis=1)
    assert np.abs(there[found["frame"] - found["frame"][0]] - joints).max() < 1e-3


@pytest.mark.parametrize("words", [(), ("--world", "--lock-feet", "--smooth", "1")], ids=" ".join)
def test_the_npz_read_back_gives_the_same_vertices(
    run: Run, person_video: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    run("body", person_video, "-o", tmp_path / "out.npz", *words)
    found, motion = numbers(tmp_path / "out.npz"), read_motion(tmp_path / "out.npz")
    vertices, joints = FastSMPL(load_body("free"))(found["betas"], motion.rotvec)
    vertices = vertices + (motion.transl - joints[:, 0])[:, None]
    assert motion.frame_rate == 10
    written = amass_vertices(found)
    if not words:
        written = written - written.mean(axis=(0, 1)) + vertices.mean(axis=(0, 1))
    np.testing.assert_allclose(vertices, written, atol=1e-4)


def test_cameras_agree_and_bones_have_names(run: Run, small_person: Path, tmp_path: Path) -> None:
    run("body", small_person, "-o", tmp_path / "out", "--format", "npz,bvh", "--focal", 700, "--bones", "smpl")
    found = numbers(tmp_path / "out" / "bodies.npz")
    joints = found["joints"] - found["transl"][:, None]
    flat = joints * (1, 1, 0)
    scale, shift = found["weak_camera"][:, :1, None], found["weak_camera"][:, None, 1:]
    weak_px = 128 * scale * (flat[..., :2] + shift) + 127.5
    real = flat + found["transl_perspective"][:, None]
    np.testing.assert_allclose(real[..., :2] / real[..., 2:] * found["focal_px"][0] + 127.5, weak_px, atol=1e-2)
    crop = found["crop_camera"]
    crop_px = crop[:, :1, None] * (flat[..., :2] + crop[:, None, 1:]) * found["crop_side_px"][:, None, None] / 2
    np.testing.assert_allclose(crop_px + found["crop_centre_px"][:, None], weak_px, atol=1e-2)
    assert found["focal_px"][0] == 700 and found["foot_contact"].shape == (1, 2) and not found["interpolated"].any()
    assert "ROOT pelvis" in (tmp_path / "out" / "small_person0.bvh").read_text()


def test_two_people_in_a_picture(run: Run, pair_png: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.api.body_drawings._TURN_FRAMES", 3)
    outcome = run("body", pair_png, "-o", tmp_path / "out.glb", "--draw", tmp_path / "drawn", "--turntable", "--json")
    assert outcome.code == 0, outcome.output
    assert json.loads(outcome.output)["people"] == 2
    glb = Glb(tmp_path / "out.glb")
    first, second = glb.posed(0, 0), glb.posed(0, 1)
    assert first[:, 0].mean() < second[:, 0].mean() and second[:, 2].mean() < first[:, 2].mean() - 0.3
    colours = [tuple(material["pbrMetallicRoughness"]["baseColorFactor"]) for material in glb.document["materials"]]
    assert len(set(colours)) == 2
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["pair.jpg", "pair_turntable.mp4"]
    overlay = read_image(tmp_path / "drawn" / "pair.jpg").astype(int)
    blue = overlay[..., 2] - overlay[..., 0]
    assert blue[:, 256:].max() > 60 and blue[:, :256].max() < 60  # the second in blue, the first not


def test_drawings_may_go_into_the_folder_that_is_written(run: Run, small_person: Path, tmp_path: Path) -> None:
    outcome = run("body", small_person, "-o", tmp_path / "out", "--format", "npz", "--draw", tmp_path / "out" / "drawn")
    assert outcome.code == 0, outcome.output
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["bodies.npz", "drawn"]


def test_two_people_in_a_video(run: Run, pair_png: Path, tmp_path: Path) -> None:
    image = read_image(pair_png)
    write_video(tmp_path / "film.mp4", [np.roll(image, shift, axis=0) for shift in range(4)], frame_rate=10)
    run("body", tmp_path / "film.mp4", "-o", tmp_path / "out.npz")
    found = numbers(tmp_path / "out.npz")
    assert sorted(zip(found["person"].tolist(), found["frame"].tolist(), strict=True)) == [
        (person, frame) for person in (0, 1) for frame in range(4)
    ]


def test_gaps_are_filled_up_to_a_length(
    monkeypatch: pytest.MonkeyPatch, locator: Locator, small_person: Path, tmp_path: Path
) -> None:
    keypoints = locator.locate(read_image(small_person)).keypoints[[0]]
    write_video(tmp_path / "film.mp4", [read_image(small_person)] * 24, frame_rate=10)
    seen = [frame not in (*range(4, 7), *range(10, 20)) for frame in range(24)]
    reader = BodyReader(BodyOptions(max_gap_s=0.5))
    everybody = [{3: keypoints} if there else {} for there in seen]
    monkeypatch.setattr(reader, "_everybody", lambda source: iter(everybody))
    count, (track,) = reader.video(Source(tmp_path / "film.mp4", "video", named=True))
    assert count == 24 and track.person == 3
    assert track.frames.tolist() == [*range(10), *range(20, 24)]
    assert track.seen.tolist() == seen and any("away for 10 frames" in warning for warning in reader.warnings)


def test_a_glimpse_is_no_person(
    monkeypatch: pytest.MonkeyPatch, locator: Locator, small_person: Path, tmp_path: Path
) -> None:
    keypoints = locator.locate(read_image(small_person)).keypoints[[0]]
    write_video(tmp_path / "film.mp4", [read_image(small_person)] * 8, frame_rate=10)
    reader = BodyReader(BodyOptions())
    everybody = [{0: keypoints} | ({1: keypoints} if frame == 4 else {}) for frame in range(8)]
    monkeypatch.setattr(reader, "_everybody", lambda source: iter(everybody))
    _, tracks = reader.video(Source(tmp_path / "film.mp4", "video", named=True))
    assert [track.person for track in tracks] == [0] and "left out" in reader.warnings[0]


@pytest.mark.slow
def test_a_texture_from_the_photo(run: Run, small_person: Path, tmp_path: Path) -> None:
    outcome = run("body", small_person, "-o", tmp_path / "out.glb", "--texture")
    assert outcome.code == 0, outcome.output
    glb = Glb(tmp_path / "out.glb")
    assert glb.document["images"][0]["mimeType"] == "image/png"
    assert "TEXCOORD_0" in glb.primitive()["attributes"]


def test_a_file_for_one_person_takes_the_largest(run: Run, pair_png: Path, tmp_path: Path) -> None:
    outcome = run("body", pair_png, "-o", tmp_path / "out.obj")
    assert outcome.code == 0 and "one person of 2" in outcome.output
    assert (tmp_path / "out.obj").read_text().count("\nv ") == load_body("free").num_vertices


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("-o", "out.obj"), "a video"),
        (("-o", "out.xyz"), "suffix"),
        (("-o", "out", "--format", "fbx"), "fbx"),
        (("-o", "out.npz", "--format", "glb"), "name a folder"),
        (("-o", "out.npz", "--lock-feet"), "world"),
        (("-o", "out.npz", "--turntable"), "folder"),
        (("-o", "out.npz", "--texture"), "glb"),
        (("-o", "nowhere/out.glb"), "nowhere"),
    ],
)
def test_what_does_not_go_together(
    run: Run, person_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run("body", person_video, *words)
    assert outcome.code == 1 and what in outcome.sentence
    assert not list(tmp_path.iterdir())


def test_several_inputs_do_not_fit_a_file_of_one(run: Run, person_video: Path, small_person: Path, tmp_path: Path):
    outcome = run("body", person_video, small_person, "-o", tmp_path / "out.glb")
    assert outcome.code == 1 and "name a folder" in outcome.sentence


def test_options_are_checked() -> None:
    for wrong in ({"smooth": -1}, {"max_gap_s": float("nan")}, {"focal_px": 0}, {"lock_feet": True}):
        with pytest.raises(InputError):
            BodyOptions(**wrong)  # type: ignore[arg-type]


def test_nobody_leaves_no_file(run: Run, bad_pictures, bad_motions, tmp_path: Path) -> None:
    wrong = (bad_pictures["nobody.png"], bad_motions["nobody.mp4"], bad_motions["truncated.mp4"])
    for source, name in zip(wrong, ("out.glb", "folder", "out.npz"), strict=True):
        outcome = run("body", source, "-o", tmp_path / name)
        assert outcome.code == 1 and source.name in outcome.sentence
    assert not list(tmp_path.iterdir())


def test_somebody_cut_at_the_waist_is_a_warning(run: Run, small_person: Path, tmp_path: Path) -> None:
    image = read_image(small_person)
    write_image(tmp_path / "half.png", cv2.resize(image[:130], None, fx=2, fy=2))
    outcome = run("body", tmp_path / "half.png", "-o", tmp_path / "out.npz")
    assert outcome.code == 0 and "are not seen and take their usual place" in outcome.output
    assert np.isfinite(numbers(tmp_path / "out.npz")["joints"]).all()


def test_an_smpl_file_of_the_user(run: Run, small_person: Path, tmp_path: Path) -> None:
    arrays = smpl_arrays()
    for key in ("posedirs", "weights", "f"):
        np.savez(tmp_path / "bad.npz", **{name: array for name, array in arrays.items() if name != key})
        outcome = run("body", small_person, "--body", f"smpl:{tmp_path / 'bad.npz'}", "-o", tmp_path / "out.npz")
        assert outcome.code == 1 and key in outcome.sentence
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps({"v_template": print}))
    outcome = run("body", small_person, "--body", f"smpl:{tmp_path / 'evil.pkl'}", "-o", tmp_path / "out.npz")
    assert outcome.code == 1 and "print" in outcome.sentence
    assert not (tmp_path / "out.npz").exists()


def test_a_failure_while_writing_leaves_nothing(
    run: Run, person_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("limner.api.body_formats.write_bvh", full)
    outcome = run("body", person_video, "-o", tmp_path / "out", "--format", "npz,glb,bvh")
    assert outcome.code == 1 and "disk is full" in outcome.sentence
    assert not list(tmp_path.iterdir())
