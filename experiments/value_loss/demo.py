"""What came out of a short evolution of the value loss: fresh agents compared, and a figure.

python experiments/value_loss/demo.py runs/demo
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from metadisco import load_objective, make
from metadisco.distillation.surfaces import value_loss_curve
from metadisco.evaluation.lifetimes import run_lifetimes
from metadisco.evaluation.statistics import paired_difference
from metadisco.outer.devices import start_jax
from metadisco.plotting import save, value_loss_figure
from metadisco.storage.runs import RunDirectory

NUM_SEEDS = 64
SEED_OFFSET = 1_000_000  # fresh seeds: none that the evolution saw


def main() -> None:
    """Compare the run's newest centre with PPO's own losses on seeds that nobody saw before."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run directory of metadisco evolve")
    run = RunDirectory(parser.parse_args().run)
    start_jax(None)
    compare(run)
    draw(run)


def compare(run: RunDirectory) -> None:
    """Train agents with the evolved loss and with PPO's, and print what they scored."""
    config = run.config()
    fresh = dataclasses.replace(config, seed=config.seed + SEED_OFFSET)
    env = make(config.inner.env, **config.inner.env_settings)
    steps = config.inner.ppo.executed_env_steps
    print(
        f"\nTraining {NUM_SEEDS} fresh agents with each loss, {steps:,} steps each, on seeds the evolution never saw …"
    )
    objectives = {
        "evolved": load_objective(run.path),
        "squared error": load_objective("ppo", value_clip_eps=None),
        "clipped squared error": load_objective("ppo"),
    }
    scores = {
        name: run_lifetimes(each, env, [fresh], NUM_SEEDS)[0].area_under_curve for name, each in objectives.items()
    }
    print(f"\nReturn on {config.inner.env}, averaged over the life of an agent (higher is better)\n")
    print(f"  {'value loss':24s}{'mean':>8s}{'std':>8s}   evolved minus this one, same seeds (95 % interval)")
    for name, score in scores.items():
        finite = score[np.isfinite(score)]
        line = f"  {name:24s}{finite.mean():8.1f}{finite.std():8.1f}"
        if name != "evolved":
            gain = paired_difference(scores["evolved"], score)
            line += f"   {gain.mean:+.1f}  [{gain.low:+.1f}, {gain.high:+.1f}]"
        print(line + (f"   ({score.size - finite.size} failed)" if finite.size < score.size else ""))
    print(f"\n{verdict(paired_difference(scores['evolved'], scores['squared error']))}")


def verdict(gain: tuple[float, float, float]) -> str:
    """Return what the interval says, in a sentence."""
    _, low, high = gain
    if low > 0:
        return "The evolved loss beats the squared error: the whole interval is above zero."
    if high < 0:
        return "The evolved loss is worse than the squared error: the whole interval is below zero."
    return "No difference from the squared error can be told: the interval holds zero. More generations may help."


def draw(run: RunDirectory) -> None:
    """Draw the evolved loss over the errors that matter early in CartPole."""
    curve = value_loss_curve(load_objective(run.path).value_loss, np.linspace(-20.0, 20.0, 401), progress=0.0)
    generation = run.centre_generations()[-1]
    figure = value_loss_figure(curve, title=f"Value loss after {generation} generations")
    png, _ = save(figure, run.path / "figures" / "value_loss")
    print(f"The learned loss and its derivative are drawn in {png}")


if __name__ == "__main__":
    main()
