"""The examples for PyTorch: exported losses of PPO in them give PPO itself, update by update; DPO's learn."""

import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from exported import make_forms, make_run

from metadisco.cli import main

torch = pytest.importorskip("torch")
gymnasium = pytest.importorskip("gymnasium")
stable_baselines3 = pytest.importorskip("stable_baselines3")

from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402
from stable_baselines3.common.env_util import make_vec_env  # noqa: E402
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402

pytestmark = pytest.mark.export

EXAMPLES = Path(__file__).parents[2] / "examples"
NUM_UPDATES = 4
VALUE_CLIP = 0.2
CLIPPED = [
    "add", "old_value",
    ["minimum", ["maximum", ["subtract", ["add", "error", "target"], "old_value"], -VALUE_CLIP], VALUE_CLIP],
]  # fmt: skip
CLIPPED_SQUARED_ERROR = ["multiply", 0.5, ["square", ["subtract", CLIPPED, "target"]]]
"""The value loss of Stable-Baselines3: the value is clipped, without the maximum of PPO's first code."""


def example(name: str) -> ModuleType:
    module = ModuleType(name)
    SourceFileLoader(name, str(EXAMPLES / f"{name}.py")).exec_module(module)
    return module


sb3_example = example("stable_baselines3_ppo")
cleanrl_example = example("cleanrl_style_ppo")


def export(path: Path, *words: str) -> None:
    assert main(["export", *words, "--to", "torch", "--output", str(path), "--quiet"]) == 0


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Exported losses by name."""
    folder = tmp_path_factory.mktemp("losses")
    words = {
        "ppo": ["ppo"],
        "dpo": ["dpo"],
        "squared_error": ["ppo", "objective.value_clip_eps=null"],
        "clipped_squared_error": [make_forms(folder / "clipped", {"value": CLIPPED_SQUARED_ERROR})],
    }
    paths = {name: folder / f"{name}.py" for name in words}
    for name, path in paths.items():
        export(path, *words[name])
    return paths


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Recorder(BaseCallback):
    """Keeps parameters and the optimiser's state before and after each update."""

    def __init__(self):
        super().__init__()
        self.states = []

    def _on_rollout_start(self):
        policy = self.model.policy
        state = {name: copied(each) for name, each in policy.named_parameters()}
        for number, each in policy.optimizer.state_dict()["state"].items():
            state |= {f"{key} of {number}": copied(value) for key, value in each.items()}
        self.states.append(state)

    def _on_training_end(self):
        self._on_rollout_start()

    def _on_step(self):
        return True


def copied(tensor) -> np.ndarray:
    return tensor.detach().numpy().copy()


def learn(kind, env: str, losses=None, **settings):
    """Return an agent after four updates, and its states before and after each; large steps make the ratio clip."""
    recorder = Recorder()
    if losses is not None:
        settings["losses"] = losses
    agent = kind(
        "MlpPolicy", make_vec_env(env, 2, seed=3), n_steps=64, batch_size=32, n_epochs=4, learning_rate=0.01, seed=3,
        device="cpu", **settings,
    )  # fmt: skip
    return agent.learn(NUM_UPDATES * 128, recorder), recorder.states


def assert_same(ours, theirs) -> None:
    """Compare to 1e-6 of the largest entry of each array."""
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name, expected in other.items():
            np.testing.assert_allclose(one[name], expected, rtol=0, atol=1e-6 * np.abs(expected).max(), err_msg=name)


def differ(ours, theirs) -> bool:
    """Whether a parameter after the last update is another one by more than a hundredth of the largest."""
    return any(np.abs(ours[-1][name] - each).max() > 0.01 * np.abs(each).max() for name, each in theirs[-1].items())


SETTINGS = {
    "defaults": {},
    "raw advantages": {"normalize_advantage": False},
    "entropy bonus": {"ent_coef": 0.05, "vf_coef": 0.25},
    "early stop": {"target_kl": 0.002},
    "value clip": {"clip_range_vf": VALUE_CLIP},
}


