"""`metadisco distil`: closed forms of an objective, and how they train."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metadisco._version import __version__
from metadisco.commands.announce import announce
from metadisco.commands.display import Display
from metadisco.commands.evaluate import evaluate
from metadisco.config import (
    PARAMETRISATION_SETTINGS,
    Config,
    check_num_seeds,
    parse_config,
    parse_override,
    to_plain,
)
from metadisco.config.grid import split_objective
from metadisco.discoveries.distilled import FILE, FORMAT, PARTS, VERSION
from metadisco.discoveries.sources import Source, find_source, plain_env
from metadisco.errors import UserError, nearest
from metadisco.evaluation.settings import own_settings, settings_for
from metadisco.storage.files import check_writable, write_atomically

if TYPE_CHECKING:
    from metadisco.distillation.symbolic import Grammar
    from metadisco.distillation.targets import Target

RETRAINED_FAMILIES, RETRAINED_SYMBOLIC = 2, 3
MAX_TERMS = 4
MAX_WIDTH = 4096
STUDENT = "network"


def distil(
    name: str,
    output: Path,
    env: str | None,
    config_name: str | None,
    num_seeds: int,
    shapes: Sequence[str],
    max_terms: int | None,
    network: Sequence[str],
    words: Sequence[str],
    quiet: bool,
) -> int:
    """Find closed forms of an objective, write them, and retrain with them; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    overrides = _check_options(num_seeds, max_terms, words)
    hidden_sizes = _widths(network)
    source = find_source(name)
    if hidden_sizes and (source.section is None or source.section["name"] not in PARAMETRISATION_SETTINGS):
        raise UserError(
            f"--network: {name!r} was learned by no built-in parametrisation, so that there is none to make smaller"
        )
    env, config, settings = settings_for(source, env, config_name, overrides)
    _check_apart(source, output)
    check_writable(output, "--output")
    for stale in (output / "retrained" / "results.json", output / "retrained" / "table.md"):
        stale.unlink(missing_ok=True)
    with Display(quiet) as display:
        announced = partial(announce, display, settings.origin, [source], [config], overrides)
        forms, students = _distil(source, config, env, output, shapes, max_terms, hidden_sizes, display, announced)
    if num_seeds > 0:
        chosen = [f"{output / FILE}@{form}" for form in forms]
        objectives = list(dict.fromkeys([name, "ppo", *chosen, *students]))
        evaluate(objectives, [env], num_seeds, output / "retrained", name, settings, words, True)
    _write_report(output, num_seeds > 0, bool(hidden_sizes))
    if not quiet:
        print((output / "report.md").read_text(encoding="utf-8"))
    return 0


def _check_options(num_seeds: int, max_terms: int | None, words: Sequence[str]) -> dict[str, Any]:
    """Refuse options out of range; return the overrides."""
    settings, overrides = split_objective(dict(parse_override(word) for word in words))
    if settings:
        raise UserError(f"objective.{next(iter(settings))}: constants cannot be set here; name an objective as it is")
    if num_seeds < 0:
        raise UserError(f"--seeds: got {num_seeds}, allowed: 0 (no retraining) or more")
    if max_terms is not None and not 1 <= max_terms <= MAX_TERMS:
        raise UserError(f"--max-terms: got {max_terms}, allowed: 1 to {MAX_TERMS}")
    if num_seeds > 0:
        check_num_seeds(num_seeds)
    return overrides


def _widths(words: Sequence[str]) -> list[int]:
    """Return the widths of hidden layers."""
    for word in words:
        if not (word.isascii() and word.isdigit() and 0 < int(word) <= MAX_WIDTH):
            raise UserError(f"--network: got {word!r}, allowed: positive widths, up to {MAX_WIDTH}")
    return [int(word) for word in words]


def _check_apart(source: Source, output: Path) -> None:
    """Refuse to write among the files of what is distilled."""
    where = (source.run, source.artefact)
    own = next((each.path for each in where if each is not None), None)
    if source.distilled is not None:
        own = source.distilled.path.parent
    if own is not None and output.resolve() == own.resolve():
        raise UserError(f"--output: got {str(output)!r}, where {source.name!r} itself is, allowed: another folder")


