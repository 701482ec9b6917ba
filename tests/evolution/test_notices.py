"""Warnings about generations in which nothing was learned."""

from metadisco.evolution.describe import describe_skip
from metadisco.evolution.notices import Notices, is_notable

FAILED = {"step_skipped": True, "fitness_mean": None, "failed_members": 8}
EQUAL = {"step_skipped": True, "fitness_mean": 3.0, "failed_members": 0}
HALF = {"step_skipped": False, "fitness_mean": 3.0, "failed_members": 4}
GOOD = {"step_skipped": False, "fitness_mean": 3.0, "failed_members": 3}


def sentences(rows):
    notices = Notices([], population_size=8)
    return [sentence for row in rows for sentence in notices.note(row)]


def test_the_numbers_that_are_worth_a_sentence_double():
    assert [number for number in range(1, 200) if is_notable(number)] == [5, 10, 20, 40, 80, 160]


def test_why_nothing_was_learned_is_told_apart():
    assert describe_skip(FAILED) == "nothing learned: all members failed"
    assert describe_skip(EQUAL) == "nothing learned: all members have the same fitness"
    assert describe_skip(GOOD) == describe_skip({}) == ""


def test_a_generation_in_which_something_was_learned_begins_the_count_again():
    assert sentences([EQUAL] * 4 + [GOOD] + [EQUAL] * 4) == []
    (sentence,) = sentences([EQUAL] * 5)
    assert "for 5 generations in a row; the search stands still" in sentence and "outer.strategy.std" in sentence


def test_members_that_go_on_failing_are_said():
    (sentence,) = sentences([HALF] * 9)
    assert "half of the members or more failed, for 5 generations in a row" in sentence
    assert sentences([GOOD] * 50) == []


def test_lifetimes_without_an_episode_are_said_once():
    (sentence,) = sentences([GOOD, *[GOOD | {"lives_without_episode": 2}] * 3])
    assert sentence.startswith("in 2 lifetimes no episode ended")


def test_rows_from_before_a_restart_count_but_are_not_said_again():
    notices = Notices([EQUAL] * 9, population_size=8)
    assert len(notices.note(EQUAL)) == 1
    assert notices.summary() == "; in 10 of them nothing was learned"
    assert Notices([GOOD], population_size=8).summary() == ""
