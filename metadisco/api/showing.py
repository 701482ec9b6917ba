"""Figures of objectives and runs, and a report page, from Python."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from metadisco.api.inputs import Overrides, path_of, settings_of, texts_of
from metadisco.config.code.own_code import forget_edited
from metadisco.discoveries.sources import Source, check_objective, find_discovery
from metadisco.errors import UserError
from metadisco.evaluation.announce import announce
from metadisco.evaluation.settings import settings_for
from metadisco.evolution.display import Display
from metadisco.storage.files import Name, check_writable, text_of

if TYPE_CHECKING:
    import plotly.graph_objects
    from matplotlib.figure import Figure

    from metadisco.evaluation.evaluate import Comparison
    from metadisco.evaluation.over_settings import SettingsComparison
    from metadisco.evaluation.settings import EnvironmentSettings
    from metadisco.tuning.results import Tuned

PAGE = "interactive.html"
"""Name of the page that holds the interactive figures of `plot`."""


@overload
def plot(
    discovery: "Name | Sequence[Name] | Comparison | SettingsComparison | Tuned",
    *,
    env: str | None = None,
    config: Name | None = None,
    overrides: Overrides = None,
    visit: bool = True,
    annotate: bool = False,
    interactive: Literal[False] = False,
    output: Name | None = None,
    progress: bool = True,
) -> "dict[str, Figure]": ...


@overload
def plot(
    discovery: "Name | Sequence[Name] | Comparison | SettingsComparison | Tuned",
    *,
    env: str | None = None,
    config: Name | None = None,
    overrides: Overrides = None,
    visit: bool = True,
    annotate: bool = False,
    interactive: Literal[True],
    output: Name | None = None,
    progress: bool = True,
) -> "dict[str, plotly.graph_objects.Figure]": ...


@overload
def plot(
    discovery: "Name | Sequence[Name] | Comparison | SettingsComparison | Tuned",
    *,
    env: str | None = None,
    config: Name | None = None,
    overrides: Overrides = None,
    visit: bool = True,
    annotate: bool = False,
    interactive: bool,
    output: Name | None = None,
    progress: bool = True,
) -> "dict[str, Any]": ...


def plot(
    discovery: "Name | Sequence[Name] | Comparison | SettingsComparison | Tuned",
    *,
    env: str | None = None,
    config: Name | None = None,
    overrides: Overrides = None,
    visit: bool = True,
    annotate: bool = False,
    interactive: bool = False,
    output: Name | None = None,
    progress: bool = True,
) -> "dict[str, Figure] | dict[str, plotly.graph_objects.Figure]":
    """Draw a run, several runs together, or the losses of an objective, as `metadisco plot` does; or a result.

    Args:
        discovery: a run of any problem, an objective (names as for `train_agents`), several runs, or a result of
            `evaluate`, `evaluate_settings` or `tune`, which take only the arguments `interactive` and `output`. Several
            runs must share problem, fitness and environments; their learning curves are drawn in one figure, and their
            losses on common axes.
        env: where a few agents train, so that the figures show which part of a loss matters; the first environment of
            the run if left out.
        config: the settings of these trainings, as for `train_agents`; the objective's own if left out.
        overrides: settings of these trainings by dotted key.
        visit: whether to train them at all.
        annotate: mark what is notable about the loss of one objective. Of a value loss: the nearest Huber loss, its
            mirror image and minimum, and where it is flat or not convex. Of a drift: where the gradient opposes the
            advantage (rollback), and where it follows the advantage beyond PPO's clipping (optimism).
        interactive: figures of Plotly, with surfaces to turn and sliders; of one discovery, or of a result of `tune`.
        output: a folder for the figures as PNG and SVG, or for the page interactive.html, and minibatch statistics;
            nothing is kept if left out.
        progress: show settings and progress, on stderr.

    Returns:
        Figures by name: of matplotlib, such as `run`, `runs`, `value_loss`, `drift`; of a comparison `returns`,
        `intervals`, `profiles`, and learning curves by environment; over settings, a heat map for each score. A
        notebook shows them after `%matplotlib inline`. Interactive ones are of Plotly.

    Raises:
        UserError: for input that cannot be used; nothing was written then.

    Example:
        figures = metadisco.plot("runs/first", visit=False)
        figures["value_loss"].savefig("value_loss.pdf")
    """
    if not isinstance(discovery, str | PathLike | list):
        results = _figures_of_result(discovery, interactive, output)
        if results is not None:
            return results
    forget_edited()
    given, config_name = settings_of(overrides), None if config is None else text_of(config, "config")
    names: Any = discovery
    sources = [find_discovery(name) for name in dict.fromkeys(texts_of(names, "discovery"))]
    _check_plotted(sources, interactive, annotate, any((env, config_name, given)))
    if output is not None:
        check_writable(Path(output), "output")
    there = [settings_for(each, env, config_name, given) for each in sources if each.is_objective]

    from metadisco.plotting.look import current
    from metadisco.plotting.objective import all_run_figures, objective_figures
    from metadisco.plotting.several import check_comparable, several_figures
    from metadisco.plotting.style import save

    drawn = {}
    with Display(not progress) as display, tempfile.TemporaryDirectory() as nowhere:
        kept, say = Path(nowhere if output is None else output), display.say
        place, configs = there[0].env if there else "", [each.config for each in there]
        announced = partial(announce, say, there[0].settings.origin if there else None, sources, configs, given)
        if interactive:
            return _interactive(sources[0], next(iter(there), None), kept, visit, output, say)
        if len(sources) > 1:
            check_comparable(sources)
            figures = several_figures(sources, configs, place, kept, visit=visit, say=say, announced=announced)
        elif there:
            drawing: Any = {"visit": visit, "annotate": annotate}
            figures = objective_figures(sources[0], configs[0], place, kept, **drawing, say=say, announced=announced)
        else:
            figures = all_run_figures(sources[0], say)
        for name, figure in figures:
            drawn[name] = figure
            if output is not None:
                save(figure, kept / name)
                say(f"wrote {kept / name}{current().suffixes}")
    return drawn


def _check_plotted(sources: Sequence[Source], interactive: bool, annotate: bool, trains: bool) -> None:
    """Refuse discoveries that cannot be drawn with these arguments.

    Raises:
        UserError: for no discovery, several where one is allowed, or one without an objective where it is needed.
    """
    if not sources:
        raise UserError("discovery: got no name, allowed: a run, several runs, or an objective")
    for name, given in (("interactive", interactive), ("annotate", annotate)):
        if given and len(sources) > 1:
            raise UserError(f"{name}: got {len(sources)} discoveries, allowed: one")
    for source in sources:
        if source.run is None or trains or annotate:
            check_objective(source)


def _interactive(
    source: Source,
    there: "EnvironmentSettings | None",
    kept: Path,
    visit: bool,
    output: Name | None,
    say: Callable[[str], None],
) -> "dict[str, plotly.graph_objects.Figure]":
    """Draw the interactive figures of a discovery; write their page if a folder is given."""
    from metadisco.plotting.interactive.figures import caption_of, interactive_figures
    from metadisco.plotting.interactive.page import write_figures

    env, config = ("", None) if there is None else (there.env, there.config)
    figures = dict(interactive_figures(source, config, env, kept, visit=visit, say=say))
    if output is not None:
        write_figures(figures, kept / PAGE, title=source.short_name, caption=caption_of)
        say(f"wrote {kept / PAGE}")
    return figures


def _figures_of_result(discovery: Any, interactive: bool, output: Name | None) -> "dict[str, Any] | None":
    """Draw a comparison or a search of settings; None for what is neither."""
    from metadisco.evaluation.evaluate import Comparison
    from metadisco.evaluation.over_settings import SettingsComparison
    from metadisco.tuning.results import Tuned

    if not isinstance(discovery, Comparison | SettingsComparison | Tuned):
        return None
    if output is not None:
        check_writable(Path(output), "output")
    if interactive:
        return _interactive_of_result(discovery, output)
    figures = _static_of_result(discovery)
    from metadisco.plotting.style import save

    if output is not None:
        for name, figure in figures.items():
            save(figure, Path(output) / name)
    return figures


def _static_of_result(result: "Comparison | SettingsComparison | Tuned") -> "dict[str, Figure]":
    from metadisco.evaluation.evaluate import Comparison
    from metadisco.plotting.comparison import comparison_figures
    from metadisco.plotting.over_settings import settings_figures
    from metadisco.plotting.tuning import tuned_figures
    from metadisco.tuning.results import Tuned

    if isinstance(result, Tuned):
        return dict(tuned_figures(result))
    return dict(comparison_figures(result)) if isinstance(result, Comparison) else settings_figures(result)


def _interactive_of_result(result: Any, output: Name | None) -> "dict[str, plotly.graph_objects.Figure]":
    """Draw a search of settings as parallel coordinates.

    Raises:
        UserError: for a comparison, which has no interactive figures.
    """
    from metadisco.plotting.interactive.page import write_figures
    from metadisco.plotting.interactive.tuning import tuning_figures
    from metadisco.tuning.results import Tuned

    if not isinstance(result, Tuned):
        raise UserError("interactive: got a comparison, allowed: one discovery, or a result of tune")
    figures = dict(tuning_figures(result))
    if output is not None:
        write_figures(figures, Path(output) / PAGE, title="Settings and their scores")
    return figures


def report(
    run: Name,
    output: Name,
    *,
    evaluation: Name | None = None,
    distilled: Name | None = None,
    visit: bool = True,
    force: bool = False,
    watch: bool = False,
    progress: bool = True,
) -> Path:
    """Write a self-contained page about a run, as `metadisco report` does.

    Args:
        run: the path of a run; RUN@640 for its search centre after 640 generations.
        output: a file that ends in .html.
        evaluation: the `output` of `evaluate`; the run's folder `evaluation`, if it exists, when left out.
        distilled: the `output` of `distil`; the run's folder `distilled` if left out.
        visit: whether to train a few agents, so that the figures show which part of a loss matters.
        force: overwrite an existing file.
        watch: follow a run that goes on: the page is written again as generations come, and loads itself again. The
            call returns once the run has finished, or after an interrupt (Ctrl-C).
        progress: show settings and progress, on stderr.

    Returns:
        The path of the page.

    Raises:
        UserError: for input that cannot be used; nothing was written then.

    Example:
        page = metadisco.report("runs/first", "first.html", visit=False)
    """
    forget_edited()
    name = text_of(run, "run")
    from metadisco.reporting.follow import follow
    from metadisco.reporting.page import Request, write_page

    request = Request(Path(output), path_of(evaluation), path_of(distilled), visit, force)
    with Display(not progress) as display:
        if watch:
            follow(name, request, display.say)
        else:
            write_page(find_discovery(name), request, display.say)
    return Path(output)
