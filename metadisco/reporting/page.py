"""One page of what a run found, which needs nothing beside itself."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from metadisco._version import __version__
from metadisco.config import to_plain, write_yaml
from metadisco.config.problems import part_of
from metadisco.discoveries.published import is_published
from metadisco.discoveries.sources import Source, check_objective
from metadisco.errors import UserError
from metadisco.evaluation.announce import announce
from metadisco.evaluation.settings import settings_for
from metadisco.plotting.families import family_of
from metadisco.reporting.commands import commands_for, generation_of, name_of
from metadisco.reporting.facts import changed_settings, environments, facts_of
from metadisco.reporting.parts import Part, comparison_of, forms_of
from metadisco.reporting.paths import without_paths
from metadisco.reporting.pictures import LEADING, Picture, picture
from metadisco.reporting.state import State, state_of
from metadisco.reporting.studies import study_of
from metadisco.reporting.verdict import verdict_of
from metadisco.storage.files import check_writable
from metadisco.storage.outputs import check_file, write_output

TEMPLATE = Path(__file__).parents[1] / "templates" / "report.html.j2"


class Request(NamedTuple):
    """What a page is to be made of."""

    output: Path
    """The page, an HTML file."""
    evaluation: Path | None = None
    """What an evaluation wrote; the run's folder `evaluation`, if it is there, where left out."""
    distilled: Path | None = None
    """What distillation wrote; likewise."""
    visit: bool = True
    """Whether to train a few agents, so that the figures show which part of a loss matters."""
    force: bool = False
    """Whether to replace what is there."""


def write_page(source: Source, request: Request, say: Callable[[str], None] = lambda text: None) -> None:
    """Write a page about a run.

    Args:
        source: the run.
        request: what it is made of.
        say: told of what takes long, and of what was written.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    check_request(source, request)
    assert source.run is not None
    state = state_of(source.run)
    write_output(request.output, render(content_of(source, request, say), state), request.force)
    say(f"wrote {request.output}")


def check_request(source: Source, request: Request) -> None:
    """Refuse a page that cannot be made.

    Raises:
        UserError: naming the obstacle.
    """
    if source.run is None or source.config is None:
        raise UserError(f"RUN: got {source.name!r}, which is no run, allowed: the path of one")
    if request.output.is_dir() or request.output.suffix not in (".html", ".htm"):
        raise UserError(f"output: got {str(request.output)!r}, allowed: a file that ends in .html")
    check_file(request.output, "output", request.force)
    if request.distilled or (request.evaluation and part_of(source.problem, "results") is None):
        check_objective(source)
    check_writable(_figures_path(source, request), "RUN")


def _figures_path(source: Source, request: Request) -> Path:
    assert source.run is not None
    page = request.output
    path = page.with_name(f"{page.stem}_figures") if is_published(source.run.path) else source.run.path / "figures"
    named = source.centre is not None and generation_of(source) is not None
    return path / source.centre.stem if named and source.centre is not None else path


def content_of(source: Source, request: Request, say: Callable[[str], None]) -> dict[str, Any]:
    """Draw all figures; return what the template shows, all but how far the run is.

    Raises:
        UserError: for input that cannot be used.
    """
    assert source.run is not None and source.config is not None
    folder, family = source.run.path, family_of(source.problem)
    comparison = comparison_of(source, request.evaluation, folder / "evaluation")
    forms = forms_of(source, request.distilled, folder / "distilled") if source.is_objective else Part(None)
    pictures, turning = _figures(source, _figures_path(source, request), request.visit, say)
    lead = _lead(source, pictures)
    study = study_of(source)
    return {
        "name": source.short_name,
        "verdict": verdict_of(source, comparison.content, study),
        "study": study,
        "lead": lead,
        "pictures": [each for each in pictures.values() if each is not lead],
        "turning": turning,
        "heading": "Figures" if family is None else family.heading,
        "facts": without_paths(facts_of(source)),
        "environments": without_paths(environments(source)),
        "comparison": comparison,
        "comparison_pictures": [picture(file) for file in comparison.figures],
        "forms": forms,
        "config": without_paths(write_yaml(to_plain(source.config))),
        "changed": without_paths(changed_settings(source)),
        "version": __version__,
        "objective": name_of(source),
        "is_objective": source.is_objective,
        **commands_for(source),
    }


def _figures(
    source: Source, output: Path, visit: bool, say: Callable[[str], None]
) -> tuple[dict[str, Picture], list[Markup]]:
    """Draw the run, and what it found; return the figures by name, and the interactive ones."""
    from metadisco.plotting.interactive.figures import caption_of, interactive_figures
    from metadisco.plotting.interactive.page import embedded, library
    from metadisco.plotting.objective import draw_objective, draw_run

    family, config, env = family_of(source.problem), None, ""
    if source.is_objective:
        env, config, settings = settings_for(source, None, None, {})
        announced = partial(announce, say, settings.origin, [source], [config], {})
        files = list(draw_objective(source, config, env, output, visit=visit, say=say, announced=announced))
    else:
        files = list(draw_run(source, output, say))
    pictures = {
        file.name: picture(file, None if family is None else family.caption(file.name) or None) for file in files
    }
    found = interactive_figures(source, config, env, output, visit=visit, say=lambda text: None)
    parts = [embedded(name, figure, caption_of(name)) for name, figure in found]
    return pictures, [Markup(part) for part in [*parts, *([library()] if parts else [])]]


def _lead(source: Source, pictures: Mapping[str, Picture]) -> Picture | None:
    """Return the figure that shows first what was found."""
    if not source.is_objective:
        return next(iter(pictures.values()), None)
    return next((pictures[name] for name in LEADING if name in pictures), None)


def render(content: Mapping[str, Any], state: State, *, reload: float | None = None, written: str = "") -> str:
    """Return the page.

    Args:
        content: as `content_of` returns it.
        state: how far the run is.
        reload: seconds after which the page loads itself again; None for a page that stays.
        written: when; shown while the run goes on.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(**content, state=state, reload=reload, written=written)
