"""Distils an objective into closed forms and a smaller network, and trains agents with both."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from metadisco._version import __version__
from metadisco.config import Config, parse_config, to_plain
from metadisco.discoveries.distilled import FILE, FORMAT, VERSION
from metadisco.discoveries.load import load_centre, load_learned, load_objective
from metadisco.discoveries.sources import Source, find_source, plain_env
from metadisco.distillation.forms import Forms, as_json, find_forms, num_steps
from metadisco.distillation.network import train_student
from metadisco.distillation.report import RETRAINED, STUDENT, write_report
from metadisco.distillation.symbolic import SHAPES, VALUE_SHAPES, Grammar, default_grammar
from metadisco.distillation.targets import Target, drift_target, value_target
from metadisco.errors import UserError, nearest
from metadisco.evaluation.evaluate import Comparison, Progress, evaluate
from metadisco.evaluation.histogram_cache import NUM_AGENTS, cached_histograms
from metadisco.evaluation.histograms import MinibatchHistograms
from metadisco.evaluation.results import write_results
from metadisco.evaluation.settings import own_settings
from metadisco.objectives.expressions import Expression, fold
from metadisco.objectives.losses import Network
from metadisco.outer.devices import start_jax
from metadisco.parametrisations import PARAMETRISATIONS, make_parametrisation
from metadisco.storage.arrays import to_arrays
from metadisco.storage.files import write_atomically
from metadisco.storage.runs import RunDirectory

RETRAINED_FAMILIES, RETRAINED_SYMBOLIC = 2, 3


def distil(
    source: Source,
    config: Config,
    env: str,
    output: Path,
    *,
    origin: str | None = None,
    num_seeds: int = 0,
    shapes: Sequence[str] = (),
    max_terms: int | None = None,
    hidden_sizes: Sequence[int] = (),
    say: Callable[[str], None] = lambda text: None,
    announced: Callable[[], None] = lambda: None,
    progress: Progress = lambda done, total, last: None,
    draw: Callable[[Comparison, Path], None] = lambda comparison, output: None,
) -> None:
    """Find closed forms of an objective, train agents with the closest ones, and write the results.

    Args:
        source: the objective.
        config: settings of all trainings.
        env: environment of all trainings.
        output: folder for distilled.json, report.md, the student network and `retrained`, an evaluation.
        origin: of the settings, as in `Settings`.
        num_seeds: lifetimes per form; 0 for no retraining.
        shapes: functions that formulas may use; all if empty.
        max_terms: maximum number of terms of a formula.
        hidden_sizes: widths of a student network; no student if empty. Requires an objective that a built-in
            parametrisation learned.
        say: receives messages before long steps.
        announced: called once the objective and the environment are loaded.
        progress: called after each step of the search for forms.
        draw: draws the evaluation into a folder.

    Raises:
        UserError: for input that cannot be used; nothing is written then.
    """
    start_jax(config.outer.num_devices, config.deterministic)
    if load_objective(source.name).schedule is not None:
        raise UserError(
            f"{source.name!r}: changes settings of PPO over the lifetime, which closed forms of losses do not hold; "
            "allowed: an objective without a schedule"
        )
    for stale in (output / RETRAINED / "results.json", output / RETRAINED / "table.md"):
        stale.unlink(missing_ok=True)
    grammars = {part: _grammar(part, shapes, max_terms) for part in source.parts}
    targets = _targets(source, cached_histograms(source, config, env, output, say, announced))
    found = _find(targets, grammars, progress, _exact_forms(source))
    _write_forms(source, config, env, output, found)
    student = _train_student(source, hidden_sizes, targets, output, say) if hidden_sizes else None
    retrained = None
    if num_seeds > 0:
        chosen = [f"{output / FILE}@{form}" for form in _closest(found)]
        names = dict.fromkeys([source.name, "ppo", *chosen, *([student] if student else [])])
        sources = [find_source(name) for name in names]
        retrained = evaluate(sources, {env: config}, num_seeds, source.name, output / RETRAINED)
        write_results(retrained, output / RETRAINED, origin)
        draw(retrained, output / RETRAINED)
    write_report(output, retrained is not None, student is not None)


def _grammar(part: str, shapes: Sequence[str], max_terms: int | None) -> Grammar:
    """Return the grammar with the requested shapes and number of terms."""
    grammar = default_grammar(part)
    known = (*SHAPES, *VALUE_SHAPES)
    grammar = grammar._replace(max_terms=max_terms or grammar.max_terms)
    unknown = [shape for shape in shapes if shape not in known]
    if unknown:
        raise UserError(f"shapes: got {unknown[0]!r}, allowed: {', '.join(known)}{nearest(unknown[0], known)}")
    chosen = tuple(shape for shape in shapes if shape in grammar.shapes)
    if shapes and not chosen:
        raise UserError(f"shapes: got {', '.join(shapes)}, allowed for a drift: {', '.join(grammar.shapes)}")
    return grammar._replace(shapes=chosen) if shapes else grammar


def _targets(source: Source, histograms: MinibatchHistograms) -> dict[str, Target]:
    """Return the distillation targets by part."""
    objective = load_objective(source.name)
    targets = {
        part: drift_target(objective.policy_loss, histograms)
        if part == "policy"
        else value_target(objective.value_loss, histograms)
        for part in source.parts
    }
    for part, target in targets.items():
        if not (np.isfinite(target.value).all() and np.isfinite(target.slope).all()):
            raise UserError(f"{source.name!r}: its {part} loss is not finite on the minibatches of trainings")
    return targets


def _exact_forms(source: Source) -> dict[str, Expression]:
    """Return the learned losses that are closed forms as they are, such as a drift of few coefficients, by part."""
    if source.section is None or source.section["name"] not in PARAMETRISATIONS:
        return {}
    learned: Any
    if source.run is not None:
        learned, meta_params = load_centre(source.name)
    else:
        assert source.artefact is not None
        learned, meta_params = load_learned(source.artefact.data["objective"], source.artefact.arrays, source.name)
    losses = learned.source_losses(meta_params)._asdict()
    return {part: fold(losses[part]) for part in source.parts if not isinstance(losses[part], Network)}


def _find(
    targets: Mapping[str, Target],
    grammars: Mapping[str, Grammar],
    progress: Progress,
    exact: Mapping[str, Expression],
) -> dict[str, Forms]:
    """Return the closed forms of each part."""
    total = sum(num_steps(target, grammars[part]) for part, target in targets.items())
    progress(0, total, "")
    done = 0

    def advance(text: str) -> None:
        nonlocal done
        done += 1
        progress(done, total, text)

    return {part: find_forms(target, grammars[part], advance, exact.get(part)) for part, target in targets.items()}


def _write_forms(source: Source, config: Config, env: str, output: Path, found: Mapping[str, Forms]) -> None:
    """Write distilled.json."""
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


def _closest(found: Mapping[str, Forms]) -> list[str]:
    """Return the forms to retrain with: per part the closest families and formulas whose relative error is below 1."""
    chosen = []
    for forms in found.values():
        useful = [each.name for each in forms.fits if each.relative_error < 1]
        symbolic = [name for name in useful if name.startswith("symbolic_")]
        chosen += [name for name in useful if name not in symbolic][:RETRAINED_FAMILIES] + symbolic[:RETRAINED_SYMBOLIC]
    return list(dict.fromkeys(chosen))


def _constants(source: Source) -> dict[str, Any]:
    """Return the constants of PPO's losses, which stand in for parts that were not distilled."""
    constants: dict[str, Any] = {"clip_eps": 0.2, "value_clip_eps": 0.2}
    if source.distilled is not None:
        return source.distilled.constants
    described = source.artefact.data["objective"] if source.artefact else {}
    known = source.section or described.get("constants") or described.get("settings") or {}
    return {name: known.get(name, value) for name, value in constants.items()}


def _train_student(
    source: Source,
    hidden_sizes: Sequence[int],
    targets: dict[str, Target],
    output: Path,
    say: Callable[[str], None],
) -> str:
    """Distil the learned losses into a network of other widths; keep it as a run with a single centre."""
    config = parse_config(own_settings(source))
    learned: Any = make_parametrisation(config.parametrisation)
    smaller = learned.resized(tuple(hidden_sizes))
    section = {"name": config.parametrisation["name"], **to_plain(smaller)}
    say(f"training a student network of widths {', '.join(map(str, hidden_sizes))}")
    student = train_student(jax.random.key(config.seed), smaller, list(targets.values()))
    run = RunDirectory(output / STUDENT)
    run.create(dataclasses.replace(config, parametrisation=section))
    run.write_centre(0, to_arrays(student.meta_params))
    errors = {
        part: {"value_error": value, "slope_error": slope}
        for part, value, slope in zip(targets, student.value_errors, student.slope_errors, strict=True)
    }
    run.note_start({"taught_by": source.name, "relative_errors": errors})
    return str(output / STUDENT)
