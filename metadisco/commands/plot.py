"""`metadisco plot`: figures of a run and of the losses of any objective."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from metadisco.commands.display import Display
from metadisco.commands.overrides import settings_in
from metadisco.discoveries.sources import check_objective, find_discovery
from metadisco.evaluation.announce import announce
from metadisco.evaluation.settings import settings_for
from metadisco.storage.files import check_writable


def plot(
    name: str,
    output: Path,
    env: str | None,
    config_name: str | None,
    visit: bool,
    three_d: bool,
    words: Sequence[str],
    formats: Sequence[str],
    style: str | None,
    quiet: bool,
) -> int:
    """Draw a run, and the losses of an objective; write PNG and SVG, and further formats; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    overrides = settings_in(words)
    source = find_discovery(name)
    if source.run is None or env or config_name or overrides or three_d:
        check_objective(source)
    check_writable(output, "--output")

    from metadisco.plotting.look import look

    if not source.is_objective:
        from metadisco.plotting.objective import draw_run

        with Display(quiet) as display, look(style, formats) as chosen:
            for file in draw_run(source, output):
                display.say(f"wrote {file}{chosen.suffixes}")
        return 0
    env, config, settings = settings_for(source, env, config_name, overrides)

    from metadisco.plotting.objective import draw_objective

    with Display(quiet) as display, look(style, formats) as chosen:
        say, announced = display.say, partial(announce, display.say, settings.origin, [source], [config], overrides)
        for file in draw_objective(
            source, config, env, output, visit=visit, three_d=three_d, say=say, announced=announced
        ):
            say(f"wrote {file}{chosen.suffixes}")
    return 0
