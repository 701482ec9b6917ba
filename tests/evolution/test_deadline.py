"""Prediction of whether another generation fits into the time limit."""

import time

import pytest

from metadisco.errors import UserError
from metadisco.evolution.deadline import EXIT_SECONDS, MARGIN, WINDOW, Deadline

HOUR = 3600.0


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands where it is set; the command started at 1000."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def set_to(seconds):
        now[0] = 1000.0 + seconds

    return set_to


def deadline_of(hours, plain=(), evaluated=(), saves=()):
    deadline = Deadline(hours, 1000.0)
    for seconds in plain:
        deadline.note_generation(seconds, evaluated=False)
    for seconds in evaluated:
        deadline.note_generation(seconds, evaluated=True)
    for seconds in saves:
        deadline.note_save(seconds)
    return deadline


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "-inf", "many", "", "1h", "1,5"])
def test_what_is_no_positive_number_is_refused(hours):
    with pytest.raises(UserError, match=r"^max_hours: got .* allowed: a positive number of hours"):
        Deadline(hours, 0.0)


def test_without_a_limit_everything_fits(clock):
    deadline = deadline_of(None, plain=[1e9])
    deadline.check_start([1e9])
    assert deadline.fits(evaluated=True)


def test_a_generation_and_a_checkpoint_with_a_margin_have_to_fit(clock):
    deadline = deadline_of("1", plain=[100.0], saves=[10.0])
    needed = MARGIN * 110 + EXIT_SECONDS
    clock(HOUR - needed - 1)
    assert deadline.fits(evaluated=False)
    clock(HOUR - needed + 1)
    assert not deadline.fits(evaluated=False)


def test_a_generation_with_the_centre_evaluated_counts_as_it_was_or_twice_if_none_was_seen(clock):
    clock(HOUR - MARGIN * 150 - EXIT_SECONDS)
    assert deadline_of("1", plain=[100.0]).fits(evaluated=False)
    assert not deadline_of("1", plain=[100.0]).fits(evaluated=True)
    assert deadline_of("1", plain=[100.0], evaluated=[149.0]).fits(evaluated=True)
    assert not deadline_of("1", plain=[100.0], evaluated=[151.0]).fits(evaluated=True)
    assert not deadline_of("1", evaluated=[151.0]).fits(evaluated=False)


def test_the_longest_of_the_newest_counts_and_old_ones_are_forgotten(clock):
    clock(HOUR - 500)
    assert not deadline_of("1", plain=[1000.0, *[10.0] * (WINDOW - 1)]).fits(evaluated=False)
    assert deadline_of("1", plain=[1000.0, *[10.0] * WINDOW]).fits(evaluated=False)


def test_a_start_after_which_nothing_fits_is_refused_with_what_it_took(clock):
    deadline = deadline_of("0.01")
    clock(12)
    deadline.check_start([])
    deadline.check_start([500.0, 3.0])
    told = r"got 0.01 \(36 s\), but starting took 12 s and a generation lasts 14 s: not even one generation fits"
    with pytest.raises(UserError, match=told):
        deadline.check_start([500.0, 14.0])
    clock(25)
    with pytest.raises(UserError, match="starting took 25 s: not even one generation fits"):
        deadline.check_start([])


def test_where_starting_was_slow_more_is_left_for_ending_but_no_more_than_a_minute(clock):
    for start, leave in ((10.0, EXIT_SECONDS + 5), (1000.0, 60.0)):
        deadline = deadline_of("1")
        clock(start)
        deadline.check_start([])
        clock(HOUR - leave - 1)
        assert deadline.fits(evaluated=False)
        clock(HOUR - leave + 1)
        assert not deadline.fits(evaluated=False)
