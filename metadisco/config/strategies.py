"""Supported evosax strategies and their hyperparameters. A table, so that it can be read without evosax."""

from typing import Literal, NamedTuple


class StrategyTraits(NamedTuple):
    """Hyperparameters and behaviour of one strategy of evosax 0.3.

    Attributes:
        std_knob: how its std is set: by a `schedule`, by the parameter `std_init` or `radius_max`, or by `none` (std
            then only sets the spread of the first generation).
        shaping: `chosen`: it estimates a gradient from any fitness, so fitness shaping can be chosen; `ranked`: it
            has its own rank-based weights; `raw`: it compares fitness across generations.
        has_optimizer: it updates its mean with an optax optimiser, so a learning rate can be set.
        antithetic: `choice`, `always` or `never` sampled in antithetic pairs; unless `never`, the population size must
            be even.
        population_based: it maintains a population instead of a mean, and starts from an evaluated first generation.
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
    # Rank-based weights.
    "CMA_ES": StrategyTraits("std_init", "ranked"),
    "CR_FM_NES": StrategyTraits("std_init", "ranked", antithetic="always"),
    "DES": StrategyTraits("std_init", "ranked"),
    "SNES": StrategyTraits("std_init", "ranked"),
    "Sep_CMA_ES": StrategyTraits("std_init", "ranked"),
    "SimpleES": StrategyTraits("std_init", "ranked"),
    # Raw fitness, compared across generations or fed to a learned network.
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
"""Strategies that pass the contract test, by their names in evosax."""

EXCLUDED_STRATEGIES: dict[str, str] = {
    "ASEBO": "it divides its variance by the number of meta-parameters, so std is not the actual spread",
    "DiffusionEvolution": "its schedule depends on the number of generations, so a run could not be extended",
    "GuidedES": "it needs a surrogate gradient, without which it only searches along a few coordinates",
    "LM_MA_ES": "evosax 0.3 pairs its weights with unsorted perturbations, so its matrix learns nothing",
    "MA_ES": "evosax 0.3 pairs its weights with unsorted perturbations, so half of its matrix update is noise",
    "NoiseReuseES": "it estimates gradients from truncated unrolls, but lifetimes here are complete (use Open_ES)",
    "PersistentES": "it estimates gradients from truncated unrolls, but lifetimes here are complete (use Open_ES)",
    "RandomSearch": "it needs a sampling function and has no search centre",
    "Rm_ES": "evosax 0.3 passes weights instead of fitness to its success rule, so its std collapses (use CMA_ES)",
    "SV_CMA_ES": "it evolves several populations with several means, so there is no single search centre",
    "SV_Open_ES": "it evolves several populations with several means, so there is no single search centre",
    "xNES": "evosax applies std_init twice, so the actual spread would be std² (use SNES)",
    "iAMaLGaM_Full": "its covariance starts at one regardless of std",
    "iAMaLGaM_Univariate": "its covariance starts at one regardless of std",
}
"""Strategies of evosax that are not supported, each with the reason."""
