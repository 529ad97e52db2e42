"""HMR: a crop round one person in, camera, pose and shape out; and the importers of its published weights.

Notation: theta (85) is the weak camera (s, tx, ty) over the crop, 24 axis-angles, 10 betas. The crop spans [-1, 1], y
down, and x = s (X + t). Three networks that share no weights go by the name; `HMR_NETWORKS` tells them apart.
Source: Kanazawa et al. 2018; akanazawa/hmr `src/models.py`, `src/RunModel.py`; svip-lab/impersonator `networks/hmr.py`;
MandyMo/pytorch_HMR `src/model.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from limner.body.camera import project_weak
from limner.body.crop import PERSON_PX
from limner.body.encoder import PreactResNet50, ResNet50, build_encoder
from limner.body.landmark_network import NUM_LANDMARKS, NUM_VALUES, LandmarkRegressor
from limner.body.regressor import NUM_THETA, Regressor
from limner.body.smpl import NUM_JOINTS, PARENTS, SMPL, BodyData
from limner.body.tensorflow_names import NETWORK_NAMES, read_by_our_names
from limner.checks import InputError, WeightsError, check_shape
from limner.types import EncoderName
from limner.weights import LoadReport, load_strictly, read_checkpoint, source_name

__all__ = ["HMR", "HMR_NETWORKS", "HMRConfig", "ThetaDetails", "body_from_hmr_weights", "theta_details"]

# Variables of the original's checkpoint that belong to the adversary or to SMPL.
_NOT_THE_NETWORK = (
    "D/", "v_template", "shapedirs", "J_regressor", "posedirs", "lbs_weights", "cocoplus_regressor",
)  # fmt: skip


@dataclass(frozen=True)
class HMRConfig:
    """What one of the published networks is, and what it expects.

    Attributes:
        encoder: see `limner.body.encoder`.
        channels: the order of the picture's channels, in [-1, 1].
        turn_base: whether the body's base is turned by diag(1, -1, -1), as `SMPL` does on request; not interchangeable.
        train_mean: whether the mean theta is learned with the network.
        num_iterations: corrections of the regressor.
        input_size: side of the crop in pixels.
        person_px: the diagonal of the box of a person's joints in such a crop.
    """

    encoder: EncoderName = "preact-resnet50"
    channels: Literal["rgb", "bgr"] = "rgb"
    turn_base: bool = False
    train_mean: bool = True
    num_iterations: int = 3
    input_size: int = 224
    person_px: float = PERSON_PX

    @property
    def takes(self) -> Literal["image", "landmarks"]:
        """What the network is given of a person: the crop, or what the pose network saw in it."""
        return "landmarks" if self.encoder == "landmarks" else "image"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the network's input; -1 stands for any number of people."""
        if self.takes == "landmarks":
            return (-1, NUM_LANDMARKS, NUM_VALUES)
        return (-1, 3, self.input_size, self.input_size)


HMR_NETWORKS = {
    "hmr-resnet50": HMRConfig(),
    "pytorch-hmr-resnet50": HMRConfig("resnet50", "bgr", turn_base=True, train_mean=False),
    # The pose network's own crops show a person with a diagonal of 158 of 224 pixels on average.
    "hmr-light": HMRConfig("landmarks", train_mean=False, person_px=158.0),
}
"""The original (and its torch port `hmr_tf2pt.pth`), pytorch_HMR's, and ours for a CPU."""


