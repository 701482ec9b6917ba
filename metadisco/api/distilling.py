"""Closed forms of an objective, from Python."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from metadisco.api.inputs import Overrides, settings_of
from metadisco.config import check_num_seeds
from metadisco.config.code.own_code import forget_edited
from metadisco.discoveries.distilled import FILE
from metadisco.discoveries.sources import Source, find_source
from metadisco.errors import UserError
from metadisco.evaluation.announce import announce
from metadisco.evaluation.settings import settings_for
from metadisco.evolution.display import Display
from metadisco.parametrisations import PARAMETRISATIONS, built_in
from metadisco.storage.files import Name, check_writable, text_of

MAX_TERMS = 4
MAX_WIDTH = 4096


def distil(
    objective: Name,
    output: Name,
    *,
    env: str | None = None,
    config: Name | None = None,
    overrides: Overrides = None,
    num_seeds: int = 16,
    shapes: Sequence[str] = (),
    max_terms: int | None = None,
    network: Sequence[int] = (),
    progress: bool = True,
) -> dict[str, Any]:
    """Find closed forms of an objective, and train with the closest, as `metadisco distil` does.

    Args:
        objective: names as for `train_agents`.
        output: a folder; its `distilled.json` is an objective by its path, and with `@form` any of its forms.
        env: where agents train; the first environment of the run if left out.
        config: the settings of these trainings, as for `train_agents`; the objective's own if left out.
        overrides: settings of these trainings by dotted key.
        num_seeds: agents per form; 0 for no training with the forms.
        shapes: functions that formulas may use, such as "tanh"; all if left out.
        max_terms: of a formula, 1 to 4; the grammar's own if left out.
        network: widths of a network that is distilled from the objective, too; none if left out.
        progress: show settings and progress, on stderr.

    Returns:
        The content of distilled.json: under `policy` or `value` or both the `forms`, each with `text`, `latex` and its
        errors, and `closest`, the name of the best.

    Raises:
        UserError: for input that cannot be used; nothing was written then.

    Example:
        found = metadisco.distil("runs/first", "runs/first/distilled", num_seeds=0, shapes=["tanh"], max_terms=1)
        found["value"]["forms"][found["value"]["closest"]]["text"]
    """
    forget_edited()
    _check_options(num_seeds, max_terms, network)
    given, folder = settings_of(overrides), Path(output)
    source = find_source(text_of(objective, "objective"))
    name = source.section["name"] if source.section is not None else None
    if network and name in PARAMETRISATIONS and getattr(built_in(name), "resized", None) is None:
        raise UserError(f"network: {source.name!r} is a {name}, which has no network to make smaller")
    if network and name not in PARAMETRISATIONS:
        raise UserError(
            f"network: {source.name!r} was learned by no built-in parametrisation, so that there is none to make "
            "smaller"
        )
    config_name = None if config is None else text_of(config, "config")
    place, settings, (_, origin) = settings_for(source, env, config_name, given)
    _check_apart(source, folder)
    check_writable(folder, "output")

    from metadisco.distillation.distil import distil as distilled
    from metadisco.plotting.comparison import draw_comparison

    with Display(not progress) as display:
        distilled(
            source,
            settings,
            place,
            folder,
            origin=origin,
            num_seeds=num_seeds,
            shapes=shapes,
            max_terms=max_terms,
            hidden_sizes=network,
            say=display.say,
            announced=partial(announce, display.say, origin, [source], [settings], given),
            progress=display.counting("step"),
            draw=draw_comparison,
        )
    found: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return found


def _check_options(num_seeds: int, max_terms: int | None, network: Sequence[int]) -> None:
    """Refuse options out of range."""
    if num_seeds < 0:
        raise UserError(f"num_seeds: got {num_seeds}, allowed: 0 (no retraining) or more")
    if max_terms is not None and not 1 <= max_terms <= MAX_TERMS:
        raise UserError(f"max_terms: got {max_terms}, allowed: 1 to {MAX_TERMS}")
    if num_seeds > 0:
        check_num_seeds(num_seeds)
    for width in network:
        if not 0 < width <= MAX_WIDTH:
            raise UserError(f"network: got {width!r}, allowed: positive widths, up to {MAX_WIDTH}")


def _check_apart(source: Source, output: Path) -> None:
    """Refuse to write among the files of the objective that is distilled."""
    where = (source.run, source.artefact)
    own = next((each.path for each in where if each is not None), None)
    if source.distilled is not None:
        own = source.distilled.path.parent
    if own is not None and output.resolve() == own.resolve():
        raise UserError(f"output: got {str(output)!r}, where {source.name!r} itself is, allowed: another folder")
