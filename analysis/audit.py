"""Scores of the published objectives at other settings of PPO, and the mechanism of the drift.

    python analysis/audit.py
    python analysis/audit.py --output studies/audit --seeds 8

The first makes all tables and figures of `audit.md`. Existing results are kept. `--quick` tries the script on a few
short lifetimes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import added_terms
import numpy as np
from added_terms import TERMS, beside_ppo, halves
from contenders import Closed, closed_objective
from entropy import Watched, watched
from judging import judged
from sections import make_page, parsed, parser_of
from steps import FRESH, compare, say
from summary import markdown_table, summary

from metadisco import load_objective
from metadisco.config import Config, parse_config, read_yaml, write_yaml
from metadisco.discoveries.published import FOLDER, published_names
from metadisco.discoveries.sources import find_discovery, find_source
from metadisco.evaluation.statistics import paired_difference
from metadisco.storage.files import write_atomically
from metadisco.types import Objective

ROOT = Path(__file__).parent.parent
GRIDS = {name: ROOT / "experiments" / "evaluation" / f"{name}.yaml" for name in ("grid", "small")}
ENVS = ("gymnax/CartPole-v1", "gymnax/Acrobot-v1", "gymnax/Pendulum-v1")
CLOSED = (
    Closed("dpo", "dpo"), Closed("ppo_kl", "ppo_kl"), Closed("ppo_total_variation", "ppo_total_variation"),
    Closed("ppo_eps_0.1", "ppo", {"clip_eps": 0.1}),
)  # fmt: skip
DRIFT, SETBACKS = "lpo_drift_classic", "by_hand.json@setbacks"


class Case(NamedTuple):
    """An objective of the mechanism's tables."""

    objective: Objective
    identity: Any
    """Everything that determines its losses, as plain data."""
    settings: Mapping[str, Any] = {}
    """Settings of PPO that are not those of the table."""


class Where(NamedTuple):
    """Where agents of the mechanism's tables train."""

    env: str
    num_env_steps: int
    settings: Mapping[str, Any] = {}
    seeds_times: int = 1
    """How many times as many seeds as asked for."""

    def config(self, settings: Mapping[str, Any]) -> Config:
        """Return the settings of a case here."""
        own = {**self.settings, **settings, "num_env_steps": self.num_env_steps}
        return parse_config({"seed": FRESH, "inner": {"env": self.env, "ppo": own}})

    @property
    def label(self) -> str:
        """Its label in a table."""
        settings = "".join(f", {key} {value:g}" for key, value in self.settings.items())
        return f"{self.env.rpartition('/')[2]}, {self.num_env_steps:,} steps{settings or ', defaults of CleanRL'}"


SUITES = Path(__file__).with_name("suites.yaml")
"""Environments of suites that no search has seen, with the settings of PPO there."""

MECHANISM = Where("gymnax/Acrobot-v1", 200_000)
ADDED = (
    Where("gymnax/CartPole-v1", 32_768, {"learning_rate": 5e-3}, seeds_times=2),
    Where("gymnax/Acrobot-v1", 100_352, {"learning_rate": 2.5e-4}),
)


def objectives(folder: Path, quick: bool) -> list[str]:
    """Return the names by which objectives are loaded: all published ones, forms read off by eye, and closed ones."""
    by_hand = str(Path(FOLDER.resolve()).relative_to(ROOT) / DRIFT / SETBACKS)
    if quick:
        return ["ppo_kl"]
    published = [name for name in published_names() if find_discovery(name).is_objective]
    return [*(closed_objective(each, folder / "contenders") for each in CLOSED), by_hand, *published]


def over_grid(name: str, output: Path, num_seeds: int, quick: bool) -> str:
    """Evaluate all objectives over a grid; return its tables."""
    settings = read_yaml(GRIDS[name])
    if quick:
        points = [{"name": f"{name} {rate}", "inner.ppo.learning_rate": rate} for rate in (1e-3, 1e-2)]
        settings = {"settings": points, "lifetimes": [1024], "control": [2]}
    envs = ENVS[:1] if quick else ENVS
    return judged(objectives(output, quick), envs, settings, FRESH, num_seeds, output / name)