class HMR(nn.Module):
    """Encoder and regressor.

    Attributes:
        config: what it was built from.
    """

    def __init__(self, config: HMRConfig | None = None, mean: Float[ndarray, "85"] | None = None) -> None:
        super().__init__()
        self.config = config = HMRConfig() if config is None else config
        self.encoder = build_encoder(config.encoder)
        width, count = self.encoder.num_features, config.num_iterations
        self.regressor: Regressor | LandmarkRegressor
        if config.takes == "landmarks":
            self.regressor = LandmarkRegressor(width, mean, num_iterations=count)
        else:
            self.regressor = Regressor(width, mean, num_iterations=count, train_mean=config.train_mean)

    def forward(
        self, crop: Float[Tensor, "B ..."], *, in_full: bool = False
    ) -> Float[Tensor, "B 85"] | list[Float[Tensor, "B 85"]]:
        """Return the last theta of each crop.

        Args:
            crop: what `config.takes` says: pictures (B, 3, H, W) in [-1, 1], channels in the order of
                `config.channels`, or landmarks (B, 33, 6).
            in_full: return `thetas`, as training needs; networks that are wrapped are called in no other way.

        Raises:
            ShapeError: crops of another kind, or a picture's side is no multiple of 32.
        """
        found = self.thetas(crop)
        return found if in_full else found[-1]

    def thetas(self, crop: Float[Tensor, "B ..."]) -> list[Float[Tensor, "B 85"]]:
        """Return theta after each correction: the adversary sees them all.

        Raises:
            ShapeError: crops of another kind, or a picture's side is no multiple of 32.
        """
        return self.regressor(self.encoder(crop))

    def load_official(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Load `hmr_tf2pt.pth` or a `<iteration>_<loss>_generator.pkl` of pytorch_HMR, or its content; strict.

        The body's arrays in the file (`smpl.*`) are left out: the body comes from an SMPL file, or from
        `body_from_hmr_weights`.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, lacks or exceeds the network's keys, or its mean theta
                differs from row to row.
        """
        state = read_checkpoint(weights)
        return load_strictly(self, _renamed(state, source_name(weights)), source_name(weights), ignored=("smpl.",))

    def load_imagenet(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Load the encoder alone from a classification network; the regressor is left as it is.

        Args:
            weights: for preact-resnet50 the TensorFlow checkpoint `resnet_v2_50.ckpt`, or its variables; for resnet50
                torchvision's file, or its content.

        Raises:
            FileProblem: there is no such file, or it is damaged.
            MissingExtra: a TensorFlow file is given and TensorFlow is not installed.
            WeightsError: it fits another network.
            InputError: the encoder is one for which no such weights are known.
        """
        encoder = self.encoder
        if isinstance(encoder, ResNet50):
            return load_strictly(encoder, read_checkpoint(weights), source_name(weights), ignored=("fc.",))
        if not isinstance(encoder, PreactResNet50):
            raise InputError(f"the encoder {self.config.encoder} takes no ImageNet weights; start it from scratch")
        names = {name: target for name, target in NETWORK_NAMES.items() if name.startswith("resnet_v2_50/")}
        state = read_by_our_names(weights, names)
        state = {key.removeprefix("encoder."): value for key, value in state.items()}
        return load_strictly(encoder, state, source_name(weights), ignored=("resnet_v2_50/logits",))

    def load_tensorflow(self, checkpoint: str | Path | Mapping[str, ndarray]) -> LoadReport:
        """Load the original's checkpoint by its prefix (`model.ckpt-667589`), or its variables; strict.

        Raises:
            FileProblem: there is no such checkpoint, or it is damaged.
            MissingExtra: a file is given and TensorFlow is not installed.
            WeightsError: variables are missing, surplus or of another shape.
        """
        state = read_by_our_names(checkpoint, NETWORK_NAMES)
        return load_strictly(self, state, source_name(checkpoint), ignored=_NOT_THE_NETWORK)

    def official_state(self) -> dict[str, Tensor]:
        """Return the weights under the keys of `hmr_tf2pt.pth`, without the body's."""
        return {
            key if key.startswith("regressor.") else f"resnet.{key.removeprefix('encoder.')}": value
            for key, value in self.state_dict().items()
        }


def _renamed(state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    found = {}
    for key, value in state.items():
        name = f"encoder.{key.removeprefix('resnet.')}" if key.startswith("resnet.") else key
        for number in range(3):
            name = name.replace(f"regressor.fc_blocks.regressor_fc_{number}.", f"regressor.fc_blocks.fc{number + 1}.")
        found[name] = _one_mean(value, source) if name == "regressor.mean_theta" else value
    return found


def _one_mean(value: Tensor, source: str) -> Tensor:
    """Return the one row of a mean theta: pytorch_HMR repeats it over the largest batch it was made for."""
    if value.ndim != 2 or not len(value):
        return value
    if not torch.equal(value, value[:1].expand_as(value)):
        raise WeightsError(f"{source} holds a mean theta whose {len(value)} rows differ; they must be copies of one")
    return value[0].clone()


class ThetaDetails(NamedTuple):
    """What a theta says.

    Attributes:
        weak_camera: s, tx, ty over the crop.
        rotvec: axis-angles, root first.
        betas: shape numbers.
        vertices: metres.
        keypoints: metres.
        keypoints_crop: (x, y), [-1, 1] over the crop, y down.
        rotmats: of the joints, root first, without the turn of the base.
    """

    weak_camera: Float[Tensor, "B 3"]
    rotvec: Float[Tensor, "B 24 3"]
    betas: Float[Tensor, "B 10"]
    vertices: Float[Tensor, "B V 3"]
    keypoints: Float[Tensor, "B K 3"]
    keypoints_crop: Float[Tensor, "B K 2"]
    rotmats: Float[Tensor, "B 24 3 3"]


def theta_details(theta: Float[Tensor, "B 85"], body: SMPL, *, skeleton: str = "cocoplus19") -> ThetaDetails:
    """Pose the body as theta says, and project its keypoints into the crop.

    Args:
        theta: of a network whose `turn_base` is that of the layer.
        body: the layer; the free body and SMPL alike.
        skeleton: which keypoints; the body must have their regressor.

    Raises:
        ShapeError: theta has not 85 numbers a row.
        InputError: the layer has no such keypoints.

    Source: svip-lab/impersonator `networks/hmr.py` (get_details).
    """
    check_shape(theta, "theta", ("B", NUM_THETA))
    camera, rotvec, betas = theta[:, :3], theta[:, 3:75].unflatten(1, (NUM_JOINTS, 3)), theta[:, 75:]
    posed = body(betas, rotvec)
    keypoints = body.keypoints(posed.vertices, skeleton)
    projected = project_weak(keypoints, camera)
    return ThetaDetails(camera, rotvec, betas, posed.vertices, keypoints, projected, posed.rotmats)


def body_from_hmr_weights(weights: str | Path | Mapping[str, Any], faces: ndarray) -> BodyData:
    """Make a body of the arrays that `hmr_tf2pt.pth` holds beside the network.

    Args:
        weights: the file or its content.
        faces: (F, 3) corners of the triangles, which are not in it; the original publishes them as `smpl_faces.npy`.

    Raises:
        FileProblem: there is no such file.
        WeightsError: it lacks the body's arrays.
        InputError: the arrays and the faces are no body.
    """
    state = read_checkpoint(weights)
    names = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "joint_regressor")
    lacking = [f"smpl.{name}" for name in names if f"smpl.{name}" not in state]
    if lacking:
        raise WeightsError(f"{source_name(weights)} holds no body: it lacks {', '.join(lacking)}")
    arrays = {name: state[f"smpl.{name}"].numpy() for name in names}
    count = len(arrays["v_template"])
    sizes = {"shapedirs": 10, "posedirs": 207}
    wrong = [name for name, rows in sizes.items() if arrays[name].shape != (rows, 3 * count)]
    if wrong:
        raise InputError(f"{', '.join(wrong)} in {source_name(weights)} must have a row of {3 * count} numbers each")
    directions = {name: arrays[name].reshape(rows, count, 3).transpose(1, 2, 0) for name, rows in sizes.items()}
    return BodyData(
        name="smpl",
        v_template=arrays["v_template"],
        shapedirs=directions["shapedirs"],
        posedirs=directions["posedirs"],
        J_regressor=csr_matrix(arrays["J_regressor"].T.astype(np.float64)),
        weights=arrays["weights"],
        parents=np.array(PARENTS),
        faces=faces,
        keypoint_regressors={"cocoplus19": csr_matrix(arrays["joint_regressor"].T.astype(np.float64))},
        licence="SMPL body licence",
    )
