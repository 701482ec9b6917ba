"""The arguments and options of every command."""

import argparse
from pathlib import Path

from metadisco._version import __version__
from metadisco.commands.evaluate.options import EXAMPLE, add_options
from metadisco.commands.examples import (
    CARD_EXAMPLE,
    CONFIG_EXAMPLE,
    DISTIL_EXAMPLE,
    EVOLVE_EXAMPLE,
    EXPORT_EXAMPLE,
    LIST_EXAMPLE,
    PLOT_EXAMPLE,
    REFERENCE_EXAMPLE,
    REPORT_EXAMPLE,
    ROLLOUT_EXAMPLE,
    TRAIN_EXAMPLE,
    TUNE_EXAMPLE,
)
from metadisco.errors import UserError

OBJECTIVE = "a closed form, a published discovery, or the path of a run, artefact or distilled forms"

CONFIG = "a YAML file as for evolve; or a discovery, run or artefact, for the settings of its meta-training"


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Raise a `UserError`."""
        raise UserError(f"{message} (see {self.prog} --help)")

    @property
    def option_of(self) -> dict[str, str]:
        """The option that sets each argument, by the argument's name: {"num_seeds": "--seeds", …}."""
        return {action.dest: action.option_strings[0] for action in self._actions if action.option_strings}


