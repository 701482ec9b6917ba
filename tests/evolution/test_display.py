"""Display of a generation."""

from metadisco.evolution.display import Display, describe

ROW = {
    "generation": 4,
    "fitness_mean": 123.456,
    "fitness_std": 7.0,
    "fitness_best": 130.0,
    "failed_members": 0,
    "env_steps_per_second": 250_000.4,
}


def test_a_row_without_failures_shows_none():
    assert describe(ROW) == "mean 123.5  ± 7  best 130  steps/s 250,000"


def test_failures_and_the_centre_are_shown_where_there_are_any():
    text = describe(ROW | {"failed_members": 2, "centre_fitness": 99.0, "fitness_mean": None})
    assert "mean -" in text and "failed 2" in text and "centre 99" in text


def test_a_generation_that_taught_nothing_says_so_in_words():
    text = describe(ROW | {"step_skipped": True, "centre_fitness": None})
    assert text.endswith("centre failed  nothing learned: all members have the same fitness")


def test_without_a_terminal_plain_lines_go_to_stderr(capsys):
    with Display() as display:
        display.start(0, 8)
        display.generation(ROW)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "generation 5/8  mean 123.5  ± 7  best 130  steps/s 250,000\n"


def test_quiet_shows_nothing(capsys):
    with Display(quiet=True) as display:
        display.say("hello")
        display.start(0, 8)
        display.generation(ROW)
    assert capsys.readouterr() == ("", "")