def _distil(
    source: Source,
    config: Config,
    env: str,
    output: Path,
    shapes: Sequence[str],
    max_terms: int | None,
    hidden_sizes: Sequence[int],
    display: Display,
    announced: Callable[[], None],
) -> tuple[list[str], list[str]]:
    """Write distilled.json and the student; return the forms to retrain with, and the path of the student."""
    from metadisco.outer.devices import start_jax

    start_jax(config.outer.num_devices, config.deterministic)

    from metadisco.discoveries.load import load_objective
    from metadisco.distillation.forms import as_json, find_forms, num_steps
    from metadisco.distillation.targets import drift_target, value_target
    from metadisco.evaluation.visiting import NUM_AGENTS, kept_visits

    grammars = {part: _grammar(part, shapes, max_terms) for part in source.parts}
    objective = load_objective(source.name)
    visits = kept_visits(source, config, env, output, display.say, announced)
    targets = {
        part: drift_target(objective.policy_loss, visits)
        if part == "policy"
        else value_target(objective.value_loss, visits)
        for part in source.parts
    }
    for part, target in targets.items():
        if not (np.isfinite(target.value).all() and np.isfinite(target.slope).all()):
            raise UserError(f"{source.name!r}: its {part} loss is not finite where agents train")
    display.start(0, sum(num_steps(targets[part], grammars[part]) for part in source.parts), "step")
    done = 0

    def advance(text: str) -> None:
        nonlocal done
        done += 1
        display.advance(done, text)

    found = {part: find_forms(targets[part], grammars[part], advance) for part in source.parts}
    data: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "metadisco": __version__,
        "source": source.name,
        "source_sha256": source.sha256,
        "trained_on": None if source.trained_on is None else sorted(source.trained_on | {plain_env(env)}),
        "visited": {"env": env, "agents": NUM_AGENTS, "inner": to_plain(config)["inner"]},
        "constants": _constants(source),
        **{part: as_json(forms) for part, forms in found.items()},
    }
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / FILE, json.dumps(data, indent=1, allow_nan=False) + "\n")
    chosen = []
    for forms in found.values():
        useful = [each.name for each in forms.fits if each.relative_error < 1]
        symbolic = [name for name in useful if name.startswith("symbolic_")]
        chosen += [name for name in useful if name not in symbolic][:RETRAINED_FAMILIES] + symbolic[:RETRAINED_SYMBOLIC]
    students = [_teach(source, hidden_sizes, targets, output, display)] if hidden_sizes else []
    return list(dict.fromkeys(chosen)), students


def _grammar(part: str, shapes: Sequence[str], max_terms: int | None) -> "Grammar":
    """Return the grammar that was asked for."""
    from metadisco.distillation.symbolic import SHAPES, VALUE_SHAPES, default_grammar

    grammar = default_grammar(part)
    known = (*SHAPES, *VALUE_SHAPES)
    grammar = grammar._replace(max_terms=max_terms or grammar.max_terms)
    unknown = [shape for shape in shapes if shape not in known]
    if unknown:
        raise UserError(f"--shapes: got {unknown[0]!r}, allowed: {', '.join(known)}{nearest(unknown[0], known)}")
    chosen = tuple(shape for shape in shapes if shape in grammar.shapes)
    if shapes and not chosen:
        raise UserError(f"--shapes: got {', '.join(shapes)}, allowed for a drift: {', '.join(grammar.shapes)}")
    return grammar._replace(shapes=chosen) if shapes else grammar


def _constants(source: Source) -> dict[str, Any]:
    """Return the constants of PPO's own losses beside what was distilled."""
    constants: dict[str, Any] = {"clip_eps": 0.2, "value_clip_eps": 0.2}
    if source.distilled is not None:
        return source.distilled.constants
    said = source.artefact.data["objective"] if source.artefact else {}
    known = source.section or said.get("constants") or said.get("settings") or {}
    return {name: known.get(name, value) for name, value in constants.items()}


