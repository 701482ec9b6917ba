"""An objective as one Python file that requires only NumPy, JAX or PyTorch."""

import textwrap
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np

from metadisco._version import __version__
from metadisco.discoveries.pairs import INPUTS, OUTPUTS
from metadisco.errors import UserError
from metadisco.export.languages import LANGUAGES
from metadisco.export.parts import check_itself
from metadisco.export.writer import WIDTH, Writer, indented
from metadisco.objectives.closed import LOG_RATIO_CLIP
from metadisco.objectives.losses import Losses

CLIP_SETTINGS = {
    "numpy": "A clipping constant in your program then has no effect.",
    "jax": "PureJaxRL's CLIP_EPS then has no effect.",
    "torch": "CleanRL's --clip-coef and --clip-vloss then have no effect.",
    "discogen": "DiscoGen's CLIP_EPS then has no effect.",
}
"""Settings of well-known PPO implementations that lose their effect, by language."""
TEMPLATES = Path(__file__).parent.parent / "templates" / "source"


class About(NamedTuple):
    """Contents of the header of a file."""

    name: str
    """Name of the objective."""
    file: str
    """Name of the file."""
    lines: list[str]
    """Description: what the objective is and where it was discovered."""
    settings: list[str]
    """Settings of the meta-training, one line per environment; empty if unknown."""
    advantage: str
    """How meta-training standardised advantages, in words."""
    value_coef: str
    """Value coefficient of the meta-training, in words in parentheses; empty if unknown."""
    licence: str
    """Licence of the file."""


def write_source(losses: Losses, language: str, about: About, pairs: dict[str, Any]) -> str:
    """Return the text of a file with both losses.

    Args:
        losses: of the objective.
        language: `numpy`, `jax`, `torch` or `discogen`.
        about: contents of the header.
        pairs: stored inputs and outputs, with which the file checks itself.

    Raises:
        UserError: if the losses need the progress of training, which DiscoGen does not pass on.
    """
    module, library = LANGUAGES[language]
    writer = Writer(module)
    policy, policy_gradient = writer.part("policy", losses.policy)
    value, value_gradient = writer.part("value", losses.value)
    if language == "discogen" and writer.uses_progress:
        raise UserError(
            f"{about.name}: its loss depends on the progress of training, which DiscoGen does not pass on, allowed: "
            "language jax, or an objective that is the same throughout training"
        )
    return template(f"{language}.py.j2").render(
        about=about,
        clip_settings=CLIP_SETTINGS[language],
        library=library,
        version=__version__,
        policy=indented(policy),
        policy_gradient=indented(policy_gradient),
        value=indented(value),
        value_gradient=indented(value_gradient),
        helpers=writer.helpers,
        progress=_uses_of_progress(writer.uses_progress),
        policy_progress="policy" in writer.uses_progress,
        value_progress="value" in writer.uses_progress,
        weights=writer.weights,
        max_log_ratio=LOG_RATIO_CLIP,
        pairs=_rows(pairs, bool(writer.uses_progress)),
    )


def check_source(text: str, name: str) -> None:
    """Run the self-check of a NumPy file, which finds a `source_losses` that contradicts `bind`.

    Args:
        text: of the file.
        name: of the objective, for messages.

    Raises:
        UserError: if the check fails.
    """
    check_itself(text, name, "got source_losses that give other numbers than bind, allowed: the same losses")


def _uses_of_progress(parts: set[str]) -> str:
    """Return in words which losses depend on progress."""
    if not parts:
        return "neither loss uses it"
    return "both losses use it: pass it" if len(parts) == 2 else f"the {min(parts)} loss uses it: pass it"


def _plain(text: Any) -> str:
    """Return text that is safe in a docstring: one line, without quotes and backslashes."""
    words = " ".join(str(text).replace("\\", "/").replace('"', "'").split())
    return "".join(letter for letter in words if letter.isprintable())


def _filled(text: str, bullet: str = "") -> str:
    """Return text for a docstring, wrapped; with a bullet as a list item."""
    return textwrap.fill(
        _plain(text),
        WIDTH,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _rows(pairs: dict[str, Any], uses_progress: bool) -> list[str]:
    """Return one line per stored pair of inputs and outputs; pairs with a non-finite number are left out."""
    names = ("log_ratio", "advantage", "progress", "value", "old_value", "target")
    assert set(names) == {*INPUTS, "progress"}
    columns = [pairs["inputs"][name] for name in names] + [pairs["outputs"][name] for name in OUTPUTS]
    table = [row for row in zip(*columns, strict=True) if None not in row]
    if not uses_progress:
        table = [row for row in table if row[names.index("progress")] == 0]
    return [", ".join(str(np.float32(x)) for x in row) for row in table]


def template(name: str) -> jinja2.Template:
    """Return a template of source, whose filters make text safe for docstrings."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(plain=_plain, filled=_filled, item=partial(_filled, bullet="- "))
    return environment.get_template(name)
