"""Study of a learned drift: its figures, how it compares, its closed forms, and in numbers what PPO does not do.

    python analysis/lpo_drift.py
    python analysis/lpo_drift.py runs/lpo --output studies/lpo

The first makes all figures and numbers of `lpo_drift.md`. What was made before is not made again; most of the time
goes into the comparison.
"""

from pathlib import Path

import numpy as np
from contenders import Closed
from study import Plan, Study, run
from summary import markdown_table

from metadisco import load_objective
from metadisco.distillation.features import optimism, rollback
from metadisco.distillation.surfaces import DriftSurface, drift_surface
from metadisco.evaluation.visits import ADVANTAGE_EDGES, LOG_RATIO_EDGES

PLAN = Plan(
    baselines=(
        Closed("ppo", "ppo"), Closed("ppo_eps_0.1", "ppo", ("objective.clip_eps=0.1",)), Closed("dpo", "dpo"),
    ),
    published="lpo_drift_classic",
    again=("lpo_drift_classic_1",),
    held_out=("gymnax/MountainCarContinuous-v0", "gymnax/Catch-bsuite", "gymnax/Breakout-MinAtar"),
    config=Path(__file__).with_suffix(".yaml"),
    grid={"learning_rate": (1e-3, 2.5e-3, 5e-3, 1e-2), "num_epochs": (2, 4, 10)},
)  # fmt: skip
BESIDE = ("ppo", "dpo")
RATIOS, ADVANTAGES = (0.7, 0.9, 1.1, 1.4), (-2.0, -0.5, 0.5, 2.0)


def features(study: Study) -> str:
    """Return what is particular about a drift, beside PPO's and DPO's."""
    counts = np.asarray(study.visits(study.env).policy)
    log_ratio, advantage = ((edges[1:] + edges[:-1]) / 2 for edges in (LOG_RATIO_EDGES, ADVANTAGE_EDGES))
    losses = {name: load_objective(name).policy_loss for name in (study.objective, *BESIDE)}
    surfaces = {name: drift_surface(loss, log_ratio, advantage) for name, loss in losses.items()}
    shares = [
        [study.short(name), f"{_share(rollback(each), counts):.2%}", f"{_share(optimism(each), counts):.2%}"]
        for name, each in surfaces.items()
    ]
    slopes = []
    for each_ratio in RATIOS:
        for each_advantage in ADVANTAGES:
            point = np.log([each_ratio]), np.array([each_advantage])
            values = [f"{_slope(drift_surface(loss, *point)):+.2f}" for loss in losses.values()]
            slopes.append([f"{each_ratio}", f"{each_advantage:+}", *values])
    names = [study.short(name) for name in losses]
    return "\n".join(
        [
            f"Share of what trainings on {study.env} show to the objective, by what it does there:",
            "",
            markdown_table(["objective", "rollback", "optimism beyond PPO's clipping"], shares),
            "∂(r·A − D)/∂r ÷ |A|, which is the sign of A for the plain policy gradient:",
            "",
            markdown_table(["r", "A", *names], slopes),
        ]
    )


def _share(region: np.ndarray, counts: np.ndarray) -> float:
    return float(counts[region].sum() / counts.sum())


def _slope(surface: DriftSurface) -> float:
    return float(surface.slope[0, 0] / abs(surface.advantage[0]))


if __name__ == "__main__":
    run(__doc__, PLAN, features)
