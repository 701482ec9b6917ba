"""All keys of a configuration, read from the settings classes: type, default, allowed values and meaning.

The documentation of the keys is made from these records. Settings classes of higher layers are given as text and
imported when the keys are read.
"""

import dataclasses
from collections.abc import Iterator
from pkgutil import resolve_name
from typing import Any, NamedTuple

from metadisco.errors import UserError, nearest

from .fields import MAX_FLOAT
from .help import meaning_of
from .kinds import Kind, kind_of, section_of
from .objectives import OBJECTIVE_SETTINGS
from .outer import OuterConfig
from .ppo import PPOConfig
from .problems import PROBLEMS, problem_kind
from .ranges import LIMITS
from .root import Config, LoggingConfig
from .settings_grid import CONTROL, GivenScale
from .settings_grid import SECTIONS as GRID

GAME = "metadisco.inner.games.registry:KEYS"
LEARNERS = "metadisco.inner.games.players.registry:LEARNERS"
SPACE = "metadisco.tuning.config:SpaceConfig"
REQUIRED = "required"
SHORT = 10_000
"""Whole numbers from here on are written with separators."""


class ConfigKey(NamedTuple):
    """A key of a configuration file."""

    key: str
    """Dotted name, as on the command line. N stands for an index into a list."""
    kind: str
    """Type in words."""
    allowed: str
    """Allowed values beyond the type; empty if all are."""
    default: str
    """Default as YAML; `required` if there is none."""
    meaning: str
    """Meaning, and the unit where there is one."""


class KeyGroup(NamedTuple):
    """The keys of one section, as one settings class defines them."""

    file: str
    """Kind of file that has the section: `config`, `objective`, `player`, `game`, `space` or `grid`."""
    title: str
    """Prefix of the keys, such as `outer.strategy`; for a section with several forms also which one is meant."""
    about: str
    """What the section holds, in one sentence or more."""
    condition: str
    """A key with the value that it must have for these keys to be allowed; empty if they always are."""
    keys: tuple[ConfigKey, ...]


def key_groups() -> tuple[KeyGroup, ...]:
    """Return every key of a config, of objectives, players and games, of a space file and of a grid of settings."""
    groups = [_root(), *_problems(), *_parametrisations(), *_inner(), _randomised()]
    groups += [*_sections("config", "outer", OuterConfig), *_sections("config", "logging", LoggingConfig)]
    groups += [_group("objective", f"objective: {name}", "objective", cls) for name, cls in OBJECTIVE_SETTINGS.items()]
    groups += [_group("player", f"player: {name}", "", resolve_name(cls)) for name, cls in _learners().items()]
    groups += [
        _game(),
        *_sections("space", "", resolve_name(SPACE)),
        _grid(),
        _group("grid", "scale", "scale.N", GivenScale),
    ]
    return tuple(group for group in groups if group.keys)


def find_keys(word: str) -> tuple[tuple[KeyGroup, ConfigKey], ...]:
    """Return the keys that a word means, each with its group: a whole key, a section, a part of a key, or its form.

    Args:
        word: such as `inner.ppo.gamma`, `outer.strategy`, `gamma`, `strategy` or `value_loss`.

    Raises:
        UserError: with the nearest names, if there is none.
    """
    known = [(group, key) for group in key_groups() for key in group.keys]
    for matches in (
        lambda group, key: group.file == "config" and key == word,
        lambda group, key: group.file == "config" and key.startswith(f"{word}."),
        lambda group, key: f".{word}." in f".{key}.",
        lambda group, key: group.title.rstrip(")").endswith(f": {word}"),
    ):
        found = tuple((group, key) for group, key in known if matches(group, key.key))
        if found:
            return found
    names = {key.key for _, key in known} | {key.key.rpartition(".")[2] for _, key in known}
    raise UserError(f"key: got {word!r}, allowed: a key or a section of a config{nearest(word, sorted(names), 3)}")


def keys_meant(word: str) -> list[str]:
    """Return the keys of configs that a key without its section, or in a wrong one, may mean.

    Args:
        word: such as `learning_rate` or `outer.learning_rate`.
    """
    groups = [each for each in key_groups() if each.file == "config" and each.title != "inner.randomise"]
    groups.sort(key=lambda each: each.condition.startswith("parametrisation"))  # the others are meant more often
    known = dict.fromkeys(key.key for group in groups for key in group.keys if ".N." not in key.key)
    ends = [key for key in known if key.endswith(f".{word}")]
    last = word.rpartition(".")[2]
    return ends or [key for key in known if key.rpartition(".")[2] == last]


def _learners() -> dict[str, str]:
    found: dict[str, str] = resolve_name(LEARNERS)
    return found


def _root() -> KeyGroup:
    """Return the keys outside of any section."""
    sections = ("problem", "parametrisation", "inner", "outer", "logging")
    keys = [_key(Config, field, "") for field in dataclasses.fields(Config) if field.name not in sections]
    return KeyGroup("config", "seed and deterministic", "Keys outside of any section.", "", tuple(keys))


def _problems() -> Iterator[KeyGroup]:
    """Return the section `problem`: its name, and the settings of each problem."""
    yield _named("problem", "The meta-problem: what is learned, and how it is judged.", tuple(PROBLEMS))
    for name in PROBLEMS:
        yield from _sections("config", "problem", _kind(name).settings, f"problem.name: {name}")


