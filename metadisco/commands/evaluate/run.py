"""`metadisco evaluate`: what is compared decides who does it."""

import argparse
import importlib

from metadisco.commands.evaluate.families import family_of


def evaluate(options: argparse.Namespace) -> int:
    """Compare what the options name; return the exit code.

    Raises:
        UserError: for options that do not belong together, or what the family refuses; nothing was written then.
    """
    name, given = family_of(vars(options))
    code: int = importlib.import_module(f"metadisco.commands.evaluate.{name}").evaluate(**given)
    return code
