"""An objective as one file of Python that needs NumPy, JAX or PyTorch alone."""

import contextlib
import textwrap
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np

from metadisco._version import __version__
from metadisco.discoveries.pairs import INPUTS, OUTPUTS
from metadisco.errors import UserError
from metadisco.export.writer import WIDTH, Writer, indented
from metadisco.objectives.closed import MAX_LOG_RATIO
from metadisco.objectives.losses import Losses

LANGUAGES = {"numpy": ("np", "NumPy"), "jax": ("jnp", "JAX"), "torch": ("torch", "PyTorch")}
CLIP_SETTINGS = {
    "numpy": "A clipping constant of your program is without effect then.",
    "jax": "PureJaxRL's CLIP_EPS is without effect then.",
    "torch": "CleanRL's --clip-coef and --clip-vloss are without effect then.",
}
"""What the settings of other people's PPO no longer do, by language."""
TEMPLATES = Path(__file__).parent.parent / "templates" / "source"


class About(NamedTuple):
    """What the header of a file says."""

    name: str
    """Of the objective."""
    file: str
    """That the text will be in."""
    lines: list[str]
    """What it is, where it was found."""
    settings: list[str]
    """With which settings it was found, a line per environment; none where that is not known."""
    advantage: str
    """How advantages were standardised where it was found, in words."""
    value_coef: str
    """What it was, in words in brackets; empty if that is not known."""
    licence: str
    """Of the file."""


def write_source(losses: Losses, language: str, about: About, pairs: dict[str, Any]) -> str:
    """Return the text of a file with both losses.

    Args:
        losses: of the objective.
        language: `numpy`, `jax` or `torch`.
        about: for its header.
        pairs: inputs and outputs that the file checks itself against.
    """
    module, library = LANGUAGES[language]
    writer = Writer(module)
    policy, policy_gradient = writer.part("policy", losses.policy)
    value, value_gradient = writer.part("value", losses.value)
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
        progress=_whether(writer.uses_progress),
        policy_progress="policy" in writer.uses_progress,
        value_progress="value" in writer.uses_progress,
        weights=writer.weights,
        max_log_ratio=MAX_LOG_RATIO,
        pairs=_rows(pairs, bool(writer.uses_progress)),
    )


def check_source(text: str, name: str) -> None:
    """Run the check of a file for NumPy: a parametrisation may say something else in source_losses than in bind.

    Args:
        text: of the file.
        name: of the objective, for messages.

    Raises:
        UserError: if it does.
    """
    module: dict[str, Any] = {}
    exec(compile(text, name, "exec"), module)  # our own text, with numbers and names that we checked
    try:
        with contextlib.redirect_stdout(None), np.errstate(all="ignore"):
            module["_check"]()
    except SystemExit as error:
        raise UserError(
            f"{name}: got source_losses that give other numbers than bind, allowed: the same losses"
        ) from error


def _whether(parts: set[str]) -> str:
    """Return which losses look at progress, in words."""
    if not parts:
        return "is an argument of both that neither looks at"
    looks = "both losses look at" if len(parts) == 2 else f"the {min(parts)} loss looks at"
    return f"is an argument that {looks}: pass it"


def _plain(text: Any) -> str:
    """Return text for a docstring: in one line, and nothing that could end it."""
    words = " ".join(str(text).replace("\\", "/").replace('"', "'").split())
    return "".join(letter for letter in words if letter.isprintable())


def _filled(text: str, bullet: str = "") -> str:
    """Return text for a docstring in lines that are not too long, as an item of a list where it has a bullet."""
    return textwrap.fill(
        _plain(text),
        WIDTH,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _rows(pairs: dict[str, Any], uses_progress: bool) -> list[str]:
    """Return the pairs of inputs and outputs, a line each; what is not finite is left out."""
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
