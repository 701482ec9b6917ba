"""What a command says of the settings under which it trains agents."""

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
    """Say under which settings agents are trained, and that learned objectives were found with others.

    Args:
        say: told.
        origin: of the settings, as in `Settings`.
        sources: the objectives.
        configs: one per training of each, each with one environment.
        keys: that KEY=VALUE words replaced.
    """
    for sentence in (*_described(origin, configs, keys), *_differences(origin, sources, configs)):
        say(sentence)


def _described(origin: str | None, configs: Sequence[Config], keys: Collection[str]) -> list[str]:
    """Return sentences that say what the settings are, and where they come from; one for environments alike."""
    by_env: dict[str, list[Config]] = {}
    for config in configs:
        by_env.setdefault(config.inner.tasks[0].env, []).append(config)
    said: dict[str, list[str]] = {}
    for env, several in by_env.items():
        said.setdefault(_facts(several), []).append(env)
    replaced = any(key.startswith("inner.") for key in keys)
    where = (f"of {origin}" if origin else "by default") + (", with KEY=VALUE as given" if replaced else "")
    if len(said) == 1:
        return [f"settings ({where}): {next(iter(said))}"]
    return [f"settings on {', '.join(envs)} ({where}): {facts}" for facts, envs in said.items()]


def _facts(configs: Sequence[Config]) -> str:
    """Return what one life is; where there are several values, all of them."""
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
    """Return a sentence for the learned objectives that were found with other settings, those alike in one."""
    differing: dict[str, list[str]] = {}
    short = short_names(source.name for source in sources)
    for source in sources:
        each = [found for found in (found_with(source, config) for config in configs) if found]
        if each:
            differing.setdefault(_named(each, configs), []).append(source.name)
    told = []
    for what, names in differing.items():
        who = ", ".join(short[name] for name in names)
        way = "" if origin in names else f", which are those of config {names[0]!r}"
        told.append(f"{who}: found with other settings ({what}){way}")
    return told


def _named(each: Sequence[Mapping[str, Any]], configs: Sequence[Config]) -> str:
    """Return in words what differs: keys, and values where these are the same in all trainings."""
    keys = list(dict.fromkeys(key for found in each for key in found))
    same = len(each) == len(configs) and all(found == each[0] for found in each)
    named = [f"{key} {each[0][key]}" if same else key for key in keys[:NUM_NAMED]]
    return ", ".join(named) + (f" and {len(keys) - NUM_NAMED} more" if len(keys) > NUM_NAMED else "")
