"""The published pose weights: which network each file belongs to, and how its pictures and heatmaps are made.

Source: leoxiaobin/deep-high-resolution-net.pytorch `experiments/` and its model zoo.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from limner.checks import WeightsError, check_known
from limner.pose.configs import PoseNetworkConfig, network_config
from limner.types import SkeletonName


@dataclass(frozen=True)
class PoseTable:
    """What a file of weights stands for.

    Attributes:
        network: the table of the network.
        input_hw: height and width of the crop in pixels.
        skeleton: the joints of its heatmaps.
        sigma: of the heatmaps it was taught with, in cells.
        as_bgr: blue is fed first.
        is_logits: it was taught with a cross-entropy, so its maps are to be put through a softmax.
    """

    network: PoseNetworkConfig
    input_hw: tuple[int, int]
    skeleton: SkeletonName
    sigma: float = 2.0
    as_bgr: bool = False
    is_logits: bool = False


@dataclass(frozen=True)
class PublishedPose:
    """A published file.

    Attributes:
        file: its published name.
        title: its network in words.
        table: what it stands for.
    """

    file: str
    title: str
    table: PoseTable


SOURCE = "leoxiaobin/deep-high-resolution-net.pytorch, model zoo, file {file}"
LICENCE = "MIT (the repository's; none is named for the weights)"
NOTES = (
    "Learned from {data} after ImageNet, whose pictures have terms of their own: commercial use is for you to settle. "
    "Scores are raw maxima of heatmaps."
)


def _networks() -> dict[str, tuple[str, str, bool]]:
    """Short name: network of the registry, published stem, blue first."""
    hrnets = {f"hrnet-w{width}": (f"hrnet-w{width}", f"pose_hrnet_w{width}", False) for width in (32, 48)}
    resnets = {
        f"pose-resnet{depth}": (f"pose-resnet-{depth}", f"pose_resnet_{depth}", True) for depth in (50, 101, 152)
    }
    return hrnets | resnets


_SETS: dict[str, tuple[tuple[int, int], SkeletonName, float]] = {
    "coco": ((256, 192), "coco17", 2.0),
    "coco-384x288": ((384, 288), "coco17", 3.0),
    "mpii": ((256, 256), "mpii16", 2.0),
}
_JOINTS = {"coco17": 17, "mpii16": 16}

PUBLISHED: dict[str, PublishedPose] = {
    f"{short}-{place}": PublishedPose(
        file=f"{stem}_{size[0]}x{size[1]}.pth",
        title=f"{stem} {size[0]}x{size[1]}, {place[:4].upper()}",
        table=PoseTable(network_config(name, num_joints=_JOINTS[skeleton]), size, skeleton, sigma, as_bgr),
    )
    for short, (name, stem, as_bgr) in _networks().items()
    for place, (size, skeleton, sigma) in _SETS.items()
}
"""The published weights by the names that limner gives them."""


def published_pose(name: str) -> PublishedPose:
    """Return what is known of the published weights called `name`.

    Raises:
        InputError: there are no such weights; the message offers the nearest name.
    """
    check_known(name, PUBLISHED, "published pose weights are")
    return PUBLISHED[name]


def check_file_name(name: str, path: Path) -> None:
    """Refuse a file whose published name is that of other weights: sizes of one network fit one another's files.

    Raises:
        WeightsError: it is the file of another name.
    """
    others = [other for other, known in PUBLISHED.items() if known.file == path.name]
    if others and name not in others:
        raise WeightsError(f"{path} is the published file of {' or '.join(others)}, not of {name}")