class TestStableBaselines3:
    @pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
    @pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
    def test_with_exported_ppo_every_update_is_that_of_its_own_ppo(self, files, env, settings):
        theirs, expected = learn(stable_baselines3.PPO, env, **settings)
        ours = dict(settings, vf_coef=2 * settings.get("vf_coef", 0.5))
        value_loss = "squared_error" if ours.pop("clip_range_vf", None) is None else "clipped_squared_error"
        agent, states = learn(sb3_example.DiscoveredPPO, env, sb3_example.load_losses(files[value_loss]), **ours)
        assert len(expected) == NUM_UPDATES + 1
        assert_same(states, expected)
        assert logged(agent) == pytest.approx(logged(theirs), rel=1e-5)

    def test_these_settings_matter(self):
        states = {name: learn(stable_baselines3.PPO, "CartPole-v1", **each)[1] for name, each in SETTINGS.items()}
        for name in SETTINGS.keys() - {"defaults"}:
            assert differ(states[name], states["defaults"]), name

    def test_ratios_were_clipped_and_a_training_stopped_early(self):
        agent, _ = learn(stable_baselines3.PPO, "CartPole-v1")
        assert agent.logger.name_to_value["train/clip_fraction"] > 0.01
        stopped, _ = learn(stable_baselines3.PPO, "CartPole-v1", **SETTINGS["early stop"])
        assert stopped.logger.name_to_value["train/n_updates"] < agent.logger.name_to_value["train/n_updates"]

    def test_the_default_coefficient_makes_the_squared_error_that_of_stable_baselines3(self, files):
        _, expected = learn(stable_baselines3.PPO, "CartPole-v1")
        _, states = learn(sb3_example.DiscoveredPPO, "CartPole-v1", sb3_example.load_losses(files["squared_error"]))
        assert_same(states, expected)

    @pytest.mark.parametrize(("name", "settings"), [("dpo", {}), ("ppo", {"clip_range_vf": VALUE_CLIP})])
    def test_another_loss_gives_another_agent(self, files, name, settings):
        """The value clip of exported ppo takes a maximum, as in PPO's first code, which Stable-Baselines3 does not."""
        _, expected = learn(stable_baselines3.PPO, "CartPole-v1", **settings)
        _, states = learn(sb3_example.DiscoveredPPO, "CartPole-v1", sb3_example.load_losses(files[name]))
        assert differ(states, expected)

    def test_clipping_of_the_value_beside_the_loss_is_refused(self, files):
        with pytest.raises(ValueError, match="clip_range_vf"):
            learn(sb3_example.DiscoveredPPO, "CartPole-v1", sb3_example.load_losses(files["ppo"]), clip_range_vf=0.2)

    def test_an_agent_is_saved_and_goes_on_with_losses(self, files, tmp_path):
        losses = sb3_example.load_losses(files["dpo"])
        agent, _ = learn(sb3_example.DiscoveredPPO, "CartPole-v1", losses)
        agent.save(tmp_path / "agent.zip")
        env = make_vec_env("CartPole-v1", 2)
        obs = env.reset()
        expected, _ = agent.predict(obs, deterministic=True)
        for kind in (stable_baselines3.PPO, sb3_example.DiscoveredPPO):
            loaded = kind.load(tmp_path / "agent.zip", env=env)
            np.testing.assert_array_equal(loaded.predict(obs, deterministic=True)[0], expected)
        with pytest.raises(TypeError, match="losses"):
            loaded.learn(128)
        sb3_example.DiscoveredPPO.load(tmp_path / "agent.zip", env=env, losses=losses).learn(128)

    def test_exported_dpo_learns_cartpole(self, files):
        losses = sb3_example.load_losses(files["dpo"])
        agent = sb3_example.DiscoveredPPO("MlpPolicy", "CartPole-v1", losses, seed=0, device="cpu").learn(100_000)
        mean, _ = evaluate_policy(agent, make_vec_env("CartPole-v1", seed=1), n_eval_episodes=20)
        assert mean > 400


