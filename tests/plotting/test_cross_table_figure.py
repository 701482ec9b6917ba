"""A cross table of players and opponents as heat maps."""

import numpy as np
import pandas as pd
import pytest
from layout import assert_well_laid_out, colour_bars_of, panels_of

from metadisco.plotting import look
from metadisco.plotting.cross_table import cross_table_figure


def frame(players, opponents):
    pairs = [(player, opponent) for player in players for opponent in opponents]
    numbers = np.linspace(-2, 0, len(pairs))
    return pd.DataFrame(pairs, columns=["player", "opponent"]).assign(own=numbers, other=-2 - numbers)


@pytest.mark.parametrize("style", [None, "paper"])
@pytest.mark.parametrize(
    "table",
    [
        frame(["mfos", "all_defect", "zero_determinant:chi=4"], ["naive", "lola"]),
        frame(["mfos"], ["naive"]),
        frame([f"static:0,1,0,1,{number}" for number in range(8)], [f"naive:learning_rate={n}" for n in range(12)]),
    ],
)
def test_a_cross_table_leaves_and_covers_nothing(table, style):
    with look(style):
        assert_well_laid_out(cross_table_figure(table, title="ipd: mean reward per meta-step, 4,096 lifetimes"))


def test_rewards_of_both_stand_where_their_players_do():
    figure = cross_table_figure(frame(["b", "a"], ["y", "x"]), title="A")
    own, other = (axes for axes in panels_of(figure) if axes not in colour_bars_of(figure))
    assert [label.get_text() for label in own.get_yticklabels()] == ["b", "a"]
    assert [label.get_text() for label in own.get_xticklabels()] == ["y", "x"]
    assert [text.get_text() for text in own.texts] == ["−2", "−1.33", "−0.667", "0"]
    assert [text.get_text() for text in other.texts] == ["0", "−0.667", "−1.33", "−2"]
