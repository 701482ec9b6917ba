"""What a run was, in words and numbers, for a page about it."""

from collections.abc import Sequence
from typing import Any

from metadisco.config import describe_tasks, flatten, lifetime, parse_config, to_plain
from metadisco.discoveries.sources import Source
from metadisco.plotting.families import family_of
from metadisco.storage.rows import format_number

NOT_KNOWN = "not known"


def facts_of(source: Source) -> list[tuple[str, str]]:
    """Return what was run, in words."""
    assert source.run is not None and source.config is not None
    config, rows, start = source.config, source.run.metrics(), source.run.last_start()
    strategy = config.outer.strategy
    facts = [
        *_of_problem(source),
        (
            "Search",
            f"{strategy.name}: {strategy.population_size} members × {config.outer.num_rollouts} rollouts a generation",
        ),
        ("Meta-seed", str(config.seed)),
    ]
    if rows:
        facts += _of_rows(source, rows)
    if start:
        versions = ", ".join(
            f"{key} {start[key]}" for key in ("metadisco", "jax", "evosax", "gymnax") if start.get(key)
        )
        facts.append(("Versions", versions))
        if start.get("commit"):
            facts.append(("Commit", str(start["commit"])))
    return facts


def _of_problem(source: Source) -> list[tuple[str, str]]:
    """Return the problem, and how an evaluation runs, as far as that is known."""
    assert source.config is not None
    config = source.config
    facts = [] if source.is_objective else [("Problem", str(config.problem["name"]))]
    if config.parametrisation:
        facts.append(("Learned", str(config.parametrisation["name"])))
    family = family_of(source.problem)
    if family is not None:
        facts += family.facts(source)
    if not config.tasks:
        return facts
    lifetimes = {task.name: lifetime(task.ppo) for task in config.tasks}
    several = "; ".join(f"{each} on {name}" for name, each in lifetimes.items())
    return [
        *facts,
        ("Environments", ", ".join(lifetimes)),
        ("Lifetime", f"{next(iter(lifetimes.values()))} of PPO" if len(set(lifetimes.values())) == 1 else several),
        ("Fitness", f"{config.inner.fitness} ({config.outer.aggregate} over environments)"),
    ]


def _of_rows(source: Source, rows: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return facts from the metrics; a published run has those of every eighth generation only."""
    generations = rows[-1]["generation"] + 1
    facts = [("Generations", f"{generations:,}")]
    if source.centre is not None and int(source.centre.stem) != generations:
        facts.append(("Centre shown", f"after {int(source.centre.stem):,} generations"))
    env_steps = rows[-1].get("env_steps")
    spent = [f"{env_steps:,} environment steps"] if env_steps else []
    facts.append(("Spent", ", ".join([*spent, *_time(rows, generations)]) or NOT_KNOWN))
    known = [row["centre_fitness"] for row in rows if row.get("centre_fitness") is not None]
    if known:
        first, last = format_number(known[0]), format_number(known[-1])
        facts.append(("Fitness of the centre", f"{first} when first evaluated, {last} when last evaluated"))
    failed = sum(row.get("failed_members") or 0 for row in rows)
    of_kept = "" if len(rows) == generations else f" in the {len(rows):,} generations whose metrics are kept"
    facts.append(("Failed members", f"{failed:,}{of_kept}"))
    return facts


def _time(rows: Sequence[dict[str, Any]], generations: int) -> list[str]:
    """Return how long the generations took, without compiling and evaluations of the centre."""
    known = [row["seconds"] for row in rows if isinstance(row.get("seconds"), (int, float))]
    if not known:
        return []
    seconds = sum(known) / len(known) * generations
    time = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    without = "without compiling and evaluations of the centre"
    if len(known) == generations:
        return [f"{time} {without}"]
    return [f"about {time} {without}, by the {len(known):,} generations whose times are kept"]


def environments(source: Source) -> list[tuple[str, str]]:
    """Return by environment with which settings agents were trained there; first what all of them share."""
    assert source.config is not None
    if not source.config.tasks:
        return []
    common, each = describe_tasks(source.config.tasks)
    shared = [("everywhere", ", ".join(common))] if common else []
    return [*shared, *((env, ", ".join(words)) for env, words in each)]


def changed_settings(source: Source) -> list[tuple[str, str, str]]:
    """Return key, value and default of the settings that differ from those of the same parametrisation and strategy."""
    assert source.config is not None
    config = source.config
    sections = {"problem": config.problem, "parametrisation": config.parametrisation}
    names = {key: {"name": section["name"]} for key, section in sections.items() if section}
    names["outer"] = {"strategy": {"name": config.outer.strategy.name}}
    ours, defaults = flatten(to_plain(config)), flatten(to_plain(parse_config(names)))
    if config.tasks and config.inner.envs:
        del ours["inner.env"]
    own = [key for key, section in sections.items() if ":" in section.get("name", "")]  # the code alone knows
    unknown = tuple(f"{key}." for key in (*own, *(["inner"] if "problem" in own else [])))
    defaults |= {key: NOT_KNOWN for key in ours if key.startswith(unknown) and key not in defaults}
    found = []
    for key, value in sorted(ours.items()):
        default = defaults.get(_in_all(key), "")
        if value != default and not (key.startswith("inner.envs.") and value in ({}, None)):
            found.append((key, _text(value), _text(default)))
    return found


def _in_all(key: str) -> str:
    """Return the key that a setting of one environment has where it is set for all: inner.ppo.gamma."""
    inner, _, rest = key.partition("inner.envs.")
    section = rest.partition(".")[2]
    return f"inner.{section}" if not inner and section.startswith("ppo.") else key


def _text(value: Any) -> str:
    return "null" if value is None else str(value)
