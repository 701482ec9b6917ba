"""`metadisco train`: many agents at once with one objective, over seeds and a grid of settings."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metadisco._version import __version__
from metadisco.commands.grid import Point, config_at, expand, split_objective
from metadisco.config import OBJECTIVE_SETTINGS, Config, build_settings, parse_override, read_yaml
from metadisco.display import Display, format_number
from metadisco.errors import UserError

if TYPE_CHECKING:
    from metadisco.inner.train import TrainResult
    from metadisco.types import Objective

TRACED = ("learning_rate", "gamma", "gae_lambda", "value_coef", "entropy_coef", "max_grad_norm")
"""PPO settings that a grid varies without compiling again."""


class Trained(NamedTuple):
    """One point of the grid, trained on all seeds."""

    point: Point
    config: Config
    final_return: np.ndarray
    """[S] mean return of the last evaluation; NaN for a seed whose numbers became non-finite."""
    curve: np.ndarray
    """[S, U] mean return of the episodes that finished in each update; NaN where none did."""


def train(  # noqa: PLR0917
    objective: str,
    env: str | None,
    num_seeds: int,
    config_path: Path | None,
    words: Sequence[str],
    output: Path | None,
    quiet: bool,
) -> int:
    """Train `num_seeds` agents per grid point; print a table, write JSON; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    base = read_yaml(config_path) if config_path else {}
    overrides = [parse_override(word) for word in words]
    if env is not None:
        overrides.append(("inner.env", env))
    if num_seeds < 1:
        raise UserError(f"--seeds: got {num_seeds}, allowed: a whole number above 0")
    if output is not None and not output.absolute().parent.is_dir():
        raise UserError(f"--output: the directory {str(output.absolute().parent)!r} does not exist")
    points = expand(overrides)
    configs = []
    for point in points:
        settings, rest = split_objective(point.overrides)
        if objective in OBJECTIVE_SETTINGS:
            build_settings(OBJECTIVE_SETTINGS[objective], settings, prefix="objective.")
        configs.append(config_at(base, rest))
    with Display(quiet) as display:
        trained = _train_points(objective, points, configs, num_seeds, display)
    result = _as_json(objective, trained, num_seeds)
    if output is not None:
        from metadisco.runs import write_atomically

        write_atomically(output, json.dumps(result, allow_nan=False) + "\n")
    if not quiet:
        _print_table(objective, trained)
    return 0


def _train_points(
    objective: str, points: Sequence[Point], configs: Sequence[Config], num_seeds: int, display: Display
) -> list[Trained]:
    """Train all points; those that differ in traced settings alone share one compiled program."""
    from metadisco.outer.devices import start_jax

    start_jax(configs[0].outer.num_devices, configs[0].deterministic)

    from metadisco.export.load import load_objective

    trained: dict[int, Trained] = {}
    groups: dict[Any, list[int]] = {}
    for index, (point, config) in enumerate(zip(points, configs, strict=True)):
        constants, _ = split_objective(point.overrides)
        groups.setdefault((repr(_static(config)), repr(constants)), []).append(index)
    for number, indices in enumerate(groups.values()):
        display.say(f"program {number + 1} of {len(groups)}: {len(indices)} settings × {num_seeds} seeds")
        constants, _ = split_objective(points[indices[0]].overrides)
        loaded = load_objective(objective, **constants)
        results = train_lives(loaded, [configs[index] for index in indices], num_seeds)
        for index, (final_return, curve) in zip(indices, results, strict=True):
            trained[index] = Trained(points[index], configs[index], final_return, curve)
    return [trained[index] for index in range(len(points))]


def _static(config: Config) -> Config:
    """Return a config with its traced settings blanked: equal for points that can share a program."""
    same: dict[str, Any] = dict.fromkeys(TRACED, 0.5)
    ppo = dataclasses.replace(config.inner.ppo, **same)
    return dataclasses.replace(config, inner=dataclasses.replace(config.inner, ppo=ppo))


