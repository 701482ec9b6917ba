"""Facts about the environments of Jumanji that it does not state itself: encodings, time limits, kinds of masks.

Every function takes the environment of Jumanji, whose sizes depend on its settings. Fields are read by their names.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco.inner.envs.encodings import Part, any_of, codes, flags, numbers

BANK = 1024
"""Number of initial states where a reset costs many times a step."""
FRIGHTENED_STEPS = 30.0
MAX_EXPONENT = 15


class Facts(NamedTuple):
    """Facts about an environment of Jumanji."""

    parts: Callable[[Any], tuple[Part, ...]]
    """The encoding of an observation, without the mask."""
    length: Callable[[Any], int] = lambda env: int(env.time_limit)
    """Time limit where there is one, else the number of steps after which every episode has ended."""
    clock: str = "off"
    """Its own time limit, which it takes for a termination: "off" where it can be set out of reach, "on" where states
    or rewards depend on it, "none" where there is none."""
    over: Callable[[Any], Array] | None = None
    """state -> whether it is terminal; needed where the clock is on."""
    bank: int | None = None
    """Default for the number of initial states."""
    rows: bool = False
    """Whether the mask has a row for each choice; else it covers all combinations of choices."""


def _bin_pack(env: Any) -> tuple[Part, ...]:
    spaces = [numbers(f"ems.{side}{end}") for side in "xyz" for end in (1, 2)]
    items = [numbers(f"items.{side}_len") for side in "xyz"]
    return (*spaces, flags("ems_mask"), *items, flags("items_mask"), flags("items_placed"))


def _cleaner(env: Any) -> tuple[Part, ...]:
    return codes("grid", 0, 2), codes("agents_locations", 0, max(env.num_rows, env.num_cols) - 1)


def _connector(env: Any) -> tuple[Part, ...]:
    return (codes("grid", 0, 3 * env.num_agents),)


def _cvrp(env: Any) -> tuple[Part, ...]:
    seen = (numbers("coordinates"), numbers("demands"), numbers("capacity"), flags("unvisited_nodes"))
    return (*seen, codes("position", 0, env.num_nodes), flags("action_mask"))


def _flat_pack(env: Any) -> tuple[Part, ...]:
    # Which blocks are left is in the mask alone.
    return flags("grid"), flags("blocks"), flags(lambda obs: any_of(obs.action_mask))


def _foraging(env: Any) -> tuple[Part, ...]:
    return (numbers("agents_view", float(np.max(env.observation_spec.agents_view.maximum))),)


def _game_2048(env: Any) -> tuple[Part, ...]:
    return (codes(lambda obs: jnp.minimum(obs.board, MAX_EXPONENT), 0, MAX_EXPONENT),)


def _graph_coloring(env: Any) -> tuple[Part, ...]:
    last = env.num_nodes - 1
    return flags("adj_matrix"), codes("colors", -1, last), codes("current_node_index", 0, last)


def _job_shop(env: Any) -> tuple[Part, ...]:
    longest = float(env.max_op_duration)
    return (
        codes("ops_machine_ids", -1, env.num_machines - 1),
        numbers(lambda obs: jnp.maximum(obs.ops_durations, 0), longest),
        flags("ops_mask"),
        codes("machines_job_ids", 0, env.num_jobs),
        numbers("machines_remaining_times", longest),
    )


def _knapsack(env: Any) -> tuple[Part, ...]:
    return numbers("weights"), numbers("values"), flags("packed_items")


def _maze(env: Any) -> tuple[Part, ...]:
    places = [
        codes(f"{whose}_position.{axis}", 0, size - 1)
        for whose in ("agent", "target")
        for axis, size in (("row", env.num_rows), ("col", env.num_cols))
    ]
    return (flags("walls"), *places)


def _minesweeper(env: Any) -> tuple[Part, ...]:
    return (codes("board", -1, 8),)


def _mmst(env: Any) -> tuple[Part, ...]:
    kinds = codes("node_types", -1, 2 * env.num_agents - 1)
    return kinds, flags("adj_matrix"), codes("positions", 0, env.num_nodes - 1)


def _multi_cvrp(env: Any) -> tuple[Part, ...]:
    spec = env.observation_spec
    names = (
        "nodes.coordinates", "nodes.demands", "windows.start", "windows.end", "coeffs.early", "coeffs.late",
        "vehicles.coordinates", "vehicles.local_times", "vehicles.capacities",
    )  # fmt: skip
    return tuple(numbers(name, _maximum(spec, name)) for name in names)


def _maximum(spec: Any, name: str) -> float:
    for field in name.split("."):
        spec = spec[field] if isinstance(spec, dict) else getattr(spec, field)
    return float(np.max(spec.maximum)) or 1.0


def _pac_man(env: Any) -> tuple[Part, ...]:
    # The maze is always the same. What has been eaten is moved to (0, 0), inside a wall.
    return (
        codes("player_locations.x", 0, env.x_size - 1),
        codes("player_locations.y", 0, env.y_size - 1),
        codes("ghost_locations", 0, max(env.x_size, env.y_size) - 1),
        flags(lambda obs: any_of(obs.pellet_locations != 0)),
        flags(lambda obs: any_of(obs.power_up_locations != 0)),
        numbers(lambda obs: jnp.maximum(obs.frightened_state_time, 0), FRIGHTENED_STEPS),
    )


def _robot_warehouse(env: Any) -> tuple[Part, ...]:
    rest = jnp.index_exp[..., 2:]
    place = numbers(lambda obs: obs.agents_view[..., :2], np.asarray(env.grid_size, np.float32))
    return place, flags(lambda obs: obs.agents_view[rest])


def _rubiks_cube(env: Any) -> tuple[Part, ...]:
    return (codes("cube", 0, 5),)


def _search_and_rescue(env: Any) -> tuple[Part, ...]:
    # Rewards shrink with time, so that time matters.
    seen = (numbers("searcher_views"), numbers("positions"), numbers("targets_remaining"))
    return (*seen, numbers("step", float(env.time_limit)))


def _sliding_tiles(env: Any) -> tuple[Part, ...]:
    return (codes("puzzle", 0, env.generator.grid_size**2 - 1),)


def _snake(env: Any) -> tuple[Part, ...]:
    return (numbers("grid"),)


def _sudoku(env: Any) -> tuple[Part, ...]:
    return (codes("board", -1, 8),)


def _tetris(env: Any) -> tuple[Part, ...]:
    return flags("grid"), flags("tetromino")


def _tsp(env: Any) -> tuple[Part, ...]:
    # Which cities are left is in the mask alone, unless one reads the whole trajectory.
    return numbers("coordinates"), codes("position", 0, env.num_cities - 1), flags("action_mask")


def _cells(env: Any) -> int:
    return int(env.num_rows * env.num_cols)


def _job_shop_length(env: Any) -> int:
    return int(env.num_jobs * env.max_num_ops * env.max_op_duration)


TASKS = {
    "BinPack-v2": Facts(_bin_pack, lambda env: int(env.generator.max_num_items), "none"),
    "CVRP-v1": Facts(_cvrp, lambda env: 2 * int(env.num_nodes), "none"),
    "Cleaner-v0": Facts(_cleaner, bank=BANK, rows=True),
    "Connector-v3": Facts(_connector, bank=BANK, rows=True),
    "FlatPack-v0": Facts(_flat_pack, lambda env: int(env.num_blocks), "none"),
    "Game2048-v1": Facts(_game_2048, lambda env: 4000, "none"),
    "GraphColoring-v1": Facts(_graph_coloring, lambda env: int(env.num_nodes), "none"),
    "JobShop-v0": Facts(_job_shop, _job_shop_length, "none", rows=True),
    "Knapsack-v1": Facts(_knapsack, lambda env: int(env.num_items), "none"),
    "LevelBasedForaging-v0": Facts(_foraging, rows=True),
    "MMST-v0": Facts(_mmst, clock="on", over=lambda state: state.finished_agents.all(), bank=BANK, rows=True),
    "Maze-v0": Facts(_maze, bank=BANK),
    "Minesweeper-v0": Facts(_minesweeper, lambda env: _cells(env) - int(env.num_mines), "none", bank=BANK),
    "MultiCVRP-v0": Facts(_multi_cvrp, lambda env: 2 * int(env._num_customers) + 1, "none", rows=True),
    "PacMan-v1": Facts(_pac_man),
    "RobotWarehouse-v0": Facts(_robot_warehouse, rows=True),
    "RubiksCube-partly-scrambled-v0": Facts(_rubiks_cube, bank=BANK),
    "RubiksCube-v0": Facts(_rubiks_cube, bank=BANK),
    "SearchAndRescue-v0": Facts(_search_and_rescue, clock="on", over=lambda state: state.targets.found.all()),
    "SlidingTilePuzzle-v0": Facts(_sliding_tiles, bank=BANK),
    "Snake-v1": Facts(_snake),
    "Sudoku-v0": Facts(_sudoku, lambda env: 81, "none"),
    "Sudoku-very-easy-v0": Facts(_sudoku, lambda env: 81, "none"),
    "TSP-v1": Facts(_tsp, lambda env: int(env.num_cities), "none"),
    "Tetris-v0": Facts(_tetris),
}
"""By name in Jumanji; others are not offered."""

GENERATOR_DEFAULTS = {"num_edges": 72, "max_degree": 5}
"""Arguments of MMST's default generator that it does not keep."""
