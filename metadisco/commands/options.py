"""The words and options of every command."""

import argparse
from pathlib import Path

from metadisco._version import __version__
from metadisco.commands.evaluate.options import EXAMPLE, add_options
from metadisco.errors import UserError

EVOLVE_EXAMPLE = """examples:
  metadisco evolve experiments/value_loss/demo.yaml outer.num_generations=8 seed=3 --run runs/first

  metadisco evolve CONFIG.yaml --run runs/first --processes 2
  srun metadisco evolve CONFIG.yaml --run runs/first --distributed
  metadisco evolve CONFIG.yaml --run runs/first --distributed --coordinator host0:7077 --num-processes 2 --process-id 1

The same command again continues the run; keys are the config's own dotted names. SIGTERM or Ctrl-C stops after the
generation in hand, saved; Ctrl-C again at once. With --max-hours it stops in time, as batch systems want it. With
--distributed the same command runs on every host; the first process alone reads and writes the run directory."""

TRAIN_EXAMPLE = """examples:
  metadisco train --objective ppo --env gymnax/CartPole-v1 --seeds 16 --output ppo.json
  metadisco train --objective runs/first --env gymnax/Acrobot-v1 --seeds 8
  metadisco train --objective lpo_drift_classic --env gymnax/CartPole-v1 --config lpo_drift_classic --seeds 64
  metadisco train --objective ppo --env gymnax/CartPole-v1 --seeds 8 'inner.ppo.learning_rate=[1e-4,3e-4,1e-3]'

A list where one value is meant trains a grid; an objective's own constants are objective.clip_eps and so on."""


ROLLOUT_EXAMPLE = """examples:
  metadisco train --objective ppo --env gymnax/CartPole-v1 --seeds 4 --save agents
  metadisco rollout agents
  metadisco rollout agents --agent 2 --gymnasium CartPole-v1 --episodes 64"""

REFERENCE_EXAMPLE = """example:
  metadisco reference experiments/lpo_drift/classic.yaml

Fitness on an environment is then (R - random) / (ppo - random). Only outer.… and seed can be set here."""

DISTIL_EXAMPLE = """examples:
  metadisco distil runs/lpo --output runs/lpo/distilled
  metadisco distil dpo --env gymnax/CartPole-v1 --output dpo_forms --seeds 0
  metadisco distil runs/lpo --shapes tanh square --max-terms 3 --network 16 --output small

Forms are fitted where agents that train with the objective really are; the best are trained with, on fresh seeds. They
are objectives then, by the name DIR/distilled.json or DIR/distilled.json@form."""

PLOT_EXAMPLE = """examples:
  metadisco plot runs/lpo --output runs/lpo/figures
  metadisco plot dpo --env gymnax/Acrobot-v1 --output dpo_figures --three-d
  metadisco plot runs/lpo@640 --output figures --no-visits

A few agents are trained with the objective first, so that the figures show which part of it matters."""

REPORT_EXAMPLE = """example:
  metadisco report runs/lpo --output lpo.html

One page that needs no network. What metadisco evaluate wrote into RUN/evaluation and metadisco distil into
RUN/distilled is part of it."""

EXPORT_EXAMPLE = """examples:
  metadisco export runs/lpo --to artefact --output lpo.zip
  metadisco export runs/lpo --to torch --output lpo_loss.py
  metadisco export runs/lpo --to numpy --form closed --output lpo_loss.py

An artefact is an objective by its path, without the run. A file for NumPy, JAX or PyTorch needs that library alone and
checks itself when it is run."""

LIST_EXAMPLE = """example:
  metadisco list"""

OBJECTIVE = "a closed form, a published discovery, or the path of a run, artefact or distilled forms"

CONFIG = "a YAML file as evolve takes it, or a discovery, run or artefact for those it was found with"


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one sentence."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Raise a `UserError`."""
        raise UserError(f"{message} (see {self.prog} --help)")


