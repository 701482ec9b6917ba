"""The reference pages, generated from the code of the package. Needs no Sphinx.

A page of docs/ contains lines such as `<!-- generated: strategies -->`, in place of which `filled` puts MyST Markdown.
"""

import re
from collections.abc import Callable

from .commands import commands
from .configuration import configuration
from .names import discoveries, environments, games, objectives, strategies
from .python_api import api, module, modules

MARKER = re.compile(r"^<!-- generated: (\w+)(?: (\S+))? -->$", re.MULTILINE)

GENERATORS: dict[str, Callable[..., str]] = {
    each.__name__: each
    for each in (
        configuration,
        commands,
        environments,
        games,
        strategies,
        objectives,
        discoveries,
        api,
        modules,
        module,
    )
}
"""What a marker can name; a word after the name is its argument."""


def filled(text: str) -> str:
    """Return the text of a page with every marker replaced by what it stands for."""
    return MARKER.sub(lambda found: GENERATORS[found[1]](*filter(None, [found[2]])), text)
