"""Actor and critic: widths, initial weights, and gradients without clipping."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compiling import QUICK
from probes import target_action

from metadisco.config import PPOConfig, apply_overrides, parse_config
from metadisco.errors import UserError
from metadisco.inner.cpu.adam import adam_step, init_adam
from metadisco.inner.cpu.dense import dense, narrow_dense
from metadisco.inner.envs import Discrete, auto_reset
from metadisco.inner.networks import make_agent
from metadisco.inner.optimise import Hyperparameters

OBS, ACTIONS = 12, 5


def num_parameters(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def still(obs_shape=(OBS,), num_actions=ACTIONS):
    """An environment where nothing happens."""
    zeros = jnp.zeros(obs_shape)
    return auto_reset(
        lambda key: (zeros, zeros),
        lambda key, state, action: (state, state, jnp.zeros(()), jnp.zeros((), bool)),
        obs_shape=obs_shape,
        action_space=Discrete(num_actions),
        episode_length=1,
    )


def weights(key, **settings):
    return jax.jit(make_agent(still(), PPOConfig(**settings)).init, compiler_options=QUICK)(key)


def kernels(params):
    """Return the matrices of a network by name: torsos by layer, then heads."""
    return {
        jax.tree_util.keystr(path): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if jax.tree_util.keystr(path).endswith("['kernel']")
    }


def shapes(**settings):
    """Return the shapes of the matrices of a network, in order of size."""
    params = jax.eval_shape(make_agent(still(), PPOConfig(**settings)).init, jax.random.key(0))
    return sorted(kernel.shape for kernel in kernels(params).values())


class TestWidths:
    @pytest.mark.parametrize(
        ("critic", "expected"),
        [
            (None, [(OBS, 8), (8, 4), (OBS, 8), (8, 4), (4, ACTIONS), (4, 1)]),
            ((8, 4), [(OBS, 8), (8, 4), (OBS, 8), (8, 4), (4, ACTIONS), (4, 1)]),
            ((16, 3, 2), [(OBS, 8), (8, 4), (OBS, 16), (16, 3), (3, 2), (4, ACTIONS), (2, 1)]),
            ((), [(OBS, 8), (8, 4), (4, ACTIONS), (OBS, 1)]),
        ],
    )
    def test_the_critic_may_have_others_than_the_actor(self, critic, expected):
        assert shapes(hidden_sizes=(8, 4), value_hidden_sizes=critic) == sorted(expected)

    def test_the_critic_does_not_change_the_actor(self, getkey):
        key = getkey()
        narrow, wide = (weights(key, hidden_sizes=(8,), value_hidden_sizes=sizes) for sizes in ((), (4,)))
        for name in ("actor", "policy"):
            jax.tree.map(np.testing.assert_array_equal, narrow[name], wide[name])

    def test_outputs_are_one_value_and_the_parameters_of_a_distribution(self):
        for env in (still(), still((3, 4)), target_action()):
            agent = make_agent(env, PPOConfig(hidden_sizes=(8,), value_hidden_sizes=(4, 4)))
            params = jax.eval_shape(agent.init, jax.random.key(0))
            obs = jax.ShapeDtypeStruct((6, 2, *env.obs_shape), jnp.float32)
            parameters, value = jax.eval_shape(agent.apply, params, obs)
            assert value.shape == (6, 2)
            assert parameters.shape == (6, 2, ACTIONS if isinstance(env.action_space, Discrete) else 2)

    def test_a_critic_without_hidden_layers_is_linear(self, getkey):
        agent = make_agent(still(), PPOConfig(hidden_sizes=(8,), value_hidden_sizes=()))
        one, other = jax.random.normal(getkey(), (2, OBS))
        params = weights(getkey(), hidden_sizes=(8,), value_hidden_sizes=())
        value = lambda obs: agent.apply(params, obs)[1]  # noqa: E731
        np.testing.assert_allclose(value(one) + value(other), value(one + other), rtol=1e-4, atol=1e-5)
        assert abs(value(one)) > 1e-3

    @pytest.mark.parametrize("critic", [(8,), (64, 64), ()])
    def test_widths_of_a_critic_that_has_no_torso_of_its_own_are_refused(self, critic):
        data = apply_overrides({}, [("inner.ppo.shared_torso", True), ("inner.ppo.value_hidden_sizes", list(critic))])
        with pytest.raises(UserError, match=r"inner\.ppo\.value_hidden_sizes.*shared_torso"):
            parse_config(data)

    def test_a_shared_torso_is_one(self):
        assert shapes(hidden_sizes=(8,), shared_torso=True) == [(8, 1), (8, ACTIONS), (OBS, 8)]

    def test_numbers_are_counted(self):
        config = PPOConfig(hidden_sizes=(8,), value_hidden_sizes=(3,))
        params = jax.eval_shape(make_agent(still(), config).init, jax.random.key(0))
        actor, critic = (OBS + 1) * 8 + (8 + 1) * ACTIONS, (OBS + 1) * 3 + (3 + 1)
        assert num_parameters(params) == actor + critic


@pytest.fixture(scope="module")
def orthogonal():
    """Two draws of the default, whose layers grow and shrink."""
    init = make_agent(still(), PPOConfig(hidden_sizes=(16, 8))).init
    many = jax.jit(jax.vmap(init), compiler_options=QUICK)(jax.random.split(jax.random.key(5), 2))
    return [jax.tree.map(lambda leaf, number=number: leaf[number], many) for number in range(2)]


class TestWeights:
    def test_orthogonal_layers_keep_lengths_up_to_their_gain(self, orthogonal):
        gains = {"policy": 0.01, "value": 1.0}
        for name, kernel in kernels(orthogonal[0]).items():
            gain = next((gain for part, gain in gains.items() if part in name), 2**0.5)
            small = kernel if kernel.shape[0] <= kernel.shape[1] else kernel.T
            np.testing.assert_allclose(small @ small.T, gain**2 * np.eye(len(small)), atol=1e-5 * gain**2)

    def test_biases_are_zero(self, orthogonal):
        for leaves in (orthogonal[0], weights(jax.random.key(0), hidden_sizes=(8,), initialisation="lecun_uniform")):
            biases = num_parameters(leaves) - sum(kernel.size for kernel in kernels(leaves).values())
            assert sum(int((leaf == 0).sum()) for leaf in jax.tree.leaves(leaves)) == biases

    def test_keys_and_layers_have_weights_of_their_own(self, orthogonal):
        one, other = orthogonal
        for name, kernel in kernels(one).items():
            assert (kernel != kernels(other)[name]).any()
        assert (one["actor"]["Dense_0"]["kernel"] != one["critic"]["Dense_0"]["kernel"]).any()

    def test_lecun_is_uniform_with_variance_one_over_inputs_in_every_layer(self, getkey):
        """Of n uniform numbers the variance is known to within 0.9/√n of itself (one standard error)."""
        keys = jax.random.split(getkey(), 200)
        init = make_agent(still(), PPOConfig(hidden_sizes=(16,), initialisation="lecun_uniform")).init
        many = kernels(jax.jit(jax.vmap(init), compiler_options=QUICK)(keys))
        assert len(many) == 4
        for kernel in many.values():
            inputs = kernel.shape[1]
            bound = math.sqrt(3 / inputs)
            assert bound * 0.98 < jnp.abs(kernel).max() <= bound
            np.testing.assert_allclose(kernel.var(), 1 / inputs, rtol=5 * 0.9 / kernel.size**0.5)
            assert abs(kernel.mean()) < 5 / (inputs * kernel.size) ** 0.5


class TestUnboundedGradients:
    def test_null_is_an_infinite_bound(self):
        assert parse_config({"inner": {"ppo": {"max_grad_norm": None}}}).inner.ppo.max_grad_norm is None
        assert Hyperparameters.from_config(PPOConfig(max_grad_norm=None)).max_grad_norm == math.inf
        assert Hyperparameters.from_config(PPOConfig()).max_grad_norm == 0.5

    @pytest.mark.parametrize("gradient_size", [1e-3, 1.0, 1e6])
    def test_steps_are_those_of_adam_without_clipping(self, getkey, gradient_size):
        config = PPOConfig(max_grad_norm=None)
        bound = Hyperparameters.from_config(config).max_grad_norm
        params = {"kernel": jax.random.normal(getkey(), (6, 5)), "bias": jax.random.normal(getkey(), (7,))}
        adam = optax.adam(3e-3, config.adam_b1, config.adam_b2, config.adam_eps)
        theirs, their_state = params, adam.init(params)
        ours, our_state = params, init_adam(params)
        for number in range(4):  # gradients of different sizes, as Adam does not see a common one
            grads = jax.tree.map(
                lambda leaf, size=gradient_size * 4**number: size * jax.random.normal(getkey(), leaf.shape), params
            )
            updates, their_state = adam.update(grads, their_state, theirs)
            theirs = optax.apply_updates(theirs, updates)
            ours, our_state = adam_step(ours, grads, our_state, config, 3e-3, bound)
        for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)
        if gradient_size == 1.0:
            clipped, _ = adam_step(ours, grads, our_state, config, 3e-3, 0.5)
            unclipped, _ = adam_step(ours, grads, our_state, config, 3e-3, bound)
            assert not np.allclose(clipped["kernel"], unclipped["kernel"])

    def test_a_gradient_of_zero_gives_no_nan(self):
        params = {"w": jnp.ones(33)}
        moved, state = adam_step(params, {"w": jnp.zeros(33)}, init_adam(params), PPOConfig(), 1.0, math.inf)
        np.testing.assert_array_equal(moved["w"], params["w"])
        assert jnp.isfinite(state.first["w"]).all()


@pytest.mark.parametrize(("layer", "width"), [(dense, 4), (narrow_dense, 1), (narrow_dense, 5)])
@pytest.mark.parametrize("shape", [(3,), (2, 5, 3)])
def test_a_dense_layer_has_the_values_and_gradients_of_its_formula(layer, width, shape, getkey):
    x, kernel, bias = (jax.random.normal(getkey(), size) for size in (shape, (3, width), (width,)))
    for apply in (lambda f: f, jax.jit):
        found, pull = apply(layer)(x, kernel, bias), jax.vjp(layer, x, kernel, bias)[1]
        expected, expected_pull = jax.vjp(lambda x, kernel, bias: x @ kernel + bias, x, kernel, bias)
        g = jax.random.normal(getkey(), expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        for one, other in zip(pull(g), expected_pull(g), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
