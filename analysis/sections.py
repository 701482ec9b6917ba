"""The command line of a study whose page consists of sections."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from study import filled

from metadisco.errors import UserError
from metadisco.outer.devices import start_jax
from metadisco.storage.files import write_atomically

Makers = Mapping[str, Callable[[], str]]
"""What makes each section, as Markdown, by its name."""
QUICK_SEEDS = 4


def parser_of(script: str, doc: str | None, names: list[str]) -> argparse.ArgumentParser:
    """Return a parser with the options of a study.

    Args:
        script: file of the study; its folder and page have the same name.
        doc: its docstring.
        names: of the sections.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=16, help="agents per cell")
    parser.add_argument("--output", type=Path, default=Path(script).with_suffix(""), help="folder of the study")
    parser.add_argument("--only", nargs="*", choices=names, help="sections to make")
    parser.add_argument("--quick", action="store_true", help="a few short lifetimes, to try the script")
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return the options; a quick try has few seeds, and must not write where the study is."""
    options = parser.parse_args()
    if options.quick:
        if options.output == parser.get_default("output"):
            parser.error("--quick: needs --output, as its numbers are not those of the page")
        options.seeds = QUICK_SEEDS
    return options


def make_page(parser: argparse.ArgumentParser, options: argparse.Namespace, makers: Makers) -> None:
    """Make sections, keep each in a file, and fill the page in if the folder is that of the study."""
    start_jax(None)
    made = {}
    try:
        for name in options.only or makers:
            made[name] = makers[name]()
            options.output.mkdir(parents=True, exist_ok=True)
            write_atomically(options.output / f"{name}.md", made[name])
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    if options.output == parser.get_default("output"):
        page = options.output.with_suffix(".md")
        write_atomically(page, filled(page.read_text(), made))
