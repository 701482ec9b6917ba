"""A grid of trainings as a heat map, and the option that draws it."""

import numpy as np
import pytest
from layout import assert_well_laid_out, colour_bars_of, panels_of

from metadisco.cli import main
from metadisco.evaluation.lifetimes import Lifetimes
from metadisco.evaluation.training import Trained
from metadisco.plotting import grid_figure, look


def grid(rates=(1e-4, 1e-3), epsilons=(0.1, 0.2, 0.3)):
    return [
        {"settings": {"inner.ppo.learning_rate": rate, "objective.clip_eps": epsilon, "seed": 3},
         "final_return": [1e4 * rate + epsilon, 1e4 * rate - epsilon, None]}
        for rate in rates for epsilon in epsilons
    ]  # fmt: skip


@pytest.mark.parametrize("style", [None, "paper"])
@pytest.mark.parametrize("points", [grid(), grid(np.logspace(-5, -1, 9).tolist(), np.arange(14).tolist())])
def test_a_grid_leaves_and_covers_nothing(points, style):
    with look(style):
        assert_well_laid_out(grid_figure(points, title="ppo on gymnax/CartPole-v1, 3 seeds"))


def test_a_grid_has_the_mean_of_the_seeds_that_did_not_fail():
    points = grid()
    points[1]["final_return"] = [None, None]
    figure = grid_figure(points, title="A")
    (axes,) = [axes for axes in panels_of(figure) if axes not in colour_bars_of(figure)]
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["1", "1", "10", "10", "10", "failed"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("objective.clip_eps", "learning_rate")


def test_a_heat_map_is_of_two_settings():
    with pytest.raises(ValueError, match="got 1 settings"):
        grid_figure(grid(epsilons=[0.1]), title="A")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--figure", "grid.gif", "inner.ppo.gamma=[0.9,0.99]"], "--figure: got 'grid.gif'"),
        (["--figure", "grid.png"], "--figure: got 0 settings"),
        (["--figure", "grid.png", "inner.ppo.gamma=[0.9,0.99]", "seed=[1,1]"], "--figure: got 1 settings"),
    ],
)
def test_what_is_no_grid_of_two_settings_is_not_drawn(words, told, place, capsys):
    assert main(["train", "--objective", "ppo", "--env", "gymnax/CartPole-v1", *words]) == 2
    assert told in capsys.readouterr().err
    assert list(place.iterdir()) == []


def test_a_grid_of_trainings_is_drawn_and_replaced_with_force_alone(place, monkeypatch):
    def trained(objective, points, configs, num_seeds, **told):
        lives = Lifetimes(np.ones(num_seeds), *np.ones((3, num_seeds, 1)))
        return [Trained(point, config, lives, None) for point, config in zip(points, configs, strict=True)]

    monkeypatch.setattr("metadisco.evaluation.training.train_points", trained)
    words = ["--quiet", "--figure", "new/grid.pdf", "inner.ppo.gamma=[0.9,0.99]", "objective.clip_eps=[0.1,0.2]"]
    command = ["train", "--objective", "ppo", "--env", "gymnax/CartPole-v1", *words]
    assert main(command) == 0
    assert (place / "new" / "grid.pdf").read_bytes().startswith(b"%PDF")
    assert main(command) == 2
    assert main([*command, "--force"]) == 0
