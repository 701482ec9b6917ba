"""Settings of a search: the schema of a space file."""

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field

from metadisco.config.fields import Float, NonNegativeInt, PositiveInt, Text, settings

DEFAULT_NUM_SETTINGS = 128
DEFAULT_NUM_SEEDS = 4
MAX_BATCH = 64
MIN_BATCH_CMA_ES = 4

Proportion = Annotated[Float, Field(gt=0, lt=1)]
Sampler = Literal["tpe", "random", "quasi_random", "cma_es", "grid"]
Score = Literal["area_under_curve", "final_return"]


@settings
class HalvingConfig:
    """Successive halving over seeds: all settings are trained on few seeds, and the best ones on further seeds."""

    num_seeds: tuple[PositiveInt, ...] = (2, 8, 32)
    """Seeds after each round, increasing; a round trains those that the rounds before it have not trained."""
    keep: Proportion = 0.25
    """Part of the settings that goes on to the next round, rounded up."""

    def __post_init__(self) -> None:
        """Check that there are several rounds, each with more seeds."""
        if len(self.num_seeds) < 2 or list(self.num_seeds) != sorted(set(self.num_seeds)):
            raise ValueError(
                f"num_seeds: got {list(self.num_seeds)}, allowed: two or more increasing numbers, such as [2, 8, 32]"
            )


@settings
class SpaceConfig:
    """The search of `metadisco tune`, and how the winner is chosen and evaluated."""

    seed: NonNegativeInt = 0
    """Determines all random numbers of the search."""
    objectives: tuple[Text, ...] = ("ppo",)
    """Names as for `metadisco train`; each is searched by itself, with the same budget."""
    envs: tuple[Text, ...] = ()
    """`suite/name` of each environment; those of the settings by default."""
    config: Text | None = None
    """Source of the settings that are not searched, as `--config` of `metadisco train`."""
    inner: dict[str, Any] = field(default_factory=dict)
    """Settings of trainings as in every config; they override those of `config`."""
    outer: dict[str, Any] = field(default_factory=dict)
    """`num_devices` and `chunk_size`, as in every config."""
    space: dict[str, Any] = field(default_factory=dict)
    """Ranges by dotted key: `{log: [1e-4, 1e-2]}`, `{linear: [0, 1]}`, `{whole: [1, 8]}` or a list of choices."""
    sampler: Sampler = "tpe"
    """How settings are proposed."""
    num_settings: PositiveInt | None = None
    """Settings tried for each objective; default 128, or all points of a grid."""
    batch: PositiveInt | None = None
    """Settings proposed at a time; the default depends on sampler and num_settings."""
    num_seeds: PositiveInt | None = None
    """Agents for each setting and environment in the search; default 4, none with halving."""
    halving: HalvingConfig | None = None
    """Train few seeds of all settings and further ones of the best; in place of num_seeds."""
    lifetime: Annotated[Float, Field(gt=0, le=1)] = 1.0
    """Fraction of num_env_steps that agents of the search train; choice and report always train all of it."""
    score: Score = "area_under_curve"
    """Score that is maximised."""
    num_finalists: PositiveInt = 5
    """Best settings of the search, among which fresh agents choose."""
    num_choice_seeds: PositiveInt = 16
    """Agents for each finalist and environment by which the winner is chosen."""
    num_report_seeds: PositiveInt = 64
    """Agents for each environment by which the winner, and the settings before tuning, are judged."""

    def __post_init__(self) -> None:
        """Check constraints between fields, and fill in the defaults that depend on others."""
        for name, given in (("objectives", self.objectives), ("envs", self.envs)):
            twice = [each for each in given if given.count(each) > 1]
            if twice:
                raise ValueError(f"{name}: got {twice[0]!r} twice, allowed: each once")
        if not self.objectives:
            raise ValueError("objectives: got none, allowed: one or more")
        if self.halving is not None and self.num_seeds is not None:
            raise ValueError(f"num_seeds: got {self.num_seeds} beside halving, allowed: one of the two")
        if self.halving is None and self.num_seeds is None:
            object.__setattr__(self, "num_seeds", DEFAULT_NUM_SEEDS)
        if self.sampler == "cma_es" and self.batch is not None and self.batch < MIN_BATCH_CMA_ES:
            raise ValueError(f"batch: got {self.batch}, allowed: at least {MIN_BATCH_CMA_ES} for cma_es")
        if self.num_settings is None and self.sampler != "grid":
            object.__setattr__(self, "num_settings", DEFAULT_NUM_SETTINGS)
        if self.batch is None:
            object.__setattr__(self, "batch", self._default_batch())

    def _default_batch(self) -> int:
        """Return a batch that leaves samplers that learn something to learn from."""
        if self.num_settings is None or self.sampler in ("random", "quasi_random", "grid"):
            return MAX_BATCH
        if self.sampler == "cma_es":
            return min(max(-(-self.num_settings // 16), 8), MAX_BATCH)
        return min(max(-(-self.num_settings // 16), 1), MAX_BATCH)

    @property
    def rounds(self) -> tuple[int, ...]:
        """Seeds of a setting after each round of the search; one round without halving."""
        if self.halving is not None:
            return self.halving.num_seeds
        assert self.num_seeds is not None
        return (self.num_seeds,)
