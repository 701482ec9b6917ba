"""The arguments and options of `metadisco evaluate`, in groups by what is compared."""

import argparse
from pathlib import Path

EXAMPLE = """examples:
  metadisco evaluate --objectives ppo dpo runs/first --envs gymnax/CartPole-v1 gymnax/Acrobot-v1 --seeds 64 --output out
  metadisco evaluate --tuned tuned --seeds 64 --output tuned/evaluation
  metadisco evaluate --players runs/mfos best_static zero_determinant:chi=4 --opponents naive lola --output out
  metadisco evaluate --talkers random:0 runs/harm --envs gymnax/CartPole-v1 --config runs/harm --output out
    --victim normalised inner.ppo.normalise_observations=true --victim dpo objective=dpo

Every objective, or every talker and victim, trains in every environment, or every player meets every opponent in every
game, on the same seeds, which no search and no metadisco train uses. Repeat the command to continue after a stop.
Differences and probabilities are relative to the baseline; those of talkers to none (no channel) and to zero (a silent
one), which are always there."""

PLAYERS = "best_static and open_loop (evolved against each opponent), random, shuffled:PATH"
TALKERS = "none, zero, constant, noise, copy, random:SEED, scrambled:PATH, frozen:PATH"


def add_options(evaluate: argparse.ArgumentParser, objective: str, config: str) -> None:
    """Add all options but those of figures.

    Args:
        evaluate: the parser of the command.
        objective: what an objective can be, in words.
        config: what a config can be, in words.
    """
    evaluate.add_argument("--baseline", metavar="B", help="what to compare with; default: the first one")
    evaluate.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for results and figures")
    _add_trainings(evaluate.add_argument_group("trainings"), config)
    _add_objectives(evaluate.add_argument_group("objectives with which agents are trained"), objective)
    _add_players(evaluate.add_argument_group("players of repeated games, whose opponents learn"))
    _add_talkers(evaluate.add_argument_group("talkers beside which agents are trained"))


def _add_trainings(group: "argparse._ArgumentGroup", config: str) -> None:
    group.add_argument("words", nargs="*", metavar="KEY=VALUE", help="settings of all trainings")
    group.add_argument("--envs", nargs="+", metavar="E", help="suite/name, such as gymnax/Acrobot-v1")
    group.add_argument("--seeds", dest="num_seeds", type=int, metavar="N", help="agents per cell; default: 64")
    group.add_argument("--config", metavar="C", help=f"settings: {config}; default: CleanRL's")


def _add_objectives(group: "argparse._ArgumentGroup", objective: str) -> None:
    group.add_argument("--objectives", nargs="+", metavar="O", help=objective)
    group.add_argument("--tuned", metavar="DIR", help="output of metadisco tune: each objective at its best settings")


def _add_players(group: "argparse._ArgumentGroup") -> None:
    learner = "a learner or strategy with settings (naive:learning_rate=2, static:0,1,0,1,0), or a meta-policy's path"
    group.add_argument("--players", nargs="+", metavar="P", help=f"{learner}, or a control: {PLAYERS}")
    group.add_argument("--opponents", nargs="+", metavar="P", help=learner)
    games = "ipd, imp, chicken, stag_hunt, or a YAML file with payoffs and gamma; default: ipd"
    group.add_argument("--games", nargs="+", metavar="G", help=games)
    group.add_argument(
        "--lifetimes", dest="num_lifetimes", type=int, metavar="N", help="lifetimes per cell; default: 4096"
    )
    group.add_argument("--horizon", type=int, metavar="T", help="paid meta-steps of a lifetime; default: 100")
    first = "who plays the unpaid first play: shaper (a random policy; the default) or players (the player itself)"
    group.add_argument("--reset", metavar="R", help=first)
    group.add_argument("--seed", type=int, metavar="N", help="of the lifetimes; default: 0")


def _add_talkers(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--talkers", nargs="+", metavar="T", help=f"the path of a message, or a control: {TALKERS}")
    victim = "a further learner by name, with settings or objective=O of its own; repeatable"
    group.add_argument("--victim", dest="victims", action="append", nargs="+", metavar="NAME KEY=VALUE", help=victim)
    group.add_argument("--channels", type=int, metavar="N", help="numbers of a message; default: those of a path, or 2")
    group.add_argument("--scale", type=float, metavar="C", help="largest value of each; default: a path's, or 2π")
