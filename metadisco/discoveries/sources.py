"""Resolves the names of discoveries without loading them."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from metadisco.config import OBJECTIVE_SETTINGS, Config, build_settings, to_plain
from metadisco.config.code.own_code import source_of
from metadisco.config.problems import DEFAULT_PROBLEM, FINDS_OBJECTIVES, describe_discovery, finds_objective
from metadisco.discoveries.artefact import LEARNED, find_artefact, problem_of, read_artefact
from metadisco.discoveries.distilled import FILE, PARTS, Distilled, find_distilled
from metadisco.discoveries.names import find_centre
from metadisco.errors import UserError
from metadisco.parametrisations import built_in, make_parametrisation
from metadisco.storage.package import Package
from metadisco.storage.runs import CONFIG, RunDirectory


class Source(NamedTuple):
    """A discovery by its name: an objective, or the result of another meta-problem."""

    name: str
    identity: Any
    """Everything that determines its losses, as plain data; includes the source of a user-defined parametrisation."""
    trained_on: frozenset[str] | None
    """Environments of its meta-training, without backends; None for a closed form."""
    parts: tuple[str, ...]
    """Losses that were learned or differ from PPO: `policy`, `value`."""
    run: RunDirectory | None = None
    """The run that it comes from, if any."""
    config: Config | None = None
    """Config of that run."""
    centre: Path | None = None
    """File of the selected search centre of that run."""
    artefact: Package | None = None
    """The artefact that it comes from, if any; the folder of a published discovery is both a run and an artefact."""
    distilled: Distilled | None = None
    """The distilled forms that it comes from, if any."""
    problem: Mapping[str, Any] = {"name": DEFAULT_PROBLEM}
    """The meta-problem: section `problem` of a config."""

    @property
    def short_name(self) -> str:
        """Short name for tables and figures."""
        return short_names([self.name])[self.name]

    @property
    def is_objective(self) -> bool:
        """Whether agents can be trained with it."""
        return finds_objective(self.problem)

    @property
    def sha256(self) -> str:
        """SHA-256 of its identity, which does not depend on its name."""
        return digest_of(self.identity)

    @property
    def section(self) -> Mapping[str, Any] | None:
        """Name and settings of its parametrisation; None if it has none, such as a closed form."""
        if self.config is not None:
            return self.config.parametrisation or None
        if self.artefact is None:
            return None
        described = self.artefact.data.get("objective") or self.artefact.data["learned"]
        return described.get("parametrisation") or None


def digest_of(identity: Any) -> str:
    """Return the SHA-256 of plain data."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def find_source(name: str, settings: Mapping[str, Any] | None = None) -> Source:
    """Return the objective that a name refers to.

    Args:
        name: a closed objective, a published discovery, or the path of a run, artefact or distilled forms.
        settings: constants of a closed objective other than the defaults.

    Raises:
        UserError: if the name is unknown, or the discovery is no objective.
    """
    source = find_discovery(name, settings)
    check_objective(source)
    return source


def check_objective(source: Source) -> None:
    """Refuse a discovery that is not an objective.

    Raises:
        UserError: naming its kind.
    """
    if not source.is_objective:
        found = describe_discovery(source.problem)
        raise UserError(f"{source.name!r}: got {found}, allowed: {FINDS_OBJECTIVES}")


def find_discovery(name: str, settings: Mapping[str, Any] | None = None) -> Source:
    """Return the discovery of any meta-problem that a name refers to; see `find_source`.

    Raises:
        UserError: if the name is unknown.
    """
    if name in OBJECTIVE_SETTINGS:
        checked: Any = build_settings(OBJECTIVE_SETTINGS[name], settings or {}, prefix="objective.")
        return Source(name, [name, to_plain(checked)], None, ("policy",))
    source = _find(name)
    if settings:
        raise UserError(f"objective: {name!r} was made with its constants, so that {', '.join(settings)} cannot be set")
    return source


def _find(name: str) -> Source:
    """Return the discovery in a file or folder."""
    distilled = find_distilled(name)
    if distilled is not None:
        trained_on = None if distilled.trained_on is None else frozenset(map(plain_env, distilled.trained_on))
        identity: Any = [distilled.constants, distilled.expressions]
        return Source(name, identity, trained_on, tuple(distilled.expressions), distilled=distilled)
    path = find_artefact(name)
    artefact = None if path is None else read_artefact(path)
    if artefact is not None and not (artefact.path / CONFIG).is_file():
        return _artefact_source(name, artefact)
    run, file = find_centre(name)
    config = run.config()
    centre = hashlib.sha256(file.read_bytes()).hexdigest()
    trained_on = frozenset(plain_env(task.env) for task in config.tasks)
    if not finds_objective(config.problem):
        plain = to_plain(config)
        learned = {key: plain.get(key, {}) for key in LEARNED}
        identity = _with_code([config.problem, learned, centre])
        return Source(name, identity, trained_on, (), run, config, file, artefact, problem=config.problem)
    identity = _with_code([to_plain(config)["parametrisation"], centre])
    parts = _learned_parts(config.parametrisation)
    return Source(name, identity, trained_on, parts, run, config, file, artefact)


def _learned_parts(section: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the losses that a parametrisation learns; a user-defined one is assumed to learn both."""
    parts = getattr(built_in(section["name"]), "learns", PARTS)
    if isinstance(parts, property):  # it depends on the settings
        parts = make_parametrisation(section).learns  # type: ignore[attr-defined]
    return tuple(parts)


def _with_code(identity: list[Any]) -> list[Any]:
    """Return an identity with digests of the user-defined code that it names, if any."""
    code = source_of(identity)
    return [*identity, code] if code else identity


def _artefact_source(name: str, artefact: Package) -> Source:
    problem, trained_on = problem_of(artefact), artefact.data.get("trained_on")
    envs = frozenset(map(plain_env, trained_on["envs"])) if trained_on else None
    if not finds_objective(problem):
        identity = _with_code([problem, artefact.data["learned"], artefact.data["arrays_sha256"]])
        return Source(name, identity, envs, (), artefact=artefact, problem=problem)
    objective = artefact.data["objective"]
    identity = _with_code([objective, artefact.data["arrays_sha256"]])
    if objective["kind"] == "learned":
        parts = _learned_parts(objective["parametrisation"])
    else:
        parts = tuple(objective.get("expressions", ("policy",)))
    return Source(name, identity, envs, parts, artefact=artefact)


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return short names of objectives for tables and figures: the last part of a path, or the name of a form.

    If two short names are equal, all objectives keep their full names.
    """
    full = list(dict.fromkeys(names))
    short = {}
    for name in full:
        stem, at, form = name.rpartition("@")
        is_form = at and (stem.endswith(".json") or (Path(stem) / FILE).is_file())
        short[name] = f"form {form}" if is_form else _short(name)
    return short if len(set(short.values())) == len(full) else {name: name for name in full}


def _short(name: str) -> str:
    """Return the last part of a path; `KIND:PATH`, as talkers are named that are made of others, keeps its kind."""
    kind, colon, path = name.partition(":")
    is_made = colon and path and "/" not in kind
    return f"{kind}:{_last_part(Path(path))}" if is_made else _last_part(Path(name))


def _last_part(path: Path) -> str:
    return path.stem if path.suffix == ".zip" else path.name or path.resolve().name


def plain_env(env: str) -> str:
    """Return the name of an environment without a backend."""
    return env.partition(":")[0] if "/" in env else env
