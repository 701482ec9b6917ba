"""Opponent shaping: a meta-policy plays a repeated game against learners that learn while it plays.

Lu, Willi, Schroeder de Witt, Foerster, "Model-Free Opponent Shaping" (ICML 2022). We differ: the meta-policy is
evolved, and self-play is against the centre of the search. Axes: K opponents, B lifetimes of an opponent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int
from pydantic import Field

from metadisco.config import Config, build_settings
from metadisco.config.fields import Fraction, PositiveInt, settings
from metadisco.errors import UserError
from metadisco.inner.games import Game, make_game
from metadisco.inner.games.lifetime import Reset, play_lifetimes
from metadisco.inner.games.players import Player
from metadisco.objectives.arithmetic import in_float32
from metadisco.parametrisations import META_POLICIES, make_parametrisation
from metadisco.parametrisations.meta_policy import GamePolicy
from metadisco.problems.players import as_player, make_player, names_of
from metadisco.types import Evaluation, Key, MetaParams, MetaPolicy, Parametrisation, TaskInfo

MAX_HORIZON = 2**24
"""Up to here single precision counts meta-steps one by one."""


@settings
class SelfPlaySettings:
    """Members play against the centre of the search, and at first against naive learners, too."""

    from_share: Fraction = 1.0
    """Weight of the reward against the opponents in the fitness of the first generation."""
    to_share: Fraction = 0.0
    """The same from generation `over_generations` on; the rest is that of the reward against the centre."""
    over_generations: PositiveInt = 125
    """Generations over which the share changes, linearly."""


@settings
class OpponentShapingSettings:
    """Settings of the problem: a game, and the opponents of the meta-policy."""

    game: Any = "ipd"
    """`ipd`, `imp`, `chicken`, `stag_hunt`, or a section with `payoffs`, `gamma` and `name`."""
    opponents: tuple[Any, ...] = ("naive",)
    """Learners and strategies by name, sections with `name` and settings, `package.module:MyLearner`, or the path of a
    meta-policy; each is a task."""
    seat: Annotated[PositiveInt, Field(le=2)] = 1
    """Which player of the game the meta-policy is."""
    reset: Literal["shaper", "players"] = "shaper"
    """Who plays the unpaid first step: the opponent against a random policy, or the players themselves."""
    self_play: SelfPlaySettings | None = None
    """How members play against the centre, too, in a game that is the same for both players; null where they do not."""


@settings
class OpponentShapingInner:
    """How an evaluation runs."""

    horizon: Annotated[PositiveInt, Field(le=MAX_HORIZON)] = 100
    """Meta-steps of a meta-episode: how often the players choose policies and play."""
    num_opponents: PositiveInt = 32
    """Lifetimes of each opponent in one evaluation; each starts anew."""


@dataclass(frozen=True)
class OpponentShaping:
    """The meta-problem of finding a meta-policy that does well against learners.

    Attributes:
        parametrisation: the learned player; it binds to a `MetaPolicy`, or to a player of `metadisco.inner.games`.
        game: from the seat of the meta-policy.
        tasks: the opponents by name.
        opponents: as many players.
        horizon: paid meta-steps of a lifetime, T.
        num_opponents: lifetimes of each opponent in one evaluation, B.
        reset: who plays the unpaid first step in the seat of the meta-policy.
    """

    finds: ClassVar[str] = "a meta-policy"
    settings: ClassVar[type] = OpponentShapingSettings
    inner: ClassVar[type] = OpponentShapingInner
    parametrisations: ClassVar[dict[str, str]] = META_POLICIES
    fitness_names: ClassVar[tuple[str, ...]] = ()
    figures: ClassVar[str] = "metadisco.plotting.shaping.run:FAMILY"
    checks: ClassVar[str] = "metadisco.discoveries.meta_policies:FAMILY"
    source: ClassVar[str] = "metadisco.export.policy:source_text"
    results: ClassVar[str] = "metadisco.evaluation.cross_results:read_results"

    parametrisation: Parametrisation[MetaPolicy]
    game: Game
    tasks: Sequence[TaskInfo]
    opponents: Sequence[Player]
    horizon: int = 100
    num_opponents: int = 32
    reset: Reset = "shaper"

    @classmethod
    def from_config(cls, config: Config) -> "OpponentShaping":
        """Create the problem that a config describes.

        Raises:
            UserError: for a game, opponent or setting that does not fit.
        """
        asked: Any = build_settings(
            OpponentShapingSettings, {key: value for key, value in config.problem.items() if key != "name"}, "problem."
        )
        game = make_game(asked.game).from_seat(asked.seat)
        if not asked.opponents:
            raise UserError("problem.opponents: got none, allowed: one or more")
        if asked.self_play is not None and game != game.swapped:
            raise UserError(
                f"problem.self_play: got the game {game.name}, allowed: one that is the same for both players, since "
                "the centre takes the other seat"
            )
        opponents = [make_player(spec, game.swapped, "problem.opponents") for spec in asked.opponents]
        parametrisation = sized(make_parametrisation(config.parametrisation), game)
        names = names_of(asked.opponents)
        problem = OpponentShaping(
            parametrisation=parametrisation,
            game=game,
            tasks=[TaskInfo(name) for name in names],
            opponents=opponents,
            horizon=config.inner.horizon,
            num_opponents=config.inner.num_opponents,
            reset=asked.reset,
        )
        return problem if asked.self_play is None else SelfPlay(**vars(problem), schedule=asked.self_play)

    @staticmethod
    def evaluate_words(config: Config, run: str) -> list[str]:
        """Return the words of `metadisco evaluate` that compare the player that a run found with the best fixed one.

        Empty for a game or opponents that have no name.
        """
        game, opponents = config.problem["game"], config.problem["opponents"]
        if not all(isinstance(each, str) for each in (game, *opponents)):
            return []
        return ["--players", "best_static", run, "--opponents", *opponents, "--games", game]

    @property
    def env_steps(self) -> int:
        """Plays of the game in one evaluation, in a sampled game whole episodes; each counts as an environment step."""
        return self.horizon * self.num_opponents * len(self.opponents)

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the meta-parameters at which the search starts."""
        return self.parametrisation.init(key)

    @in_float32
    def evaluate(self, key: Key, meta_params: MetaParams) -> Evaluation:
        """Play all opponents; the fitness of each is the mean reward of the meta-policy per meta-step."""
        player = as_player(self.parametrisation.bind(meta_params))
        keys = jax.random.split(key, len(self.opponents))
        own, other = zip(
            *(self._against(key, player, opponent) for key, opponent in zip(keys, self.opponents, strict=True)),
            strict=True,
        )
        return Evaluation(jnp.stack(own), {"opponent_reward": jnp.stack(other).mean()})

    def rehearsal(self, num_updates: int) -> "OpponentShaping":
        """Return the same meta-problem with lifetimes of a few meta-steps, to measure speed with."""
        return replace(self, horizon=min(num_updates, self.horizon))

    def _against(self, key: Key, player: Player, opponent: Player) -> tuple[Array, Array]:
        """Return mean rewards per meta-step, over all lifetimes, of the meta-policy and of an opponent."""
        outcome = play_lifetimes(key, player, opponent, self.game, self.horizon, self.num_opponents, self.reset)
        return outcome.own.mean(), outcome.other.mean()


def sized(parametrisation: Any, game: Game) -> Parametrisation[MetaPolicy]:
    """Return a parametrisation for the policies of a game; one of the user's may know their size by itself.

    Raises:
        UserError: if it has another size.
    """
    if not isinstance(parametrisation, GamePolicy):
        return parametrisation
    try:
        return parametrisation.for_game(game.num_logits)  # type: ignore[return-value]
    except ValueError as error:
        raise UserError(f"parametrisation.{error}") from error


@dataclass(frozen=True)
class SelfPlay(OpponentShaping):
    """The same where members play against the centre of the search, too.

    Naive opponents throughout lead to extortion; learning-aware players alone remain at mutual defection.
    Opponents first and the centre later lead to cooperation (Lu et al. 2022; Meulemans et al. 2024).

    Attributes:
        schedule: of the share of the opponents.
    """

    schedule: SelfPlaySettings = field(default_factory=SelfPlaySettings)

    @property
    def env_steps(self) -> int:
        """Plays of the game in one evaluation, those against the centre included."""
        return self.horizon * self.num_opponents * (len(self.opponents) + 1)

    def share(self, generation: Int[Array, ""]) -> Float[Array, ""]:
        """Return the weight of the opponents in the fitness of a generation, counted from 0."""
        elapsed = jnp.minimum(generation / self.schedule.over_generations, 1.0)
        return self.schedule.from_share + (self.schedule.to_share - self.schedule.from_share) * elapsed

    @in_float32
    def evaluate_against(
        self, key: Key, meta_params: MetaParams, centre: MetaParams, generation: Int[Array, ""]
    ) -> Evaluation:
        """Play all opponents and the centre; the fitness is the mean of both rewards, weighted by the share."""
        key_opponents, key_centre = jax.random.split(key)
        result = self.evaluate(key_opponents, meta_params)
        player, other = (as_player(self.parametrisation.bind(params)) for params in (meta_params, centre))
        against_centre, of_centre = self._against(key_centre, player, other)
        share = self.share(generation)
        metrics = {
            **result.metrics,
            "reward_against_opponents": result.fitness.mean(),
            "reward_against_centre": against_centre,
            "reward_of_centre": of_centre,
            "opponent_share": share,
        }
        return Evaluation(share * result.fitness + (1 - share) * against_centre, metrics)