def logged(agent) -> dict[str, float]:
    """Return the log of the last update, the value loss as the mean of ½(V − G)²."""
    values = {key: float(each) for key, each in agent.logger.name_to_value.items() if key.startswith("train/")}
    if type(agent) is stable_baselines3.PPO:
        values["train/value_loss"] *= 0.5
        values.pop("train/clip_range_vf", None)
    return values


def parameters(losses, **settings) -> list[dict[str, np.ndarray]]:
    """Return the parameters of the CleanRL-style agent after each of four updates."""
    config = cleanrl_example.Config(num_env_steps=NUM_UPDATES * 512, seed=2, **settings)
    return [
        {name: copied(each) for name, each in agent.named_parameters()}
        for _, agent, _ in cleanrl_example.train(config, losses)
    ]


class TestCleanRLStyle:
    @pytest.mark.parametrize(("name", "value_clip_eps"), [("ppo", 0.2), ("squared_error", None)])
    def test_with_exported_ppo_every_update_is_that_of_its_own_losses(self, files, name, value_clip_eps):
        expected = parameters(cleanrl_example.ppo_losses(0.2, value_clip_eps), learning_rate=0.01)
        states = parameters(cleanrl_example.load_losses(files[name]), learning_rate=0.01)
        assert len(states) == NUM_UPDATES
        assert_same(states, expected)

    @pytest.mark.parametrize("name", ["dpo", "squared_error"])
    def test_another_loss_gives_another_agent(self, files, name):
        own = parameters(cleanrl_example.ppo_losses(), learning_rate=0.01)
        assert differ(parameters(cleanrl_example.load_losses(files[name]), learning_rate=0.01), own)

    def test_every_step_is_taken_and_the_last_observation_is_that_before_the_reset(self):
        envs = cleanrl_example.make_envs(cleanrl_example.Config(env="CountToThree-v0", num_envs=2))
        agent = cleanrl_example.Agent(1, 2)
        after, rollout, returns = cleanrl_example.collect(envs, agent, envs.reset()[0], 6)
        for env in (0, 1):
            assert rollout.obs[:, env, 0].tolist() == [0, 1, 2, 0, 1, 2]
            assert rollout.next_obs[:, env, 0].tolist() == [1, 2, 3, 1, 2, 3]
            assert rollout.reward[:, env].tolist() == [1, 2, 3, 1, 2, 3]
            assert rollout.ended[:, env].tolist() == [0, 0, 1, 0, 0, 1]
        assert not rollout.terminated.any()
        assert after.tolist() == [[0], [0]]
        assert returns == [6] * 4

    @pytest.mark.parametrize(("terminated", "next_value"), [(0.0, 1.0), (1.0, 0.0)])
    def test_a_time_limit_bootstraps_and_an_end_does_not(self, terminated, next_value):
        config = cleanrl_example.Config(num_steps=3, gamma=0.9, gae_lambda=0.5)
        agent = cleanrl_example.Agent(1, 2)
        agent.value = lambda obs: torch.ones(obs.shape[:-1])
        obs, zeros = torch.zeros(3, 1, 1), torch.zeros(3, 1)
        middle = torch.tensor([[0.0], [1.0], [0.0]])
        rollout = cleanrl_example.Rollout(obs, zeros, zeros, 2 + zeros, obs, terminated * middle, middle)
        batch = cleanrl_example.make_batch(agent, rollout, config)
        plain, last = 2 + 0.9 - 1, 2 + 0.9 * next_value - 1
        np.testing.assert_allclose(batch.advantage, [plain + 0.9 * 0.5 * last, last, plain], rtol=1e-6)
        np.testing.assert_allclose(batch.target, batch.advantage + 1, rtol=1e-6)


