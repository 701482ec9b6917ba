"""`metadisco report`: one HTML page about a run."""

from pathlib import Path

from metadisco.api import showing


def report(
    run: str,
    output: Path,
    evaluation: Path | None,
    distilled: Path | None,
    visit: bool,
    force: bool,
    watch: bool,
    quiet: bool,
) -> int:
    """Write a page about a run; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing is written then.
    """
    showing.report(
        run,
        output,
        evaluation=evaluation,
        distilled=distilled,
        visit=visit,
        force=force,
        watch=watch,
        progress=not quiet,
    )
    return 0
