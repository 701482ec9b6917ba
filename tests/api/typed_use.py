"""Public names as users write them; `make lint` checks this file with `mypy --strict` against the installed package."""

from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any, assert_type

import jax
import jax.numpy as jnp

import metadisco


def search(config: metadisco.Config, stop: Event) -> metadisco.Run:
    """Search, and use the attributes of the run."""
    assert_type(metadisco.use_cores(2), int)
    run = metadisco.evolve(config, run="runs/first", overrides={"outer.num_generations": 8}, stop=stop)
    assert_type(metadisco.evolve({"seed": 1}, run), metadisco.Run)
    assert_type(run.config, metadisco.Config)
    assert_type(run.config.outer, metadisco.OuterConfig)
    assert_type(run.config.outer.strategy, metadisco.StrategyConfig)
    assert_type(run.generations, list[int])
    names: list[str] = list(run.metrics)
    metadisco.plot(run)[names[0]].savefig("figure.pdf")
    assert_type(metadisco.measure_reference("two.yaml")[0]["ppo"], float)
    return run


def look(run: metadisco.Run, envs: Sequence[str]) -> metadisco.Comparison:
    """Train, compare, distil and export."""
    try:
        for trained in metadisco.train_agents(run, envs[0], num_seeds=4, save="agents"):
            trained.lifetimes.final_return.mean()
    except metadisco.UserError as error:
        raise SystemExit(str(error)) from error
    metadisco.rollout("agents").returns.mean()
    assert_type(metadisco.load_policy("agents")(jnp.zeros(4)), jax.Array)
    assert_type(metadisco.distil(run, run.path / "distilled"), dict[str, Any])
    assert_type(metadisco.write_artefact(run, "run.zip"), Path)
    assert_type(metadisco.write_card(run, "card.md"), str)
    assert_type(metadisco.write_source(run, "torch", Path("loss.py")), Path)
    assert_type(metadisco.report(run, "run.html"), Path)
    found = metadisco.evaluate([run, "ppo"], envs, config=run)
    found.summary().to_csv(f"{metadisco.__version__}.csv")
    metadisco.plot(found)["returns"].savefig("returns.pdf")
    judged = metadisco.evaluate_settings(run, envs, {"settings": ["cleanrl"]})
    assert_type(judged, metadisco.SettingsComparison)
    metadisco.plot(judged)["settings_final_return"].savefig("settings.pdf")
    functions = metadisco.load_message("runs/harm")
    assert_type(functions, metadisco.MessageFunctions)
    functions.message(jnp.zeros(4)).sum()
    victims = {"dpo": {"objective": "dpo"}}
    assert_type(metadisco.evaluate_talkers(["zero", run], envs, victims=victims), metadisco.Comparison)
    metadisco.tune("space.yaml", {"num_settings": 8}, output="tuned").frame().to_csv("settings.csv")
    assert_type(metadisco.evaluate_tuned("tuned", envs), metadisco.Comparison)
    assert_type(metadisco.load_meta_policy("mfos_ipd"), metadisco.MetaPolicy)
    metadisco.evaluate_players(["tit_for_tat"], "naive", num_lifetimes=8).frame().to_csv("cells.csv")
    return found


class Half(metadisco.Parametrisation[metadisco.Objective]):
    """A user-defined parametrisation."""

    def init(self, key: jax.Array) -> dict[str, jax.Array]:
        """Return initial meta-parameters."""
        return {"coef": jax.random.uniform(key)}

    def bind(self, meta_params: dict[str, jax.Array]) -> metadisco.Objective:
        """Return the objective."""

        def value_loss(sample: metadisco.Sample) -> jax.Array:
            return jnp.square(sample.value - sample.target) * meta_params["coef"]

        return metadisco.Objective(metadisco.mirror(metadisco.clip_drift(0.2)), value_loss)


def learn(env: metadisco.Env, key: jax.Array) -> metadisco.MetaProblem:
    """Train one agent, and set up a search without a run directory."""
    ppo = metadisco.PPOConfig(num_envs=4)
    objectives = metadisco.ppo(), metadisco.dpo(), metadisco.mirror(metadisco.dpo_drift())
    assert_type(metadisco.load_objective(Path("run.zip")), metadisco.Objective)
    assert_type(metadisco.train(key, env, ppo, objectives[0]), metadisco.TrainResult)
    metadisco.as_policy_loss(objectives[0])
    metadisco.as_value_loss(objectives[0])
    state, _ = env.reset(key)
    step: metadisco.TimeStep = env.step(key, state, jnp.array(0))[1]
    assert step.reward.ndim == 0
    space = env.action_space
    if isinstance(space, metadisco.MultiDiscrete):
        assert_type(space.nums, tuple[int, ...])
    else:
        assert_type(space.num_actions if isinstance(space, metadisco.Discrete) else len(space.low), int)
    assert isinstance(space, metadisco.Discrete | metadisco.MultiDiscrete | metadisco.Box)
    built_in = metadisco.LPODrift(), metadisco.PolicyAndValue()
    assert len(built_in) == 2
    task = metadisco.Task(metadisco.make("gymnax/CartPole-v1"), ppo)
    return metadisco.ObjectiveDiscovery(metadisco.ValueLoss(), (task,), lambda result: result.evaluation[-1].mean())


class Hill:
    """A user-defined meta-problem."""

    tasks = (metadisco.TaskInfo("hill"),)
    env_steps = 0

    def init(self, key: jax.Array) -> jax.Array:
        """Return initial meta-parameters."""
        return jax.random.normal(key)

    def evaluate(self, key: jax.Array, meta_params: jax.Array) -> metadisco.Evaluation:
        """Return the fitness."""
        return metadisco.Evaluation(-jnp.square(meta_params - 1)[None])


def climb(run: metadisco.Run) -> None:
    """Load a discovery; search a problem without a run directory."""
    problem: metadisco.MetaProblem = Hill()
    assert problem.tasks
    metadisco.load_meta_params(run)
    metadisco.load_objective(run)
    assert callable(metadisco.search)
