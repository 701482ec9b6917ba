"""Programs that are compiled once for several tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from metadisco.config import OuterConfig, StrategyConfig
from metadisco.outer import search as search_module
from metadisco.outer.evaluate import Evaluator
from metadisco.outer.strategy import make_strategy


@pytest.fixture(scope="module")
def searches_share_what_is_compiled() -> Iterator[None]:
    """Compile each strategy and each evaluation once for all tests of a module."""
    strategies: dict[str, Any] = {}
    evaluators: dict[Any, Evaluator] = {}

    def make_once(config: StrategyConfig, example: Any) -> Any:
        if repr(config) not in strategies:
            strategies[repr(config)] = make_strategy(config, example)
        return strategies[repr(config)]

    def evaluator_once(problem: Any, config: OuterConfig, mesh: Any, example: Any, chunk_size: int | None) -> Evaluator:
        uses = (bool(config.evaluate_every), config.aggregate == "capped_mean")  # of the baseline
        kind = (problem, config.strategy.population_size, config.num_rollouts, mesh.size, chunk_size, uses)
        if kind not in evaluators:
            evaluators[kind] = Evaluator(problem, config, mesh, example, chunk_size)
        return evaluators[kind]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_module, "make_strategy", make_once)
        patch.setattr(search_module, "Evaluator", evaluator_once)
        yield