def make_parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog="metadisco", description="Discover reinforcement-learning objectives by evolution.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"metadisco {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    evolve = _command(commands, "evolve", "run a meta-evolution, or continue it", EVOLVE_EXAMPLE)
    evolve.add_argument("config", type=Path, metavar="CONFIG.yaml", help="config of the search")
    evolve.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings that override those of the file")
    evolve.add_argument("--run", type=Path, required=True, metavar="DIR", help="the run directory")
    evolve.add_argument("--max-hours", metavar="H", help="stop before H hours have passed; resumable")
    _add_processes(evolve)

    _add_training(commands)
    _add_tools(commands)
    listing = _command(commands, "list", "list environments, objectives, strategies and so on", LIST_EXAMPLE)
    listing.add_argument("kinds", nargs="*", metavar="KIND", help="such as environments, strategies, devices (all)")
    config = _command(commands, "config", "explain the keys of a config", CONFIG_EXAMPLE)
    config.add_argument(
        "key", nargs="?", metavar="KEY", help="a key, a section, or a part of their names; all sections if left out"
    )
    return parser


def _add_processes(evolve: Parser) -> None:
    """Add the options that distribute a search over several processes."""
    several = evolve.add_argument_group("several processes")
    several.add_argument("--processes", type=int, metavar="N", help="start N processes on the CPU of this machine")
    several.add_argument(
        "--distributed",
        action="store_true",
        help="join a search; SLURM and Open MPI define the options below",
    )
    several.add_argument("--coordinator", metavar="HOST:PORT", help="address of process 0 (JAX_COORDINATOR_ADDRESS)")
    several.add_argument("--num-processes", type=int, metavar="N", help="number of processes (JAX_NUM_PROCESSES)")
    several.add_argument("--process-id", type=int, metavar="I", help="index of this process, from 0 (JAX_PROCESS_ID)")
    several.add_argument(
        "--join-timeout", type=int, metavar="SECONDS", help="timeout for the others to join; default: 300"
    )
    several.add_argument("--member", type=int, help=argparse.SUPPRESS)  # for the processes that we start
    several.add_argument("--again", help=argparse.SUPPRESS)


def _add_training(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the commands that train agents with a fixed objective."""
    train = _command(commands, "train", "train agents with one objective", TRAIN_EXAMPLE)
    train.add_argument(
        "words", nargs="*", metavar="KEY=VALUE", help="settings; a list in place of a single value is a grid"
    )
    train.add_argument("--objective", required=True, metavar="O", help=OBJECTIVE)
    train.add_argument("--env", metavar="E", help="suite/name, such as gymnax/CartPole-v1")
    train.add_argument("--seeds", dest="num_seeds", type=int, default=1, metavar="N", help="agents per setting")
    train.add_argument("--config", metavar="C", help=f"settings: {CONFIG}; default: CleanRL's")
    train.add_argument("--output", type=Path, metavar="FILE.json", help="file for curves and returns")
    train.add_argument("--save", type=Path, metavar="DIR", help="folder or zip file for the trained agents")
    train.add_argument(
        "--figure", type=Path, metavar="FILE", help="heat map of a grid of two settings (.png, .svg, .pdf)"
    )
    train.add_argument("--verbose", action="store_true", help="print the returns of every agent, too")
    _add_force(train, "--output, --save and --figure")

    tune = _command(commands, "tune", "search the best settings of objectives", TUNE_EXAMPLE)
    tune.add_argument("space", type=Path, metavar="SPACE.yaml", help="ranges of settings, and how they are searched")
    tune.add_argument("words", nargs="*", metavar="KEY=VALUE", help="settings that override those of the file")
    tune.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for results and figures")
    _add_figure_options(tune)

    rollout = _command(commands, "rollout", "roll out trained agents", ROLLOUT_EXAMPLE)
    rollout.add_argument("path", type=Path, metavar="DIR", help="output of metadisco train --save")
    rollout.add_argument("--agent", type=int, metavar="N", help="index of one agent; default: all")
    rollout.add_argument(
        "--episodes", dest="num_episodes", type=int, default=16, metavar="N", help="episodes per agent"
    )
    rollout.add_argument("--env", metavar="E", help="suite/name; default: the training environment")
    rollout.add_argument("--gymnasium", metavar="NAME", help="use the Gymnasium environment of this name")
    rollout.add_argument("--deterministic", action="store_true", help="take the most likely action instead of sampling")
    rollout.add_argument("--seed", type=int, default=0, metavar="N", help="seed of environments and actions")
    rollout.add_argument("--output", type=Path, metavar="FILE.json", help="file for the return of every episode")
    _add_force(rollout)

    reference = _command(
        commands, "reference", "measure random and PPO returns, and write them into a config", REFERENCE_EXAMPLE
    )
    reference.add_argument("config_path", type=Path, metavar="CONFIG.yaml", help="a config with several environments")
    reference.add_argument("words", nargs="*", metavar="KEY=VALUE", help="settings of outer, or seed")
    reference.add_argument(
        "--seeds", dest="num_seeds", type=int, default=32, metavar="N", help="agents per environment"
    )


def _add_tools(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the commands that analyse and export objectives."""
    plot = _command(commands, "plot", "draw runs, and the losses of an objective", PLOT_EXAMPLE)
    plot.add_argument("names", nargs="+", metavar="O", help=f"{OBJECTIVE}; or several runs")
    _add_agents(plot, output="folder for the figures", named=False)
    plot.add_argument(
        "--no-visits", dest="visit", action="store_false", help="train no agents; no minibatch statistics"
    )
    plot.add_argument(
        "--interactive", action="store_true", help="a page with surfaces to turn and sliders instead of PNG and SVG"
    )
    plot.add_argument(
        "--annotate", action="store_true", help="mark what is notable about a loss: convexity, symmetry, rollback, …"
    )
    _add_figure_options(plot)

    distil = _command(commands, "distil", "find closed forms of an objective, and train with them", DISTIL_EXAMPLE)
    _add_agents(distil, output="folder for closed forms and report")
    distil.add_argument(
        "--seeds", dest="num_seeds", type=int, default=16, metavar="N", help="agents per form; 0 for no retraining"
    )
    distil.add_argument("--shapes", nargs="+", default=[], metavar="F", help="functions that formulas may use")
    distil.add_argument("--max-terms", type=int, metavar="N", help="maximum number of terms of a formula, 1 to 4")
    distil.add_argument(
        "--network", nargs="+", default=[], metavar="WIDTH", help="also train a student network of these widths"
    )

    summary = "compare objectives, players of games, or talkers beside which agents learn, on the same seeds"
    evaluate = _command(commands, "evaluate", summary, EXAMPLE)
    add_options(evaluate, OBJECTIVE, CONFIG)
    _add_figure_options(evaluate)

    export = _command(commands, "export", "export an objective as an artefact or source file", EXPORT_EXAMPLE)
    export.add_argument("name", metavar="O", help=OBJECTIVE)
    export.add_argument("words", nargs="*", metavar="KEY=VALUE", help="constants, such as objective.clip_eps=0.1")
    export.add_argument(
        "--to", dest="target", required=True, metavar="WHAT", help="artefact, numpy, jax, torch or discogen"
    )
    export.add_argument("--output", type=Path, required=True, metavar="PATH", help="a folder or zip file; a .py file")
    _add_force(export)
    export.add_argument("--form", metavar="FORM", help="network (as learned) or closed (the closest distilled form)")

    report = _command(commands, "report", "write an HTML page about a run", REPORT_EXAMPLE)
    report.add_argument("run", metavar="RUN", help="the path of a run; RUN@640 for its state after generation 640")
    report.add_argument("--output", type=Path, required=True, metavar="FILE.html", help="the page")
    _add_force(report)
    report.add_argument("--evaluation", type=Path, metavar="DIR", help="output of metadisco evaluate")
    report.add_argument("--distilled", type=Path, metavar="DIR", help="output of metadisco distil")
    report.add_argument("--no-visits", dest="visit", action="store_false", help="train no agents for the figures")
    report.add_argument("--watch", action="store_true", help="follow a run that goes on, until it ends or Ctrl-C")

    card = _command(commands, "card", "write the model card of a discovery", CARD_EXAMPLE)
    card.add_argument("name", metavar="NAME", help="a run, an artefact or a published discovery")
    card.add_argument("--output", type=Path, metavar="PATH", help="a file, or a folder for README.md in it")
    _add_force(card)


def _add_force(command: Parser, outputs: str = "--output") -> None:
    """Add the option that allows a command to replace existing output."""
    command.add_argument("--force", action="store_true", help=f"replace existing output at {outputs}")


def _add_figure_options(command: Parser) -> None:
    """Add the options of a command that draws figures."""
    formats, beside = ("png", "svg", "pdf"), "further format of figures, beside PNG and SVG"
    command.add_argument("--format", dest="formats", action="append", default=[], choices=formats, help=beside)
    paper = "paper: one column (3.3 in) or two (6.9 in) wide, small fonts, editable text"
    command.add_argument("--style", choices=("paper",), help=paper)


def _add_agents(command: Parser, output: str, named: bool = True) -> None:
    """Add the options of a command that analyses an objective, named by its first argument, and trains agents."""
    if named:
        command.add_argument("name", metavar="O", help=OBJECTIVE)
    command.add_argument("words", nargs="*", metavar="KEY=VALUE", help="settings of all trainings")
    command.add_argument("--output", type=Path, required=True, metavar="DIR", help=output)
    command.add_argument("--env", metavar="E", help="environment of trainings; default: the first one of the run")
    command.add_argument("--config", metavar="C", help=f"settings: {CONFIG}; default: those of the objective")


def _command(commands: "argparse._SubParsersAction[Parser]", name: str, summary: str, example: str) -> Parser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(parser=parser)
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser
