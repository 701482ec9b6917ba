"""The discoveries in `checkpoints`: each is complete, small and documented."""

import json
import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from samples import make_sample

from metadisco import load_message, load_meta_policy, load_objective
from metadisco.discoveries.published import FOLDER, published_names
from metadisco.distillation.surfaces import drift_surface
from metadisco.storage.runs import RunDirectory

ROOT = Path(__file__).parent.parent
DISCOVERIES = ("lpo_drift_classic", "lpo_drift_classic_1", "value_loss_cartpole", "value_loss_cartpole_1")
SHAPERS = ("mfos_chicken", "mfos_imp", "mfos_ipd", "mfos_ipd_lola", "mfos_ipd_self_play", "mfos_stag_hunt")
TALKERS = ("talk_cartpole_harm", "talk_cartpole_help")
LOADERS = {
    **dict.fromkeys(DISCOVERIES, "load_objective"),
    **dict.fromkeys(SHAPERS, "load_meta_policy"),
    **dict.fromkeys(TALKERS, "load_message"),
}
PAGES = {
    "lpo_drift_classic": ROOT / "analysis" / "lpo_drift.md",
    "value_loss_cartpole": ROOT / "analysis" / "value_loss.md",
}
MOST_BYTES = 500_000


def losses(objective):
    error = jnp.linspace(-3.0, 3.0, 13)
    sample = make_sample(value=error, log_ratio=error / 4, advantage=jnp.linspace(2.0, -2.0, 13))
    return np.asarray(objective.policy_loss(sample)), np.asarray(objective.value_loss(sample))


def test_those_are_published():
    assert published_names() == sorted(LOADERS)


@pytest.mark.parametrize("name", DISCOVERIES)
class TestDiscovery:
    def test_name_path_and_last_centre_are_the_same_function(self, name):
        expected = losses(load_objective(name))
        assert all(np.isfinite(each).all() for each in expected)
        last = RunDirectory(FOLDER / name).config().outer.num_generations
        for other in (FOLDER / name, f"{name}@{last}"):
            for ours, theirs in zip(losses(load_objective(other)), expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)

    def test_about_sixteen_centres_from_the_start_to_the_end(self, name):
        run = RunDirectory(FOLDER / name)
        generations = run.centre_generations()
        assert generations[0] == 0 and generations[-1] == run.config().outer.num_generations
        assert len(generations) == 17
        assert run.metrics()[-1]["generation"] == generations[-1] - 1


@pytest.mark.parametrize("name", TALKERS)
class TestTalker:
    def test_name_path_and_last_centre_are_the_same_message(self, name):
        generations = RunDirectory(FOLDER / name).centre_generations()
        obs = jnp.linspace(-0.2, 0.2, 4)
        expected, *others = (
            load_message(each).message(obs) for each in (name, FOLDER / name, f"{name}@{generations[-1]}")
        )
        assert expected.shape == (2,) and (abs(expected) <= 2 * np.pi).all() and np.ptp(expected) > 0
        for other in others:
            np.testing.assert_array_equal(other, expected)

    def test_says_what_it_was_evolved_for(self, name):
        run = RunDirectory(FOLDER / name)
        assert run.config().problem["aim"] == name.rpartition("_")[2]
        assert run.centre_generations()[-1] == run.config().outer.num_generations


