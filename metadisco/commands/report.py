"""`metadisco report`: one page of what a run found, which needs nothing beside itself."""

import base64
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metadisco._version import __version__
from metadisco.commands.evaluate import figure_name
from metadisco.commands.settings import settings_for
from metadisco.config import flatten, parse_config, to_plain, write_yaml
from metadisco.display import Display, format_number
from metadisco.distilled import FILE, PARTS, read
from metadisco.errors import UserError
from metadisco.files import check_writable, write_atomically
from metadisco.published import is_published
from metadisco.sources import Source, find_source, short_names

if TYPE_CHECKING:
    from metadisco.evaluation.tables import Table

TEMPLATE = Path(__file__).parent.parent / "templates" / "report.html.j2"
CAPTIONS = {
    "run": "The search: fitness of the population and of its centre, and what the strategy did.",
    "drift": "The drift and the slope of the objective over ratio and advantage, beside PPO's and DPO's. Lines enclose "
    "the pairs that trainings visit.",
    "drift_slices": "The slope of the objective at chosen advantages; where it is 0 nothing is learned from a sample.",
    "drift_over_life": "The same at the start, in the middle and at the end of a life.",
    "drift_evolution": "How the slope changed over the generations.",
    "value_loss": "The value loss, and its derivative, all that PPO uses of it, beside the squared error and Huber's.",
    "value_loss_evolution": "How the value loss changed over the generations.",
    "value_loss_by_target": "The value loss over the error and the target.",
    "value_loss_by_old_value": "The value loss over the error and the old value.",
}


def report(run: str, output: Path, evaluation: Path | None, distilled: Path | None, visit: bool, quiet: bool) -> int:
    """Write a page about a run; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    source = find_source(run)
    if source.run is None or source.config is None:
        raise UserError(f"RUN: got {run!r}, which is no run, allowed: the path of one")
    if output.is_dir() or output.suffix not in (".html", ".htm"):
        raise UserError(f"--output: got {str(output)!r}, allowed: a file that ends in .html")
    check_writable(output.parent, "--output")
    comparison = _comparison(evaluation or source.run.path / "evaluation", required=evaluation is not None)
    forms = _forms(distilled or source.run.path / "distilled", required=distilled is not None)
    in_package = is_published(source.run.path)
    figures_path = output.with_name(f"{output.stem}_figures") if in_package else source.run.path / "figures"
    if source.centre is not None and "@" in Path(run).name:
        figures_path = figures_path / source.centre.stem
    check_writable(figures_path, "RUN")
    facts = _facts(source)
    env, config = settings_for(source, None, None, {})
    with Display(quiet) as display:
        from metadisco.commands.plot import draw

        files = list(draw(source, config, env, figures_path, visit, False, display))
        page = _page(source, facts, files, comparison, forms)
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, page)
        display.say(f"wrote {output}")
    return 0


def _page(
    source: Source,
    facts: list[tuple[str, str]],
    files: list[Path],
    comparison: dict[str, Any] | None,
    forms: dict[str, Any] | None,
) -> str:
    """Return the page."""
    import jinja2

    assert source.run is not None and source.config is not None
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        name=source.short_name,
        facts=facts,
        figures=[_figure(file.with_suffix(".png"), CAPTIONS.get(file.name, "")) for file in files],
        comparison=comparison,
        forms=forms,
        config=write_yaml(to_plain(source.config)),
        changed=_changed(source),
        version=__version__,
        objective=_full_name(source),
        quoted={
            "objective": shlex.quote(_full_name(source)),
            **{name: shlex.quote(str(source.run.path / name)) for name in ("config.yaml", "evaluation", "distilled")},
        },
        envs=" ".join(shlex.quote(task.env) for task in source.config.inner.tasks),
    )


def _full_name(source: Source) -> str:
    """Return the absolute name of a run's objective, with the generation where one was named."""
    assert source.run is not None and source.centre is not None
    _, at, generation = source.name.rpartition("@")
    named = bool(at) and generation.isdigit() and source.centre.stem == f"{int(generation):06d}"
    return f"{source.run.path}@{generation}" if named else str(source.run.path)


def _facts(source: Source) -> list[tuple[str, str]]:
    """Return what was run, in words."""
    assert source.run is not None and source.config is not None
    config, rows, start = source.config, source.run.metrics(), source.run.last_start()
    strategy = config.outer.strategy
    facts = [
        ("Learned", str(config.parametrisation["name"])),
        ("Environments", ", ".join(task.env for task in config.inner.tasks)),
        ("One life", f"{config.inner.ppo.executed_env_steps:,} environment steps of PPO"),
        ("Fitness", f"{config.inner.fitness} ({config.outer.aggregate} over environments)"),
        (
            "Search",
            f"{strategy.name}: {strategy.population_size} members × {config.outer.num_rollouts} rollouts a generation",
        ),
        ("Meta-seed", str(config.seed)),
    ]
    if rows:
        seconds = sum(row.get("seconds") or 0.0 for row in rows)
        facts.append(("Generations", f"{rows[-1]['generation'] + 1:,}"))
        if source.centre is not None and int(source.centre.stem) != rows[-1]["generation"] + 1:
            facts.append(("Centre shown", f"after {int(source.centre.stem):,} generations"))
        facts.append(("Spent", f"{rows[-1].get('env_steps') or 0:,} environment steps, {seconds / 60:.1f} min"))
        known = [row["centre_fitness"] for row in rows if row.get("centre_fitness") is not None]
        if known:
            first, last = format_number(known[0]), format_number(known[-1])
            facts.append(("Fitness of the centre", f"{first} when first evaluated, {last} at the end"))
        failed = sum(row.get("failed_members") or 0 for row in rows)
        facts.append(("Failed members", f"{failed:,}"))
    if start:
        versions = ", ".join(
            f"{key} {start[key]}" for key in ("metadisco", "jax", "evosax", "gymnax") if start.get(key)
        )
        facts.append(("Versions", versions))
        if start.get("commit"):
            facts.append(("Commit", str(start["commit"])))
    return facts


def _changed(source: Source) -> list[tuple[str, str, str]]:
    """Return the settings that differ from the defaults: key, value, default."""
    assert source.config is not None
    ours, defaults = flatten(to_plain(source.config)), flatten(to_plain(parse_config({})))
    return [
        (key, str(value), str(defaults.get(key, "")))
        for key, value in sorted(ours.items())
        if value != defaults.get(key) and not key.startswith("inner.envs")
    ]


def _figure(file: Path, caption: str) -> dict[str, str]:
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    return {"source": f"data:image/png;base64,{data}", "caption": caption, "name": file.stem.replace("_", " ")}


def _comparison(path: Path, required: bool) -> dict[str, Any] | None:
    """Return tables and figures of an evaluation, or None where there is none."""
    if not required and not (path / "results.json").is_file():
        return None
    try:
        data = json.loads((path / "results.json").read_text(encoding="utf-8"))
        tables = _tables(data)
        files = [path / "figures" / f"{figure_name(env)}.png" for env in data["envs"]]
        seeds, (baseline,) = int(data["seeds"]), short_names([data["baseline"]]).values()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"--evaluation: {str(path / 'results.json')!r} holds no results of this version of metadisco evaluate"
        ) from error
    figures = [_figure(file, "") for file in files if file.is_file()]
    return {"seeds": seeds, "baseline": baseline, "tables": tables, "figures": figures}


def _tables(data: dict[str, Any]) -> list["Table"]:
    from metadisco.evaluation.comparison import from_json
    from metadisco.evaluation.tables import tables

    held_out = {(cell["objective"], cell["env"]): cell["held_out"] for cell in data["cells"]}
    return tables(from_json(data["rows"]), held_out, data["baseline"])


def _forms(path: Path, required: bool) -> dict[str, Any] | None:
    """Return closed forms and how they train, or None where there are none."""
    if not required and not (path / FILE).is_file():
        return None
    data = read(path / FILE)
    retrained = _comparison(path / "retrained", required=False)
    parts = {part: _part(data[part], part) for part in PARTS if part in data}
    return {"parts": parts, "path": str(path / FILE), "retrained": retrained}


def _part(data: dict[str, Any], part: str) -> dict[str, Any]:
    """Return the forms of one loss as text; what a file written by hand does not say is left empty."""
    rejected = data.get("rejected")
    return {
        "forms": [
            (
                name,
                form.get("text", json.dumps(form["expression"])),
                form.get("complexity", ""),
                _number(form.get("relative_error")),
                form.get("nonnegative", "") if part == "policy" else _number(form.get("scale")),
            )
            for name, form in data["forms"].items()
        ],
        "rejected": [
            (name, form.get("text", ""), form.get("reason", ""))
            for name, form in (rejected.items() if isinstance(rejected, dict) else ())
            if isinstance(form, dict)
        ],
    }


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else ""
