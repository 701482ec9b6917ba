"""Runs by name: RUN, RUN@generation or a published discovery. Does not start JAX."""

from pathlib import Path

from metadisco.config import OBJECTIVE_SETTINGS
from metadisco.discoveries.published import located, published_names, shadowed
from metadisco.errors import UnknownNameError, UserError, nearest
from metadisco.storage.runs import CONFIG, RunDirectory

MAX_NAME = 4096  # letters of a path


def find_run(name: str) -> tuple[Path, int | None]:
    """Split RUN or RUN@generation into the path of the run and the generation; accepts published discoveries.

    Raises:
        UserError: if there is no such run.
    """
    if len(name) > MAX_NAME:
        raise UnknownNameError(f"no objective {name[:40]!r}…, allowed: a shorter name")
    place = located(name)
    path, generation = Path(place), None
    stem, at, number = place.rpartition("@")
    if at and not path.exists() and number.isascii() and number.isdigit():
        path, generation = Path(stem), int(number)
    if not (path / CONFIG).is_file():
        if (published := shadowed(name)) is not None:
            raise UserError(
                f"no objective {name!r}: a path of that name shadows the published discovery and is no run, "
                f"allowed: {str(published)!r}"
            )
        names = (*OBJECTIVE_SETTINGS, *published_names())
        raise UnknownNameError(
            f"no objective {name!r}, allowed: {', '.join(names)}, "
            f"or the path of a run, artefact or distilled forms{nearest(name, names)}"
        )
    return path, generation


def find_centre(name: str) -> tuple[RunDirectory, Path]:
    """Return a run and the file of one of its centres.

    Args:
        name: path of the run, for its newest centre; with @generation for the centre after that many generations.

    Raises:
        UserError: if there is no such run or generation.
    """
    path, generation = find_run(name)
    run = RunDirectory(path)
    kept = run.centre_generations()
    if not kept:
        raise UserError(f"{name!r} holds no centre yet: the run has reached no checkpoint")
    if generation is not None and generation not in kept:
        raise UserError(f"{name!r}: no centre was kept after generation {generation}, allowed: {_listed(kept)}")
    return run, run.centre_path(kept[-1] if generation is None else generation)


def check_pinned(key: str, name: str) -> None:
    """Refuse a run without a generation where a search refers to it: a run that goes on would change the search.

    Args:
        key: of the config, for the message.
        name: of a discovery, in whatever form.

    Raises:
        UserError: with the names that are allowed.
    """
    path = Path(located(name))
    if (path / CONFIG).is_file() and located(name) == name:
        kept = RunDirectory(path).centre_generations()
        newest = kept[-1] if kept else 0
        raise UserError(
            f"{key}: got the run {name!r}, which may go on, allowed: one of its centres, such as {name}@{newest}"
        )


def _listed(generations: list[int]) -> str:
    if len(generations) <= 12:
        return ", ".join(map(str, generations))
    return f"{', '.join(map(str, generations[:4]))}, …, {', '.join(map(str, generations[-4:]))}"