def train_lives(
    objective: "Objective", configs: Sequence[Config], num_seeds: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Train every config, which may differ in traced settings alone, on the same seeds, spread over devices.

    Seed i is the i-th key below `seed` of the config, whatever the number of seeds, devices or settings.

    Returns:
        For each config its final returns [S] and learning curves [S, U].
    """
    import jax
    import jax.numpy as jnp

    from metadisco.inner import envs
    from metadisco.inner.optimise import Hyperparameters
    from metadisco.inner.train import train as train_agent
    from metadisco.outer.devices import default_chunk_size, make_mesh, spread

    config = configs[0]
    env = envs.make(config.inner.env, **config.inner.env_settings)
    seeds = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(config.seed), jnp.arange(num_seeds))
    settings = [Hyperparameters.from_config(each.inner.ppo) for each in configs]
    stacked = jax.tree.map(lambda *values: jnp.repeat(jnp.asarray(values, jnp.float32), num_seeds), *settings)
    keys = jnp.tile(seeds, len(configs))
    num_devices = math.gcd(len(keys), make_mesh(config.outer.num_devices).size)
    mesh = make_mesh(num_devices)

    def life(key: Any, hyperparameters: Any) -> tuple[Any, Any]:
        result: TrainResult = train_agent(key, env, config.inner.ppo, objective, hyperparameters=hyperparameters)
        return jnp.where(result.finite, result.evaluation[-1].mean(), jnp.nan), result.curve

    share = len(keys) // num_devices
    chunk_size = config.outer.chunk_size or default_chunk_size(share, mesh.devices.flat[0].platform)
    final_return, curve = jax.device_get(spread(life, mesh, chunk_size)(keys, stacked))
    shape = (len(configs), num_seeds)
    return list(zip(final_return.reshape(shape), curve.reshape(*shape, -1), strict=True))


def _as_json(objective: str, trained: Sequence[Trained], num_seeds: int) -> dict[str, Any]:
    first = trained[0]
    head = {
        "metadisco": __version__,
        "objective": objective,
        "env": first.config.inner.env,
        "seed": first.config.seed,
        "seeds": list(range(num_seeds)),
    }
    if not first.point.settings:
        return head | {"settings": first.point.overrides} | _result(first)
    return head | {"grid": [{"settings": each.point.settings} | _result(each) for each in trained]}


def _result(each: Trained) -> dict[str, Any]:
    ppo = each.config.inner.ppo
    return {
        "final_return": _nulls(each.final_return),
        "env_steps": [(update + 1) * ppo.batch_size for update in range(ppo.num_updates)],
        "curve": _nulls(each.curve),
    }


def _nulls(array: np.ndarray) -> list[Any]:
    """Return nested lists with null for what JSON cannot hold."""
    plain = array.astype(object)
    plain[~np.isfinite(array)] = None
    return list(plain.tolist())


def _print_table(objective: str, trained: Sequence[Trained]) -> None:
    """Print final returns: of each seed, or for a grid of each point, best first."""
    from rich.console import Console
    from rich.table import Table

    first = trained[0]
    title = f"{objective} on {first.config.inner.env}, {len(first.final_return)} seeds"
    table = Table(title=title, title_justify="left")
    if not first.point.settings:
        for name in ("seed", "final return", "mean return over the life"):
            table.add_column(name, justify="right")
        for seed, (value, curve) in enumerate(zip(first.final_return, first.curve, strict=True)):
            table.add_row(str(seed), _shown(value), _shown(_mean(curve)))
        table.add_section()
        table.add_row("mean", _shown(_mean(first.final_return)), _shown(_mean(first.curve)))
        Console(highlight=False).print(table)
        return
    for name in first.point.settings:
        table.add_column(name.removeprefix("inner.ppo."), justify="right")
    for name in ("final return", "± std over seeds", "mean return over the life", "failed"):
        table.add_column(name, justify="right")
    for each in sorted(trained, key=lambda each: -np.nan_to_num(_mean(each.final_return), nan=-np.inf)):
        failed = int(np.isnan(each.final_return).sum())
        spread = float(np.nanstd(each.final_return)) if failed < len(each.final_return) else math.nan
        numbers = (_mean(each.final_return), spread, _mean(each.curve))
        table.add_row(*map(str, each.point.settings.values()), *map(_shown, numbers), str(failed))
    Console(highlight=False).print(table)


def _mean(values: np.ndarray) -> float:
    """Return the mean of the finite values, NaN where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else math.nan


def _shown(value: float) -> str:
    return "-" if math.isnan(value) else format_number(value)
