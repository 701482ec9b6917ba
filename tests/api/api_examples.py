"""The examples in the docstrings of public names."""

import re
import textwrap
from typing import Any

import metadisco


def example_of(name: str) -> str:
    """Return the code in the docstring of a public name, without its indentation."""
    found = re.search(r"^ *Example:\n((?: .*\n|\n)*)", f"{getattr(metadisco, name).__doc__}\n", re.MULTILINE)
    assert found is not None, name
    return textwrap.dedent(found[1])


def run_example(name: str) -> dict[str, Any]:
    """Run the code in the docstring of a public name; return the names that it defined."""
    defined: dict[str, Any] = {"metadisco": metadisco}
    exec(example_of(name), defined)
    return defined