def _parametrisations() -> Iterator[KeyGroup]:
    """Return the section `parametrisation`: its name, and the settings of each one."""
    kinds = [(problem, name) for problem in PROBLEMS for name in _kind(problem).parametrisations]
    names = tuple(dict.fromkeys(name for _, name in kinds))
    yield _named("parametrisation", "The learned function.", names)
    for problem, name in kinds:
        cls = resolve_name(_kind(problem).parametrisations[name])
        yield from _sections("config", "parametrisation", cls, f"parametrisation.name: {name}")


def _inner() -> Iterator[KeyGroup]:
    """Return the section `inner`; problems that have the same settings share it."""
    users: dict[type, list[str]] = {}
    for name in PROBLEMS:
        users.setdefault(_kind(name).inner, []).append(name)
    for cls, names in users.items():
        yield from _sections("config", "inner", cls, f"problem.name: {' or '.join(names)}")


def _kind(problem: str) -> Any:
    """Return the class of a built-in problem."""
    return problem_kind(problem)


def _named(section: str, about: str, names: tuple[str, ...]) -> KeyGroup:
    """Return the key `name` of a section; the first name is the default."""
    meaning = "Which one; the other keys of the section depend on it. `package.module:Name` is a class of your own."
    key = ConfigKey(f"{section}.name", "text", ", ".join(names), names[0], meaning)
    return KeyGroup("config", f"{section}.name", about, "", (key,))


def _sections(file: str, prefix: str, cls: Any, condition: str = "") -> Iterator[KeyGroup]:
    """Return the keys of a settings class, and those of the sections in it."""
    title = prefix or "space file"
    yield _group(file, f"{title} ({condition})" if condition else title, prefix, cls, condition)
    for field in dataclasses.fields(cls):
        section, listed = section_of(field.type)
        if section is not None:
            name = ".".join(filter(None, [prefix, field.name, "N" if listed else ""]))
            yield from _sections(file, name, section, condition)


def _group(file: str, title: str, prefix: str, cls: Any, condition: str = "") -> KeyGroup:
    """Return the keys of a settings class, without sections that are always there."""
    keys = (_key(cls, field, prefix) for field in dataclasses.fields(cls) if not _is_section(field))
    about = (cls.__doc__ or "").partition("\n\nFields:")[0].partition("\n\nRaises:")[0]
    return KeyGroup(file, title, about, condition, tuple(keys))


def _randomised() -> KeyGroup:
    """Return the settings that `inner.randomise` can draw, with the ranges that are allowed."""
    keys = []
    for name, (low, high) in LIMITS.items():
        above = name == "max_grad_norm"
        bounds = [] if low == -MAX_FLOAT else [f"{'above' if above else 'from'} {low:g}"]
        bounds += [] if high == MAX_FLOAT else [f"to {high:g}"]
        kind = "section {linear: [LOW, HIGH]} or {log: [LOW, HIGH]}"
        keys.append(ConfigKey(f"inner.randomise.{name}", kind, " ".join(bounds), "null", meaning_of(PPOConfig, name)))
    about = "Ranges from which each training of a search draws settings; `log` is uniform in the logarithm."
    return KeyGroup("config", "inner.randomise", about, "", tuple(keys))


def _game() -> KeyGroup:
    """Return the keys of a game that is given by its payoffs."""
    kinds = {"name": ("text", "own_game"), "payoffs": ("section", REQUIRED), "gamma": ("number or null", "null")}
    meanings: dict[str, str] = resolve_name(GAME)
    keys = [ConfigKey(name, kinds[name][0], "", kinds[name][1], text) for name, text in meanings.items()]
    about = "A game by its payoffs: the section `problem.game`, or a file for `metadisco evaluate --games`."
    return KeyGroup("game", "game", about, "", tuple(keys))


def _grid() -> KeyGroup:
    """Return the sections of a grid of settings, which are lists of many forms."""
    defaults = {"settings": REQUIRED, "envs": "{}", "control": _yaml(CONTROL)}
    keys = [
        ConfigKey(name, "section" if name == "envs" else "list", "", defaults.get(name, "[]"), text)
        for name, text in GRID.items()
    ]
    return KeyGroup("grid", "grid of settings", "A file for `metadisco evaluate --settings`.", "", tuple(keys))


def _is_section(field: "dataclasses.Field[Any]") -> bool:
    """Whether a field is a section that can be neither null nor left empty: its keys stand for it."""
    section, listed = section_of(field.type)
    return section is not None and not listed and field.default is not None


def _key(cls: Any, field: "dataclasses.Field[Any]", prefix: str) -> ConfigKey:
    kind: Kind = kind_of(field.type)
    name = f"{prefix}.{field.name}" if prefix else field.name
    return ConfigKey(name, kind.name, kind.allowed, _default(field), meaning_of(cls, field.name))


def _default(field: "dataclasses.Field[Any]") -> str:
    """Return the default of a field as it is written in YAML."""
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    elif field.default is dataclasses.MISSING:
        return REQUIRED
    else:
        value = field.default
    return _yaml(value)


def _yaml(value: Any) -> str:
    """Write a plain value in one line of YAML."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {_yaml(each)}' for name, each in value.items())}}}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:_}" if isinstance(value, int) and value >= SHORT else str(value)
