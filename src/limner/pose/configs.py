"""Which networks there are: their tables as frozen records, the named ones, a reader of the official `MODEL` section.

Notation (the official YAMLs' words in brackets): a stage is a row of modules [NUM_MODULES], each with parallel branches
[NUM_BRANCHES], each a row of residual blocks [NUM_BLOCKS] of one kind [BLOCK] with some planes [NUM_CHANNELS]. Branch b
works at 1 / (4 * 2^b) of the picture's size; a BOTTLENECK gives out four times its planes.
Sources: Sun et al. 2019 (HRNet), Xiao et al. 2018 (SimpleBaseline); leoxiaobin/deep-high-resolution-net.pytorch
`experiments/`. STEM_INPLANES and FUSE_METHOD, which the official code never reads, are not read here either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias, get_args

from limner.checks import InputError, check_known

BlockName: TypeAlias = Literal["BASIC", "BOTTLENECK"]
EXPANSION: dict[str, int] = {"BASIC": 1, "BOTTLENECK": 4}
RESNET_LAYERS: dict[int, tuple[BlockName, tuple[int, int, int, int]]] = {
    18: ("BASIC", (2, 2, 2, 2)),
    34: ("BASIC", (3, 4, 6, 3)),
    50: ("BOTTLENECK", (3, 4, 6, 3)),
    101: ("BOTTLENECK", (3, 4, 23, 3)),
    152: ("BOTTLENECK", (3, 8, 36, 3)),
}


def _stage_faults(
    name: str, block: str, num_modules: int, num_blocks: Sequence[int], num_channels: Sequence[int]
) -> list[str]:
    found = []
    if block not in get_args(BlockName):
        found.append(f"{name} has the block {block!r}; there are BASIC and BOTTLENECK")
    if len(num_blocks) != len(num_channels) or not num_blocks:
        found.append(f"{name} has blocks for {len(num_blocks)} branches and channels for {len(num_channels)}")
    if min((num_modules, *num_blocks, *num_channels)) < 1:
        found.append(f"{name} has a count below one")
    return found


def _head_faults(num_joints: int, final_kernel: int) -> list[str]:
    faults = [] if num_joints >= 1 else [f"a network gives out at least one heatmap, got {num_joints} joints"]
    return faults if final_kernel in (1, 3) else [*faults, f"the last kernel has side 1 or 3, got {final_kernel}"]


def _raise(faults: Sequence[str]) -> None:
    if faults:
        raise InputError("this is no network: " + "; ".join(faults))


@dataclass(frozen=True)
class StageConfig:
    """One stage of an HRNet.

    Attributes:
        num_modules: how many modules, one after the other.
        num_blocks: residual blocks of each branch.
        num_channels: planes of each branch, before a bottleneck's factor of four.
        block: the kind of residual block.
    """

    num_modules: int
    num_blocks: tuple[int, ...]
    num_channels: tuple[int, ...]
    block: BlockName = "BASIC"

    def __post_init__(self) -> None:
        _raise(_stage_faults("a stage", self.block, self.num_modules, self.num_blocks, self.num_channels))

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels that each branch gives out."""
        return tuple(EXPANSION[self.block] * planes for planes in self.num_channels)


@dataclass(frozen=True)
class HRNetConfig:
    """The table of an HRNet.

    Attributes:
        stage2: the stage after the first transition; its first width names the network (W32, W48).
        stage3: the stage after it.
        stage4: the last stage, of which only the finest branch is given out.
        num_joints: heatmaps given out.
        final_kernel: 1 or 3, the side of the last convolution.
        first_blocks: bottlenecks of `layer1` (published: 4).
        first_planes: planes of `layer1` before the factor of four (published: 64).
    """

    stage2: StageConfig
    stage3: StageConfig
    stage4: StageConfig
    num_joints: int = 17
    final_kernel: int = 1
    first_blocks: int = 4
    first_planes: int = 64

    def __post_init__(self) -> None:
        faults = _head_faults(self.num_joints, self.final_kernel)
        if min(self.first_blocks, self.first_planes) < 1:
            faults.append("the first layer has a count below one")
        for number, (before, after) in enumerate(pairwise(stage.widths for stage in self.stages), start=3):
            # Parity: `pose_hrnet.py` feeds a branch that changes its width the coarsest map, which fits itself alone.
            held = min(len(after), len(before) - 1)
            if before[:held] != after[:held]:
                faults.append(f"stage {number} changes the width of a branch: {before} before, {after} after")
        _raise(faults)

    @property
    def stages(self) -> tuple[StageConfig, StageConfig, StageConfig]:
        """The three stages in order."""
        return self.stage2, self.stage3, self.stage4

    @property
    def size_step(self) -> int:
        """Height and width of a picture must be multiples of this: the coarsest branch must fit the finest."""
        return 2 * 2 ** max(len(stage.widths) for stage in self.stages)


