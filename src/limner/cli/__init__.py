"""The command line: words in, files and one-sentence errors out.

In: the arguments of a shell. Out: files, a line or a table on standard output, progress and warnings on standard
error. Exit codes: 0 done, 1 failed (one sentence), 2 wrong usage, 130 interrupted. Each verb calls the function of the
same name in `limner.api`; nothing is computed here.
"""

import signal
import sys
from types import FrameType

__all__ = ["main"]


def main() -> None:
    """Run the command line and leave with its exit code."""
    # A polite kill must clean up as Ctrl-C does: half-written files are removed on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Imported here, so that Ctrl-C during the import ends as quietly as later.
        from limner.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.stderr.write("\nlimner: interrupted\n")
        sys.exit(130)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
