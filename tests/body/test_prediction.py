"""HMR in the predictor: weights by name, run and file, crops and cameras, fits that start from a prediction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from limner.body import (
    HMR,
    HMR_NETWORKS,
    SPIN,
    BodyPredictor,
    FastSMPL,
    HMRConfig,
    HMRModel,
    HMRPredictor,
    Regressor,
    crop_round,
    fit_change,
    fit_keypoints,
    import_weights,
    load_body,
    load_hmr_model,
    pixels_from_picture,
    plain_theta,
    project_weak,
)
from limner.body.prediction import DEFAULT_WEIGHTS, shipped_network
from limner.body.spin import SPIN_CONFIG
from limner.checks import FileProblem, InputError, NobodyFound, WeightsError
from limner.metrics import pa_mpjpe
from limner.records import Bodies, Keypoints
from limner.runtime import load_network
from limner.weights import weight_record

SIZE_HW = (200, 160)
CONFIG = HMRConfig(input_size=64, person_px=48.0)


class Told(torch.nn.Module):
    """A network that answers the same whatever it sees."""

    def __init__(self, theta: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("theta", torch.tensor(theta, dtype=torch.float32))
        self.config = CONFIG

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.theta + 0 * image.mean((1, 2, 3))[:, None]


def predictor(theta: np.ndarray, body: str = "free") -> HMRPredictor:
    return HMRPredictor(HMRModel("told", CONFIG, Told(theta), body), runtime="torch")  # type: ignore[arg-type]


def posed(rotvec: np.ndarray, betas: np.ndarray, camera: np.ndarray) -> Keypoints:
    data = load_body()
    vertices = FastSMPL(data)(betas[None].astype(np.float32), rotvec[None].astype(np.float32))[0][0]
    points = (data.keypoint_regressors["cocoplus19"] @ vertices).astype(np.float32)
    xy = pixels_from_picture(project_weak(points, camera.astype(np.float32)), SIZE_HW)
    return Keypoints(xy[None], np.ones((1, 19)), "cocoplus19")


@pytest.fixture(scope="module")
def person() -> tuple[Bodies, Keypoints]:
    rotvec = np.zeros((24, 3))
    rotvec[0] = (np.pi, 0, 0)
    rotvec[16], rotvec[17], rotvec[18], rotvec[4] = (0, 0, -1.1), (0, 0, 0.6), (0, -0.9, 0), (0.7, 0, 0)
    rotvec[1] = (-0.5, 0, 0)
    camera, betas = np.array([0.7, 0.1, 0.5]), np.zeros(10)
    return Bodies(rotvec[None], betas[None], camera[None], SIZE_HW), posed(rotvec, betas, camera)


def test_a_camera_over_the_crop_comes_back_as_one_over_the_picture(person) -> None:
    bodies, keypoints = person
    center, zoom = crop_round(keypoints, CONFIG.person_px)
    # The camera that shows the same joints in the crop: fitted to two of them, exact for all.
    theta = plain_theta()
    theta[3:75] = bodies.rotvec[0].ravel()
    s = bodies.weak_camera[0, 0] * zoom * max(SIZE_HW) / CONFIG.input_size
    middle = (2 * center - (np.array(SIZE_HW[::-1]) - 1)) / max(SIZE_HW)
    theta[:3] = (s, *(bodies.weak_camera[0, 1:] - middle / bodies.weak_camera[0, 0]))
    found = predictor(theta).predict(np.zeros((*SIZE_HW, 3), np.uint8), keypoints)
    np.testing.assert_allclose(found.weak_camera, bodies.weak_camera, atol=1e-5)
    np.testing.assert_allclose(found.rotvec, bodies.rotvec, atol=1e-6)
    crop_xy = (keypoints.xy[0] - center) * zoom
    projected = project_weak(_points(found), theta[:3].astype(np.float32))
    np.testing.assert_allclose(projected * CONFIG.input_size / 2, crop_xy, atol=0.02)


def _points(bodies: Bodies) -> np.ndarray:
    vertices = FastSMPL(load_body())(bodies.betas, bodies.rotvec)[0][0]
    return (load_body().keypoint_regressors["cocoplus19"] @ vertices).astype(np.float32)


def test_a_crop_holds_the_person_at_the_asked_size(person) -> None:
    keypoints = person[1]
    center, zoom = crop_round(keypoints, 150.0)
    low, high = keypoints.xy[0].min(0), keypoints.xy[0].max(0)
    np.testing.assert_allclose(center, (low + high) / 2, atol=1e-4)
    assert zoom * np.linalg.norm(high - low) == pytest.approx(150)
    nobody = Keypoints(keypoints.xy, np.zeros((1, 19)), "cocoplus19")
    with pytest.raises(NobodyFound, match="joints"):
        crop_round(nobody, 150.0)


def test_a_fit_stays_near_its_prediction_as_far_as_asked(person) -> None:
    bodies, keypoints = person
    # A picture does not tell the depth of a bent knee; the prediction does.
    bare = fit_keypoints(keypoints, SIZE_HW)
    gaps = []
    for anchor in (0.0, 1.0, 30.0):
        held = fit_keypoints(keypoints, SIZE_HW, prediction=bodies, anchor=anchor)
        gaps.append(float(np.abs(held.rotvec - bodies.rotvec)[:, 1:].mean()))
    assert gaps[2] < gaps[1] < gaps[0]
    assert gaps[2] < 0.3 * float(np.abs(bare.rotvec - bodies.rotvec)[:, 1:].mean())


def test_a_fit_improves_a_wrong_prediction(person) -> None:
    bodies, keypoints = person
    wrong = replace(bodies, rotvec=bodies.rotvec + np.where(np.arange(24) == 16, 0.8, 0.0)[None, :, None])
    fitted = fit_keypoints(keypoints, SIZE_HW, prediction=wrong)
    change = fit_change(wrong, fitted, keypoints)
    assert change.after_px < 0.5 * change.before_px and change.moved_mm > 5
    with pytest.raises(InputError, match="no keypoint"):
        fit_change(wrong, fitted, Keypoints(keypoints.xy, np.zeros((1, 19)), "cocoplus19"))


def test_predictions_of_a_clip_hold_the_clip(person) -> None:
    bodies, keypoints = person
    clip = Keypoints(np.repeat(keypoints.xy, 5, 0), np.repeat(keypoints.score, 5, 0), "cocoplus19")
    valid = np.array([True, True, False, True, True])
    theta = plain_theta()
    theta[3:75] = bodies.rotvec[0].ravel()
    frames = [np.zeros((*SIZE_HW, 3), np.uint8)] * 5
    with_network = BodyPredictor("free", network=predictor(theta), anchor=30.0)
    options = {"size_hw": SIZE_HW, "frame_rate": 10, "valid": valid}
    held = with_network.fit_clip(clip, frames, **options)
    assert len(held) == 5 and np.abs(held.rotvec - bodies.rotvec)[:, 1:].mean() < 0.12
    plain = BodyPredictor("free").fit_clip(clip, [], **options)
    np.testing.assert_array_equal(plain.rotvec, fit_keypoints(clip, **_renamed(options)).rotvec)
    with pytest.raises(InputError, match="pictures"):
        with_network.fit_clip(clip, frames[:2], **options)


def _renamed(options: dict) -> dict:
    return {"size_hw": options["size_hw"], "frame_rate": options["frame_rate"], "valid": options["valid"]}


def test_predictions_that_do_not_fit_are_refused(person) -> None:
    bodies, keypoints = person
    with pytest.raises(InputError, match="rows"):
        fit_keypoints(keypoints, (50, 50), prediction=bodies)
    with pytest.raises(InputError, match="anchor"):
        fit_keypoints(keypoints, SIZE_HW, prediction=bodies, anchor=-1)


def test_shape_numbers_of_another_body_are_left_out(person) -> None:
    theta = plain_theta()
    theta[75:] = 1.0
    image = np.zeros((*SIZE_HW, 3), np.uint8)
    assert predictor(theta).predict(image, person[1]).betas.min() == 1
    assert not predictor(theta, "smpl").predict(image, person[1]).betas.any()


def test_a_converted_regressor_takes_batches_of_any_size() -> None:
    torch.manual_seed(0)
    regressor = Regressor(8).eval()
    features = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    found = load_network(regressor, input_shape=(-1, 8), runtime="openvino")(features)[-1]
    with torch.no_grad():
        np.testing.assert_allclose(found, regressor(torch.from_numpy(features))[-1], atol=1e-5)


@pytest.fixture(scope="module")
def spin_file(tmp_path_factory) -> tuple[SPIN, Path]:
    torch.manual_seed(0)
    source = SPIN().eval()
    torch.nn.init.normal_(source.init_pose)
    path = tmp_path_factory.mktemp("spin") / "model_checkpoint.pt"
    torch.save({"model": spin_state(source)}, path)
    return source, path


def spin_state(network: SPIN) -> dict[str, torch.Tensor]:
    return {key.removeprefix("encoder."): value.clone() for key, value in network.state_dict().items()}


def test_spin_comes_in_whole_and_says_what_is_missing(spin_file) -> None:
    source, path = spin_file
    model = load_hmr_model(path)
    assert model.body == "smpl" and model.config == SPIN_CONFIG
    image = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        theta = model.network(image)
        np.testing.assert_allclose(theta, source(image), atol=1e-6)
    assert theta.shape == (2, 85) and torch.isfinite(theta).all()
    state = spin_state(source)
    del state["decpose.bias"]
    with pytest.raises(WeightsError, match=r"decpose\.bias"):
        model.network.load_official({"model": state})
    with pytest.raises(WeightsError, match="no checkpoint of SPIN"):
        model.network.load_official({"conv1.weight": torch.zeros(1)})


def test_published_weights_are_imported_by_name(tmp_path, monkeypatch, spin_file) -> None:
    monkeypatch.setenv("LIMNER_WEIGHTS", str(tmp_path / "kept"))
    with pytest.raises(WeightsError, match="weights import spin"):
        load_hmr_model("spin")
    record = import_weights("spin", spin_file[1], precision="fp16")
    assert record.commercial == "unknown" and weight_record("spin") == record
    assert isinstance(load_hmr_model("spin").network, SPIN)
    with pytest.raises(WeightsError, match="commercial"):
        load_hmr_model("spin", licence="commercial")
    with pytest.raises(InputError, match="did you mean 'spin'"):
        import_weights("spine", spin_file[1])


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no HMR weights are called 'hmr-ligth'"):
        load_hmr_model("hmr-ligth")
    with pytest.raises(FileProblem, match="no run of limner train body"):
        load_hmr_model(tmp_path)
    (tmp_path / "weights.pt").write_bytes(b"1")
    with pytest.raises(WeightsError, match="published names"):
        load_hmr_model(tmp_path / "weights.pt")


def test_a_runs_best_weights_are_loaded_with_its_table(tmp_path) -> None:
    import json

    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = HMR(HMR_NETWORKS["hmr-light"])
    facts = {"config": {"network": {"name": "hmr-light", "input_size": 96}, "body": "free"}}
    state = {key: value.contiguous() for key, value in network.official_state().items()}
    save_file(state, tmp_path / "best-network.safetensors", {"limner": json.dumps(facts)})
    model = load_hmr_model(tmp_path)
    assert model.body == "free" and model.config.input_size == 96
    assert model.config.person_px == pytest.approx(HMR_NETWORKS["hmr-light"].person_px * 96 / 224)
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="not written by limner train body"):
        load_hmr_model(tmp_path / "other.safetensors")


# -- the network that comes with limner ------------------------------------------------------------------------------


def lifted(rotvec: np.ndarray, betas: np.ndarray) -> Keypoints:
    """What a faultless pose network would say of a body."""
    data = load_body()
    vertices = FastSMPL(data)(betas[None].astype(np.float32), rotvec[None].astype(np.float32))[0][0]
    points = (data.keypoint_regressors["blazepose33"] @ vertices).astype(np.float32)
    xy = pixels_from_picture(project_weak(points, np.float32([0.7, 0.1, 0.5])), SIZE_HW)
    return Keypoints(xy[None], np.ones((1, 33)), "blazepose33", (points - points[[23, 24]].mean(0))[None])


def test_the_shipped_network_sees_how_a_body_stands(person) -> None:
    network, rotvec = shipped_network(), person[0].rotvec[0].copy()
    assert network is not None and weight_record(DEFAULT_WEIGHTS).commercial == "yes"
    for turn in (0.0, 1.2, 2.6, -2.0):
        rotvec[0] = (Rotation.from_rotvec((np.pi, 0, 0)) * Rotation.from_rotvec((0, turn, 0))).as_rotvec()
        found = network.lift(lifted(rotvec, np.zeros(10)), SIZE_HW)
        gap = Rotation.from_rotvec(rotvec).inv() * Rotation.from_rotvec(found.rotvec[0])
        assert gap.magnitude()[0] < np.radians(25)
        truth, mean, guess = (
            FastSMPL(load_body())(np.zeros((1, 10), np.float32), pose[None].astype(np.float32))[1]
            for pose in (rotvec, np.zeros((24, 3)), found.rotvec[0])
        )
        assert pa_mpjpe(guess, truth)[0] < 0.75 * pa_mpjpe(mean, truth)[0]


def test_predictors_start_from_the_shipped_network_unless_told_otherwise(person) -> None:
    keypoints = lifted(person[0].rotvec[0], np.zeros(10))
    own = BodyPredictor.load().look(np.zeros((*SIZE_HW, 3), np.uint8), keypoints)
    assert own is not None and len(own) == 1
    assert BodyPredictor.load(weights=None).look(np.zeros((*SIZE_HW, 3), np.uint8), keypoints) is None
    # Keypoints of another skeleton need the picture; without it the fit goes by them alone.
    options = {"size_hw": SIZE_HW, "frame_rate": 10, "valid": np.ones(1, bool)}
    found, bare = (BodyPredictor.load(weights=w).fit_clip(person[1], None, **options) for w in ("auto", None))
    np.testing.assert_array_equal(found.rotvec, bare.rotvec)


def test_people_of_one_picture_are_held_near_shapes_of_their_own(person) -> None:
    bodies, keypoints = person
    thin, stout = (replace(bodies, betas=np.full((1, 10), value)) for value in (-1.5, 1.5))
    both = Bodies(*(np.concatenate([getattr(one, name) for one in (thin, stout)]) for name in
                    ("rotvec", "betas", "weak_camera")), SIZE_HW)  # fmt: skip
    twice = Keypoints(np.repeat(keypoints.xy, 2, 0), np.repeat(keypoints.score, 2, 0), keypoints.skeleton)
    together = fit_keypoints(twice, SIZE_HW, prediction=both, anchor=3)
    alone = fit_keypoints(keypoints, SIZE_HW, prediction=thin, anchor=3)
    np.testing.assert_allclose(together.betas[0], alone.betas[0], atol=1e-6)
    assert together.betas[0, 0] < together.betas[1, 0]