@dataclass(frozen=True)
class PoseResNetConfig:
    """The table of a SimpleBaseline network.

    Attributes:
        depth: 18, 34, 50, 101 or 152.
        num_joints: heatmaps given out.
        deconv_filters: channels of each upsampling layer; each doubles the size.
        deconv_kernels: side of each upsampling kernel: 4, 3 or 2.
        deconv_bias: whether the upsampling layers have a bias.
        final_kernel: 1 or 3, the side of the last convolution.
    """

    depth: int = 50
    num_joints: int = 17
    deconv_filters: tuple[int, ...] = (256, 256, 256)
    deconv_kernels: tuple[int, ...] = (4, 4, 4)
    deconv_bias: bool = False
    final_kernel: int = 1

    def __post_init__(self) -> None:
        faults = _head_faults(self.num_joints, self.final_kernel)
        if self.depth not in RESNET_LAYERS:
            faults.append(f"there is no ResNet of depth {self.depth}; there are {', '.join(map(str, RESNET_LAYERS))}")
        if len(self.deconv_filters) != len(self.deconv_kernels):
            faults.append(
                f"{len(self.deconv_filters)} filters stand against {len(self.deconv_kernels)} kernels upsampling"
            )
        if set(self.deconv_kernels) - {2, 3, 4}:
            faults.append(f"upsampling kernels have side 2, 3 or 4, got {self.deconv_kernels}")
        if min((1, *self.deconv_filters)) < 1:
            faults.append("an upsampling layer has a count below one")
        _raise(faults)

    @property
    def size_step(self) -> int:
        """Height and width of a picture must be multiples of this."""
        return 32


PoseNetworkConfig: TypeAlias = HRNetConfig | PoseResNetConfig


def hrnet_config(
    width: int,
    *,
    num_modules: Sequence[int] = (1, 4, 3),
    num_blocks: int = 4,
    num_joints: int = 17,
    first_blocks: int = 4,
    first_planes: int = 64,
) -> HRNetConfig:
    """Return the table of an HRNet whose branch b has `width` * 2^b channels; the defaults are the published ones."""
    stage2, stage3, stage4 = (
        StageConfig(modules, (num_blocks,) * branches, tuple(width * 2**b for b in range(branches)))
        for branches, modules in enumerate(num_modules, start=2)
    )
    return HRNetConfig(stage2, stage3, stage4, num_joints, first_blocks=first_blocks, first_planes=first_planes)


NETWORKS: dict[str, PoseNetworkConfig] = {
    "hrnet-w32": hrnet_config(32),
    "hrnet-w48": hrnet_config(48),
    # For a processor: what the published networks spend on fine maps is cut to a few modules and thin first layers.
    "hrnet-w16-small": hrnet_config(16, num_modules=(1, 1, 1), num_blocks=2, first_blocks=1, first_planes=32),
    "hrnet-w18-small": hrnet_config(18, num_modules=(1, 3, 2), num_blocks=2, first_blocks=2),
    "hrnet-w24-small": hrnet_config(24, num_modules=(1, 2, 2), num_blocks=3, first_blocks=2),
    **{f"pose-resnet-{depth}": PoseResNetConfig(depth) for depth in RESNET_LAYERS},
}
"""Networks by name, with COCO's 17 joints; `network_config` gives them other joints."""


def network_config(name: str, *, num_joints: int = 17) -> PoseNetworkConfig:
    """Return the table of the network called `name`.

    Raises:
        InputError: there is no such network; the message offers the nearest one.
    """
    check_known(name, NETWORKS, "pose network is")
    return replace(NETWORKS[name], num_joints=num_joints)


