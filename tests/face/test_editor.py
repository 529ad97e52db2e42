"""The tasks: what goes in, what is done with the styles, what comes out, and what is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from limner.checks import InputError, ShapeError, WeightsError
from limner.face import FaceEditor, FaceTask, Latent, check_task
from limner.media import read_image
from tests.face.tiny import tiny_checkpoint, tiny_psp


def no_identity(first, second):
    return 0.5


@pytest.fixture(scope="module")
def editor():
    return FaceEditor(tiny_psp(), "tiny", identity=no_identity, threads=1)


@pytest.fixture
def face(rng):
    return rng.integers(0, 255, (50, 70, 3), dtype=np.uint8)


def test_invert_gives_picture_styles_and_likeness(editor, face):
    result = editor.invert(face)
    assert result.image.shape == (32, 32, 3) and result.image.dtype == np.uint8
    assert result.latent.wplus.shape == (1, 8, 16) and result.identity == 0.5
    assert np.array_equal(editor.decode(editor.encode(face))[0], result.image)


@pytest.mark.parametrize("size", [8, 64, 128])
def test_any_size_of_generator_will_do(face, size):
    editor = FaceEditor(tiny_psp(size), identity=no_identity, threads=1)
    assert editor.invert(face).image.shape == (size, size, 3)


def test_results_are_the_same_each_time(editor, face):
    assert np.array_equal(editor.invert(face).image, editor.invert(face).image)
    first, second = (editor.mix(face, count=2, seed=3) for _ in range(2))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


def test_upscale_sees_the_shrunk_picture(editor, rng):
    face = rng.integers(0, 255, (256, 256, 3), dtype=np.uint8)
    codes = [editor.encode(face, FaceTask("upscale", factor=factor)).wplus for factor in (None, 4, 32)]
    assert not torch.allclose(codes[0], codes[1]) and not torch.allclose(codes[1], codes[2])
    assert torch.equal(codes[0], editor.encode(face).wplus)


def test_colourise_is_blind_to_colour(editor, face):
    grey = np.repeat((face.astype(float) @ [0.299, 0.587, 0.114]).round().astype(np.uint8)[..., None], 3, axis=2)
    coloured, plain = (editor.encode(part, FaceTask("colourise")).wplus for part in (face, grey))
    torch.testing.assert_close(coloured, plain, atol=1e-2, rtol=1e-2)


def test_inpaint_keeps_what_is_given(editor, rng):
    face, hole = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8), np.zeros((32, 32), bool)
    hole[8:20, 4:30] = True
    result = editor.inpaint(face, hole).image
    assert np.array_equal(result[~hole], face[~hole]) and not np.array_equal(result[hole], face[hole])
    changed = face.copy()
    changed[hole] = 0
    assert torch.equal(
        editor.encode(face, FaceTask("inpaint", hole=hole)).wplus,
        editor.encode(changed, FaceTask("inpaint", hole=hole)).wplus,
    )


def test_mix_replaces_rows_alone(editor, face):
    own = editor.encode(face).wplus
    results = editor.mix(face, rows=range(4, 8), count=3, seed=1)
    assert len(results) == 3
    for result in results:
        assert torch.equal(result.latent.wplus[:, :4], own[:, :4])
        assert not torch.allclose(result.latent.wplus[:, 4:], own[:, 4:])
    assert not torch.allclose(results[0].latent.wplus, results[1].latent.wplus)


def test_mix_takes_a_share_of_a_given_style(editor, face):
    own, other = editor.encode(face), editor.encode(face[::-1].copy())
    half = editor.mix(face, rows=[0, 7], alpha=0.25, style=other)[0].latent.wplus
    torch.testing.assert_close(half[:, [0, 7]], 0.25 * other.wplus[:, [0, 7]] + 0.75 * own.wplus[:, [0, 7]])
    everything = editor.mix(face, rows=range(8), style=other)[0]
    assert np.array_equal(everything.image, editor.decode(other)[0])


def test_edit_goes_along_a_direction_and_back(editor, face, tmp_path):
    np.save(tmp_path / "age.npy", np.linspace(-1, 1, 16))
    torch.save(torch.linspace(-1, 1, 16), tmp_path / "age.pt")
    np.savez(tmp_path / "age.npz", direction=np.tile(np.linspace(-1, 1, 16), (8, 1)))
    read = [editor.direction(tmp_path / f"age.{kind}") for kind in ("npy", "pt", "npz")]
    assert read[0].shape == (8, 16)
    assert all(torch.allclose(read[0], other) for other in read[1:])
    own, there = editor.encode(face).wplus, editor.edit(face, read[0], 2.0, rows=[1, 2]).latent.wplus
    torch.testing.assert_close(there[:, 1:3] - own[:, 1:3], 2 * read[0][None, 1:3])
    assert torch.equal(there[:, 3:], own[:, 3:])


def test_truncation_ends_at_the_mean_face(editor, face):
    mean = editor.run(face, FaceTask(truncation=0.0))[0].latent.wplus
    torch.testing.assert_close(mean[0], editor.mean())
    with pytest.raises(InputError, match="between 0"):
        editor.run(face, FaceTask(truncation=1.5))


def test_refinement_comes_nearer_and_says_so(editor):
    target = editor.decode(editor.random_styles(1, seed=5))[0]
    result = editor.run(target, FaceTask(refine=12))[0]
    assert result.refinement is not None and result.refinement.steps == 12
    assert result.refinement.after["l2"] < result.refinement.before["l2"]


def test_refinement_takes_further_distances(face):
    seen = []

    def distance(picture, wanted):
        seen.append(picture.shape)
        return (picture - wanted).abs().mean()

    editor = FaceEditor(tiny_psp(), identity=no_identity, distances={"l1": (0.5, distance)}, threads=1)
    result = editor.invert(face, refine=2)
    assert set(result.refinement.before) == {"l2", "l1"} and len(seen) == 3


def test_sketches_and_label_maps_have_networks_of_their_own(rng):
    drawing = rng.integers(0, 255, (40, 40), dtype=np.uint8)
    sketch = FaceEditor(tiny_psp(input_channels=1), threads=1).sketch(drawing)
    assert sketch.identity is None and sketch.image.shape == (32, 32, 3)
    editor = FaceEditor(tiny_psp(input_channels=5), threads=1)
    labels = rng.integers(0, 5, (64, 64), dtype=np.uint8)
    assert np.array_equal(editor.segments(labels).image, editor.segments(np.repeat(labels[..., None], 3, 2)).image)
    mixed = editor.run(labels, FaceTask("mix", source="segments", count=2))
    assert len(mixed) == 2 and mixed[0].identity is None


def test_toonify_paints_with_the_second_generator(face, tmp_path):
    network, other = tiny_psp(), tiny_psp(seed=1)
    torch.save(tiny_checkpoint(network), tmp_path / "psp.pt")
    torch.save({"g_ema": other.decoder.state_dict()}, tmp_path / "toon.pt")
    drawn = FaceEditor.load(tmp_path / "psp.pt", generator=tmp_path / "toon.pt", threads=1)
    drawn.identity = no_identity
    plain = FaceEditor(network, identity=no_identity, threads=1)
    expected = FaceEditor(other, identity=no_identity, threads=1).decode(plain.encode(face))[0]
    assert np.array_equal(drawn.toonify(face).image, expected)
    blended = FaceEditor.load(tmp_path / "psp.pt", generator=tmp_path / "toon.pt", blend_side=16, threads=1)
    picture = blended.decode(plain.encode(face))[0]
    assert not np.array_equal(picture, expected) and not np.array_equal(picture, plain.invert(face).image)


def test_blending_hands_over_at_a_side(face):
    first, second = tiny_psp().decoder, tiny_psp(seed=1).decoder
    from limner.face import blend_generators

    blended = blend_generators(first, second, 16).state_dict()
    assert torch.equal(blended["convs.0.conv.weight"], first.state_dict()["convs.0.conv.weight"])
    assert torch.equal(blended["convs.2.conv.weight"], second.state_dict()["convs.2.conv.weight"])
    assert torch.equal(blended["style.1.weight"], first.state_dict()["style.1.weight"])
    soft = blend_generators(first, second, 16, softness=2.0).state_dict()["convs.2.conv.weight"]
    assert not torch.equal(soft, second.state_dict()["convs.2.conv.weight"])
    with pytest.raises(InputError, match="change hands"):
        blend_generators(first, second, 64)


def test_a_generator_of_another_size_is_refused(tmp_path):
    torch.save(tiny_checkpoint(tiny_psp(32)), tmp_path / "psp.pt")
    torch.save({"g_ema": tiny_psp(64).decoder.state_dict()}, tmp_path / "large.pt")
    with pytest.raises(InputError, match=r"makes 64 pixels from 10 styles of 16, and the encoder is for 32 pixels"):
        FaceEditor.load(tmp_path / "psp.pt", generator=tmp_path / "large.pt")


def test_label_maps_with_unknown_classes_are_refused(rng):
    editor = FaceEditor(tiny_psp(input_channels=5), threads=1)
    with pytest.raises(InputError, match=r"may hold 0\.\.4, and this one has \[9\]"):
        editor.segments(np.full((32, 32), 9, np.uint8))
    with pytest.raises(InputError, match="has colours"):
        editor.segments(rng.integers(0, 4, (32, 32, 3), dtype=np.uint8))


def test_what_no_task_can_use_is_refused(editor, face):
    with pytest.raises(InputError, match="sketch needs a network that sees 1 channel, and these see 3"):
        editor.sketch(face)
    with pytest.raises(InputError, match="give a mask"):
        editor.run(face, FaceTask("inpaint"))
    with pytest.raises(ShapeError, match="the mask"):
        editor.inpaint(face, np.zeros((3, 3), bool))
    with pytest.raises(InputError, match="8 bits"):
        editor.invert(face.astype(np.float32))
    with pytest.raises(ShapeError):
        editor.invert(np.zeros((8, 8, 4), np.uint8))
    with pytest.raises(InputError, match=r"rows 0\.\.7, and the mask names \[8\]"):
        editor.mix(face, rows=[8])
    with pytest.raises(InputError, match="direction"):
        FaceTask("edit")
    with pytest.raises(ShapeError, match=r"direction must have shape \(8, 16\)"):
        editor.edit(face, torch.zeros(3, 16))
    with pytest.raises(InputError, match="second generator"):
        FaceEditor.load("default", blend_side=16)


def test_the_packages_own_weights_give_a_face(shared_data):
    editor = FaceEditor.load(threads=1)
    face = read_image(shared_data / "ffhq128" / "images" / "04300.jpg")
    result = editor.run(face, scored=False)[0]
    assert editor.side == 64 and editor.task == "invert" and result.image.shape == (64, 64, 3)
    small = cv2.resize(face, (64, 64), interpolation=cv2.INTER_AREA).astype(float)
    other = editor.decode(editor.random_styles(1))[0].astype(float)
    assert np.abs(result.image - small).mean() < 0.7 * np.abs(other - small).mean()
    with pytest.raises(WeightsError, match="do not allow commercial use"):
        FaceEditor.load("default", licence="commercial")


def test_weights_that_are_not_there_are_a_sentence():
    with pytest.raises(WeightsError, match=r"import psp-ffhq-inversion psp_ffhq_encode\.pt"):
        FaceEditor.load("psp-ffhq-inversion")
    with pytest.raises(WeightsError, match="no face weights are called 'nothing'"):
        FaceEditor.load("nothing")


def test_weights_of_another_task_are_told_of(tmp_path):
    torch.save(tiny_checkpoint(tiny_psp(), dataset_type="ffhq_frontalize"), tmp_path / "front.pt")
    editor = FaceEditor.load(tmp_path / "front.pt", threads=1)
    assert editor.task == "frontalise" and check_task(editor, FaceTask("frontalise")) == []
    assert "trained to frontalise" in check_task(editor, FaceTask("invert"))[0]
    with pytest.raises(InputError, match="sketch needs"):
        check_task(editor, FaceTask("sketch"))


def test_weights_of_inversion_draw_nothing_on_their_own(tmp_path):
    torch.save(tiny_checkpoint(tiny_psp(), dataset_type="ffhq_encode"), tmp_path / "psp.pt")
    torch.save({"g_ema": tiny_psp(seed=1).decoder.state_dict()}, tmp_path / "toon.pt")
    plain = FaceEditor.load(tmp_path / "psp.pt", threads=1)
    with pytest.raises(InputError, match="toonify needs a generator of drawn faces"):
        check_task(plain, FaceTask("toonify"))
    with pytest.raises(InputError, match="trained on label maps"):
        check_task(plain, FaceTask("mix", source="segments"))
    drawn = FaceEditor.load(tmp_path / "psp.pt", generator=tmp_path / "toon.pt", threads=1)
    assert check_task(drawn, FaceTask("toonify")) == []
    assert "asked to colourise" in check_task(plain, FaceTask("colourise"))[0]


def test_styles_are_kept_and_read(editor, face, tmp_path):
    latent = editor.encode(face)
    latent.save(tmp_path / "me.npz")
    assert torch.equal(Latent.load(tmp_path / "me.npz").wplus, latent.wplus)
    np.save(tmp_path / "rows.npy", latent.wplus[0].numpy())
    assert torch.equal(Latent.load(tmp_path / "rows.npy").wplus, latent.wplus)
    with pytest.raises(InputError, match="finite"):
        Latent(torch.full((1, 2, 3), torch.nan))
