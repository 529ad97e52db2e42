"""The verbs of train, and the verbs eval pose and eval body, which judge what was trained."""

from __future__ import annotations

from pathlib import Path

import typer

from limner.cli.outcome import plain
from limner.cli.training import Judging, Training, best_score, how_far, judging_verb, training_verb

app = typer.Typer(help="Train networks.", no_args_is_help=True)


@app.callback()
def options() -> None:
    """Train networks."""


@app.command(no_args_is_help=True)
@training_verb
def pose(config: Path | None, overrides: list[str]) -> Training:
    """Train a network that finds joints: HRNet or SimpleBaseline.

    --config also takes the experiment files of HRNet's authors as they are (DATASET, MODEL, TRAIN, ...), and KEY=VALUE
    their keys in capitals.
    The run's folder gets the configuration, the log, the checkpoint and the best weights. A run whose folder has a
    checkpoint goes on from it, to the same numbers. Ctrl-C writes one and stops. Several devices: torchrun
    --nproc-per-node N --no-python limner train pose ...
    """
    from limner import train

    return Training(train.load_pose_config(config, overrides), train.train_pose, best_score)


@app.command(no_args_is_help=True)
@training_verb
def generator(config: Path | None, overrides: list[str]) -> Training:
    """Train a StyleGAN2 generator on a folder of pictures: limner train generator data.root=FOLDER.

    The run's folder gets the configuration, the log, sheets of samples, the checkpoint and the best weights. A run
    whose folder has a checkpoint goes on from it, to the same numbers. Several devices: torchrun --nproc-per-node N
    --no-python limner train generator ...
    """
    from limner import train

    return Training(
        train.load_config(train.GeneratorTrainConfig, config, overrides),
        train.train_generator,
        lambda outcome: f"{outcome.folder}: {how_far(outcome)}, best distance {-outcome.best:.4g}",
    )


@app.command(no_args_is_help=True)
@training_verb
def motion(config: Path | None, overrides: list[str]) -> Training:
    """Train a network that paints people in new poses: Liquid Warping, published or slim.

    The run's folder gets the configuration, the log, the checkpoint and the best weights. A run whose folder has a
    checkpoint goes on from it, to the same numbers. Ctrl-C writes one and stops. Several devices: torchrun
    --nproc-per-node N --no-python limner train motion ...
    """
    from limner import train

    return Training(
        train.load_motion_config(config, overrides),
        train.train_motion,
        lambda outcome: f"{outcome.weights}: {how_far(outcome)}, best score {outcome.best:.4g}",
    )


@app.command(no_args_is_help=True)
@training_verb
def face(config: Path | None, overrides: list[str]) -> Training:
    """Train pixel2style2pixel over a StyleGAN2 generator: task=TASK network.generator=FILE data.target=FOLDER.

    Tasks are inversion, frontalisation, sketch, segmentation, super_resolution, colourisation, inpainting, toonify,
    paired and other_domain. The run's folder gets the configuration, the log, sheets of results, the checkpoint and the
    best weights, which load as a published checkpoint does. A run whose folder has a checkpoint goes on from it.
    """
    from limner import train

    return Training(
        train.load_config(train.FaceTrainConfig, config, overrides),
        train.train_face,
        lambda outcome: f"{outcome.folder}: {how_far(outcome)}, best loss {-outcome.best:.4g}",
    )


@app.command(no_args_is_help=True)
@training_verb
def body(config: Path | None, overrides: list[str]) -> Training:
    """Train a network that reads shape and pose off a picture: HMR, published or light.

    Data sets are mixed: marked joints alone teach as well, with an adversary that knows how people move. The run's
    folder gets the configuration, the log, the checkpoint and the best weights. A run whose folder has a checkpoint
    goes on from it, to the same numbers. Ctrl-C writes one and stops. Several devices: torchrun --nproc-per-node N
    --no-python limner train body ...
    """
    from limner import train

    return Training(train.load_body_config(config, overrides), train.train_body, best_score)


@judging_verb
def eval_pose() -> Judging:
    """Judge a trained pose network by its data set's own score: AP, PCKh or PCK.

    The table says how it was taken: boxes, flip test, decoding; and what is published for that network. KEY=VALUE
    changes it, such as test.flip=false or data.detections=FILE.
    """
    from limner import train

    return Judging(
        train.load_pose_config,
        train.config_of_run,
        train.evaluate_pose,
        lambda scores: {"score": scores.score, "measure": scores.score_name, **plain(scores.numbers)},
    )


@judging_verb
def eval_body() -> Judging:
    """Judge a network that reads bodies: MPJPE, PA-MPJPE, PVE, 3D-PCK, AUC, and for films acceleration and jitter.

    The protocol of the data set (Human3.6M P1 and P2, MPI-INF-3DHP, 3DPW, LSP's silhouettes) is printed with each
    number, and what is published beside it. KEY=VALUE changes whom it is judged by, such as data.valid.root=my/3DPW or
    test.silhouettes=FOLDER.
    """
    from limner import train

    return Judging(
        train.load_body_config,
        train.body_config_of_run,
        train.evaluate_body,
        lambda scores: {
            "score": scores.score,
            "measure": scores.score_name,
            "numbers": plain(scores.numbers),
            "protocol": scores.text.splitlines(),
        },
    )
