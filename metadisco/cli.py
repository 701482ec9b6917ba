"""The command line: `metadisco …`. Thin; the work is in `metadisco.commands`."""

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from metadisco._version import __version__
from metadisco.errors import UserError, nearest

EVOLVE_EXAMPLE = """example:
  metadisco evolve experiments/value_loss/demo.yaml outer.num_generations=8 seed=3 --run runs/first

The same command again continues the run; keys are the config's own dotted names."""

TRAIN_EXAMPLE = """examples:
  metadisco train --objective ppo --env gymnax/CartPole-v1 --seeds 16 --output ppo.json
  metadisco train --objective runs/first --env gymnax/Acrobot-v1 --seeds 8
  metadisco train --objective ppo --env gymnax/CartPole-v1 --seeds 8 'inner.ppo.learning_rate=[1e-4,3e-4,1e-3]'

A list where one value is meant trains a grid; an objective's own constants are objective.clip_eps and so on."""


REFERENCE_EXAMPLE = """example:
  metadisco reference experiments/lpo_drift/classic.yaml

Fitness on an environment is then (R - random) / (ppo - random). Only outer.… and seed can be set here."""

EVALUATE_EXAMPLE = """example:
  metadisco evaluate --objectives ppo dpo runs/first --envs gymnax/CartPole-v1 gymnax/Acrobot-v1 --seeds 64 --output out

Each objective trains in each environment on the same seeds, which no search used. The same command again goes on where
it was stopped. Differences and probabilities are against the baseline."""

LIST_EXAMPLE = """example:
  metadisco list"""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one sentence."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UserError(f"{message} (see {self.prog} --help)")


def _parser() -> _Parser:
    parser = _Parser(
        prog="metadisco", description="Discover reinforcement-learning objectives by evolution.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"metadisco {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    evolve = _command(commands, "evolve", "run a meta-evolution, or continue it", EVOLVE_EXAMPLE)
    evolve.add_argument("config", type=Path, metavar="CONFIG.yaml", help="what is evolved, and how")
    evolve.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings that replace those of the file")
    evolve.add_argument("--run", type=Path, required=True, metavar="DIR", help="the run directory")

    train = _command(commands, "train", "train agents with one objective", TRAIN_EXAMPLE)
    train.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="settings; a list where one value is meant is a grid"
    )
    train.add_argument(
        "--objective", required=True, metavar="O", help="a closed form such as ppo or dpo, or the path of a run"
    )
    train.add_argument("--env", metavar="E", help="suite/name, such as gymnax/CartPole-v1")
    train.add_argument("--seeds", type=int, default=1, metavar="N", help="agents per setting")
    train.add_argument(
        "--config", type=Path, metavar="FILE.yaml", help="settings, in the schema of evolve; outer is ignored"
    )
    train.add_argument("--output", type=Path, metavar="FILE.json", help="where to write curves and returns")

    evaluate = _command(commands, "evaluate", "compare objectives over environments and seeds", EVALUATE_EXAMPLE)
    evaluate.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings of all lives")
    evaluate.add_argument("--objectives", nargs="+", required=True, metavar="O", help="closed forms, or paths of runs")
    evaluate.add_argument("--envs", nargs="+", required=True, metavar="E", help="suite/name, such as gymnax/Acrobot-v1")
    evaluate.add_argument("--seeds", type=int, default=64, metavar="N", help="lives per cell")
    evaluate.add_argument("--baseline", metavar="O", help="what is compared with; the first objective if left out")
    evaluate.add_argument(
        "--config",
        type=Path,
        metavar="FILE.yaml",
        help="settings, in the schema of evolve; fitness is ignored",
    )
    evaluate.add_argument("--output", type=Path, required=True, metavar="DIR", help="where results and figures go")

    reference = _command(
        commands, "reference", "measure random and PPO returns, and write them into a config", REFERENCE_EXAMPLE
    )
    reference.add_argument("config", type=Path, metavar="CONFIG.yaml", help="a config with several environments")
    reference.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings of outer, or seed")
    reference.add_argument("--seeds", type=int, default=32, metavar="N", help="lives per environment")

    _command(commands, "list", "list environments, objectives, parametrisations and strategies", LIST_EXAMPLE)
    return parser


def _command(commands: "argparse._SubParsersAction[_Parser]", name: str, summary: str, example: str) -> _Parser:
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when done, or stopped on request and resumable; 2 when the input cannot be used.
    """
    try:
        return _run(_parse(arguments))
    except UserError as error:
        print(f"metadisco: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("metadisco: stopped", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        print(f"metadisco: got {str(error.filename)[:40]!r}…, allowed: a shorter name", file=sys.stderr)
        return 2


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse words in any order: KEY=VALUE may stand before or after options."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    names = ("evolve", "train", "evaluate", "reference", "list")
    if words and not words[0].startswith("-") and words[0] not in names:
        raise UserError(f"got command {words[0]!r}, allowed: {', '.join(names)}{nearest(words[0], names)}")
    parser = _parser()
    known, rest = parser.parse_known_args(words)
    unknown = [word for word in rest if word.startswith("-") or "=" not in word]
    if unknown:
        raise UserError(f"got {unknown[0]!r}, allowed: KEY=VALUE and the options of metadisco {known.command} --help")
    if rest and known.command == "list":
        raise UserError(f"got {rest[0]!r}, but metadisco list takes no settings")
    if rest:
        known.overrides = [*known.overrides, *rest]
    return known


def _words_of_lists(options: argparse.Namespace) -> tuple[list[str], list[str], list[str]]:
    """Take KEY=VALUE words out of the lists that stand before them."""
    lists = options.objectives, options.envs
    words = [word for words in lists for word in words if "=" in word]
    objectives, envs = ([word for word in words if "=" not in word] for words in lists)
    return objectives, envs, [*options.overrides, *words]


def _run(options: argparse.Namespace) -> int:
    """Hand over to the command."""
    if options.command == "evolve":
        from metadisco.commands.evolve import evolve

        return evolve(options.config, options.overrides, options.run, options.quiet)
    if options.command == "train":
        from metadisco.commands.train import train

        return train(
            options.objective,
            options.env,
            options.seeds,
            options.config,
            options.overrides,
            options.output,
            options.quiet,
        )
    if options.command == "evaluate":
        from metadisco.commands.evaluate import evaluate

        objectives, envs, words = _words_of_lists(options)
        return evaluate(
            objectives,
            envs,
            options.seeds,
            options.output,
            options.baseline,
            options.config,
            words,
            options.quiet,
        )
    if options.command == "reference":
        from metadisco.commands.reference import reference

        return reference(options.config, options.overrides, options.seeds, options.quiet)
    from metadisco.commands.listing import list_names

    return list_names()
