"""Messages about the settings with which agents are trained."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from metadisco.config import Config
from metadisco.discoveries.sources import Source, short_names
from metadisco.evaluation.settings import found_with

NUM_NAMED = 4


def announce(
    say: Callable[[str], None],
    origin: str | None,
    sources: Sequence[Source],
    configs: Sequence[Config],
    keys: Collection[str],
) -> None:
    """Announce the settings of the trainings, and where learned objectives were discovered with others.

    Args:
        say: receives each sentence.
        origin: of the settings, as in `Settings`.
        sources: the objectives.
        configs: one per training of each objective, each with one environment.
        keys: keys that KEY=VALUE words replaced.
    """
    for sentence in (*_descriptions(origin, configs, keys), *_differences(origin, sources, configs)):
        say(sentence)


def _descriptions(origin: str | None, configs: Sequence[Config], keys: Collection[str]) -> list[str]:
    """Return sentences that name settings and their origin; environments with the same settings share one."""
    by_env: dict[str, list[Config]] = {}
    for config in configs:
        by_env.setdefault(config.inner.tasks[0].env, []).append(config)
    envs_by_facts: dict[str, list[str]] = {}
    for env, several in by_env.items():
        envs_by_facts.setdefault(_facts(several), []).append(env)
    replaced = any(key.startswith("inner.") for key in keys)
    where = (f"of {origin}" if origin else "by default") + (", with KEY=VALUE as given" if replaced else "")
    if len(envs_by_facts) == 1:
        return [f"settings ({where}): {next(iter(envs_by_facts))}"]
    return [f"settings on {', '.join(envs)} ({where}): {facts}" for facts, envs in envs_by_facts.items()]


def _facts(configs: Sequence[Config]) -> str:
    """Describe one lifetime; a setting that differs between configs is listed with all its values."""
    facts = [
        (
            f"{ppo.executed_env_steps:,} environment steps",
            f"{ppo.num_envs} × {ppo.num_steps} an update (num_envs × num_steps)",
            f"learning rate {ppo.learning_rate:g}{' annealed to 0' if ppo.anneal_learning_rate else ''}",
            f"{ppo.num_epochs} epochs × {ppo.num_minibatches} minibatches",
        )
        for ppo in (config.inner.ppo for config in configs)
    ]
    return ", ".join(" or ".join(dict.fromkeys(each)) for each in zip(*facts, strict=True))


def _differences(origin: str | None, sources: Sequence[Source], configs: Sequence[Config]) -> list[str]:
    """Return sentences about learned objectives that were discovered with other settings; equal ones share one."""
    differing: dict[str, list[str]] = {}
    short = short_names(source.name for source in sources)
    for source in sources:
        each = [found for found in (found_with(source, config) for config in configs) if found]
        if each:
            differing.setdefault(_named(each, configs), []).append(source.name)
    sentences = []
    for what, names in differing.items():
        who = ", ".join(short[name] for name in names)
        way = "" if origin in names else f", which are those of config {names[0]!r}"
        sentences.append(f"{who}: found with other settings ({what}){way}")
    return sentences


def _named(each: Sequence[Mapping[str, Any]], configs: Sequence[Config]) -> str:
    """List the settings that differ, with values where all trainings agree on them."""
    keys = list(dict.fromkeys(key for found in each for key in found))
    same = len(each) == len(configs) and all(found == each[0] for found in each)
    named = [f"{key} {each[0][key]}" if same else key for key in keys[:NUM_NAMED]]
    return ", ".join(named) + (f" and {len(keys) - NUM_NAMED} more" if len(keys) > NUM_NAMED else "")