@pytest.mark.parametrize("name", SHAPERS)
class TestShaper:
    def test_name_path_and_last_centre_are_the_same_policy(self, name):
        generations = RunDirectory(FOLDER / name).centre_generations()
        seen = jnp.linspace(0.1, 0.9, 2 if name == "mfos_chicken" else 10)
        first, *others = (load_meta_policy(each) for each in (name, FOLDER / name, f"{name}@{generations[-1]}"))
        expected, _ = first.act(seen, first.initial_memory())
        assert expected.shape == (len(seen) // 2,) and np.isfinite(expected).all()
        for other in others:
            np.testing.assert_array_equal(other.act(seen, other.initial_memory())[0], expected)

    def test_its_search_is_there_from_the_start_to_the_end(self, name):
        run = RunDirectory(FOLDER / name)
        generations = run.centre_generations()
        assert generations[0] == 0 and generations[-1] == run.config().outer.num_generations
        assert run.metrics()[-1]["generation"] == generations[-1] - 1

    def test_is_no_objective(self, name):
        with pytest.raises(ValueError, match="opponent_shaping"):
            load_objective(name)


@pytest.mark.parametrize(("name", "loader"), LOADERS.items())
class TestFolder:
    def test_small_enough_for_git(self, name, loader):
        kept = [path for path in (FOLDER / name).rglob("*") if path.is_file() and "cells" not in path.parts]
        assert sum(path.stat().st_size for path in kept) < MOST_BYTES

    def test_has_a_card(self, name, loader):
        card = (FOLDER / name / "README.md").read_text()
        assert f'{loader}("{name}")' in card

    def test_nothing_tells_where_it_was_made(self, name, loader):
        for path in [*(FOLDER / name).rglob("*.json*"), *(FOLDER / name).rglob("*.md")]:
            assert not re.search(r"/(work|home|root|tmp|Users)/", path.read_text()), path


@pytest.mark.parametrize(("name", "page"), PAGES.items())
def test_the_study_has_filled_its_pages(name, page):
    for text, needed in ((page.read_text(), "comparison"), ((FOLDER / name / "README.md").read_text(), "short")):
        sections = re.findall(r"<!-- (\w+): made by the study -->(.*?)<!-- \1: end -->", text, re.DOTALL)
        assert needed in dict(sections)
        assert all(len(section.strip()) > 40 for _, section in sections)


@pytest.mark.parametrize("name", PAGES)
def test_the_closed_form_is_an_objective(name):
    distilled = FOLDER / name / "distilled"
    assert json.loads((distilled / "distilled.json").read_text())["source"] == name
    assert all(np.isfinite(each).all() for each in losses(load_objective(distilled)))


@pytest.mark.parametrize("form", ["both", "setbacks", "one_sided"])
def test_drifts_by_hand_are_drifts(form):
    objective = load_objective(FOLDER / f"lpo_drift_classic/by_hand.json@{form}")
    log_ratio, advantage = np.linspace(-2.0, 2.0, 401), np.linspace(-4.0, 4.0, 33)
    surface = drift_surface(objective.policy_loss, log_ratio, advantage)
    assert (surface.drift > -1e-6).all() and surface.drift.max() > 0.1
    at_one = drift_surface(objective.policy_loss, np.zeros(1), advantage)
    np.testing.assert_array_equal(at_one.drift, 0.0)
    np.testing.assert_allclose(at_one.gradient[0], advantage, atol=1e-6)


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def test_numbers_of_the_readme_are_those_of_the_study():
    """Its own settings come first; the last two rows have CleanRL's."""
    section = (ROOT / "README.md").read_text().split("## What it found")[1].split("\n## ")[0].replace("−", "-")
    page = PAGES["lpo_drift_classic"].read_text().replace("−", "-").replace("\n> ", " ")
    rows = re.findall(r"^\| (\w+) \| .* \| (\S+) \| (\S+) \| \**([+-]\d+)\** \((.*)\) \|$", section, re.M)
    assert [row[0] for row in rows] == ["CartPole", "Pendulum", "Acrobot", "CartPole", "Acrobot"]
    whole = re.search(r"<!-- whole: made by the study -->(.*?)<!-- whole: end -->", page, re.DOTALL)[1].splitlines()
    ppo, drift = (
        next(line for line in whole if line.startswith(f"| {name} ")) for name in ("ppo", "lpo_drift_classic")
    )
    for place, (task, ours, theirs, difference, between) in enumerate(rows):
        if place < 3:
            found = re.search(rf"{task} (-?[\d.]+) and (-?[\d.]+) \((-?[\d.]+) to (-?[\d.]+)\)", page).groups()
            mine, others, low, high = map(float, found)
        else:
            (mine, _, low, high), (others,) = (numbers(line.split("|")[place - 1]) for line in (drift, ppo))
        assert [int(each) for each in (ours, theirs, *between.split(" to "))] == list(
            map(round, (mine, others, low, high))
        )
        assert int(difference) == round(mine - others)
