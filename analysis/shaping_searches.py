"""The searches of the study of opponent shaping, each once for every meta-seed."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from metadisco import Run, evolve

CONFIGS = Path(__file__).parents[1] / "experiments" / "opponent_shaping"
SEEDS = (1, 2, 3)
QUICK = {"outer.num_generations": 2, "outer.strategy.population_size": 8, "inner.num_opponents": 2}


class Search(NamedTuple):
    """One line of experiments."""

    config: str
    """Name of a file in experiments/opponent_shaping."""
    seeds: tuple[int, ...] = SEEDS
    overrides: Mapping[str, Any] = {}
    against: str = ""
    """The search whose first discovery is the opponent; none if empty."""


SEARCHES = {
    "ipd": Search("ipd", seeds=(1, 2, 3, 4, 5, 6)),
    "imp": Search("imp"),
    "chicken": Search("chicken"),
    "stag_hunt": Search("stag_hunt"),
    "ipd_self_play": Search("ipd_self_play"),
    "ipd_self_play_alone": Search("ipd_self_play_alone"),
    "ipd_maml": Search("ipd_maml"),
    "imp_maml": Search("ipd_maml", overrides={"problem.game": "imp"}),
    "chicken_maml": Search("ipd_maml", overrides={"problem.game": "chicken"}),
    "ipd_against_maml": Search("ipd", seeds=(1,), against="ipd_maml"),
    "ipd_recurrent": Search("ipd", seeds=(1,), overrides={"parametrisation.name": "recurrent_policy"}),
    "ipd_lola_small": Search("ipd", seeds=(1,), overrides={"problem.opponents": ["lola"]}),
    "sampled_ipd": Search("sampled_ipd", seeds=(1,)),
    "ipd_lola": Search("ipd_lola", seeds=(1,)),
}
"""In the order in which they run; the last two take some minutes each, the others about one."""


def run_all(folder: Path, quick: bool, leave_out: Collection[str] = ()) -> dict[str, list[Run]]:
    """Run all searches, or go on with them; return the runs of each.

    Args:
        folder: for run directories.
        quick: whether to make tiny searches, which find nothing.
        leave_out: names of searches that are not made.
    """
    return {name: list(_runs(name, folder, quick)) for name in SEARCHES if name not in leave_out}


def _runs(name: str, folder: Path, quick: bool) -> Iterator[Run]:
    search = SEARCHES[name]
    for seed in search.seeds[:1] if quick else search.seeds:
        overrides = {**search.overrides, "seed": seed, **(QUICK if quick else {})}
        if search.against:
            opponent = Run(path_of(search.against, SEARCHES[search.against].seeds[0], folder))
            overrides["problem.opponents"] = [f"{opponent}@{opponent.generations[-1]}"]
        yield evolve(CONFIGS / f"{search.config}.yaml", path_of(name, seed, folder), overrides=overrides)


def path_of(name: str, seed: int, folder: Path) -> Path:
    """Return the run directory of a search with a meta-seed."""
    return folder / f"{name}_{seed}"