def _teach(
    source: Source, hidden_sizes: Sequence[int], targets: dict[str, "Target"], output: Path, display: Display
) -> str:
    """Teach a network of other widths what was learned; keep it as a run that begins and ends with it."""
    import jax

    from metadisco.distillation.network import teach
    from metadisco.parametrisations import make_parametrisation
    from metadisco.storage.arrays import to_arrays
    from metadisco.storage.runs import RunDirectory

    config = parse_config(own_settings(source))
    plain = to_plain(config)
    section = plain["parametrisation"]
    nested = [each for each in section.values() if isinstance(each, dict)]
    for each in nested or [section]:
        each["hidden_sizes"] = list(hidden_sizes)
        if "ppo_init" in each or each.get("start") == "zeros":
            each["start"] = "random"  # of the same form, but gradients can leave it
    display.say(f"teaching a network of widths {', '.join(map(str, hidden_sizes))}")
    student = teach(jax.random.key(config.seed), make_parametrisation(section), list(targets.values()))
    run = RunDirectory(output / STUDENT)
    run.create(parse_config(plain))
    run.write_centre(0, to_arrays(student.meta_params))
    errors = {
        part: {"value_error": value, "slope_error": slope}
        for part, value, slope in zip(targets, student.value_errors, student.slope_errors, strict=True)
    }
    run.note_start({"taught_by": source.name, "relative_errors": errors})
    return str(output / STUDENT)


def _write_report(output: Path, retrained: bool, taught: bool) -> None:
    """Write what was found in Markdown."""
    data = json.loads((output / FILE).read_text(encoding="utf-8"))
    lines = [f"# Closed forms of {data['source']}", ""]
    lines += [
        f"Weighted by what {data['visited']['agents']} agents visit on {data['visited']['env']}. "
        "Errors are weighted root mean squares; the relative error puts values and slopes over those of what is "
        "distilled, so that 1 is no better than nothing.",
        "",
    ]
    for part in PARTS:
        if part not in data:
            continue
        what = "Drift D(r, A)" if part == "policy" else "Value loss φ(δ), up to a constant"
        ends = ("D ≥ 0", "---") if part == "policy" else ("scale", "---:")
        lines += [f"## {what}", ""]
        lines += [f"| form | formula | nodes | relative error | value error | slope error | {ends[0]} |"]
        lines += [f"|---|---|---:|---:|---:|---:|{ends[1]}|"]
        for name, form in data[part]["forms"].items():
            scale = "" if form["scale"] is None else f"{form['scale']:.4g}"
            errors = " | ".join(f"{form[key]:.3g}" for key in ("relative_error", "value_error", "slope_error"))
            formula = form["text"].replace("|", "\\|")
            end = form["nonnegative"] if part == "policy" else scale
            lines.append(f"| {name} | `{formula}` | {form['complexity']} | {errors} | {end} |")
        if data[part]["rejected"]:
            lines += ["", "Rejected, as they are no drifts:", ""]
            lines += [f"- {name}: `{form['text']}`: {form['reason']}" for name, form in data[part]["rejected"].items()]
        lines.append("")
    if taught:
        provenance = output / STUDENT / "provenance.json"
        errors = json.loads(provenance.read_text(encoding="utf-8"))[-1]["relative_errors"]
        told = "; ".join(
            f"{part}: values {each['value_error']:.3g}, slopes {each['slope_error']:.3g}"
            for part, each in errors.items()
        )
        lines += ["## Taught network", "", f"`{STUDENT}`, relative errors: {told}", ""]
    if retrained:
        table = (output / "retrained" / "table.md").read_text(encoding="utf-8")
        lines += ["## Retrained", "", table]
    closest = {part: data[part]["closest"] for part in PARTS if part in data}
    lines += ["## Use", "", "```python", "from metadisco import load_objective", ""]
    lines += [f'objective = load_objective("{output / FILE}")  # the closest: {", ".join(closest.values())}']
    lines += [f'objective = load_objective("{output / FILE}@{next(iter(closest.values()))}")', "```", ""]
    write_atomically(output / "report.md", "\n".join(lines))
