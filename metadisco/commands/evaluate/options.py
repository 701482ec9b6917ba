"""The arguments and options of `metadisco evaluate`, in groups by what is compared."""

import argparse
from pathlib import Path

EXAMPLE = """examples:
  metadisco evaluate --objectives ppo dpo runs/first --envs gymnax/CartPole-v1 gymnax/Acrobot-v1 --seeds 64 --output out
  metadisco evaluate --talkers random:0 runs/harm --envs gymnax/CartPole-v1 --config runs/harm --output out
    --victim normalised inner.ppo.normalise_observations=true --victim dpo objective=dpo

Every objective, or every talker and victim, trains in every environment on the same seeds, which no search and no
metadisco train uses. Repeat the command to continue after a stop. Differences and probabilities are relative to the
baseline; those of talkers to none (no channel) and to zero (a silent one), which are always there."""

CONTROLS = "none, zero, constant, noise, copy, random:SEED, scrambled:PATH, frozen:PATH"


def add_options(evaluate: argparse.ArgumentParser, objective: str, config: str) -> None:
    """Add all options but those of figures.

    Args:
        evaluate: the parser of the command.
        objective: what an objective can be, in words.
        config: what a config can be, in words.
    """
    evaluate.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for results and figures")
    _add_trainings(evaluate.add_argument_group("trainings"), config)
    _add_objectives(evaluate.add_argument_group("objectives with which agents are trained"), objective)
    _add_talkers(evaluate.add_argument_group("talkers beside which agents are trained"))


def _add_trainings(group: "argparse._ArgumentGroup", config: str) -> None:
    group.add_argument("words", nargs="*", metavar="KEY=VALUE", help="settings of all trainings")
    group.add_argument("--envs", nargs="+", metavar="E", help="suite/name, such as gymnax/Acrobot-v1")
    group.add_argument("--seeds", dest="num_seeds", type=int, metavar="N", help="agents per cell; default: 64")
    group.add_argument("--config", metavar="C", help=f"settings: {config}; default: CleanRL's")


def _add_objectives(group: "argparse._ArgumentGroup", objective: str) -> None:
    group.add_argument("--objectives", nargs="+", metavar="O", help=objective)
    group.add_argument("--baseline", metavar="O", help="objective to compare with; default: the first one")


def _add_talkers(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--talkers", nargs="+", metavar="T", help=f"the path of a message, or a control: {CONTROLS}")
    victim = "a further learner by name, with settings or objective=O of its own; repeatable"
    group.add_argument("--victim", dest="victims", action="append", nargs="+", metavar="NAME KEY=VALUE", help=victim)
    group.add_argument("--channels", type=int, metavar="N", help="numbers of a message; default: those of a path, or 2")
    group.add_argument("--scale", type=float, metavar="C", help="largest value of each; default: a path's, or 2π")
