"""The reference of commands, from the parser of the command line."""

import argparse
import inspect

from metadisco.commands.options import make_parser

from .markdown import fenced, plain

WIDTH = 90  # of usage lines


def commands() -> str:
    """Return every command with its usage, its arguments and an example."""
    (subparsers,) = (each for each in make_parser()._actions if isinstance(each, argparse._SubParsersAction))
    return "\n\n".join(_command(name, parser) for name, parser in subparsers.choices.items())


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=WIDTH)
    title, _, example = (parser.epilog or "").partition(":\n")
    parts = [f"## metadisco {name}", parser.description or "", fenced("text", parser.format_usage())]
    for group in parser._action_groups:
        actions = [each for each in group._group_actions if each.help != argparse.SUPPRESS]
        if actions:
            standard = group.title in ("positional arguments", "options")
            parts += [f"**{(group.title or '').capitalize()}**" if not standard else "", *map(_argument, actions)]
    if example:
        code, after = _indented(example)
        parts += [f"**{title.capitalize()}**", fenced("console", code), after]
    return "\n\n".join(filter(None, parts))


def _argument(action: argparse.Action) -> str:
    """Describe an argument or an option as an entry of a definition list."""
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    names = ", ".join(f"`{each}{value}`" for each in action.option_strings) or f"`{value.strip()}`"
    facts = ["required"] if action.required and action.option_strings else []
    facts += [f"one of {', '.join(map(str, action.choices))}"] if action.choices else []
    if action.default not in (None, False, True, [], argparse.SUPPRESS) and "default" not in (action.help or ""):
        facts.append(f"default: {action.default}")
    text = plain((action.help or "").replace("%(default)s", str(action.default)))
    return f"{names}\n: {'; '.join([text, *facts])}"


def _indented(example: str) -> tuple[str, str]:
    """Split the end of a help text into its indented examples and the sentences after them."""
    lines = example.split("\n")
    last = max(index for index, line in enumerate(lines) if line.startswith("  "))
    return inspect.cleandoc("\n".join(lines[: last + 1])), plain("\n".join(lines[last + 1 :]))
