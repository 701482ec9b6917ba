"""How the studies summarise a comparison."""

import json

import pytest
from scripts import scripts_of

LABELS = {"ppo": "PPO", "mine": "mine"}


@pytest.fixture
def summary():
    with scripts_of("analysis") as load:
        yield load("summary")


def cell(objective, curve, env="gymnax/CartPole-v1", **scores):
    scores = {"final_return": [1.0] * len(curve), "area_under_curve": [1.0] * len(curve)} | scores
    return {"objective": objective, "env": env, "env_steps": [1000, 2000, 3000, 4000], "curve_filled": curve, **scores}


def rows(summary, tmp_path, *cells):
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"cells": cells}))
    lines = summary.course(path, LABELS, "gymnax/CartPole-v1").splitlines()
    return [[entry.strip() for entry in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]


def test_parts_of_a_life_are_compared_seed_by_seed(summary, tmp_path):
    theirs, ours = cell("ppo", [[1, 2, 3, 4], [2, 3, 4, 5]]), cell("mine", [[2, 4, 3, 2], [4, 6, 4, 2]])
    elsewhere = cell("ppo", [[9, 9, 9, 9]], env="gymnax/Acrobot-v1")
    headings, baseline, mine = rows(summary, tmp_path, elsewhere, theirs, ours)
    assert headings == ["CartPole-v1, steps", "0 to 1,000", "1,000 to 2,000", "2,000 to 3,000", "3,000 to 4,000"]
    assert baseline == ["PPO", "1.5", "2.5", "3.5", "4.5"]
    # Differences 1 and 2: mean 1.5, and Student's 12.706 × their standard error 0.5 on either side.
    assert mine == [
        "mine",
        "3.0: +1.5 [-4.9, 7.9]",
        "5.0: +2.5 [-3.9, 8.9]",
        "3.5: +0 [0, 0]",
        "2.0: -2.5 [-8.9, 3.9]",
    ]


def test_a_life_that_failed_is_the_worst_one(summary, tmp_path):
    failed = cell("mine", [[8, 8, None, None], [8, 8, 8, 8]], area_under_curve=[None, 8.0])
    _, _, mine = rows(summary, tmp_path, cell("ppo", [[1, 2, 3, 4], [8, 8, 8, 8]]), failed)
    assert mine[1:] == ["4.5: +0 [0, 0]", "5: +0 [0, 0]", "5.5: +0 [0, 0]", "6: +0 [0, 0]"]


def test_where_all_failed_they_are_equal(summary, tmp_path):
    nothing = [[None] * 4] * 2
    cells = [cell(name, nothing, area_under_curve=[None, None], final_return=[None, None]) for name in LABELS]
    assert rows(summary, tmp_path, *cells)[2] == ["mine", *["0: +0 [0, 0]"] * 4]
