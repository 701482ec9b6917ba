"""The searches of the study of adversarial cheap talk, each once for every meta-seed."""

import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from metadisco import Run, evolve
from metadisco.storage.runs import RunDirectory

CONFIGS = Path(__file__).parents[1] / "experiments" / "cheap_talk"
SEEDS = (1, 2, 3)
AIMS = ("harm", "help")
SHORT_GENERATIONS = 30
"""Of searches with other channels, which are compared with the first SHORT_GENERATIONS of the usual ones."""
CHANNELS, SCALES = (1, 2, 4, 8), (0.5, 2.0, 2 * math.pi)
USUAL_CHANNELS, USUAL_SCALE = 2, 2 * math.pi
QUICK = {
    "outer.num_generations": 2, "outer.evaluate_every": 1, "outer.checkpoint_every": 1,
    "outer.strategy.population_size": 4, "inner.ppo.num_envs": 4, "inner.ppo.num_steps": 64,
    "inner.ppo.num_env_steps": 512, "inner.ppo.num_epochs": 1, "inner.ppo.num_evaluation_episodes": 2,
}  # fmt: skip


class Search(NamedTuple):
    """One line of experiments."""

    config: str
    """Name of a file in experiments/cheap_talk."""
    seeds: tuple[int, ...] = (1,)
    overrides: Mapping[str, Any] = {}


def name_of(aim: str, num_channels: int = USUAL_CHANNELS, scale: float = USUAL_SCALE) -> str:
    """Return the name of the search for a message of another channel; for the usual one, the aim.

    Args:
        aim: harm or help.
        num_channels: one of CHANNELS.
        scale: one of SCALES.
    """
    channels = "" if num_channels == USUAL_CHANNELS else f"_channels_{num_channels}"
    return f"{aim}{channels}" + ("" if scale == USUAL_SCALE else f"_scale_{scale:g}")


def _of_other_channels() -> Iterator[tuple[str, Search]]:
    """Give short searches for messages with other numbers of channels, and with other scales."""
    channels = [(each, USUAL_SCALE) for each in CHANNELS if each != USUAL_CHANNELS]
    scales = [(USUAL_CHANNELS, each) for each in SCALES if each != USUAL_SCALE]
    for num_channels, scale in [*channels, *scales]:
        for aim in AIMS:
            overrides = {
                "parametrisation.num_channels": num_channels, "parametrisation.scale": scale,
                "outer.num_generations": SHORT_GENERATIONS,
            }  # fmt: skip
            yield name_of(aim, num_channels, scale), Search(f"cartpole_{aim}", overrides=overrides)


REMEDIES: dict[str, Mapping[str, Any]] = {
    "control_budget": {"outer.num_generations": 1000},
    "control_inputs": {"parametrisation.input_scale": [2.4, 2.0, 0.2, 2.0]},
    "control_learner": {"inner.ppo.num_env_steps": 32_768, "outer.num_generations": 300},
    "control_channels": {"parametrisation.num_channels": 4, "parametrisation.scale": 2 * math.pi},
    "control_length": {"inner.env_settings.max_steps_in_episode": 400},
}
"""What may help control, by search: twice the generations; all that the steering message sees, the goal included, of
about the same size; learners that train twice as long; a larger channel; longer episodes."""

SEARCHES = {
    "harm": Search("cartpole_harm", SEEDS),
    "help": Search("cartpole_help", SEEDS),
    "harm_normalised": Search("cartpole_harm_normalised"),
    "pendulum_harm": Search("pendulum"),
    "pendulum_help": Search("pendulum", overrides={"problem.aim": "help"}),
    "breakout_harm": Search("breakout"),
    "breakout_help": Search("breakout", overrides={"problem.aim": "help"}),
    **dict(_of_other_channels()),
    "control": Search("cartpole_control"),
    **{name: Search("cartpole_control", overrides=overrides) for name, overrides in REMEDIES.items()},
}
"""In the order in which they run. Those for control take longer than all others."""


def run_all(folder: Path, quick: bool, leave_out: Collection[str], finished: bool) -> dict[str, list[Run]]:
    """Run all searches, or go on with them; return the runs of each.

    Args:
        folder: for run directories.
        quick: whether to make tiny searches, which find nothing.
        leave_out: names of searches that are not made.
        finished: whether to take only runs that are finished, and to begin none.
    """
    take = _finished if finished else _runs
    return {name: runs for name in SEARCHES if name not in leave_out and (runs := list(take(name, folder, quick)))}


def _runs(name: str, folder: Path, quick: bool) -> Iterator[Run]:
    search = SEARCHES[name]
    for seed in search.seeds[:1] if quick else search.seeds:
        overrides = {**search.overrides, "seed": seed, **(QUICK if quick else {})}
        yield evolve(CONFIGS / f"{search.config}.yaml", path_of(name, seed, folder), overrides=overrides)


def _finished(name: str, folder: Path, quick: bool) -> Iterator[Run]:
    del quick
    for seed in SEARCHES[name].seeds:
        path = path_of(name, seed, folder)
        if RunDirectory(path).exists:
            run = Run(path)
            if run.generations[-1:] == [run.config.outer.num_generations]:
                yield run


def path_of(name: str, seed: int, folder: Path) -> Path:
    """Return the run directory of a search with a meta-seed."""
    return folder / f"{name}_{seed}"
