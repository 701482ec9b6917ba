"""Files of distilled forms: found by name, resolved as sources, and loaded as objectives."""

import json

import jax
import numpy as np
import pytest
from written_forms import DRIFTS, LOSSES, part, ratio_gap

from metadisco.discoveries.distilled import FILE, find_distilled
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.sources import Source, find_source, short_names
from metadisco.errors import UserError
from metadisco.objectives import clipped_squared_error, ppo, squared_error


class TestFinding:
    def test_a_file_or_its_folder_means_the_closest_form(self, written):
        path = written()
        for name in (path, path.parent):
            found = find_distilled(str(name))
            assert found.path == path
            assert found.expressions == {"policy": DRIFTS["quadratic"]}
            assert found.trained_on == ("brax/ant:spring", "gymnax/CartPole-v1")
            assert found.constants == {"clip_eps": 0.1, "value_clip_eps": None}

    def test_another_form_is_named_after_an_at_sign(self, written):
        path = written()
        for name in (path, path.parent):
            assert find_distilled(f"{name}@strong").expressions == {"policy": DRIFTS["strong"]}

    def test_the_file_may_have_another_name(self, written):
        path = written(name="mine.json")
        assert find_distilled(str(path)).expressions == {"policy": DRIFTS["quadratic"]}
        assert find_distilled(f"{path}@strong").expressions == {"policy": DRIFTS["strong"]}
        assert find_distilled(str(path.parent)) is None

    def test_a_path_that_holds_an_at_sign_is_a_path(self, written):
        path = written(name=f"run@16/{FILE}")
        for name in (path, path.parent):
            assert find_distilled(str(name)).expressions == {"policy": DRIFTS["quadratic"]}
            assert find_distilled(f"{name}@strong").expressions == {"policy": DRIFTS["strong"]}

    def test_where_both_losses_were_distilled_a_form_of_one_leaves_the_other_at_its_closest(self, written):
        path = written(value=part(LOSSES, "square"))
        closest = {"policy": DRIFTS["quadratic"], "value": LOSSES["square"]}
        assert find_distilled(str(path)).expressions == closest
        assert find_distilled(f"{path}@strong").expressions == {**closest, "policy": DRIFTS["strong"]}
        assert find_distilled(f"{path}@square").expressions == closest
        both = {"policy": DRIFTS["both"], "value": LOSSES["both"]}
        assert find_distilled(f"{path}@both").expressions == both

    @pytest.mark.parametrize("name", ["ppo", "", "nowhere", "nowhere.json", "nowhere.json@ppo", "@", "x\0y", "a/b@c"])
    def test_what_names_no_file_is_none(self, name, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert find_distilled(name) is None

    def test_a_folder_without_the_file_or_with_a_folder_in_its_place_is_none(self, tmp_path):
        assert find_distilled(str(tmp_path)) is None
        (tmp_path / FILE).mkdir()
        assert find_distilled(str(tmp_path)) is None

    def test_a_name_too_long_for_a_file_is_no_objective(self):
        with pytest.raises(UserError, match="no objective"):
            load_objective("x" * 5000)

    def test_an_unknown_form_is_refused_with_those_there_are(self, written):
        path = written()
        with pytest.raises(UserError) as refused:
            find_distilled(f"{path}@stron")
        sentence = str(refused.value)
        assert str(path) in sentence
        assert "'stron', allowed: both, quadratic, strong; did you mean 'strong'?" in sentence


class TestLoading:
    def test_a_drift_is_mirrored_and_the_value_loss_is_ppos_own(self, written, sample):
        objective = load_objective(written())
        surrogate = np.exp(sample.log_ratio) * sample.advantage
        np.testing.assert_allclose(
            objective.policy_loss(sample), ratio_gap(sample) ** 2 - surrogate, rtol=1e-5, atol=1e-6
        )
        np.testing.assert_array_equal(objective.value_loss(sample), squared_error()(sample))

    def test_the_value_loss_is_clipped_by_the_constant_of_the_file(self, written, sample):
        objective = load_objective(written(constants={"clip_eps": 0.1, "value_clip_eps": 0.4}))
        np.testing.assert_array_equal(objective.value_loss(sample), clipped_squared_error(0.4)(sample))

    def test_a_form_by_name(self, written, sample):
        path = written()
        surrogate = np.exp(sample.log_ratio) * sample.advantage
        drift = load_objective(f"{path.parent}@strong").policy_loss(sample) + surrogate
        np.testing.assert_allclose(drift, 3 * ratio_gap(sample) ** 2, rtol=1e-4, atol=1e-5)

    def test_a_value_loss_stands_beside_ppos_own_policy_loss(self, written, sample):
        objective = load_objective(written(policy="left out", value=part(LOSSES, "both")))
        np.testing.assert_array_equal(objective.policy_loss(sample), ppo(0.1).policy_loss(sample))
        np.testing.assert_allclose(objective.value_loss(sample), np.abs(sample.value - sample.target), rtol=1e-6)

    def test_both_parts(self, written, sample):
        objective = load_objective(written(value=part(LOSSES, "square")))
        np.testing.assert_allclose(objective.value_loss(sample), (sample.value - sample.target) ** 2, rtol=1e-5)
        assert (objective.policy_loss(sample) != ppo(0.1).policy_loss(sample)).any()

    def test_constants_cannot_be_set_for_what_was_distilled(self, written):
        path = written()
        with pytest.raises(UserError, match="made with its constants, so that clip_eps"):
            load_objective(path, clip_eps=0.3)

    def test_losses_are_differentiable(self, written, sample):
        objective = load_objective(written(value=part(LOSSES, "square")))
        slope = jax.grad(lambda value: objective.value_loss(sample._replace(value=value)).sum())(sample.value)
        np.testing.assert_allclose(slope, 2 * (sample.value - sample.target), rtol=1e-5)


class TestSources:
    def test_distilled_forms_are_known_without_being_loaded(self, written):
        path = written(value=part(LOSSES, "square"))
        source = find_source(f"{path}@strong")
        assert source.name == f"{path}@strong"
        assert source.parts == ("policy", "value")
        assert source.trained_on == {"brax/ant", "gymnax/CartPole-v1"}
        assert source.run is None
        assert source.config is None

    def test_what_was_not_trained_was_trained_on_nothing(self, written):
        assert find_source(str(written(trained_on=None))).trained_on is None
        assert find_source(str(written(trained_on="left out"))).trained_on is None
        constants = {"value_clip_eps": 0.2, "alpha": 2.0, "beta": 0.6}
        assert find_source("dpo") == Source("dpo", ["dpo", constants], None, ("policy",))

    def test_the_identity_is_what_the_losses_depend_on(self, written):
        path = written(value=part(LOSSES, "square"))
        identity = find_source(str(path)).identity
        assert json.loads(json.dumps(identity)) == identity
        assert find_source(f"{path}@quadratic").identity == identity
        assert find_source(f"{path}@strong").identity != identity
        moved = written(source="another name", value=part(LOSSES, "square"), name="moved/away.json")
        assert find_source(str(moved)).identity == identity
        clipped = written(constants={"clip_eps": 0.3, "value_clip_eps": None}, value=part(LOSSES, "square"))
        assert find_source(str(clipped)).identity != identity

    def test_forms_are_called_by_their_names(self, written):
        path = written()
        names = [f"{path.parent}@strong", f"{path}@quadratic", "runs/strong", "ppo"]
        assert list(short_names(names).values()) == ["form strong", "form quadratic", "strong", "ppo"]
        assert find_source(names[0]).short_name == "form strong"

    def test_two_of_one_name_keep_their_full_names(self):
        names = ["a/run", "b/run", "ppo"]
        assert short_names(names) == dict(zip(names, names, strict=True))

    def test_what_names_nothing_is_refused(self, tmp_path):
        with pytest.raises(UserError, match="or the path of a run, artefact or distilled forms"):
            find_source(str(tmp_path))