def mechanism_cases(quick: bool) -> dict[str, Case]:
    """Return PPO and the other rows of the table of the mechanism."""
    ppo = Case(load_objective("ppo"), "ppo")
    if quick:
        return {"ppo": ppo, "ppo without entropy bonus": ppo._replace(settings={"entropy_coef": 0.0})}
    drift, identity = load_objective(DRIFT), find_source(DRIFT).identity
    weights = {
        weight: (lambda ratio, advantage, w=weight / 0.6: w * TERMS[FIRST](ratio, advantage)) for weight in (0.6, 0.2)
    }
    return {
        "ppo": ppo,
        "ppo without entropy bonus": ppo._replace(settings={"entropy_coef": 0.0}),
        DRIFT: Case(drift, identity),
        "its half for A > 0, PPO's for A < 0": Case(halves(drift, ppo.objective), ["gains", identity, _terms()]),
        "PPO's half for A > 0, its for A < 0": Case(halves(ppo.objective, drift), ["losses", identity, _terms()]),
        **{
            f"setbacks (PPO + {weight}·A⁺·relu(0.999 − r))": Case(beside_ppo(term), ["setbacks", weight, _terms()])
            for weight, term in weights.items()
        },
        "ppo_total_variation": Case(load_objective("ppo_total_variation"), find_source("ppo_total_variation").identity),
        "ppo_kl": Case(load_objective("ppo_kl"), find_source("ppo_kl").identity),
    }


FIRST = next(iter(TERMS))


def _terms() -> str:
    """Return a digest of the file with the terms."""
    return hashlib.sha256(Path(added_terms.__file__).read_bytes()).hexdigest()


def mechanism(output: Path, num_seeds: int, quick: bool) -> str:
    """Return a table of entropy in the last quarter of training, and of the area under the curve."""
    where = MECHANISM._replace(num_env_steps=2048) if quick else MECHANISM
    found = {name: _watched(case, where, num_seeds, output) for name, case in mechanism_cases(quick).items()}
    baseline = found["ppo"]
    lines = [
        [name, f"{each.entropy.mean():.2f}", f"{each.area_under_curve.mean():.1f}", _gain(each, baseline)]
        for name, each in found.items()
    ]
    headings = ["objective", "entropy, last quarter", "area under the curve", "minus ppo (95 %)"]
    return f"{where.label}, {num_seeds} seeds; a uniform policy has ln 3 = 1.10\n\n{markdown_table(headings, lines)}"


def added(output: Path, num_seeds: int, quick: bool) -> str:
    """Return a table of the effects of terms added to PPO's clipping."""
    places = [where._replace(num_env_steps=2048) for where in ADDED[:1]] if quick else ADDED
    ppo = Case(load_objective("ppo"), "ppo")
    names = list(TERMS)[:1] if quick else list(TERMS)
    cases = {name: Case(beside_ppo(TERMS[name]), ["term", name, _terms()]) for name in names}
    lines: dict[str, list[str]] = {name: [name] for name in cases}
    for where in places:
        baseline = _watched(ppo, where, num_seeds * where.seeds_times, output)
        for name, case in cases.items():
            lines[name].append(_gain(_watched(case, where, num_seeds * where.seeds_times, output), baseline))
    headings = [f"{where.label}, {num_seeds * where.seeds_times} seeds" for where in places]
    return markdown_table(["added to D", *headings], list(lines.values()))


def on_suites(output: Path, num_seeds: int, quick: bool) -> str:
    """Return tables of PPO, DPO and the drift on environments of other suites."""
    file = output / "suites.yaml" if quick else SUITES
    if quick:
        ppo = {"num_envs": 2, "num_steps": 16, "num_env_steps": 64, "num_evaluation_episodes": 2}
        write_atomically(file, write_yaml({"inner": {"env": "pgx/connect_four", "ppo": ppo}}))
    envs = [task.env for task in parse_config(read_yaml(file)).inner.tasks]
    names = {name: name for name in ("ppo", "dpo", DRIFT)}
    return summary(compare(list(names), envs, file, 2 * num_seeds, output / "suites"), names)


def _watched(case: Case, where: Where, num_seeds: int, output: Path) -> Watched:
    say(f"{case.identity if isinstance(case.identity, str) else case.identity[0]}: {where.label}")
    return watched(case.objective, case.identity, where.config(case.settings), num_seeds, output / "mechanism")


def _gain(ours: Watched, theirs: Watched) -> str:
    if ours is theirs:
        return ""
    pair: Sequence[np.ndarray] = (ours.area_under_curve, theirs.area_under_curve)
    return "{:+.1f} [{:+.1f}, {:+.1f}]".format(*paired_difference(*pair))


def main() -> None:
    """Make the tables, and fill the page in."""
    parser = parser_of(__file__, __doc__, ["mechanism", "terms", "suites", *GRIDS])
    options = parsed(parser)
    given = options.output, options.seeds, options.quick
    makers = {
        "mechanism": lambda: mechanism(*given),
        "terms": lambda: added(*given),
        "suites": lambda: on_suites(*given),
        **{name: lambda name=name: over_grid(name, *given) for name in GRIDS},
    }
    make_page(parser, options, makers)


if __name__ == "__main__":
    main()