class CountToThree(gymnasium.Env):
    """Shows the number of the step, pays it, and is cut off at the third."""

    observation_space = gymnasium.spaces.Box(0, 3, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.count += 1
        return np.full(1, self.count, np.float32), float(self.count), False, self.count == 3, {}


gymnasium.register("CountToThree-v0", CountToThree)

WITH_PROGRESS = """
seen = []

def policy_loss(log_prob, old_log_prob, advantage, progress=0.0):
    seen.append(progress)
    return -log_prob * advantage

def value_loss(value, old_value, target, progress=0.0):
    return (value - target) ** 2
"""


class TestProgress:
    @pytest.fixture
    def path(self, tmp_path):
        (tmp_path / "time_aware.py").write_text(WITH_PROGRESS)
        return tmp_path / "time_aware.py"

    def test_stable_baselines3_gives_a_time_aware_loss_the_elapsed_fraction(self, path):
        losses = sb3_example.load_losses(path)
        learn(sb3_example.DiscoveredPPO, "CartPole-v1", losses)
        assert sorted(set(losses.policy_loss.__globals__["seen"])) == [0, 0.25, 0.5, 0.75]

    def test_the_cleanrl_style_loop_does_as_well(self, path):
        losses = cleanrl_example.load_losses(path)
        parameters(losses)
        assert sorted(set(losses.policy_loss.__globals__["seen"])) == [0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("name", ["time_aware_lpo", "both"])
def test_learned_losses_train_agents_that_are_finite_and_not_those_of_ppo(name, tmp_path):
    export(tmp_path / "losses.py", make_run(tmp_path / "run", name))
    _, expected = learn(stable_baselines3.PPO, "CartPole-v1")
    _, states = learn(sb3_example.DiscoveredPPO, "CartPole-v1", sb3_example.load_losses(tmp_path / "losses.py"))
    assert all(np.isfinite(each).all() for each in states[-1].values())
    assert differ(states, expected)
    own = parameters(cleanrl_example.ppo_losses(), learning_rate=0.01)
    learned = parameters(cleanrl_example.load_losses(tmp_path / "losses.py"), learning_rate=0.01)
    assert all(np.isfinite(each).all() for each in learned[-1].values())
    assert differ(learned, own)


COMMANDS = {"stable_baselines3_ppo": [], "cleanrl_style_ppo": ["--losses"]}


@pytest.mark.parametrize("name", COMMANDS)
class TestCommands:
    @pytest.fixture
    def run(self, name, monkeypatch, capsys):
        """Run an example as a command; return exit code, stdout and stderr."""

        def run(path, *words):
            monkeypatch.setattr(sys, "argv", [f"{name}.py", *COMMANDS[name], str(path), *words])
            code = 0
            try:
                example(name).main()
            except SystemExit as stop:
                code = stop.code
            return code, *capsys.readouterr()

        return run

    def test_a_missing_file_is_refused_in_one_sentence(self, run, tmp_path):
        code, out, err = run(tmp_path / "nowhere.py")
        assert (code, out) == (2, "")
        assert err == f"{tmp_path / 'nowhere.py'}: No such file or directory\n"

    def test_a_file_that_lacks_a_loss_is_refused_in_one_sentence(self, run, files, tmp_path):
        lacking = tmp_path / "lacking.py"
        lacking.write_text(files["ppo"].read_text().replace("def value_loss(", "def value_los("))
        assert run(lacking) == (2, "", f"{lacking}: lacks value_loss\n")

    def test_a_short_training_prints_a_return(self, run, name, files):
        words = {"stable_baselines3_ppo": "--steps 2048", "cleanrl_style_ppo": "--num-env-steps 10240"}[name]
        code, out, err = run(files["dpo"], "--env", "CartPole-v1", "--seed", "1", *words.split())
        assert (code, err) == (0, "")
        assert "return" in out
