"""Discoveries that come with the package, by their short names. Does not need JAX."""

from pathlib import Path

from metadisco.storage.package import ARTEFACT

FOLDER = Path(__file__).parent.parent / "published"
"""A link to `checkpoints` in the repository, a folder in an installed package."""


def published_names() -> list[str]:
    """Return the short names, sorted."""
    return sorted(path.name for path in FOLDER.glob("*") if (path / ARTEFACT.file).is_file())


def is_published(path: Path) -> bool:
    """Whether a folder is that of a discovery that comes with the package."""
    return path.resolve().parent == FOLDER.resolve()


def located(name: str) -> str:
    """Replace the short name of a published discovery by its folder; return other names unchanged.

    `SHORT@640` becomes `FOLDER@640`. A file or folder of that name in the working directory takes precedence.
    """
    short, at, generation = name.partition("@")
    if short in published_names() and not Path(short).exists():
        return f"{FOLDER / short}{at}{generation}"
    return name


def shadowed(name: str) -> Path | None:
    """Return the folder of a published discovery that a path in the working directory shadows; None if none does."""
    short, _, _ = name.partition("@")
    return FOLDER / short if short in published_names() and Path(short).exists() else None
