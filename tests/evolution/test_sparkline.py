"""Numbers as block characters."""

import math

import pytest

from metadisco.evolution.sparkline import histogram, sparkline


def test_the_lowest_and_the_highest_number_have_the_lowest_and_the_highest_block():
    assert sparkline([1, 2, 3], 8) == "▁▅█"


def test_missing_numbers_are_gaps():
    assert sparkline([1, None, math.nan, 3], 8) == "▁  █"


def test_more_numbers_than_there_is_room_for_are_averaged():
    assert sparkline([0, 0, 2, 2, 9, 11], 3) == "▁▂█"


@pytest.mark.parametrize(("values", "shown"), [([], ""), ([4], "▅"), ([4, 4], "▅▅"), ([None], " ")])
def test_few_or_equal_numbers_are_shown_too(values, shown):
    assert sparkline(values, 8) == shown


def test_a_histogram_counts_in_equal_parts_of_the_range():
    assert histogram([0, 0, 0, 0, 1, 9, 10, 10, math.nan], 10) == "█▃       ▇"


@pytest.mark.parametrize(("values", "shown"), [([], ""), ([math.nan], ""), ([3, 3], "█")])
def test_a_histogram_of_nothing_or_of_one_number(values, shown):
    assert histogram(values, 5) == shown
