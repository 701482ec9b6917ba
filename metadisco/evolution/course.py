"""What the live display of a search shows: the course of the centre, the last generation, checkpoint and devices."""

from collections.abc import Iterable

from metadisco.config import OuterConfig
from metadisco.evolution.describe import METRICS, SPEED, Row, describe_in_columns, notes_of, number, rough, under
from metadisco.evolution.display import Display
from metadisco.evolution.pace import Pace, in_words
from metadisco.evolution.sparkline import sparkline
from metadisco.evolution.status import MARGIN, Status

LABELS = 14
"""Characters that labels take of a line."""
NORMAL = 1.96
"""Standard errors in half a 95 % interval."""
MIN_SPARKS, MAX_SPARKS = 8, 40


class Course:
    """Facts about a search for its display.

    Args:
        outer: settings of the search.
        rows: rows of previous generations.
        done: number of completed generations.
        devices: on which it runs, in words.
    """

    def __init__(self, outer: OuterConfig, rows: Iterable[Row], done: int, devices: str):
        self._outer, self._devices = outer, devices
        self._pace = Pace(done)
        self._saved = done
        self._since_save: Pace | None = None
        self._last: Row = {}
        self._centres: list[Row] = []
        self._means: list[float | None] = []
        for row in rows:
            self._note(row)

    def _note(self, row: Row) -> None:
        self._last = row
        self._means.append(row.get("fitness_mean"))
        if "centre_fitness" in row:
            self._centres.append(row)

    def show(self, display: Display) -> None:
        """Start a live display, or lines of a log."""
        display.follow(Status("generation", self._outer.num_generations, self._pace, self.facts))

    def generation(self, row: Row, display: Display) -> None:
        """Note a generation that is done."""
        self._note(row)
        self._pace.mark(row["generation"] + 1)
        display.log(describe_in_columns(row))

    def saved(self, generation: int) -> None:
        """Note a checkpoint."""
        self._saved, self._since_save = generation, Pace()

    def facts(self, width: int) -> list[tuple[str, str]]:
        """Return labels and texts, the sparkline as long as a line of so many characters allows."""
        return [
            ("centre", self._centre(width - LABELS)),
            ("baseline", self._baseline()),
            ("tasks", _listed(under("centre_fitness/", self._centres[-1]) if self._centres else {})),
            ("generation", self._generation()),
            ("metrics", _listed(under(METRICS, self._last))),
            ("checkpoint", f"after generation {self._saved}{self._ago()}"),
            ("devices", self._devices),
        ]

    def _ago(self) -> str:
        """Return how long ago the last checkpoint was saved, if this command saved it."""
        return "" if self._since_save is None else f", {in_words(self._since_save.elapsed)} ago"

    def _centre(self, room: int) -> str:
        """Return past fitness of the centre, the latest one with its interval, and the best one."""
        every = self._outer.evaluate_every
        if not self._centres:
            when = f"first evaluated after generation {every}" if every else "not evaluated (outer.evaluate_every=0)"
            return f"{sparkline(self._means, MIN_SPARKS * 2)} mean of the population; {when}" if self._means else when
        words = MARGIN.join(self.summary())
        past = [row["centre_fitness"] for row in self._centres]
        return f"{sparkline(past, min(max(room - len(words) - 1, MIN_SPARKS), MAX_SPARKS))} {words}"

    def summary(self) -> list[str]:
        """Return the latest fitness of the centre, and the best one; nothing if it was never evaluated."""
        if not self._centres:
            return []
        last = self._centres[-1]
        half = last.get("centre_half_width")
        latest = "failed" if last["centre_fitness"] is None else number(last["centre_fitness"])
        known = [row for row in self._centres if row["centre_fitness"] is not None]
        best = max(known, key=lambda row: float(row["centre_fitness"]), default=None)
        so_far = f"best {number(best['centre_fitness'])} (generation {best['generation'] + 1})" if best else ""
        return list(filter(None, [latest + (f" ± {rough(half)}" if half else ""), so_far]))

    def _baseline(self) -> str:
        """Return the fitness of the baseline, and how far the centre is above it on the same seeds."""
        last = self._centres[-1] if self._centres else {}
        if last.get("baseline_fitness") is None:
            return ""
        difference, error = (last.get(f"centre_minus_baseline{part}") for part in ("", "_error"))
        interval = f" ± {rough(NORMAL * error)}" if error else ""
        above = "" if difference is None else f"{MARGIN}centre minus baseline {difference:+.4g}{interval}"
        return f"{self._outer.baseline or ''} {number(last['baseline_fitness'])}{above}".strip()

    def _generation(self) -> str:
        """Return the numbers of the last generation."""
        row, size = self._last, self._outer.strategy.population_size
        if not row:
            return ""
        failed = f"{row['failed_members']} of {size} failed" if row.get("failed_members") else ""
        known = row.get("fitness_mean") is not None
        spread = f"mean {number(row['fitness_mean'])} ± {rough(row.get('fitness_std'))}" if known else ""
        best = f"best {number(row.get('fitness_best'))}" if known else ""
        speed = f"{number(row[SPEED])} steps/s" if row.get(SPEED) else ""
        return MARGIN.join(filter(None, [spread, best, failed, *notes_of(row), speed]))


def _listed(values: dict[str, float | None]) -> str:
    """Return names and numbers other than 0."""
    return MARGIN.join(f"{name} {number(value)}" for name, value in values.items() if value)
