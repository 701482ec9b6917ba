"""`metadisco card`: the model card of a discovery."""

from pathlib import Path

from metadisco.api.cards import write_card


def card(name: str, output: Path | None, force: bool, quiet: bool) -> int:
    """Print or write a model card; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing is written then.
    """
    text = write_card(name, output, force=force)
    if not quiet:
        print(text if output is None else output, end="" if output is None else "\n")
    return 0
