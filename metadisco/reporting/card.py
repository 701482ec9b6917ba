"""Model cards: a page about a discovery that explains it to others, with the metadata of Hugging Face at its head."""

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from metadisco.config import Config, describe_tasks, parse_config, write_yaml
from metadisco.config.problems import DEFAULT_PROBLEM
from metadisco.discoveries.save import LICENCE
from metadisco.discoveries.sources import Source
from metadisco.errors import UserError
from metadisco.parametrisations import built_in

CARD = "README.md"
HEAD = re.compile(r"\A---\n.*?^---\n+", re.MULTILINE | re.DOTALL)


class Family(NamedTuple):
    """What a card says of the discoveries of one meta-problem."""

    tags: tuple[str, ...]
    what: str
    """What was found, where the parametrisation does not say it better; empty for an objective."""
    settings: tuple[str, ...]
    """Settings of the problem that a reader asks for first."""
    loader: str
    use: str


FAMILIES = {
    "objective_discovery": Family(
        ("objective-discovery", "ppo"),
        "",
        (),
        "load_objective",
        "Agents are trained with it by `metadisco.train_agents` or\n"
        "`metadisco train --objective FOLDER --env gymnax/CartPole-v1 --config FOLDER`, where `--config` takes the\n"
        "settings that it was found with. `metadisco export FOLDER --to torch` writes\n"
        "it as source for other training loops.",
    ),
    "opponent_shaping": Family(
        ("opponent-shaping", "game-theory"),
        "A meta-policy for a repeated game, evolved against opponents that learn while it plays.",
        ("game", "opponents", "seat"),
        "load_meta_policy",
        "It is a player of `metadisco evaluate --players FOLDER --opponents naive --games GAME`.",
    ),
    "cheap_talk": Family(
        ("adversarial-cheap-talk", "ppo"),
        "A message beside the observations of a learner; it changes neither rewards nor dynamics.",
        ("aim", "objective"),
        "load_message",
        "It is a talker of `metadisco evaluate --talkers FOLDER --envs ENV --config FOLDER`.",
    ),
}
COMMON = ("reinforcement-learning", "meta-learning", "evolution-strategies", "jax")


def card(source: Source) -> str:
    """Return the model card of a discovery.

    If a card lies in its folder already, the text of that one is kept, and only its metadata are written anew.

    Raises:
        UserError: for a closed form, which was not discovered.
    """
    if source.artefact is None and source.run is None:
        raise UserError(f"discovery: got {source.name!r}, allowed: a run, an artefact or a published discovery")
    written = written_text(source)
    return f"---\n{write_yaml(metadata(source))}---\n\n{_body(source) if written is None else written}"


def metadata(source: Source) -> dict[str, Any]:
    """Return the metadata that Hugging Face reads from the head of a card."""
    family = FAMILIES.get(source.problem["name"])
    envs = sorted({env.partition("/")[2].partition(":")[0] or env for env in source.trained_on or ()})
    return {
        "license": _licence(source).lower(),
        "library_name": "metadisco",
        "pipeline_tag": "reinforcement-learning",
        "tags": [*COMMON, *(family.tags if family else ()), *envs],
    }


def _licence(source: Source) -> str:
    return LICENCE if source.artefact is None else str(source.artefact.data.get("licence", LICENCE))


def written_text(source: Source) -> str | None:
    """Return the text of the card that lies in the folder of a discovery, without its metadata."""
    place = source.artefact.path if source.artefact is not None else source.run.path if source.run is not None else None
    file = None if place is None else place / CARD
    return HEAD.sub("", file.read_text(encoding="utf-8")) if file is not None and file.is_file() else None


def _body(source: Source) -> str:
    """Return a card about a discovery that has none."""
    name = Path(source.name.partition("@")[0]).stem
    family = FAMILIES.get(source.problem["name"])
    config = config_of(source)
    parts = [f"# {name}", _what(source)]
    if family is not None:
        load = f"from metadisco import {family.loader}\n\ndiscovery = {family.loader}(FOLDER)"
        parts += [
            f"```python\n{load}\n```",
            "FOLDER is this folder, or the path that `huggingface_hub.snapshot_download` returns. " + family.use,
        ]
    if config is not None:
        parts += ["## How it was found", _table(_found(source, config))]
    parts += [
        "## Limits",
        "It was evolved under the settings above, and nothing here says how it does elsewhere. Before you rely on it, "
        "compare\nit on seeds that no search has used, on your environments and at your settings: "
        "`metadisco evaluate`.",
    ]
    return "\n\n".join(parts) + "\n"


def _what(source: Source) -> str:
    """Return what was learned: the first sentence of its parametrisation."""
    family = FAMILIES.get(source.problem["name"])
    if family is not None and family.what:
        return family.what
    section = source.section or {}
    cls = built_in(str(section.get("name")))
    if cls is None:
        return f"A discovery of the problem {source.problem['name']}, by the parametrisation {section.get('name')}."
    sentence = (inspect.getdoc(cls) or "").partition("\n\n")[0].replace("\n", " ")
    return re.sub(r" \(see `\w+`\)", "", sentence)


def config_of(source: Source) -> Config | None:
    """Return the settings of the search that a discovery comes from; None if they are not known."""
    if source.config is not None or source.artefact is None:
        return source.config
    data = source.artefact.data
    trained_on, learned = data.get("trained_on"), data.get("learned", data.get("objective", {}))
    if not trained_on or ":" in source.problem["name"] or "parametrisation" not in learned:
        return None
    sections: Mapping[str, Any] = {
        "problem": data.get("problem", {"name": DEFAULT_PROBLEM}),
        "parametrisation": learned["parametrisation"],
        "inner": trained_on.get("inner", learned.get("inner", {})),
        "outer": trained_on["outer"],
        "seed": trained_on["seed"],
    }
    return parse_config(sections)


def _found(source: Source, config: Config) -> list[tuple[str, str]]:
    """Return how a discovery was found, as pairs of a word and a description."""
    facts = [("problem", str(config.problem["name"])), ("parametrisation", str(config.parametrisation.get("name")))]
    family = FAMILIES.get(source.problem["name"])
    for key in family.settings if family is not None else ():
        value = config.problem.get(key)
        facts.append((key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    if config.tasks:
        described = describe_tasks(config.tasks)
        facts += [(name, "; ".join(words)) for name, words in described.each]
        facts += [("all environments", "; ".join(described.common))] if described.common else []
        facts.append(("fitness", config.inner.fitness))
    strategy = config.outer.strategy
    facts.append(
        (
            "strategy",
            f"{strategy.name}, {strategy.population_size} members, rollouts per member: {config.outer.num_rollouts}",
        )
    )
    trained_on = source.artefact.data.get("trained_on") if source.artefact is not None else None
    generations = int(source.centre.stem) if source.centre is not None else (trained_on or {}).get("generations")
    steps = (trained_on or {}).get("env_steps")
    facts += [("generations", f"{generations:,}")] if generations is not None else []
    facts += [("environment steps", f"{steps:,}")] if steps else []
    return [*facts, ("meta-seed", str(config.seed))]


def _table(rows: list[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows)])
