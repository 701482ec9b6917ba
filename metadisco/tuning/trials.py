"""Finished trials of a search, in a file of JSON lines from which a stopped search resumes. Axes: S seeds."""

import contextlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metadisco.config import flatten
from metadisco.errors import UserError, shown
from metadisco.storage.files import with_nulls
from metadisco.tuning.ranges import Values

FILE = "trials.jsonl"
FORMAT, VERSION = "metadisco tune", 1
SCORES = ("area_under_curve", "final_return")
BASE = -1
"""Number of the settings before tuning."""


class Trial(NamedTuple):
    """Settings that were proposed, and their score."""

    values: Values
    score: float


class Job(NamedTuple):
    """Settings of one objective that are trained together in one environment: all are in the file, or none is."""

    stage: str
    """`search`, `choice` or `report`."""
    objective: str
    env: str
    seeds: tuple[int, int]
    """First seed, and the one after the last."""
    numbers: tuple[int, ...]
    """Of the settings, in the order in which they were proposed; BASE for those before tuning."""
    values: tuple[Values, ...]
    """The settings by dotted key."""

    @property
    def num_seeds(self) -> int:
        """Agents of each setting."""
        return self.seeds[1] - self.seeds[0]


Scores = Mapping[str, np.ndarray]
"""Each of SCORES, [S]; NaN for a failed lifetime."""


class Trials:
    """The file of a search: a header that says what is searched, then one line for each setting of each job.

    Lines are appended job by job, each job in one piece, so that a kill can only tear the last one, which is
    then trained again.

    Args:
        path: of the file; may be missing.
        header: identity of the search, as plain data.

    Raises:
        UserError: if the file is of another search.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]):
        self._path = path
        self._rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.references: dict[str, list[float]] = {}
        """Scores that count as 0 and 1, by environment, where they were measured."""
        self._begun, self._header = path.exists() and self._read(header), header

    def _read(self, header: Mapping[str, Any]) -> bool:
        """Read the file and cut off a torn line; return whether there was anything."""
        content = self._path.read_bytes()
        complete = content[: content.rfind(b"\n") + 1]
        if not complete and content.startswith(b'{"format"'):  # killed while the header was written
            os.truncate(self._path, 0)
            return False
        rows = []
        for line in complete.decode(errors="replace").splitlines():
            with contextlib.suppress(ValueError, RecursionError):
                rows.append(json.loads(line))
        _check_same(rows[0] if rows else None, header, self._path.parent)
        if len(complete) < len(content):
            os.truncate(self._path, len(complete))
        for row in rows[1:]:
            self._take(row)
        return True

    def _take(self, row: dict[str, Any]) -> None:
        if row.get("stage") == "reference":
            self.references[row["env"]] = [row["zero"], row["one"]]
        else:
            self._rows[_place(row["stage"], row["objective"], row["env"], row["seeds"], row["setting"])] = row

    def _append(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write rows in one piece, behind the header, and wait until they are on the disk."""
        lines = [self._header, *rows] if not self._begun else rows
        content = "".join(json.dumps(row, allow_nan=False) + "\n" for row in lines).encode()
        with self._path.open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._begun = True
        for row in rows:
            self._take(row)

    def begin(self) -> None:
        """Write the header, unless it is there; the folder is that of this search from now on."""
        if not self._begun:
            self._append([])

    def keep_references(self, references: Mapping[str, Sequence[float]]) -> None:
        """Keep the measured scale of each environment."""
        rows = [{"stage": "reference", "env": env, "zero": a, "one": b} for env, (a, b) in references.items()]
        self._append(rows)

    def has(self, job: Job) -> bool:
        """Return whether a whole job is kept."""
        return all(self._key(job, number) in self._rows for number in job.numbers)

    def keep(self, job: Job, scores: Sequence[Scores]) -> None:
        """Append the scores of a job."""
        self._append(
            [
                {
                    "stage": job.stage,
                    "objective": job.objective,
                    "env": job.env,
                    "seeds": list(job.seeds),
                    "setting": number,
                    "values": values,
                    **{name: with_nulls(np.asarray(each[name])) for name in SCORES},
                }
                for number, values, each in zip(job.numbers, job.values, scores, strict=True)
            ]
        )

    def _key(self, job: Job, number: int) -> tuple[Any, ...]:
        return _place(job.stage, job.objective, job.env, job.seeds, number)

    def proposed(self, objective: str, numbers: Iterable[int]) -> list[Values] | None:
        """Return the values of settings of the search by their numbers; None unless all are kept."""
        values = self.values(objective)
        numbers = list(numbers)
        return [values[number] for number in numbers] if all(number in values for number in numbers) else None

    def values(self, objective: str) -> dict[int, Values]:
        """Return the values of all settings of the search by their numbers."""
        rows = (row for row in self._rows.values() if (row["stage"], row["objective"]) == ("search", objective))
        return {row["setting"]: row["values"] for row in rows}

    def scores(self, stage: str, objective: str, env: str, score: str) -> dict[int, np.ndarray]:
        """Return the scores [S] of all settings that a stage has trained in an environment; NaN for failed lifetimes.

        Seeds are in order; where rounds of halving trained several parts of them, all are there.
        """
        found: dict[int, list[tuple[int, list[float | None]]]] = {}
        for row in self._rows.values():
            if (row["stage"], row["objective"], row["env"]) == (stage, objective, env):
                found.setdefault(row["setting"], []).append((row["seeds"][0], row[score]))
        return {
            number: np.concatenate([np.array(scores, float) for _, scores in sorted(parts, key=lambda part: part[0])])
            for number, parts in found.items()
        }

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All rows, in the order of the file."""
        return list(self._rows.values())


def _place(*parts: Any) -> tuple[Any, ...]:
    return tuple(tuple(part) if isinstance(part, list) else part for part in parts)


def _check_same(found: Any, header: Mapping[str, Any], folder: Path) -> None:
    """Refuse the folder of another search, naming the first difference."""
    other = UserError(f"output: {str(folder)!r} holds a file {FILE} that is no search of this version")
    if not isinstance(found, dict) or found.get("format") != FORMAT or found.get("version") != VERSION:
        raise other
    ours, theirs = flatten(_without_outer(json.loads(json.dumps(header)))), flatten(_without_outer(found))
    for key in (*ours, *theirs):
        if ours.get(key) != theirs.get(key):
            raise UserError(
                f"output: {str(folder)!r} holds another search, whose {key.removeprefix('search.')} is "
                f"{shown(theirs.get(key))} and not {shown(ours.get(key))}; allowed: a new folder"
            )


def _without_outer(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return a header without the parts that may change between two starts."""
    search = {key: value for key, value in header.get("search", {}).items() if key != "outer"}
    return {**header, "search": search, "metadisco": None}
