"""Invariants of one update of PPO and of whole training runs."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import QUICK
from probes import matching_action, rewarded_action

from metadisco.config import InnerConfig, PPOConfig
from metadisco.inner import ppo
from metadisco.inner.envs import Discrete, auto_reset
from metadisco.inner.fitness import FITNESS, final_return, share_of_gaps
from metadisco.inner.networks import make_agent
from metadisco.inner.normalise import update_statistics
from metadisco.inner.optimise import Hyperparameters
from metadisco.inner.policy import network_input, play
from metadisco.inner.rollout import Transitions
from metadisco.inner.train import train
from metadisco.objectives import closed as objectives
from metadisco.objectives.tabulate import NUM_NODES
from metadisco.parametrisations import ValueLoss
from metadisco.types import Objective

BATCH = 4 * 8


def make_config(num_updates=8, **settings):
    sizes = {"num_envs": 4, "num_steps": 8, "num_minibatches": 2, "num_epochs": 2, "hidden_sizes": (8,)}
    return PPOConfig(**{**sizes, "num_env_steps": BATCH * num_updates, "learning_rate": 1e-2, **settings})


def scaled_objective(scale):
    """PPO with a traced factor on the value loss."""
    plain = objectives.ppo()
    return Objective(plain.policy_loss, lambda sample: scale * plain.value_loss(sample))


def far_from_standard():
    """Observations about 50 and rewards about −100, in episodes of up to five steps: what normalisation is for."""

    def reset(key):
        state = jax.random.normal(key, (2,))
        return state, 50 + 10 * state

    def step(key, state, action):
        state = state + jax.random.normal(key, (2,)) + action
        return state, 50 + 10 * state, -100 + 10 * state[0], state[0] > 3

    return auto_reset(reset, step, obs_shape=(2,), action_space=Discrete(2), episode_length=5)


@cache
def compiled_life(config, make_env=matching_action):
    env = make_env()
    lifetime = jax.jit(lambda key, scale: train(key, env, config, scaled_objective(scale)), compiler_options=QUICK)
    return lifetime.lower(jax.random.key(0), jnp.float32(1)).compile()


def live(seed, scale=1.0, make_env=matching_action, **settings):
    return compiled_life(make_config(**settings), make_env)(jax.random.key(seed), jnp.float32(scale))


@pytest.fixture(scope="module")
def one_update():
    """(state, hyperparameters) -> new state, with and without annealing."""
    env = matching_action()

    def make(anneal):
        config = make_config(num_updates=64, anneal_learning_rate=anneal)
        update = lambda state, hyperparameters: ppo.update(  # noqa: E731
            jax.random.key(5), state, env, config, objectives.ppo(), hyperparameters
        )
        start = ppo.init(jax.random.key(4), env, config)
        return start, Hyperparameters.from_config(config), jax.jit(update, compiler_options=QUICK)

    return {anneal: make(anneal) for anneal in (True, False)}


def assert_same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def differs(one, other):
    return any((np.asarray(x) != np.asarray(y)).any() for x, y in zip(*map(jax.tree.leaves, (one, other)), strict=True))


@pytest.mark.slow
def test_the_ratio_is_one_on_the_first_minibatch():
    metrics = live(0).diagnostics
    assert metrics.initial_ratio_error < 1e-5
    assert metrics.approx_kl > 1e-6  # it moves on later minibatches, so that being one at first says something


def test_the_ratio_is_one_on_the_first_minibatch_with_normalised_observations_and_rewards():
    result = live(0, make_env=far_from_standard, normalise_observations=True, normalise_rewards=True)
    assert result.diagnostics.initial_ratio_error < 1e-5
    assert result.diagnostics.approx_kl > 1e-6
    assert result.finite
    observed = result.state.observation_statistics
    assert observed.num_samples == 8 * BATCH
    assert (jnp.abs(observed.mean - 50) < 30).all()
    assert (observed.variance > 50).all()
    assert result.state.return_statistics.num_samples == 8 * BATCH
    assert result.state.return_statistics.mean < -100
    assert (result.curve < -50).all()  # returns are reported as they are, not as they were scaled


@pytest.mark.slow
def test_statistics_stay_untouched_where_nothing_is_normalised():
    state = live(0).state
    assert state.observation_statistics.num_samples == 0
    assert state.return_statistics.num_samples == 0


def test_an_annealed_step_size_falls_linearly_over_the_lifetime(one_update):
    start, hyperparameters, update = one_update[True]
    half = hyperparameters._replace(learning_rate=hyperparameters.learning_rate / 2)
    middle = start._replace(num_updates=jnp.int32(32))
    annealed, _, _ = update(middle, hyperparameters)
    assert_same(annealed.params, update(start, half)[0].params)
    assert differs(annealed.params, update(start, hyperparameters)[0].params)
    assert_same(update(start._replace(num_updates=jnp.int32(64)), hyperparameters)[0].params, start.params)
    assert annealed.num_updates == 33


@pytest.mark.slow
def test_a_constant_step_size_does_not_fall(one_update):
    start, hyperparameters, update = one_update[False]
    late, _, _ = update(start._replace(num_updates=jnp.int32(63)), hyperparameters)
    early, _, _ = update(start, hyperparameters)
    assert_same(late.params, early.params)
    assert_same(early.params, one_update[True][2](start, hyperparameters)[0].params)


def test_each_hyperparameter_may_be_traced_and_matters_where_it_should(one_update):
    start, hyperparameters, update = one_update[False]
    usual, _, _ = update(start, hyperparameters)
    for name, value in hyperparameters._asdict().items():
        other, _, _ = update(start, hyperparameters._replace(**{name: value / 10}))
        # Every step of this probe is terminal, so there is nothing to discount.
        assert differs(usual.params, other.params) == (name not in ("gamma", "gae_lambda")), name


@pytest.mark.slow
def test_the_default_fitness_ranks_by_how_long_episodes_last_where_they_outlast_the_lifetime():
    """A policy that never dies again is best, although few of its episodes end: here 97 % of the updates are gaps."""

    def surviving():
        obs = jnp.ones(1)
        step = lambda key, state, action: (state, obs, jnp.ones(()), action != 1)  # noqa: E731
        return auto_reset(
            lambda key: (jnp.zeros(()), obs), step, obs_shape=(1,), action_space=Discrete(2), episode_length=10_000
        )

    config = PPOConfig(
        num_env_steps=64 * 64, num_envs=4, num_steps=16, num_epochs=2, num_minibatches=2, hidden_sizes=(4,),
        entropy_coef=0, anneal_learning_rate=False, num_evaluation_episodes=1,
    )  # fmt: skip
    usual, fitness = Hyperparameters.from_config(config), FITNESS[InnerConfig().fitness]

    def scores(learning_rate):
        faster = usual._replace(learning_rate=learning_rate)
        result = train(jax.random.key(1), surviving(), config, objectives.ppo(), hyperparameters=faster)
        return fitness(result), final_return(result), share_of_gaps(result)

    fitness, final, gaps = jax.jit(jax.vmap(scores))(jnp.array([3e-1, 1e-2, 3e-3, 0]))
    assert final[0] == 10_000
    assert gaps[0] > 0.9
    assert (jnp.diff(fitness) < 0).all()
    assert fitness[0] > 5 * fitness[1]


def test_a_result_does_not_grow_with_the_lifetime_but_for_two_numbers_per_update():
    def shapes(num_updates):
        config = make_config(num_updates)
        lifetime = lambda key: train(key, matching_action(), config, objectives.ppo())  # noqa: E731
        return jax.eval_shape(lifetime, jax.random.key(0))

    short, long = shapes(4), shapes(64)
    assert short.curve.shape == short.running.shape == (4,)
    assert long.curve.shape == long.running.shape == (64,)
    assert short._replace(curve=None, running=None) == long._replace(curve=None, running=None)


@pytest.mark.slow
def test_peak_memory_does_not_grow_with_the_lifetime():
    short, long = (compiled_life(make_config(n)).memory_analysis().temp_size_in_bytes for n in (8, 64))
    grown = (long - short) / (64 - 8)
    assert short > BATCH * 4
    assert grown <= 2 * 4 * 4  # bytes per update: two float32, in the few copies that the compiler may hold


def test_the_same_key_gives_the_same_lifetime_and_another_key_another():
    once = live(0)
    assert_same(once, live(0))
    assert differs(once.state.params, live(1).state.params)


def test_a_curve_holds_mean_returns_of_finished_episodes_only():
    curve = live(0).curve
    assert curve.shape == (8,)
    assert (jnp.abs(curve) <= 1).all()
    assert jnp.isnan(live(0, make_env=never_finishing).curve).all()


def never_finishing():
    """No episode ends within a lifetime."""
    obs = jnp.ones(1)
    return auto_reset(
        lambda key: (obs, obs),
        lambda key, state, action: (state, obs, jnp.ones(()), jnp.zeros((), bool)),
        obs_shape=(1,),
        action_space=Discrete(2),
        episode_length=8 * 8 + 1,
    )


def test_evaluation_starts_from_a_reset_and_finishes_where_the_lifetime_did_not():
    assert (live(0, make_env=never_finishing).evaluation == 8 * 8 + 1).all()


def test_a_loss_that_is_not_a_number_is_reported_though_returns_look_healthy():
    assert live(0).finite
    failed = live(0, scale=np.nan)
    assert not failed.finite
    assert jnp.isfinite(failed.evaluation).all()
    assert jnp.isfinite(failed.curve).all()


def test_an_infinite_loss_is_reported():
    assert not live(0, scale=np.inf).finite


def test_evaluations_during_a_lifetime_fill_their_rows_and_leave_learning_alone():
    once, often = live(0), live(0, num_evaluations=3, num_evaluation_episodes=4)
    assert often.evaluation.shape == (3, 4)
    assert jnp.isfinite(often.evaluation).all()
    np.testing.assert_array_equal(once.curve, often.curve)
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), once.state.params, often.state.params
    )


@pytest.mark.slow
@pytest.mark.slow
def test_an_evaluation_during_a_lifetime_is_the_last_one_of_a_shorter_lifetime():
    settings = {"make_env": far_from_standard, "num_evaluation_episodes": 4, "anneal_learning_rate": False}
    long = live(2, num_updates=4, num_evaluations=2, **settings)
    short = live(2, num_updates=2, **settings)
    np.testing.assert_allclose(long.evaluation[0], short.evaluation[-1], rtol=1e-5)
    assert differs(long.evaluation[0], long.evaluation[1])


def test_a_shared_torso_has_one_set_of_hidden_layers():
    shared = live(0, shared_torso=True, activation="relu", normalise_advantages="batch")
    assert shared.finite
    assert set(shared.state.params) == {"actor", "policy", "value"}
    assert set(live(0).state.params) == {"actor", "critic", "policy", "value"}


def test_a_deterministic_evaluation_takes_the_most_likely_action_always():
    env = rewarded_action()  # one observation, so one action and one return
    config = make_config()
    state = ppo.init(jax.random.key(0), env, config)
    logits, _ = make_agent(env, config).apply(state.params, jnp.ones(1))
    returns, sampled = (
        play(jax.random.key(1), ppo.policy_of(state), env, config, 64, deterministic=choice) for choice in (True, False)
    )
    assert (returns == (1 if logits[1] > logits[0] else -1)).all()
    assert set(np.asarray(sampled).tolist()) == {1, -1}  # the head is almost zero at first, so the policy is even


@pytest.mark.parametrize("episode_length", [pytest.param(1, marks=pytest.mark.slow), 100])
def test_values_of_final_observations_stand_wherever_an_episode_was_cut(episode_length, getkey):
    """However often one environment was, and others were not; also of standardised observations, and in a batch."""
    config = make_config(normalise_observations=True)
    env = far_from_standard()
    state = ppo.init(getkey(), env, config)
    statistics = update_statistics(state.observation_statistics, 3 + jax.random.normal(getkey(), (4, 4, 2)))
    state = state._replace(observation_statistics=statistics)
    agent = make_agent(env, config)
    steps, envs = config.num_steps, config.num_envs
    often = jax.random.bernoulli(getkey(), jnp.array([0.9, 0.3, 0.1, 0.0]), (steps, envs)).at[-1, 1].set(True)
    noise = lambda *shape: jax.random.normal(getkey(), shape)  # noqa: E731
    unused = jnp.zeros((steps, envs))
    transitions = Transitions(
        obs=noise(steps, envs, 2),
        action=unused,
        parameters=unused[..., None],
        reward=unused,
        terminated=often & jax.random.bernoulli(getkey(), 0.2, (steps, envs)),
        truncated=often,
        final_obs=noise(steps, envs, 2),
    )
    values = noise(steps, envs)
    value = lambda obs: agent.apply(state.params, network_input(statistics, obs, agent))[1]  # noqa: E731
    following = jnp.concatenate([values[1:], value(state.rollout.obs)[None]])
    cut = often & ~transitions.terminated
    expected = jnp.where(cut, value(transitions.final_obs), following)
    assert cut.sum(0)[0] > 3 and cut[-1, 1]
    find = lambda transitions: ppo._next_values(transitions, values, state, agent, episode_length)  # noqa: E731
    never = transitions._replace(truncated=jnp.zeros_like(often))
    both = jax.vmap(find)(jax.tree.map(lambda *leaves: jnp.stack(leaves), transitions, never))
    for found in (find(transitions), both[0]):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    for found in (find(never), both[1]):
        np.testing.assert_allclose(found, following, rtol=1e-5)


@pytest.mark.slow
def test_a_lifetime_with_a_tabulated_value_loss_begins_like_one_without(getkey):
    """Over one update: later, chaos makes much of a last digit."""
    parametrisation = ValueLoss(hidden_sizes=(8, 8), start="random")
    params = parametrisation.init(getkey())
    config = make_config(num_env_steps=2048, num_steps=512, num_minibatches=16, num_epochs=4)
    assert config.executed_env_steps * config.num_epochs > NUM_NODES

    @partial(jax.jit, compiler_options=QUICK, static_argnums=1)
    def params_after(params, tabulated):
        objective = parametrisation.bind(params)
        if not tabulated:
            objective = objective._replace(value_loss=objective.value_loss.exact)
        result = train(jax.random.key(7), matching_action(), config, objective)
        return result.state.params, result.diagnostics.value_loss

    with_table, without = (params_after(params, tabulated) for tabulated in (True, False))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5), with_table, without)
