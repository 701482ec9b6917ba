"""Figures of objectives and runs, and a report page, from Python."""

import tempfile
from collections.abc import Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metadisco.api.inputs import Overrides, path_of, settings_of, texts_of
from metadisco.config.code.own_code import forget_edited
from metadisco.discoveries.sources import Source, check_objective, find_discovery
from metadisco.errors import UserError
from metadisco.evaluation.announce import announce
from metadisco.evaluation.settings import settings_for
from metadisco.evolution.display import Display
from metadisco.storage.files import Name, check_writable, text_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from metadisco.evaluation.evaluate import Comparison
    from metadisco.evaluation.over_settings import SettingsComparison


def plot(
    discovery: "Name | Sequence[Name] | Comparison | SettingsComparison",
    *,
    env: str | None = None,
    config: Name | None = None,
    overrides: Overrides = None,
    visit: bool = True,
    three_d: bool = False,
    annotate: bool = False,
    output: Name | None = None,
    progress: bool = True,
) -> "dict[str, Figure]":
    """Draw a run, several runs together, or the losses of an objective, as `metadisco plot` does; or a comparison.

    Args:
        discovery: a run of any problem, an objective (names as for `train_agents`), several runs, or a result of
            `evaluate` or `evaluate_settings`, which take only the argument `output`. Several runs must share problem,
            fitness and environments; their learning curves are drawn in one figure, and their losses on common axes.
        env: where a few agents train, so that the figures show which part of a loss matters; the first environment of
            the run if left out.
        config: the settings of these trainings, as for `train_agents`; the objective's own if left out.
        overrides: settings of these trainings by dotted key.
        visit: whether to train them at all.
        three_d: draw surfaces in three dimensions, too; of one objective.
        annotate: mark what is notable about the loss of one objective. Of a value loss: the nearest Huber loss, its
            mirror image and minimum, and where it is flat or not convex. Of a drift: where the gradient opposes the
            advantage (rollback), and where it follows the advantage beyond PPO's clipping (optimism).
        output: a folder for the figures as PNG and SVG, and minibatch statistics; nothing is kept if left out.
        progress: show settings and progress, on stderr.

    Returns:
        Figures of matplotlib by name, such as `run`, `runs`, `value_loss`, `drift`; of a comparison `returns`,
        `intervals`, `profiles`, and learning curves by environment; over settings, a heat map for each score. A
        notebook shows them after `%matplotlib inline`.

    Raises:
        UserError: for input that cannot be used; nothing was written then.

    Example:
        figures = metadisco.plot("runs/first", visit=False)
        figures["value_loss"].savefig("value_loss.pdf")
    """
    if not isinstance(discovery, str | PathLike | list):
        from metadisco.evaluation.evaluate import Comparison
        from metadisco.evaluation.over_settings import SettingsComparison

        if isinstance(discovery, Comparison | SettingsComparison):
            return _comparison_figures(discovery, output)
    forget_edited()
    given, config_name = settings_of(overrides), None if config is None else text_of(config, "config")
    sources = [find_discovery(name) for name in dict.fromkeys(texts_of(discovery, "discovery"))]
    _check_plotted(sources, three_d, annotate, any((env, config_name, given)))
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
        if len(sources) > 1:
            check_comparable(sources)
            figures = several_figures(sources, configs, place, kept, visit=visit, say=say, announced=announced)
        elif there:
            drawing: Any = {"visit": visit, "three_d": three_d, "annotate": annotate}
            figures = objective_figures(sources[0], configs[0], place, kept, **drawing, say=say, announced=announced)
        else:
            figures = all_run_figures(sources[0], say)
        for name, figure in figures:
            drawn[name] = figure
            if output is not None:
                save(figure, kept / name)
                say(f"wrote {kept / name}{current().suffixes}")
    return drawn


def _check_plotted(sources: Sequence[Source], three_d: bool, annotate: bool, trains: bool) -> None:
    """Refuse discoveries that cannot be drawn with these arguments.

    Raises:
        UserError: for no discovery, several where one is allowed, or one without an objective where it is needed.
    """
    if not sources:
        raise UserError("discovery: got no name, allowed: a run, several runs, or an objective")
    for name, given in (("three_d", three_d), ("annotate", annotate)):
        if given and len(sources) > 1:
            raise UserError(f"{name}: got {len(sources)} discoveries, allowed: one")
    for source in sources:
        if source.run is None or trains or three_d or annotate:
            check_objective(source)


def _comparison_figures(comparison: "Comparison | SettingsComparison", output: Name | None) -> "dict[str, Figure]":
    """Draw a comparison."""
    if output is not None:
        check_writable(Path(output), "output")

    from metadisco.evaluation.evaluate import Comparison
    from metadisco.plotting.comparison import comparison_figures
    from metadisco.plotting.over_settings import settings_figures
    from metadisco.plotting.style import save

    if isinstance(comparison, Comparison):
        figures = dict(comparison_figures(comparison))
    else:
        figures = settings_figures(comparison)
    if output is not None:
        for name, figure in figures.items():
            save(figure, Path(output) / name)
    return figures


def report(
    run: Name,
    output: Name,
    *,
    evaluation: Name | None = None,
    distilled: Name | None = None,
    visit: bool = True,
    force: bool = False,
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
        progress: show settings and progress, on stderr.

    Returns:
        The path of the page.

    Raises:
        UserError: for input that cannot be used; nothing was written then.

    Example:
        page = metadisco.report("runs/first", "first.html", visit=False)
    """
    forget_edited()
    source = find_discovery(text_of(run, "run"))

    from metadisco.reporting.page import write_page

    with Display(not progress) as display:
        write_page(
            source,
            Path(output),
            evaluation=path_of(evaluation),
            distilled=path_of(distilled),
            visit=visit,
            force=force,
            say=display.say,
        )
    return Path(output)
