"""Study of a learned drift: its figures, a comparison, its closed forms, and its differences from PPO in numbers.

    python analysis/lpo_drift.py
    python analysis/lpo_drift.py runs/lpo --output studies/lpo

The first makes all figures and numbers of `lpo_drift.md`. Existing results are kept; most of the time
goes into the comparison.
"""

from pathlib import Path

import numpy as np
from contenders import Closed
from study import Plan, Study, run
from summary import markdown_table

from metadisco import load_objective
from metadisco.distillation.features import optimism, relative_gradient, rollback
from metadisco.distillation.surfaces import DriftSurface, drift_surface
from metadisco.evaluation.histograms import ADVANTAGE_EDGES, LOG_RATIO_EDGES

PLAN = Plan(
    baselines=(
        Closed("ppo", "ppo"), Closed("ppo_eps_0.1", "ppo", {"clip_eps": 0.1}), Closed("dpo", "dpo"),
        Closed("ppo_kl", "ppo_kl"), Closed("ppo_total_variation", "ppo_total_variation"),
    ),
    published="lpo_drift_classic",
    again=("lpo_drift_classic_1",),
    held_out=("gymnax/MountainCarContinuous-v0", "gymnax/Catch-bsuite", "gymnax/Breakout-MinAtar"),
    config=Path(__file__).with_suffix(".yaml"),
    grid={"learning_rate": (1e-3, 2.5e-3, 5e-3, 1e-2), "num_epochs": (4, 10)},
    whole=(("gymnax/CartPole-v1", "gymnax/Acrobot-v1"), Path(__file__).with_name("cleanrl.yaml")),
    by_hand=(
        ("by hand: setbacks", "by_hand.json@setbacks"), ("by hand: one-sided", "by_hand.json@one_sided"),
        ("by hand: both", "by_hand.json@both"),
    ),
)  # fmt: skip
BESIDE = ("ppo", "dpo")
RATIOS, ADVANTAGES = (0.5, 0.8, 0.95, 1.1, 1.4, 1.8), (-2.0, -1.0, -0.25, 0.25, 1.0, 2.0)
FINER = 4  # points of a surface per bin of the histogram, each way; even, so that none has A = 0
SMALL = 0.5  # advantages that are told apart from larger ones


def features(study: Study) -> str:
    """Return the particular features of a drift, compared with PPO's and DPO's."""
    visits = np.repeat(np.repeat(np.asarray(study.visits(study.env).policy), FINER, 0), FINER, 1)
    log_ratio, advantage = _finer(LOG_RATIO_EDGES), _finer(ADVANTAGE_EDGES)
    losses = {name: load_objective(name).policy_loss for name in (study.objective, *study.again, *BESIDE)}
    surfaces = {study.short(name): drift_surface(loss, log_ratio, advantage) for name, loss in losses.items()}
    points = np.log(RATIOS), np.array(ADVANTAGES)
    gradients = {study.short(name): relative_gradient(drift_surface(loss, *points)) for name, loss in losses.items()}
    name = study.short(study.objective)
    return "\n".join(
        [
            "∂(r·A − D)/∂r ÷ |A|, which is the sign of A for the plain policy gradient:",
            "",
            markdown_table(
                ["A", "objective", *(f"r = {ratio}" for ratio in RATIOS)],
                [
                    [f"{each:+}", label, *(f"{value.round(2) + 0.0:+.2f}" for value in gradient[:, column])]
                    for column, each in enumerate(ADVANTAGES)
                    for label, gradient in gradients.items()
                ],
            ),
            f"Where D acts, as shares of the sum of |∂D/∂ log r| over minibatches of {name} on {study.env}:",
            "",
            markdown_table(
                ["drift", "A > 0, r < 1", "A > 0, r > 1", "A < 0, r < 1", "A < 0, r > 1"],
                [[label, *_quadrants(_force(each) * visits, each)] for label, each in surfaces.items()],
            ),
            "Shares of the same samples on which the objective shows rollback or optimism:",
            "",
            markdown_table(
                [
                    "objective", f"rollback, A ≥ {SMALL}", f"rollback, A ≤ −{SMALL}",
                    f"rollback, −{SMALL} < A < {SMALL}", "optimism beyond PPO's clipping",
                ],
                [[label, *_shares(each, visits)] for label, each in surfaces.items()],
            ),
        ]
    )  # fmt: skip


def _finer(edges: np.ndarray) -> np.ndarray:
    """Return the middles of the parts of bins."""
    parts = (np.arange(FINER) + 0.5) / FINER
    return np.asarray((edges[:-1, None] + np.diff(edges)[:, None] * parts).ravel())


def _force(surface: DriftSurface) -> np.ndarray:
    """Return |∂D/∂ log r|."""
    return np.asarray(np.exp(surface.log_ratio)[:, None] * np.abs(surface.advantage - surface.gradient))


def _quadrants(force: np.ndarray, surface: DriftSurface) -> list[str]:
    above = surface.log_ratio[:, None] > 0
    good = surface.advantage > 0
    total = max(float(force.sum()), 1e-300)
    return [f"{force[part].sum() / total:.0%}" for part in (good & ~above, good & above, ~good & ~above, ~good & above)]


def _shares(surface: DriftSurface, visits: np.ndarray) -> list[str]:
    back, size = rollback(surface), surface.advantage
    regions = [back & (size >= SMALL), back & (size <= -SMALL), back & (np.abs(size) < SMALL), optimism(surface)]
    return [f"{visits[region].sum() / visits.sum():.2%}" for region in regions]


if __name__ == "__main__":
    run(__doc__, PLAN, features)
