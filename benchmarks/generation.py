"""The generations that are timed, and how they are built. JAX is imported where it is used: parents need none."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from metadisco.config import Config
    from metadisco.outer.evaluate import Evaluator


class Generation(NamedTuple):
    """A generation of the search for a value loss, 64-64, on one environment."""

    env: str = "gymnax/CartPole-v1"
    num_updates: int = 64
    """PPO updates of one lifetime."""
    num_envs: int = 4
    num_steps: int = 64
    population: int = 64
    rollouts: int = 2
    chunk_size: int | None = None
    ppo: tuple[tuple[str, Any], ...] = ()
    """Further settings of PPO."""

    @property
    def frames(self) -> int:
        """Environment steps of a generation, those of the evaluation episodes at the end of a lifetime excluded."""
        return self.population * self.rollouts * self.num_updates * self.num_envs * self.num_steps

    @property
    def what(self) -> str:
        """The generation in words."""
        return (
            f"value loss 64-64 on {self.env}, population {self.population} x {self.rollouts} rollouts, "
            f"{self.num_envs} environments x {self.num_steps} steps, {self.num_updates} updates"
        )

    def settings(self, **outer: Any) -> dict[str, Any]:
        """Return the configuration as it would be written, with settings of the outer loop beside ours."""
        ppo = {
            "num_envs": self.num_envs,
            "num_steps": self.num_steps,
            "num_env_steps": self.num_updates * self.num_envs * self.num_steps,
            **dict(self.ppo),
        }
        ours = {
            "num_rollouts": self.rollouts,
            "chunk_size": self.chunk_size,
            "strategy": {"population_size": self.population},
        }
        return {"inner": {"env": self.env, "ppo": ppo}, "outer": ours | outer}

    def shortened(self, quick: bool) -> "Generation":
        """Return the smaller generation that `--quick` runs."""
        if not quick:
            return self
        small = {"num_updates": max(1, self.num_updates // 32), "population": max(2, self.population // 16)}
        return self._replace(**small)


CARTPOLE = Generation()
BREAKOUT = Generation(env="gymnax/Breakout-MinAtar", num_updates=16, num_envs=16, population=32)
REACHER = Generation(env="brax/reacher:spring", num_updates=8, num_envs=16, population=32)


class Built(NamedTuple):
    """A compiled generation."""

    evaluator: "Evaluator"
    run: Callable[[], Any]

    @property
    def facts(self) -> dict[str, Any]:
        """Facts reported next to its time."""
        names = ("compile_seconds", "chunk_size", "chunk_bytes")
        return {"devices": self.evaluator.num_devices} | {name: getattr(self.evaluator, name) for name in names}


def build(generation: Generation) -> Built:
    """Compile a generation as `metadisco evolve` does."""
    from metadisco.config import parse_config

    return build_config(parse_config(generation.settings()))


def build_config(config: "Config") -> Built:
    """Compile the generation of a configuration."""
    import jax

    from metadisco.outer.evaluate import Evaluator
    from metadisco.outer.mesh import make_mesh
    from metadisco.problems import make_problem

    problem = make_problem(config)
    population = perturbed(problem.init, config.outer.strategy.population_size)
    evaluator = Evaluator(problem, config.outer, make_mesh(), problem.init(jax.random.key(0)))
    return Built(evaluator, lambda: evaluator.population(jax.random.key(1), population))


def perturbed(init: Callable[[Any], Any], population: int) -> Any:
    """Return a population around a start."""
    import jax

    def member(key: Any) -> Any:
        leaves, structure = jax.tree.flatten(init(jax.random.key(0)))
        keys = jax.random.split(key, len(leaves))
        noisy = [leaf + 0.03 * jax.random.normal(key, leaf.shape) for key, leaf in zip(keys, leaves, strict=True)]
        return jax.tree.unflatten(structure, noisy)

    return jax.vmap(member)(jax.random.split(jax.random.key(2), population))


@contextmanager
def files_of_search(generation: Generation, **outer: Any) -> Iterator[tuple[Path, Path]]:
    """Yield the file of a config, and a run directory to be, in a folder that is then removed."""
    with tempfile.TemporaryDirectory() as folder:
        config, run = Path(folder) / "config.yaml", Path(folder) / "run"
        config.write_text(json.dumps(generation.settings(**outer)))  # JSON is YAML
        yield config, run