@dataclass
class _Section:
    """A section of an official YAML, read key by key; faults are gathered, not raised."""

    values: Mapping[str, Any]
    name: str
    faults: list[str] = field(default_factory=list)

    def number(self, key: str, default: int | None = None) -> int:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            self.faults.append(f"{self.name}.{key} must be a whole number, got {value!r}")
            return 1
        return value

    def numbers(self, key: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
        value = self.values.get(key, default)
        if not isinstance(value, Sequence) or isinstance(value, str) or any(type(item) is not int for item in value):
            self.faults.append(f"{self.name}.{key} must be a list of whole numbers, got {value!r}")
            return ()
        return tuple(value)

    def section(self, key: str) -> _Section:
        value = self.values.get(key)
        if not isinstance(value, Mapping):
            self.faults.append(f"{self.name}.{key} is missing or no section")
        return _Section(value if isinstance(value, Mapping) else {}, f"{self.name}.{key}", self.faults)


def config_from_official(model: Mapping[str, Any]) -> PoseNetworkConfig:
    """Read the `MODEL` section of an official experiment file.

    Args:
        model: NAME (`pose_hrnet` or `pose_resnet`), NUM_JOINTS and EXTRA, as the YAML gives them. STAGE1 in EXTRA, as
            the authors' classification repository writes it, sets the first layer.

    Raises:
        InputError: a field is missing or makes no network; all faults in one sentence.
    """
    top = _Section(model, "MODEL")
    readers = {"pose_hrnet": _read_hrnet, "pose_resnet": _read_resnet}
    name = model.get("NAME")
    if name not in readers:
        raise InputError(f"MODEL.NAME must be pose_hrnet or pose_resnet, got {name!r}")
    extra = top.section("EXTRA")
    values = readers[name](extra)
    values |= {"num_joints": top.number("NUM_JOINTS", 17), "final_kernel": extra.number("FINAL_CONV_KERNEL", 1)}
    _raise(top.faults)
    return HRNetConfig(**values) if name == "pose_hrnet" else PoseResNetConfig(**values)


def _read_hrnet(extra: _Section) -> dict[str, Any]:
    if extra.faults:
        return {}
    values: dict[str, Any] = {f"stage{n}": _read_stage(extra.section(f"STAGE{n}")) for n in (2, 3, 4)}
    if "STAGE1" in extra.values:
        first = extra.section("STAGE1")
        for key, name in (("first_blocks", "NUM_BLOCKS"), ("first_planes", "NUM_CHANNELS")):
            values[key] = (first.numbers(name) or (1,))[0]
    return values


def _read_stage(section: _Section) -> StageConfig | None:
    known = len(section.faults)
    modules, branches = section.number("NUM_MODULES"), section.number("NUM_BRANCHES")
    blocks, channels = section.numbers("NUM_BLOCKS"), section.numbers("NUM_CHANNELS")
    kind = section.values.get("BLOCK", "BASIC")
    if len(section.faults) == known:
        section.faults.extend(_stage_faults(section.name, kind, modules, blocks, channels))
        if branches != len(blocks):
            section.faults.append(f"{section.name}.NUM_BRANCHES is {branches}, with blocks for {len(blocks)} branches")
    return StageConfig(modules, blocks, channels, kind) if len(section.faults) == known else None


def _read_resnet(extra: _Section) -> dict[str, Any]:
    filters = extra.numbers("NUM_DECONV_FILTERS", (256, 256, 256))
    kernels = extra.numbers("NUM_DECONV_KERNELS", (4, 4, 4))
    layers = extra.number("NUM_DECONV_LAYERS", len(filters))
    if not layers == len(filters) == len(kernels):
        extra.faults.append(
            f"{extra.name}.NUM_DECONV_LAYERS is {layers}, with {len(filters)} filters and {len(kernels)} kernels"
        )
    return {
        "depth": extra.number("NUM_LAYERS", 50),
        "deconv_filters": filters,
        "deconv_kernels": kernels,
        "deconv_bias": bool(extra.values.get("DECONV_WITH_BIAS", False)),
    }
