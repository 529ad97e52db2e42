"""What the command line says of itself, and wrong usage."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable

import pytest

from limner import __version__, api
from limner.cli import export_verbs, jobs, scores, writers

from .conftest import Outcome

Run = Callable[..., Outcome]

VERBS = {
    ("imitate",): ("PHOTO", "MOTION", "--output", "--camera", "--background", "--frame-rate", "--start", "--end"),
    ("view",): ("PHOTO", "--frames", "--angles", "--elevation"),
    ("swap",): ("PHOTO", "CLOTHES", "--parts", "--motion", "--clothes-person"),
    ("pose",): ("INPUT...", "--draw", "--skeleton", "--person", "--weights", "--format", "--smooth"),
    ("body",): ("INPUT...", "--draw", "--body"),
    ("eval", "motion"): ("--self", "--max-frames", "--cross", "--protocol", "--painter"),
    ("weights", "list"): ("--json",),
    ("weights", "show"): ("NAME",),
    ("weights", "verify"): ("--json",),
    ("weights", "import"): ("NAME", "FILE", "--precision"),
    ("export",): ("NAME", "--format", "--tolerance"),
    ("doctor",): ("--json",),
}


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_of_a_verb_names_its_options_and_says_what_it_does(verb: tuple[str, ...], run: Run) -> None:
    outcome = run(*verb, "--help")
    assert outcome.code == 0
    for word in VERBS[verb]:
        assert word in outcome.output
    first_line = outcome.output.split("\n\n")[1].strip()
    assert first_line.endswith(".") and len(first_line.split()) > 4


def test_help_names_every_verb(run: Run) -> None:
    output = run("--help").output
    for verb in VERBS:
        assert verb[0] in output


def test_version(run: Run) -> None:
    assert run("--version").output.strip() == f"limner {__version__}"


@pytest.mark.parametrize(
    ("verb", "function"),
    [
        (jobs.imitate, "imitate"),
        (jobs.view, "view"),
        (jobs.swap, "swap"),
        (writers.pose, "pose"),
        (writers.body, "body"),
        (scores.motion, "evaluate_motion"),
        (export_verbs.export, "export"),
    ],
)
def test_a_verb_takes_what_its_function_takes(verb: Callable, function: str) -> None:
    other_names = {"rate": "frame_rate", "elevation": "elevation_deg", "angles": "angles_deg", "body_model": "body"}
    other_names |= {"source": "sources", "face": "face_pass"}
    words = [other_names.get(name, name) for name in inspect.signature(verb).parameters if name != "as_json"]
    assert sorted(words) == sorted(
        name for name in inspect.signature(getattr(api, function)).parameters if name != "progress"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("paint",),
        ("imitate", "a.jpg", "-o", "out.mp4"),
        ("imitate", "a.jpg", "b.mp4"),
        ("imitate", "a.jpg", "b.mp4", "-o", "out.mp4", "--camera", "shaky"),
        ("imitate", "a.jpg", "b.mp4", "-o", "out.mp4", "--person", "-1"),
        ("imitate", "a.jpg", "b.mp4", "-o", "out.mp4", "--size", "8"),
        ("imitate", "a.jpg", "b.mp4", "-o", "out.mp4", "--frame-rate", "fast"),
        ("imitate", "a.jpg", "b.mp4", "-o", "out.mp4", "--frame-rate", "0"),
        ("view", "a.jpg", "-o", "out.mp4", "--angles", "0;90"),
        ("view", "a.jpg", "-o", "out.mp4", "--frames", "0"),
        ("view", "a.jpg", "-o", "out.mp4", "--nonsense"),
        ("pose", "-o", "out.json"),
        ("pose", "a.jpg", "-o", "out.json", "--skeleton", "dog20"),
        ("eval", "motion"),
        ("weights", "steal"),
    ],
    ids=" ".join,
)
def test_wrong_usage_leaves_with_2(words: tuple[str, ...], run: Run) -> None:
    outcome = run(*words)
    assert outcome.code == 2
    assert "Error" in outcome.output and "Traceback" not in outcome.output


def test_the_program_itself_answers_and_has_exit_codes() -> None:
    def limner(*words: str) -> subprocess.CompletedProcess:
        script = "import sys; from limner.cli import main; sys.exit(main())"
        return subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=60)

    assert limner("--version").stdout.strip() == f"limner {__version__}"
    assert limner("paint").returncode == 2
    failed = limner("weights", "show", "nonsense")
    assert failed.returncode == 1 and failed.stdout == "" and failed.stderr.startswith("limner: ")
    assert len(failed.stderr.splitlines()) == 1
