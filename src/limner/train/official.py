"""Official HRNet experiment files, read as they are.

Source: leoxiaobin/deep-high-resolution-net.pytorch `lib/config/default.py` (the defaults) and `experiments/`. Keys that
its code never reads, or that speak of its own machinery (CUDNN, GPUS, DEBUG), are known and have no effect.
Differences: learning rates drop in the epoch that the file names; OHKM is used where the file asks for it, which the
published code ignores; validation keeps the weights of the best epoch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from limner.checks import InputError
from limner.pose import HRNetConfig, PoseNetworkConfig, config_from_official
from limner.train.config import ConfigError, Tree, unknown_key

# Every key the published code knows, with its default.
_DEFAULTS: dict[str, Any] = {
    "OUTPUT_DIR": "output", "LOG_DIR": "", "DATA_DIR": "", "GPUS": "(0,)", "WORKERS": 4, "PRINT_FREQ": 20,
    "AUTO_RESUME": False, "PIN_MEMORY": True, "RANK": 0,
    "CUDNN.BENCHMARK": True, "CUDNN.DETERMINISTIC": False, "CUDNN.ENABLED": True,
    "MODEL.NAME": "pose_hrnet", "MODEL.INIT_WEIGHTS": True, "MODEL.PRETRAINED": "", "MODEL.NUM_JOINTS": 17,
    "MODEL.TAG_PER_JOINT": True, "MODEL.TARGET_TYPE": "gaussian", "MODEL.IMAGE_SIZE": [256, 256],
    "MODEL.HEATMAP_SIZE": [64, 64], "MODEL.SIGMA": 2, "MODEL.EXTRA": {},
    "LOSS.USE_OHKM": False, "LOSS.TOPK": 8, "LOSS.USE_TARGET_WEIGHT": True, "LOSS.USE_DIFFERENT_JOINTS_WEIGHT": False,
    "DATASET.ROOT": "", "DATASET.DATASET": "mpii", "DATASET.TRAIN_SET": "train", "DATASET.TEST_SET": "valid",
    "DATASET.DATA_FORMAT": "jpg", "DATASET.HYBRID_JOINTS_TYPE": "", "DATASET.SELECT_DATA": False,
    "DATASET.FLIP": True, "DATASET.SCALE_FACTOR": 0.25, "DATASET.ROT_FACTOR": 30, "DATASET.PROB_HALF_BODY": 0.0,
    "DATASET.NUM_JOINTS_HALF_BODY": 8, "DATASET.COLOR_RGB": False,
    "TRAIN.LR_FACTOR": 0.1, "TRAIN.LR_STEP": [90, 110], "TRAIN.LR": 0.001, "TRAIN.OPTIMIZER": "adam",
    "TRAIN.MOMENTUM": 0.9, "TRAIN.WD": 0.0001, "TRAIN.NESTEROV": False, "TRAIN.GAMMA1": 0.99, "TRAIN.GAMMA2": 0.0,
    "TRAIN.BEGIN_EPOCH": 0, "TRAIN.END_EPOCH": 140, "TRAIN.RESUME": False, "TRAIN.CHECKPOINT": "",
    "TRAIN.BATCH_SIZE_PER_GPU": 32, "TRAIN.SHUFFLE": True,
    "TEST.BATCH_SIZE_PER_GPU": 32, "TEST.FLIP_TEST": False, "TEST.POST_PROCESS": False, "TEST.SHIFT_HEATMAP": False,
    "TEST.USE_GT_BBOX": False, "TEST.IMAGE_THRE": 0.1, "TEST.NMS_THRE": 0.6, "TEST.SOFT_NMS": False,
    "TEST.OKS_THRE": 0.5, "TEST.IN_VIS_THRE": 0.0, "TEST.COCO_BBOX_FILE": "", "TEST.BBOX_THRE": 1.0,
    "TEST.MODEL_FILE": "",
    "DEBUG.DEBUG": False, "DEBUG.SAVE_BATCH_IMAGES_GT": False, "DEBUG.SAVE_BATCH_IMAGES_PRED": False,
    "DEBUG.SAVE_HEATMAPS_GT": False, "DEBUG.SAVE_HEATMAPS_PRED": False,
}  # fmt: skip

_SECTIONS = sorted({key.split(".")[0] for key in _DEFAULTS if "." in key})
_NUMBER_PAIRS = ("MODEL.IMAGE_SIZE", "MODEL.HEATMAP_SIZE")


def is_official(tree: Mapping[str, Any]) -> bool:
    """Whether a tree is an official experiment file: some of its sections are called as theirs."""
    return any(section in tree for section in _SECTIONS)


def from_official(tree: Mapping[str, Any], path: Path | None = None) -> Tree:
    """Return the tree of `PoseConfig` that an official experiment file stands for.

    Args:
        tree: the file's content.
        path: the file, whose name, up to its first dot, names the run's folder as published.

    Raises:
        ConfigError: a key is unknown, of the wrong kind, or asks for what there is not; all faults in one message.
    """
    given, faults = _flattened(tree)
    known = {**_DEFAULTS, **given}
    faults += [fault for key in given if (fault := _kind_fault(key, known[key]))]
    faults += _refused(known) if not faults else []
    table, network_faults = _network(known)
    faults += network_faults
    if faults or table is None:
        raise ConfigError("the configuration" if path is None else str(path), faults)
    return _translated(known, table, path)


def _flattened(tree: Mapping[str, Any]) -> tuple[Tree, list[str]]:
    given: Tree = {}
    faults = []
    for key, value in tree.items():
        inner = value if isinstance(value, Mapping) else None
        if key in _SECTIONS and inner is None:
            faults.append(f"{key} must be a section of keys, got {value!r}")
            continue
        pairs = {f"{key}.{name}": item for name, item in inner.items()} if inner is not None else {key: value}
        faults += [unknown_key(name, tuple(_DEFAULTS)) for name in pairs if name not in _DEFAULTS]
        given |= {name: item for name, item in pairs.items() if name in _DEFAULTS}
    return given, faults


def _kind_fault(key: str, value: Any) -> str:
    default = _DEFAULTS[key]
    if key == "GPUS" or type(value) is type(default):
        is_pair = key not in _NUMBER_PAIRS or (len(value) == 2 and all(type(side) is int for side in value))
        return "" if is_pair else f"{key} must be width and height, got {value!r}"
    both_numbers = {type(value), type(default)} <= {int, float}
    return "" if both_numbers else f"{key} must be like {default!r}, got {value!r}"


def _refused(known: Tree) -> list[str]:
    """Values that stand for something there is not."""
    name = str(known["DATASET.DATASET"])
    kinds = known["TRAIN.OPTIMIZER"], known["MODEL.TARGET_TYPE"], known["DATASET.DATA_FORMAT"]
    cases = (
        (name not in ("coco", "mpii"), f"DATASET.DATASET must be coco or mpii, got {name!r}"),
        (kinds[0] not in ("adam", "sgd"), f"TRAIN.OPTIMIZER must be adam or sgd, got {kinds[0]!r}"),
        (kinds[1] != "gaussian", f"MODEL.TARGET_TYPE must be gaussian, got {kinds[1]!r}"),
        (kinds[2] not in ("jpg", "zip"), f"DATASET.DATA_FORMAT must be jpg or zip, got {kinds[2]!r}"),
        (known["TRAIN.BEGIN_EPOCH"] != 0, "TRAIN.BEGIN_EPOCH must be 0: a run goes on from its own checkpoint"),
    )
    return [sentence for wrong, sentence in cases if wrong]


def _network(known: Tree) -> tuple[PoseNetworkConfig | None, list[str]]:
    model = {key.removeprefix("MODEL."): value for key, value in known.items() if key.startswith("MODEL.")}
    try:
        return config_from_official(model), []
    except InputError as error:
        return None, [str(error)]


def _translated(known: Tree, table: PoseNetworkConfig, path: Path | None) -> Tree:
    kind = "hrnet" if isinstance(table, HRNetConfig) else "resnet"
    stem = "run" if path is None else path.name.split(".")[0]
    return {
        "run": os.path.join(known["OUTPUT_DIR"], known["DATASET.DATASET"], known["MODEL.NAME"], stem),
        "network": {
            kind: asdict(table),
            "start": "published" if known["MODEL.INIT_WEIGHTS"] else "torch",
            "pretrained": _below(known, "MODEL.PRETRAINED") if known["MODEL.INIT_WEIGHTS"] else "",
            "pretrained_layers": list(known["MODEL.EXTRA"].get("PRETRAINED_LAYERS", ["*"])),
            "num_joints": known["MODEL.NUM_JOINTS"],
        },
        "input": {
            "input_hw": known["MODEL.IMAGE_SIZE"][::-1],
            "heatmap_hw": known["MODEL.HEATMAP_SIZE"][::-1],
            "sigma": known["MODEL.SIGMA"],
            "colour": "rgb" if known["DATASET.COLOR_RGB"] else "bgr",
        },
        "data": _data(known),
        "augment": {
            "scale": known["DATASET.SCALE_FACTOR"],
            "rotation_deg": known["DATASET.ROT_FACTOR"],
            "flip": known["DATASET.FLIP"],
            "half_body": max(0, known["DATASET.PROB_HALF_BODY"]),
            "half_body_min_joints": known["DATASET.NUM_JOINTS_HALF_BODY"],
        },
        "loss": {
            "name": "ohkm" if known["LOSS.USE_OHKM"] else "mse",
            "topk": known["LOSS.TOPK"],
            "use_visibility": known["LOSS.USE_TARGET_WEIGHT"],
            "joint_weights": "published" if known["LOSS.USE_DIFFERENT_JOINTS_WEIGHT"] else "equal",
        },
        **_training(known),
        "test": {
            "flip": known["TEST.FLIP_TEST"],
            "shift": known["TEST.SHIFT_HEATMAP"],
            "decoding": "quarter" if known["TEST.POST_PROCESS"] else "plain",
            "batch": known["TEST.BATCH_SIZE_PER_GPU"],
            "min_joint_score": known["TEST.IN_VIS_THRE"],
            "oks_threshold": known["TEST.OKS_THRE"],
            "soft_oks": known["TEST.SOFT_NMS"],
        },
    }  # fmt: skip


def _data(known: Tree) -> Tree:
    is_detected = known["DATASET.DATASET"] == "coco" and not known["TEST.USE_GT_BBOX"]
    return {
        "root": _below(known, "DATASET.ROOT"),
        "train": known["DATASET.TRAIN_SET"],
        "valid": known["DATASET.TEST_SET"],
        # Parity: the published code does not look for this file below DATA_DIR.
        "detections": known["TEST.COCO_BBOX_FILE"] or None if is_detected else None,
        "min_box_score": known["TEST.IMAGE_THRE"],
        "only_typical": known["DATASET.SELECT_DATA"],
        "workers": known["WORKERS"],
    }


def _training(known: Tree) -> Tree:
    is_sgd = known["TRAIN.OPTIMIZER"] == "sgd"
    return {
        "optimiser": {
            "name": known["TRAIN.OPTIMIZER"],
            "lr": known["TRAIN.LR"],
            # Parity: decay and momentum are given to sgd alone.
            "weight_decay": known["TRAIN.WD"] if is_sgd else 0,
            "momentum": known["TRAIN.MOMENTUM"],
            "nesterov": known["TRAIN.NESTEROV"] and is_sgd,
        },
        "schedule": {
            "name": "multistep",
            "steps": known["TRAIN.LR_STEP"],
            "factor": known["TRAIN.LR_FACTOR"],
        },
        "loop": {
            "epochs": known["TRAIN.END_EPOCH"],
            "batch": known["TRAIN.BATCH_SIZE_PER_GPU"],
            "shuffle": known["TRAIN.SHUFFLE"],
            "log_steps": known["PRINT_FREQ"],
            # Parity: each device norms over its own samples.
            "sync_norm": False,
            "pictures": 8 if known["DEBUG.DEBUG"] else 0,
        },
    }


def _below(known: Tree, key: str) -> str:
    """A path below DATA_DIR; an empty one stays empty (published: DATA_DIR itself, which is no file)."""
    return os.path.join(known["DATA_DIR"], known[key]) if known[key] else ""
