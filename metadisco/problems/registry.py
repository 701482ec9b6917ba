"""Meta-problems by name."""

from metadisco.config import Config
from metadisco.config.problems import problem_kind
from metadisco.discoveries.meta_problems import make_user_problem
from metadisco.types import MetaProblem


def make_problem(config: Config) -> MetaProblem:
    """Create the meta-problem that a config describes.

    Raises:
        UserError: for an unknown name or an invalid setting.
    """
    kind = problem_kind(config.problem["name"])
    if kind is None:
        return make_user_problem(config.problem, config.inner, config.parametrisation)
    problem: MetaProblem = kind.from_config(config)
    return problem
