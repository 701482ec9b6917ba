"""Messages as source for PyTorch, and the example in which Stable-Baselines3's PPO sees one."""

import re
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from messages import SECTIONS, TOLERANCE, check_all, goals, observations
from source_text import assert_helpers_are_used, assert_needs_its_library_alone, lint

torch = pytest.importorskip("torch")
stable_baselines3 = pytest.importorskip("stable_baselines3")

from stable_baselines3.common.env_checker import check_env  # noqa: E402

pytestmark = pytest.mark.export

example = ModuleType("cheap_talk_sb3")
SourceFileLoader("cheap_talk_sb3", str(Path(__file__).parents[2] / "examples" / "cheap_talk_sb3.py")).exec_module(
    example
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SECTIONS)
def test_messages_are_those_of_the_original(messages, name, dtype):
    module, obs = messages.module(name, "torch"), torch.tensor(observations(name), dtype=dtype)
    assert module.message(obs).dtype == dtype
    np.testing.assert_allclose(module.message(obs), messages.said(name), atol=TOLERANCE, rtol=TOLERANCE)
    torch.testing.assert_close(module.message(obs[:, None]), module.message(obs)[:, None])
    if name == "control":
        steered = module.steer(obs, torch.tensor(goals(name)))
        np.testing.assert_allclose(steered, messages.steered(name), atol=TOLERANCE, rtol=TOLERANCE)


def test_files_check_themselves_and_find_a_changed_weight(messages):
    for (_, changed), said in check_all(messages, tuple(SECTIONS), "torch").items():
        assert ("SystemExit: differs from the original" in said) if changed else said == ""


@pytest.mark.parametrize("name", SECTIONS)
def test_a_file_is_what_a_person_would_have_written(messages, name):
    path = messages.path(name, "torch")
    assert_needs_its_library_alone(path, "torch")
    assert_helpers_are_used(path)
    assert lint(path) == ""


class TestStableBaselines3:
    def test_a_wrapped_environment_is_one_that_it_takes(self, messages):
        module = messages.module("harm", "numpy")
        check_env(example.make_env(module, module.message), warn=False)

    @pytest.mark.parametrize("settings", ["evolved", "defaults"])
    def test_a_message_changes_learning_and_zeros_repeat(self, messages, settings):
        module = messages.module("harm", "numpy")

        def train(say):
            return example.train(module, say, settings, seed=0, steps=2048)

        zeros = train(lambda obs: np.zeros(3))
        np.testing.assert_array_equal(train(lambda obs: np.zeros(3)), zeros)
        assert (train(module.message) != zeros).any()

    def test_the_policy_of_the_search_has_one_torso(self, messages):
        module = messages.module("harm", "numpy")
        env = example.make_env(module, module.message)
        keywords = {key: value for key, value in example.SETTINGS["evolved"].items() if key != "num_envs"}
        agent = stable_baselines3.PPO(env=env, device="cpu", **keywords)
        sizes = sorted(tuple(each.shape) for each in agent.policy.parameters())
        assert sizes == sorted([(32, 7), (32,), (32, 32), (32,), (2, 32), (2,), (1, 32), (1,)])


class TestCommand:
    def test_a_table_is_printed(self, messages, capsys):
        path = messages.path("harm", "numpy")
        example.main([str(path), "--seeds", "2", "--steps", "1024", "--settings", "evolved"])
        out = capsys.readouterr().out
        assert re.search(r"^zeros +\d+\.\d ± +\d+\.\d", out, re.M)
        assert re.search(rf"^{path.stem} +\d+\.\d ± +\d+\.\d +-?\d+\.\d ± ", out, re.M)

    def test_what_is_no_message_is_refused_in_one_sentence(self, tmp_path, capsys):
        for path, told in (
            (tmp_path / "nowhere.py", "No such file or directory"),
            (tmp_path / "a.py", "lacks message"),
        ):
            if told.startswith("lacks"):
                path.write_text("NUM_CHANNELS = 2\n")
            with pytest.raises(SystemExit) as stop:
                example.main([str(path)])
            assert stop.value.code == 2
            assert capsys.readouterr().err.startswith(f"{path}: {told}")
