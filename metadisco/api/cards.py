"""Model cards, from Python."""

from pathlib import Path

from metadisco.discoveries.sources import find_discovery
from metadisco.storage.files import Name, text_of
from metadisco.storage.outputs import check_file, write_output


def write_card(discovery: Name, output: Name | None = None, *, force: bool = False) -> str:
    """Write the model card of a discovery: a description, its origin, and metadata for Hugging Face.

    The card goes beside the artefact, as README.md of the folder that is uploaded. The text of a card that is in the
    folder of the discovery already is kept; only its metadata are made anew.

    Args:
        discovery: a run, an artefact or a published discovery, by name or path.
        output: the file to write, or an existing folder for README.md in it; nothing is written if left out.
        force: overwrite an existing file.

    Returns:
        The text of the card.

    Raises:
        UserError: for input that cannot be used; nothing was written then.

    Example:
        text = metadisco.write_card("runs/first", "card.md")
    """
    from metadisco.reporting.card import CARD, card

    path = None if output is None else Path(output)
    path = path / CARD if path is not None and path.is_dir() else path
    text = card(find_discovery(text_of(discovery, "discovery")))
    if path is not None:
        check_file(path, "output", force)
        write_output(path, text, force)
    return text
