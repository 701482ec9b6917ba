"""Warnings about problems that do not stop a search, derived from its rows."""

from collections.abc import Iterable, Mapping
from typing import Any

from metadisco.evolution.describe import describe_skip

FIRST_NOTICE = 5  # generations in a row; repeated at each doubling only, so as not to fill the screen


def is_notable(count: int) -> bool:
    """Return whether to warn after so many generations in a row: after 5, 10, 20, 40 and so on."""
    return count >= FIRST_NOTICE and count % FIRST_NOTICE == 0 and (count // FIRST_NOTICE).bit_count() == 1


class Notices:
    """Counts generations that were skipped, in which most members failed, or in which no episode ended.

    Args:
        rows: rows of previous generations.
        population_size: number of members.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], population_size: int):
        self._population_size = population_size
        self._skipped_in_a_row, self._failing_in_a_row, self._skipped = 0, 0, 0
        self._no_episode = False
        for row in rows:
            self.note(row)

    def note(self, row: Mapping[str, Any]) -> list[str]:
        """Count a row and return warnings about it."""
        skipped = bool(row.get("step_skipped"))
        failing = 2 * (row.get("failed_members") or 0) >= self._population_size
        self._skipped += skipped
        self._skipped_in_a_row = self._skipped_in_a_row + 1 if skipped else 0
        self._failing_in_a_row = self._failing_in_a_row + 1 if failing else 0
        sentences = []
        if is_notable(self._skipped_in_a_row):
            sentences.append(
                f"{describe_skip(row)}, for {self._skipped_in_a_row} generations in a row; the search stands still "
                f"({_advice(failing, row)})"
            )
        elif is_notable(self._failing_in_a_row):
            sentences.append(
                f"half of the members or more failed, for {self._failing_in_a_row} generations in a row: their "
                f"fitness was not finite ({_advice(failing, row)})"
            )
        if row.get("lives_without_episode") and not self._no_episode:
            self._no_episode = True
            sentences.append(
                f"in {row['lives_without_episode']} lifetimes no episode ended: their fitness is the return of "
                "evaluation episodes, cut at the time limit (a larger inner.ppo.num_env_steps lets episodes end)"
            )
        return sentences

    def summary(self) -> str:
        """Return a summary of skipped generations for the final message; empty if there are none."""
        return f"; in {self._skipped} of them nothing was learned" if self._skipped else ""


def _advice(failing: bool, row: Mapping[str, Any]) -> str:
    """Return advice; for problems that train PPO it includes settings of PPO."""
    trains = "lives_without_episode" in row
    if failing:
        return f"a smaller outer.strategy.std{' or inner.ppo.learning_rate' if trains else ''} may help"
    return f"a larger outer.strategy.std{', longer lifetimes or another inner.fitness' if trains else ''} may help"
