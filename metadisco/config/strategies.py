"""Which evosax strategies are offered, and which knobs each has. A table, so that it can be read without evosax."""

from typing import Literal, NamedTuple


class StrategyTraits(NamedTuple):
    """What one strategy of evosax 0.3 understands.

    Attributes:
        std_knob: where its spread is set: a `schedule`, the parameter `std_init` or `radius_max`, or `none` (then
            std only spreads the first generation).
        shaping: `chosen`: it follows a gradient of whatever fitness it is given, so fitness shaping is ours to choose;
            `ranked`: it turns ranks into weights of its own; `raw`: it compares fitness over generations.
        has_optimizer: it moves its mean by an optax optimiser, so a learning rate can be set.
        antithetic: `choice`, `always` or `never` sampled in mirrored pairs; but for `never` the population is even.
        population_based: it keeps a population and no mean; it starts from an evaluated first generation.
    """

    std_knob: Literal["schedule", "std_init", "radius_max", "none"]
    shaping: Literal["chosen", "ranked", "raw"]
    has_optimizer: bool = False
    antithetic: Literal["choice", "always", "never"] = "never"
    population_based: bool = False


STRATEGIES: dict[str, StrategyTraits] = {
    # Gradient estimates.
    "Open_ES": StrategyTraits("schedule", "chosen", has_optimizer=True, antithetic="choice"),
    "ARS": StrategyTraits("schedule", "chosen", has_optimizer=True, antithetic="always"),
    "ESMC": StrategyTraits("schedule", "chosen", has_optimizer=True, antithetic="always"),
    "PGPE": StrategyTraits("std_init", "chosen", has_optimizer=True, antithetic="always"),
    # Weights by rank.
    "CMA_ES": StrategyTraits("std_init", "ranked"),
    "CR_FM_NES": StrategyTraits("std_init", "ranked", antithetic="always"),
    "DES": StrategyTraits("std_init", "ranked"),
    "SNES": StrategyTraits("std_init", "ranked"),
    "Sep_CMA_ES": StrategyTraits("std_init", "ranked"),
    "SimpleES": StrategyTraits("std_init", "ranked"),
    # Raw fitness, compared over generations or digested by a learned network.
    "CMAAnchoredLES": StrategyTraits("std_init", "raw"),
    "EvoTF_ES": StrategyTraits("std_init", "raw"),
    "GradientlessDescent": StrategyTraits("radius_max", "raw"),
    "HillClimbing": StrategyTraits("schedule", "raw"),
    "LES": StrategyTraits("std_init", "raw"),
    "SimulatedAnnealing": StrategyTraits("schedule", "raw"),
    # Populations.
    "DifferentialEvolution": StrategyTraits("none", "raw", population_based=True),
    "GESMR_GA": StrategyTraits("std_init", "raw", population_based=True),
    "LGA": StrategyTraits("std_init", "raw", population_based=True),
    "MR15_GA": StrategyTraits("std_init", "raw", population_based=True),
    "PSO": StrategyTraits("none", "raw", population_based=True),
    "SAMR_GA": StrategyTraits("std_init", "raw", population_based=True),
    "SimpleGA": StrategyTraits("schedule", "raw", population_based=True),
}
"""Strategies that pass the contract test, by evosax's name."""

EXCLUDED_STRATEGIES: dict[str, str] = {
    "ASEBO": "it divides its variance by the number of meta-parameters, so that std is not the spread",
    "DiffusionEvolution": "its schedule depends on the number of generations, so a run could not be prolonged",
    "GuidedES": "it needs a surrogate gradient, without which it searches along a few coordinates",
    "LM_MA_ES": "evosax 0.3 pairs its weights with unsorted perturbations, so that its matrix learns nothing",
    "MA_ES": "evosax 0.3 pairs its weights with unsorted perturbations, so that half its matrix update is noise",
    "NoiseReuseES": "it estimates gradients from truncated unrolls, and lives here are complete (use Open_ES)",
    "PersistentES": "it estimates gradients from truncated unrolls, and lives here are complete (use Open_ES)",
    "RandomSearch": "it needs a sampling function and keeps no centre",
    "Rm_ES": "evosax 0.3 feeds its success rule with weights, not fitness, so that its std collapses (use CMA_ES)",
    "SV_CMA_ES": "it evolves several populations with several means, so there is no one centre",
    "SV_Open_ES": "it evolves several populations with several means, so there is no one centre",
    "xNES": "evosax multiplies std_init in twice, so that the spread would be std² (use SNES)",
    "iAMaLGaM_Full": "its covariance starts at one whatever std is set",
    "iAMaLGaM_Univariate": "its covariance starts at one whatever std is set",
}
"""Strategies of evosax that are not offered, each with the reason."""
