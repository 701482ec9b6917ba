"""The display: messages, and progress on a terminal and in a log."""

import io
import re
import shlex

import pytest
from rich.cells import cell_len
from rich.console import Console

from metadisco.config import OuterConfig
from metadisco.evolution.course import Course
from metadisco.evolution.describe import describe, describe_in_columns
from metadisco.evolution.display import Display
from metadisco.evolution.pace import Pace, in_words
from metadisco.evolution.shell import broken
from metadisco.evolution.status import Status, render

ROW = {
    "generation": 4,
    "fitness_mean": 123.456,
    "fitness_std": 7.0,
    "fitness_best": 130.0,
    "failed_members": 0,
    "env_steps_per_second": 250_000.4,
}
CENTRE = {
    "centre_fitness": 99.0,
    "centre_half_width": 4.0,
    "baseline_fitness": 90.0,
    "centre_minus_baseline": 9.0,
    "centre_minus_baseline_error": 1.0,
}
TIME = re.compile(r"^\d\d:\d\d:\d\d  ", re.MULTILINE)


def course(*rows, **outer):
    """Return what the display shows after some rows."""
    return Course(OuterConfig(num_generations=40, **outer), rows, len(rows), "2 CPU devices")


def screen(status, width):
    """Return the lines that a terminal of some width shows."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, legacy_windows=False)
    console.print(render(status, width))
    return console.file.getvalue().rstrip("\n").split("\n")


class TestDescribe:
    def test_a_row_without_failures_shows_none(self):
        assert describe(ROW) == "mean 123.5  ± 7  best 130  steps/s 250,000"

    def test_failures_and_the_centre_are_shown_where_there_are_any(self):
        text = describe(ROW | {"failed_members": 2, "centre_fitness": 99.0, "fitness_mean": None})
        assert "mean -" in text and "failed 2" in text and "centre 99" in text

    def test_a_generation_that_taught_nothing_says_so_in_words(self):
        text = describe(ROW | {"step_skipped": True, "centre_fitness": None})
        assert text.endswith("centre failed  nothing learned: all members have the same fitness")

    def test_numbers_of_one_search_stand_below_each_other(self):
        rows = [ROW, ROW | {"failed_members": 12, "fitness_mean": -0.01234}, ROW | CENTRE]
        lines = [describe_in_columns(row | {"metrics/reward": -1.5}) for row in rows]
        for label in ("mean", "±", "best", "failed", "steps/s", "reward"):
            assert len({line.index(label) for line in lines}) == 1, label


class TestLog:
    def test_without_a_terminal_each_line_has_a_time_and_what_is_left(self, capsys):
        with Display() as display:
            shown = course()
            shown.show(display)
            shown.generation(ROW, display)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert TIME.match(captured.err)
        assert "  generation 5/40   elapsed 0:00:00  left " in captured.err
        assert captured.err.count("\n") == 1

    def test_a_command_stays_in_the_line_of_its_message(self, capsys):
        Display().say("to continue:", "metadisco evolve " + "x" * 200)
        assert capsys.readouterr().err.endswith("to continue: metadisco evolve " + "x" * 200 + "\n")

    def test_units_are_counted_with_their_facts(self, capsys):
        progress = Display().counting("cell")
        progress(0, 2, "")
        progress(1, 2, "ppo on a/b")
        progress(2, 2, "dpo on a/b")
        lines = capsys.readouterr().err.splitlines()
        assert [line.partition("  ")[2].partition("  ")[0] for line in lines] == ["cell 1/2", "cell 2/2"]
        assert lines[1].endswith("left 0:00:00  dpo on a/b")

    def test_quiet_shows_nothing(self, capsys):
        with Display(quiet=True) as display:
            display.say("hello", "metadisco list")
            shown = course()
            shown.show(display)
            shown.generation(ROW, display)
        assert capsys.readouterr() == ("", "")


class TestTerminal:
    @pytest.mark.parametrize("width", [40, 80, 120])
    def test_no_line_is_wider_than_the_terminal(self, width):
        rows = [ROW | CENTRE | {"generation": number, "metrics/a_long_name": 1e6 / 7} for number in range(30)]
        status = Status("generation", 40, Pace(30), course(*rows, baseline="ppo").facts)
        assert all(cell_len(line) <= width for line in screen(status, width))

    def test_a_wider_terminal_shows_more_of_the_course(self):
        rows = [ROW | CENTRE | {"generation": number, "centre_fitness": float(number)} for number in range(40)]
        narrow, wide = (dict(course(*rows).facts(width))["centre"].split()[0] for width in (80, 120))
        assert 8 <= len(narrow) < len(wide) <= 40
        assert (wide[0], wide[-1]) == ("▁", "█")

    def test_it_shows_the_centre_the_best_one_the_baseline_and_the_checkpoint(self):
        rows = [
            ROW | CENTRE | {"generation": number, "centre_fitness": value} for number, value in ((3, 120.0), (7, 99.0))
        ]
        shown = course(*rows, baseline="ppo")
        shown.saved(8)
        facts = dict(shown.facts(80))
        assert "99 ± 4" in facts["centre"] and "best 120 (generation 4)" in facts["centre"]
        assert facts["baseline"].startswith("ppo 90") and "+9 ± 2" in facts["baseline"]
        assert facts["checkpoint"].startswith("after generation 8, 0:00:0")
        assert facts["devices"] == "2 CPU devices"

    def test_failures_and_metrics_of_the_problem_stay_visible(self):
        row = ROW | {"failed_members": 3, "step_skipped": True, "fitness_mean": None, "metrics/reward": -0.5}
        facts = dict(course(row).facts(80))
        assert "3 of 64 failed" in facts["generation"] and "nothing learned: all members failed" in facts["generation"]
        assert facts["metrics"] == "reward -0.5"

    def test_a_centre_that_failed_is_a_gap_in_the_course(self):
        rows = [ROW | CENTRE | {"centre_fitness": value} for value in (1.0, None, 2.0, None)]
        assert dict(course(*rows).facts(80))["centre"].startswith("▁ █  failed")

    @pytest.mark.parametrize(("every", "told"), [(6, "after generation 6"), (0, "not evaluated")])
    def test_before_the_first_evaluation_the_mean_of_the_population_is_shown(self, every, told):
        assert told in dict(course(ROW, evaluate_every=every).facts(80))["centre"]

    def test_work_of_one_unit_shows_no_bar_and_no_time_left(self):
        (first, second) = screen(Status("training", 1, Pace(), lambda width: [("", "16 agents")]), 80)
        assert "training" in first and "left" not in first and "16 agents" in second


class TestPace:
    def made(self, *seconds):
        """Return a pace with one unit after so many seconds each."""
        times = iter([0.0, *(sum(seconds[: number + 1]) for number in range(len(seconds)))])
        last = [0.0]

        def clock():
            last[0] = next(times, last[0])
            return last[0]

        pace = Pace(clock=clock)
        for number in range(len(seconds)):
            pace.mark(number + 1)
        return pace

    def test_the_rest_takes_as_long_each_as_what_is_done(self):
        assert self.made(2.0, 4.0).left(10) == pytest.approx(24.0)

    def test_units_that_were_only_loaded_do_not_count(self):
        assert self.made(0.001, 0.001, 5.0).left(5) == pytest.approx(10.0)

    def test_nothing_is_known_before_the_first_unit(self):
        assert self.made().left(3) is None

    def test_what_is_done_needs_no_time(self):
        assert self.made(1.0).left(1) == 0

    @pytest.mark.parametrize(("seconds", "words"), [(0, "0:00:00"), (3723.4, "1:02:03"), (360_000, "100:00:00")])
    def test_durations_are_hours_minutes_and_seconds(self, seconds, words):
        assert in_words(seconds) == words
        assert len(in_words(None)) == len("0:00:00")


class TestCommands:
    WORDS = (
        "metadisco",
        "evaluate",
        "--objectives",
        "ppo",
        "my run",
        "it's",
        "--envs",
        "gymnax/CartPole-v1",
        "--quiet",
    )

    @pytest.mark.parametrize("width", [10, 40, 60, 80, 200])
    def test_a_broken_command_means_the_same_and_fits(self, width):
        lines = broken(shlex.join(self.WORDS), width)
        assert tuple(shlex.split("\n".join(lines).replace("\\\n", ""))) == self.WORDS
        assert width == 10 or all(len(line) <= width for line in lines)
        assert (len(lines) == 1) == (width == 200)
        assert all(line.endswith(" \\") for line in lines[:-1])

    def test_an_option_stays_with_its_value(self):
        assert any("--envs gymnax/CartPole-v1" in line for line in broken(shlex.join(self.WORDS), 50))

    def test_no_command_has_no_lines(self):
        assert broken("", 80) == []
