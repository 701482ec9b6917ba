"""Settings of the outer loop: the strategy, and how members are evaluated."""

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field, SkipValidation

from metadisco.errors import nearest, shown

from .fields import MAX_INT, Bool, Decay, NonNegativeInt, PositiveFloat, PositiveInt, Text, settings
from .strategies import EXCLUDED_STRATEGIES, STRATEGIES, StrategyTraits

DEFAULT_STD = 0.03  # OpenAI-ES of evosax 0.1, with which the value loss was first evolved (PureJaxRL's walkthrough)
DEFAULT_LEARNING_RATE = 0.02  # between DPO's 0.01 (evosax 0.0.4) and the walkthrough's 0.05
DEFAULT_DECAY = 0.999  # per generation, for std and learning rate: evosax 0.0.4, used by DPO
DEFAULT_STD_LIMIT = 0.01  # evosax 0.0.4
DEFAULT_LEARNING_RATE_LIMIT = 0.001  # evosax 0.0.4


@settings
class StrategyConfig:
    """Which strategy of evosax, with which settings.

    A field left out takes our default where the strategy has that knob, and is null where it has not; a value for a
    knob it lacks is an error.
    The defaults are ours (evosax 0.3 itself defaults to std 1.0 and SGD with 0.001, useless for network weights):
    Open_ES with Adam, std 0.03 × 0.999 per generation down to 0.01, learning rate 0.02 × 0.999 down to 0.001.

    Raises:
        pydantic.ValidationError: a ValueError naming the field, for a value that is not allowed.
    """

    name: Text = "Open_ES"
    """Name of the strategy in evosax."""
    population_size: PositiveInt = 64
    """Members sampled per generation."""
    std: PositiveFloat | None = None
    """Spread of the perturbations at generation 0; default 0.03."""
    std_decay: Decay | None = None
    """Factor on std per generation that was not skipped, where std is a schedule; default 0.999."""
    std_limit: PositiveFloat | None = None
    """Floor of the std schedule; default 0.01, or std itself if that is smaller."""
    learning_rate: PositiveFloat | None = None
    """Adam's step size for the mean at generation 0; default 0.02."""
    learning_rate_decay: Decay | None = None
    """Factor on the learning rate per generation that was not skipped; default 0.999."""
    learning_rate_limit: PositiveFloat | None = None
    """Floor of the learning rate; default 0.001, or the learning rate itself if that is smaller."""
    antithetic: Bool | None = None
    """Sample in mirrored pairs, where that is a choice; default true."""
    fitness_shaping: Literal["centred_rank", "z_score", "raw"] | None = None
    """How fitness is shaped before the gradient estimate; default centred_rank where it is a choice."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Further knobs under evosax's own names, e.g. PGPE's std_lr."""

    def __post_init__(self) -> None:
        """Refuse unknown strategies and settings that the strategy does not have."""
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
                f"population_size: got {self.population_size}, allowed: an even number, as {self.name} samples in pairs"
            )
        for limit, start in (("std_limit", self.std), ("learning_rate_limit", self.learning_rate)):
            if (getattr(self, limit) or 0.0) > (start or 0.0):
                raise ValueError(f"{limit}: got {getattr(self, limit)}, allowed: at most the start, {start}")
        least = self.least_population_size
        if self.population_size < least:
            raise ValueError(f"population_size: got {self.population_size}, allowed: at least {least} for {self.name}")

    def _demands(self) -> list[tuple[str, str, bool]]:
        """List, for each optional field, what it needs and whether the strategy has it."""
        traits = self.traits
        scheduled = traits.std_knob == "schedule"
        shaped = "it compares raw fitness" if traits.shaping == "raw" else "it ranks by weights of its own"
        return [
            ("std_decay", "its std is no schedule", scheduled),
            ("std_limit", "its std is no schedule", scheduled),
            ("learning_rate", "it has no optimiser", traits.has_optimizer),
            ("learning_rate_decay", "it has no optimiser", traits.has_optimizer),
            ("learning_rate_limit", "it has no optimiser", traits.has_optimizer),
            ("antithetic", f"it {traits.antithetic} samples in pairs", traits.antithetic == "choice"),
            ("fitness_shaping", shaped, traits.shaping == "chosen"),
        ]

    def _fill_defaults(self) -> None:
        """Put our defaults where nothing was given, so that a stored config says what was in force."""
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
        """What the strategy understands."""
        return STRATEGIES[self.name]

    @property
    def least_population_size(self) -> int:
        """Members below which the strategy cannot work."""
        return 2 if self.name == "Open_ES" else 4

    @property
    def needs_even_population(self) -> bool:
        """Whether evosax takes only an even number of members: where it can sample in pairs, used or not."""
        return self.traits.antithetic != "never"


@settings
class OuterConfig:
    """Settings of the generation loop.

    Raises:
        pydantic.ValidationError: a ValueError naming the field, for a value that is not allowed.
    """

    num_generations: PositiveInt = 256
    """Generations of the whole run; may be raised to prolong it."""
    num_rollouts: PositiveInt = 1
    """Inner lives per member and generation, on seeds that all members share."""
    aggregate: Literal["mean", "minimum", "mean_rank"] = "mean"
    """How a member's fitness over several tasks becomes one number."""
    chunk_size: Annotated[int | Literal["auto"] | None, SkipValidation] = None
    """Inner lives (member × rollout) that one device trains side by side; null: by a fixed rule. With auto a new run
    measures a few sizes on short lives and keeps the fastest, and halves it where memory runs out; with several
    processes, or where deterministic is set, auto is the fixed rule."""
    num_devices: Annotated[PositiveInt, Field(le=1024)] | None = None
    """Devices to spread over; null: all, and on CPU one virtual device per core."""
    evaluate_every: NonNegativeInt = 16
    """Generations between evaluations of the centre on seeds of its own; 0: never. Does not change the search."""
    checkpoint_every: PositiveInt = 8
    """Generations between checkpoints."""
    keep_checkpoints: PositiveInt = 3
    """Checkpoints kept; the centres of all are kept apart."""
    strategy: StrategyConfig = StrategyConfig()
    """The evolution strategy."""

    def __post_init__(self) -> None:
        """Check what may be of two kinds."""
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
        """The chunk size, where one is given."""
        return self.chunk_size if isinstance(self.chunk_size, int) else None

    @property
    def num_lives(self) -> int:
        """Inner lives of one generation."""
        return self.strategy.population_size * self.num_rollouts
