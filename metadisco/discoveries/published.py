"""The discoveries that come with the package, by their short names. Needs no JAX."""

from pathlib import Path

from metadisco.storage.package import ARTEFACT

FOLDER = Path(__file__).parent.parent / "published"
"""A link to `checkpoints` in the repository, a folder in an installed package."""


def published_names() -> list[str]:
    """Return the short names, sorted."""
    return sorted(path.name for path in FOLDER.glob("*") if (path / ARTEFACT.file).is_file())


def is_published(path: Path) -> bool:
    """Whether a folder is that of a discovery which comes with the package."""
    return path.resolve().parent == FOLDER.resolve()


def located(name: str) -> str:
    """Return where an objective is: the folder of a discovery for its short name, else the name as it is.

    `SHORT@640` becomes `FOLDER@640`. A file or folder that has the short name where one stands comes first.
    """
    short, at, generation = name.partition("@")
    if short in published_names() and not Path(short).exists():
        return f"{FOLDER / short}{at}{generation}"
    return name


def shadowed(name: str) -> Path | None:
    """Return where a published discovery is whose short name something in the working directory has."""
    short, _, _ = name.partition("@")
    return FOLDER / short if short in published_names() and Path(short).exists() else None