def make_parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog="metadisco", description="Discover reinforcement-learning objectives by evolution.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"metadisco {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    evolve = _command(commands, "evolve", "run a meta-evolution, or continue it", EVOLVE_EXAMPLE)
    evolve.add_argument("config", type=Path, metavar="CONFIG.yaml", help="what is evolved, and how")
    evolve.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings that replace those of the file")
    evolve.add_argument("--run", type=Path, required=True, metavar="DIR", help="the run directory")
    evolve.add_argument("--max-hours", metavar="H", help="stop before so many hours are over, resumably")
    _add_processes(evolve)

    _add_training(commands)
    _add_tools(commands)
    _command(commands, "list", "list environments, objectives, parametrisations and strategies", LIST_EXAMPLE)
    return parser


def _add_processes(evolve: Parser) -> None:
    """Add the options by which several processes share a search."""
    several = evolve.add_argument_group("several processes")
    several.add_argument("--processes", type=int, metavar="N", help="start so many on this machine's CPU")
    several.add_argument(
        "--distributed", action="store_true", help="be one of several; SLURM and Open MPI say which, or else:"
    )
    several.add_argument("--coordinator", metavar="HOST:PORT", help="where process 0 is (JAX_COORDINATOR_ADDRESS)")
    several.add_argument("--num-processes", type=int, metavar="N", help="how many there are (JAX_NUM_PROCESSES)")
    several.add_argument("--process-id", type=int, metavar="I", help="which this one is, from 0 (JAX_PROCESS_ID)")
    several.add_argument("--join-timeout", type=int, metavar="SECONDS", help="wait for the others; 300 if left out")
    several.add_argument("--member", type=int, help=argparse.SUPPRESS)  # for the processes that we start
    several.add_argument("--again", help=argparse.SUPPRESS)


def _add_training(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the commands that train agents with objectives as they are."""
    train = _command(commands, "train", "train agents with one objective", TRAIN_EXAMPLE)
    train.add_argument(
        "words", nargs="*", metavar="KEY=VALUE", help="settings; a list where one value is meant is a grid"
    )
    train.add_argument("--objective", required=True, metavar="O", help=OBJECTIVE)
    train.add_argument("--env", metavar="E", help="suite/name, such as gymnax/CartPole-v1")
    train.add_argument("--seeds", dest="num_seeds", type=int, default=1, metavar="N", help="agents per setting")
    train.add_argument("--config", dest="config_name", metavar="C", help=f"settings: {CONFIG}; CleanRL's if left out")
    train.add_argument("--output", type=Path, metavar="FILE.json", help="where to write curves and returns")
    train.add_argument(
        "--save", type=Path, metavar="DIR", help="where to keep the trained agents; a folder or zip file"
    )
    train.add_argument(
        "--figure", type=Path, metavar="FILE", help="where to draw a grid of two settings (.png, .svg, .pdf)"
    )
    _add_force(train, "--output, --save and --figure")

    rollout = _command(commands, "rollout", "let trained agents play", ROLLOUT_EXAMPLE)
    rollout.add_argument("path", type=Path, metavar="DIR", help="what metadisco train --save wrote")
    rollout.add_argument("--agent", type=int, metavar="N", help="which of them; all if left out")
    rollout.add_argument(
        "--episodes", dest="num_episodes", type=int, default=16, metavar="N", help="episodes per agent"
    )
    rollout.add_argument("--env", metavar="E", help="suite/name; where they were trained if left out")
    rollout.add_argument("--gymnasium", metavar="NAME", help="play in Gymnasium's own environment of this name")
    rollout.add_argument("--deterministic", action="store_true", help="take the most likely action, do not sample")
    rollout.add_argument("--seed", type=int, default=0, metavar="N", help="of environments and actions")
    rollout.add_argument("--output", type=Path, metavar="FILE.json", help="where to write the return of every episode")
    _add_force(rollout)

    reference = _command(
        commands, "reference", "measure random and PPO returns, and write them into a config", REFERENCE_EXAMPLE
    )
    reference.add_argument("config_path", type=Path, metavar="CONFIG.yaml", help="a config with several environments")
    reference.add_argument("words", nargs="*", metavar="KEY=VALUE", help="settings of outer, or seed")
    reference.add_argument("--seeds", dest="num_seeds", type=int, default=32, metavar="N", help="lives per environment")


def _add_tools(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the commands that look at what was found."""
    plot = _command(commands, "plot", "draw a run, and the losses of an objective", PLOT_EXAMPLE)
    _add_agents(plot, output="where figures go")
    plot.add_argument("--no-visits", dest="visit", action="store_false", help="train no agents")
    plot.add_argument("--three-d", action="store_true", help="draw surfaces in three dimensions, too")
    _add_look(plot)

    distil = _command(commands, "distil", "find closed forms of an objective, and train with them", DISTIL_EXAMPLE)
    _add_agents(distil, output="where forms and report go")
    distil.add_argument(
        "--seeds", dest="num_seeds", type=int, default=16, metavar="N", help="lives per form; 0 for no retraining"
    )
    distil.add_argument("--shapes", nargs="+", default=[], metavar="F", help="functions that formulas may use")
    distil.add_argument("--max-terms", type=int, metavar="N", help="terms of a formula, 1 to 4")
    distil.add_argument(
        "--network", nargs="+", default=[], metavar="WIDTH", help="also teach a network of these widths"
    )

    evaluate = _command(commands, "evaluate", "compare objectives, or players of games, on the same seeds", EXAMPLE)
    add_options(evaluate, OBJECTIVE, CONFIG)
    _add_look(evaluate)

    export = _command(commands, "export", "write an objective for use elsewhere", EXPORT_EXAMPLE)
    export.add_argument("name", metavar="O", help=OBJECTIVE)
    export.add_argument("words", nargs="*", metavar="KEY=VALUE", help="constants, such as objective.clip_eps=0.1")
    export.add_argument("--to", dest="target", required=True, metavar="WHAT", help="artefact, numpy, jax or torch")
    export.add_argument("--output", type=Path, required=True, metavar="PATH", help="a folder or zip file; a .py file")
    _add_force(export)
    export.add_argument("--form", metavar="FORM", help="network (as learned) or closed (the closest form distilled)")

    report = _command(commands, "report", "make a page of what a run found", REPORT_EXAMPLE)
    report.add_argument("run", metavar="RUN", help="the path of a run; RUN@640 for where it was after generation 640")
    report.add_argument("--output", type=Path, required=True, metavar="FILE.html", help="the page")
    _add_force(report)
    report.add_argument("--evaluation", type=Path, metavar="DIR", help="what metadisco evaluate wrote")
    report.add_argument("--distilled", type=Path, metavar="DIR", help="what metadisco distil wrote")
    report.add_argument("--no-visits", dest="visit", action="store_false", help="train no agents for the figures")


def _add_force(command: Parser, outputs: str = "--output") -> None:
    """Add the option of a command that writes one file, which replaces nothing else."""
    command.add_argument("--force", action="store_true", help=f"replace what is there at {outputs}")


def _add_look(command: Parser) -> None:
    """Add the options of a command that draws figures."""
    formats, beside = ("png", "svg", "pdf"), "a further format of figures beside PNG and SVG, such as pdf"
    command.add_argument("--format", dest="formats", action="append", default=[], choices=formats, help=beside)
    paper = "paper: one column (3.3 in) or two (6.9 in) wide, small letters, text that can be edited"
    command.add_argument("--style", choices=("paper",), help=paper)


def _add_agents(command: Parser, output: str) -> None:
    """Add the options of a command that looks at one objective, and trains agents with it for that."""
    command.add_argument("name", metavar="O", help=OBJECTIVE)
    command.add_argument("words", nargs="*", metavar="KEY=VALUE", help="settings of all lives")
    command.add_argument("--output", type=Path, required=True, metavar="DIR", help=output)
    command.add_argument("--env", metavar="E", help="where agents train; the first environment of the run if left out")
    command.add_argument(
        "--config", dest="config_name", metavar="C", help=f"settings: {CONFIG}; the objective's own if left out"
    )


def _command(commands: "argparse._SubParsersAction[Parser]", name: str, summary: str, example: str) -> Parser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser
