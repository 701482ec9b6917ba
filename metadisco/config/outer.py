"""Settings of the outer loop: the evolution strategy, and the evaluation of its population."""

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field, SkipValidation

from metadisco.errors import nearest, shown

from .fields import MAX_INT, Bool, Decay, NonNegativeInt, PositiveFloat, PositiveInt, Text, settings
from .strategies import EXCLUDED_STRATEGIES, STRATEGIES, StrategyTraits

DEFAULT_STD = 0.03  # OpenAI-ES of evosax 0.1, used when the value loss was first evolved (PureJaxRL's walkthrough)
DEFAULT_LEARNING_RATE = 0.02  # between DPO's 0.01 (evosax 0.0.4) and the walkthrough's 0.05
DEFAULT_DECAY = 0.999  # per generation, for std and learning rate: evosax 0.0.4, used by DPO
DEFAULT_STD_LIMIT = 0.01  # evosax 0.0.4
DEFAULT_LEARNING_RATE_LIMIT = 0.001  # evosax 0.0.4


@settings
class StrategyConfig:
    """An evolution strategy of evosax and its settings.

    An omitted field gets metadisco's default if the strategy has that hyperparameter, else it is null. It is an error
    to set a hyperparameter that the strategy does not have. The defaults differ from those of evosax 0.3 (std 1.0, and
    SGD with learning rate 0.001), which do not suit network weights: they are Open_ES with Adam, std 0.03 × 0.999 per
    generation down to 0.01, and learning rate 0.02 × 0.999 per generation down to 0.001.

    Raises:
        pydantic.ValidationError: a ValueError naming the field, for a value that is not allowed.
    """

    name: Text = "Open_ES"
    """Name of the strategy in evosax."""
    population_size: PositiveInt = 64
    """Members sampled per generation."""
    std: PositiveFloat | None = None
    """Standard deviation of the perturbations at generation 0, in units of the meta-parameters; default 0.03."""
    std_decay: Decay | None = None
    """Decay factor of a scheduled std per generation; skipped generations do not count; default 0.999."""
    std_limit: PositiveFloat | None = None
    """Lower bound of a scheduled std; default 0.01, or std itself if that is smaller."""
    learning_rate: PositiveFloat | None = None
    """Adam's learning rate for the mean at generation 0; default 0.02."""
    learning_rate_decay: Decay | None = None
    """Decay factor of the learning rate per generation; skipped generations do not count; default 0.999."""
    learning_rate_limit: PositiveFloat | None = None
    """Lower bound of the learning rate; default 0.001, or the learning rate itself if that is smaller."""
    antithetic: Bool | None = None
    """Use antithetic (mirrored) sampling, for strategies where it is optional; default true."""
    fitness_shaping: Literal["centred_rank", "z_score", "raw"] | None = None
    """Fitness shaping for gradient estimates; default centred_rank if the strategy leaves the choice."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Further hyperparameters under their names in evosax, e.g. PGPE's std_lr."""

    def __post_init__(self) -> None:
        """Reject unknown strategies, and settings that the strategy does not have."""
        if self.name in EXCLUDED_STRATEGIES:
            raise ValueError(f"name: {self.name} is not offered: {EXCLUDED_STRATEGIES[self.name]}")
        if self.name not in STRATEGIES:
            raise ValueError(
                f"name: got {self.name!r}, allowed: {', '.join(STRATEGIES)}{nearest(self.name, STRATEGIES)}"
            )
        for name, needs, has in self._demands():
            if getattr(self, name) is not None and not has:
                raise ValueError(f"{name}: {self.name} has no such setting ({needs})")
        self._fill_defaults()
        if self.needs_even_population and self.population_size % 2:
            raise ValueError(
                f"population_size: got {self.population_size}, allowed: an even number, as {self.name} samples pairs"
            )
        for limit, start in (("std_limit", self.std), ("learning_rate_limit", self.learning_rate)):
            if (getattr(self, limit) or 0.0) > (start or 0.0):
                raise ValueError(f"{limit}: got {getattr(self, limit)}, allowed: at most the initial value, {start}")
        least = self.least_population_size
        if self.population_size < least:
            raise ValueError(f"population_size: got {self.population_size}, allowed: at least {least} for {self.name}")

    def _demands(self) -> list[tuple[str, str, bool]]:
        """List each optional field with the reason for which a strategy may lack it, and whether this one has it."""
        traits = self.traits
        scheduled = traits.std_knob == "schedule"
        shaped = "it compares raw fitness" if traits.shaping == "raw" else "it has its own rank-based weights"
        return [
            ("std_decay", "its std is not scheduled", scheduled),
            ("std_limit", "its std is not scheduled", scheduled),
            ("learning_rate", "it has no optimiser", traits.has_optimizer),
            ("learning_rate_decay", "it has no optimiser", traits.has_optimizer),
            ("learning_rate_limit", "it has no optimiser", traits.has_optimizer),
            ("antithetic", f"it {traits.antithetic} samples antithetic pairs", traits.antithetic == "choice"),
            ("fitness_shaping", shaped, traits.shaping == "chosen"),
        ]

    def _fill_defaults(self) -> None:
        """Fill in the defaults of omitted fields, so that a stored config contains the values that were used."""
        defaults: dict[str, Any] = {"std": DEFAULT_STD}
        if self.traits.std_knob == "schedule":
            defaults |= {
                "std_decay": DEFAULT_DECAY,
                "std_limit": min(DEFAULT_STD_LIMIT, self.std or DEFAULT_STD),
            }
        if self.traits.has_optimizer:
            start = self.learning_rate or DEFAULT_LEARNING_RATE
            defaults |= {
                "learning_rate": start,
                "learning_rate_decay": DEFAULT_DECAY,
                "learning_rate_limit": min(DEFAULT_LEARNING_RATE_LIMIT, start),
            }
        if self.traits.antithetic == "choice":
            defaults["antithetic"] = True
        if self.traits.shaping == "chosen":
            defaults["fitness_shaping"] = "centred_rank"
        for name, value in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    @property
    def traits(self) -> StrategyTraits:
        """Hyperparameters and behaviour of the strategy."""
        return STRATEGIES[self.name]

    @property
    def least_population_size(self) -> int:
        """Smallest population size with which the strategy works."""
        return 2 if self.name == "Open_ES" else 4

    @property
    def needs_even_population(self) -> bool:
        """Whether evosax requires an even population size: if the strategy supports antithetic sampling."""
        return self.traits.antithetic != "never"


@settings
class OuterConfig:
    """Settings of the outer loop.

    Raises:
        pydantic.ValidationError: a ValueError naming the field, for a value that is not allowed.
    """

    num_generations: PositiveInt = 256
    """Total number of generations; may be increased to extend a finished run."""
    num_rollouts: PositiveInt = 1
    """Evaluations per member and generation; all members use the same seeds (common random numbers)."""
    aggregate: Literal["mean", "minimum", "mean_rank", "mean_rank_per_draw", "capped_mean"] = "mean"
    """Aggregation of a member's fitness over several tasks. The first three average over rollouts before; `mean_rank`
    then ranks within each task. `mean_rank_per_draw` ranks within each rollout and task. `capped_mean` averages
    min(s, 1) + 0.1·max(s − 1, 0) over rollouts and tasks, s being 0 at random actions and 1 at the baseline there."""
    baseline: Text | None = None
    """Objective that is trained beside the search centre, on the same seeds and draws: names as for `metadisco train`.
    It costs population_size × num_rollouts lifetimes on each task whenever the centre is evaluated, and with
    capped_mean num_rollouts in every generation."""
    chunk_size: Annotated[PositiveInt | Literal["auto"] | None, SkipValidation] = None
    """Evaluations (member × rollout) that one device runs in parallel; null: set by a fixed rule; auto: measured on
    shortened lifetimes when a run starts, and halved if memory runs out. With several processes, or with
    deterministic, auto is the fixed rule."""
    num_devices: Annotated[PositiveInt, Field(le=1024)] | None = None
    """Devices to use; null: all of them, and on CPU one virtual device per core."""
    evaluate_every: NonNegativeInt = 16
    """Generations between evaluations of the search centre, on separate seeds; 0: never. Does not affect the search."""
    checkpoint_every: PositiveInt = 8
    """Generations between checkpoints."""
    keep_checkpoints: PositiveInt = 3
    """Number of checkpoints to keep; the search centres of all of them are always kept."""
    strategy: StrategyConfig = StrategyConfig()
    """The evolution strategy."""

    def __post_init__(self) -> None:
        """Check constraints between fields, and `chunk_size`, which may be a number or a word."""
        if self.baseline is not None and self.evaluate_every == 0 and self.aggregate != "capped_mean":
            raise ValueError(
                f"baseline: got {shown(self.baseline)} with evaluate_every 0, allowed: null, or an evaluate_every "
                "above 0, as it is trained when the search centre is evaluated"
            )
        size: Any = self.chunk_size
        if isinstance(size, float) and size.is_integer():
            size = int(size)
            object.__setattr__(self, "chunk_size", size)
        if size is not None and size != "auto" and (type(size) is not int or not 0 < size <= MAX_INT):
            raise ValueError(
                f"chunk_size: got {shown(size)}, allowed: a whole number from 1 to {MAX_INT}, auto, or null"
            )

    @property
    def given_chunk_size(self) -> int | None:
        """The chunk size if it is given as a number, else None."""
        return self.chunk_size if isinstance(self.chunk_size, int) else None

    @property
    def num_evaluations(self) -> int:
        """Evaluations per generation: members × rollouts."""
        return self.strategy.population_size * self.num_rollouts
