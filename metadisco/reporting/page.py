"""One page of what a run found, which needs nothing beside itself."""

import base64
from collections.abc import Callable
from functools import partial
from pathlib import Path

from metadisco._version import __version__
from metadisco.config import to_plain, write_yaml
from metadisco.config.problems import part_of
from metadisco.discoveries.published import is_published
from metadisco.discoveries.sources import Source, check_objective
from metadisco.errors import UserError
from metadisco.evaluation.announce import announce
from metadisco.evaluation.settings import settings_for
from metadisco.plotting.families import family_of
from metadisco.reporting.commands import commands_for, folder_of, generation_of, name_of
from metadisco.reporting.facts import changed_settings, environments, facts_of
from metadisco.reporting.parts import Part, comparison_of, forms_of
from metadisco.storage.files import check_writable
from metadisco.storage.outputs import check_file, write_output

TEMPLATE = Path(__file__).parents[1] / "templates" / "report.html.j2"
CROSS_TABLE = "cross_table"
CAPTIONS = {
    "run": "The search: fitness of its centre with a 95 % interval and of the population, and what the strategy did.",
    "drift": "The gradient of the surrogate with respect to the ratio r in units of |A|, and below it the drift, "
    "beside those of PPO and DPO. A dotted line encloses 99 % of the samples in minibatches.",
    "drift_slices": "The gradient of the surrogate with respect to r at six advantages, in units of |A|: above 0 "
    "an action becomes more likely, at 0 a sample changes nothing. On grey are ratios of only 1 % of the samples.",
    "drift_over_life": "The same at the start, in the middle and at the end of the lifetime.",
    "drift_evolution": "The gradient of the surrogate after some of the generations.",
    "value_loss": "The value loss and its gradient, which is all that PPO uses of it, beside the squared error; below "
    "them the distribution of value errors in minibatches.",
    "value_loss_evolution": "The value loss after some of the generations.",
    "intervals": "Estimates with 95 % intervals: interquartile mean (stratified bootstrap), paired difference of means "
    "(Student's t; bootstrap over several environments) and probability of improvement (bootstrap).",
    "curves": "Learning curves: mean over agents with the 95 % bootstrap interval.",
    "returns": "Final return of every agent, and the mean with its 95 % bootstrap interval.",
    "profiles": "Performance profiles: share of agents above each score, with 95 % bootstrap intervals.",
    CROSS_TABLE: "Mean reward per meta-step of players, and beside it that of their opponents.",
    "value_loss_by_target": "The value loss over the error and the target.",
    "value_loss_by_old_value": "The value loss over the error and the old value.",
}


def write_page(
    source: Source,
    output: Path,
    *,
    evaluation: Path | None = None,
    distilled: Path | None = None,
    visit: bool = True,
    force: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Write a page about a run.

    Args:
        source: the run.
        output: the page, an HTML file.
        evaluation: what an evaluation wrote; the run's folder `evaluation`, if it is there, where left out.
        distilled: what distillation wrote; likewise.
        visit: whether to train a few agents, so that the figures show which part of a loss matters.
        force: whether to replace what is there.
        say: told of what takes long, and of what was written.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    if source.run is None or source.config is None:
        raise UserError(f"RUN: got {source.name!r}, which is no run, allowed: the path of one")
    if output.is_dir() or output.suffix not in (".html", ".htm"):
        raise UserError(f"output: got {str(output)!r}, allowed: a file that ends in .html")
    check_file(output, "output", force)
    folder = folder_of(source)
    if distilled or (evaluation and part_of(source.problem, "results") is None):
        check_objective(source)
    comparison = comparison_of(source, evaluation, folder / "evaluation")
    forms = forms_of(source, distilled, folder / "distilled") if source.is_objective else Part(None)
    in_package = is_published(source.run.path)
    figures_path = output.with_name(f"{output.stem}_figures") if in_package else source.run.path / "figures"
    if source.centre is not None and generation_of(source) is not None:
        figures_path = figures_path / source.centre.stem
    check_writable(figures_path, "RUN")
    files = _draw(source, figures_path, visit, say)
    write_output(output, _page(source, facts_of(source), files, comparison, forms), force)
    say(f"wrote {output}")


def _draw(source: Source, output: Path, visit: bool, say: Callable[[str], None]) -> list[Path]:
    """Draw the run, and the losses of an objective; return the files without suffix."""
    from metadisco.plotting.objective import draw_objective, draw_run

    if not source.is_objective:
        return list(draw_run(source, output, say))
    env, config, settings = settings_for(source, None, None, {})
    announced = partial(announce, say, settings.origin, [source], [config], {})
    return list(draw_objective(source, config, env, output, visit=visit, say=say, announced=announced))


def _page(source: Source, facts: list[tuple[str, str]], files: list[Path], comparison: Part, forms: Part) -> str:
    """Return the page."""
    import jinja2

    assert source.config is not None
    family = family_of(source.problem)
    explained = {file: "" if family is None else family.caption(file.name) for file in files}
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        name=source.short_name,
        facts=facts,
        environments=environments(source),
        figures=[
            _figure(file.with_suffix(".png"), CAPTIONS.get(file.name, "")) for file in files if not explained[file]
        ],
        family=family,
        family_figures=[_figure(file.with_suffix(".png"), caption) for file, caption in explained.items() if caption],
        comparison=comparison,
        comparison_figures=[_figure(file, _caption(file.stem)) for file in comparison.figures],
        forms=forms,
        config=write_yaml(to_plain(source.config)),
        changed=changed_settings(source),
        version=__version__,
        objective=name_of(source),
        is_objective=source.is_objective,
        **commands_for(source),
    )


def _caption(name: str) -> str:
    return CAPTIONS[CROSS_TABLE] if name.startswith(CROSS_TABLE) else CAPTIONS.get(name, "")


def _figure(file: Path, caption: str) -> dict[str, str]:
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    return {"source": f"data:image/png;base64,{data}", "caption": caption, "name": file.stem.replace("_", " ")}
