"""The games of MinAtar, set to one of our states, with their random draws replaced by given ones."""

import importlib
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from lockstep import Moment


class Script:
    """Stands in for numpy's RandomState and returns recorded numbers in order."""

    def __init__(self, values):
        self._values = iter(values)

    def rand(self, *shape):
        return next(self._values)

    def randint(self, *args, **kwargs):
        return next(self._values)


class Game(NamedTuple):
    """How a state here translates to MinAtar's, and the possible random outcomes."""

    actions: list[int]
    """Of the original, in our order."""
    put: Callable[[Any, Any], None]
    """(game, state): set the original's state to ours."""
    chances: Callable[[Moment], Iterator[list]]
    """moment -> all possible random numbers of the original in this step."""
    hidden: Callable[[Any], dict]
    """game -> hidden parts of a state, which must equal fields of ours."""


def as_list(array: np.ndarray, count: int | None = None) -> list[list[int]]:
    return [list(map(int, row)) for row in array[: len(array) if count is None else count]]


def scalars(game: Any, state: Any, *names: str) -> None:
    for name in names:
        setattr(game, name, getattr(state, name).item())
    game.terminal = False


def no_chance(moment: Moment) -> Iterator[list]:
    yield []


def put_asterix(game, state):
    scalars(game, state, *ASTERIX, "ramp_timer")
    game.entities = [row[:4] if row[4] else None for row in as_list(state.entities)]


def asterix_chances(moment):
    free = int((moment.state.entities[:, 4] == 0).sum())
    due = moment.state.spawn_timer == 0
    yield from product((0.0, 0.9), (0.0, 0.9), range(max(free, 1))) if due else [()]


def put_breakout(game, state):
    scalars(game, state, *BREAKOUT)
    game.brick_map = np.array(state.brick_map)


def put_freeway(game, state):
    scalars(game, state, "pos", "move_timer")
    game.cars, game.terminate_timer = as_list(state.cars), 2500


def freeway_chances(moment):
    speeds = moment.after.cars[:, 3]  # read off the drawn state
    yield [np.abs(speeds), np.where(speeds > 0, 0.9, 0.1)]


def put_invaders(game, state):
    scalars(game, state, *INVADERS)
    for name in ("f_bullet_map", "e_bullet_map", "alien_map"):
        setattr(game, name, np.array(getattr(state, name)))


def put_seaquest(game, state):
    scalars(game, state, *SEAQUEST)
    for name, count in SEAQUEST_LISTS.items():
        setattr(game, name, as_list(getattr(state, name), int(getattr(state, count))))


def seaquest_chances(moment):
    state = moment.state
    enemies = product((0.0, 0.9), (0.0, 0.9), range(1, 9)) if state.e_spawn_timer == 0 else [()]
    divers = product((0.0, 0.9), range(1, 9)) if state.d_spawn_timer == 0 else [()]
    yield from (enemy + diver for enemy, diver in product(enemies, divers))


def hidden(*names: str, **others: Callable[[Any], Any]) -> Callable[[Any], dict]:
    return lambda game: {name: getattr(game, name) for name in names} | {key: of(game) for key, of in others.items()}


ASTERIX = ("player_x", "player_y", "shot_timer", "spawn_speed", "spawn_timer", "move_speed", "move_timer", "ramp_index")
BREAKOUT = ("ball_y", "ball_x", "ball_dir", "pos", "strike", "last_x", "last_y")
INVADERS = (
    "pos",
    "alien_dir",
    "enemy_move_interval",
    "alien_move_timer",
    "alien_shot_timer",
    "ramp_index",
    "shot_timer",
)
SEAQUEST = ("oxygen", "sub_x", "sub_y", "sub_or", "diver_count", "e_spawn_speed", "e_spawn_timer", "d_spawn_timer",
            "move_speed", "ramp_index", "shot_timer", "surface")  # fmt: skip
SEAQUEST_LISTS = {"f_bullets": "f_bullet_count", "e_bullets": "e_bullet_count", "e_fish": "e_fish_count",
                  "e_subs": "e_subs_count", "divers": "divers_count"}  # fmt: skip

GAMES = {
    "asterix": Game([0, 1, 2, 3, 4], put_asterix, asterix_chances, hidden(*ASTERIX)),
    "breakout": Game([0, 1, 3], put_breakout, no_chance, hidden(*BREAKOUT)),
    "freeway": Game([0, 2, 4], put_freeway, freeway_chances, hidden("pos", "move_timer", cars=lambda game: game.cars)),
    "space_invaders": Game([0, 1, 3, 5], put_invaders, no_chance, hidden(*INVADERS)),
    "seaquest": Game([0, 1, 2, 3, 4, 5], put_seaquest, seaquest_chances, hidden(*SEAQUEST)),
}


def difference(name: str, moment: Moment, original: Any) -> str | None:
    """Return in what our step is none that the original could have made; None if it is one."""
    game, said = GAMES[name], "no outcome"
    for chance in game.chances(moment):
        original.random = Script(chance)
        game.put(original, moment.state)
        reward, terminated = original.act(game.actions[int(moment.action)])
        said = _first_difference(game, moment, original, reward, terminated)
        if said is None:
            return None
    return said


def _first_difference(game: Game, moment: Moment, original: Any, reward: float, terminated: bool) -> str | None:
    step = moment.step
    if reward != step.reward or bool(terminated) != bool(step.terminated):
        return f"reward {reward} {step.reward}, terminated {terminated} {step.terminated}"
    if not np.array_equal(original.state(), step.final_obs.astype(bool)):
        return f"observation {np.argwhere(original.state() != step.final_obs.astype(bool)).tolist()}"
    if not moment.ended:
        for field, value in game.hidden(original).items():
            if not np.array_equal(np.asarray(value), getattr(moment.after, field)):
                return f"{field} {value} {getattr(moment.after, field)}"
    return None


def make_original(name: str) -> Any:
    return importlib.import_module(f"minatar.environments.{name}").Env()


def surfaced_in_vain(moment: Moment) -> bool:
    """Whether an episode of Seaquest ended as the player surfaced without divers; the gauges may differ then."""
    state = moment.state
    up = moment.action == 2 and state.sub_y == 1
    return bool(moment.step.terminated and (up or state.sub_y == 0) and not state.surface and state.diver_count == 0)
