"""Optuna: proposals of TPE, importances, and a journal that its dashboard opens. Its studies are kept in memory."""

import contextlib
import datetime
import json
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

from metadisco.storage.files import write_atomically
from metadisco.tuning.ranges import Range, Values
from metadisco.tuning.trials import Trial

EPOCH = datetime.datetime(2000, 1, 1)
"""In place of times, which a search does not keep: equal searches write equal journals."""
WORKER = "metadisco"
"""In place of the process that wrote a line of the journal, for the same reason."""
MIN_TRIALS = 10
"""Below these importances are noise, and Optuna warns."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from logging every trial, and from warning that a sampler's option is experimental."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)


def ask(ranges: Sequence[Range], trials: Sequence[Trial], num: int, seed: int, *, num_startup: int) -> list[Values]:
    """Return proposals of the tree-structured Parzen estimator (Bergstra et al., 2011; Optuna's, multivariate).

    All are made before any is judged: earlier ones of the batch count as bad meanwhile (`constant_liar`), so that
    proposals stay apart.

    Args:
        ranges: of the settings.
        trials: with scores, which are finite.
        num: number of proposals.
        seed: of the sampler.
        num_startup: proposals at random before the estimator is used.
    """
    with _quiet():
        sampler = TPESampler(
            seed=seed, multivariate=True, constant_liar=True, n_startup_trials=max(num_startup, MIN_TRIALS)
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.add_trials([_frozen(ranges, trial, number) for number, trial in enumerate(trials)])
        distributions = _distributions(ranges)
        asked = [study.ask(distributions) for _ in range(num)]
    return [{each.key: _value(each, trial.params[each.key]) for each in ranges} for trial in asked]


def importances(ranges: Sequence[Range], trials: Sequence[Trial]) -> dict[str, float]:
    """Return how much each setting matters for being among the best tenth, most important first; they sum to 1.

    PED-ANOVA (Watanabe et al., 2023): how far the distribution of a setting among the best trials is from that among
    all. Empty for fewer than MIN_TRIALS trials.
    """
    if len(trials) < MIN_TRIALS:
        return {}
    with _quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(direction="maximize")
        study.add_trials([_frozen(ranges, trial, number) for number, trial in enumerate(trials)])
        found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    return {key: float(share) for key, share in sorted(found.items(), key=lambda each: (-each[1], each[0]))}


def write_journal(path: Path, studies: Mapping[str, tuple[Sequence[Range], Sequence[Trial]]]) -> None:
    """Write all trials as Optuna's journal file, one study for each objective; the file appears as a whole.

    `optuna-dashboard study.journal` opens it, and `JournalStorage(JournalFileBackend(path))` reads it.
    """
    backend = _Lines()
    with _quiet():
        storage: BaseStorage = JournalStorage(backend)
        for name, (ranges, trials) in studies.items():
            study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
            study.add_trials([_frozen(ranges, trial, number) for number, trial in enumerate(trials)])
    lines = (json.dumps(line | {"worker_id": WORKER}, separators=(",", ":")) for line in backend.lines)
    write_atomically(path, "".join(f"{line}\n" for line in lines))


class _Lines(BaseJournalBackend):
    """A journal in memory; `JournalFileBackend` would wait for the disk at every trial."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield lines from a number on."""
        yield from self.lines[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append lines."""
        self.lines += logs


def _frozen(ranges: Sequence[Range], trial: Trial, number: int) -> FrozenTrial:
    return FrozenTrial(
        number=number,
        state=TrialState.COMPLETE,
        value=trial.score,
        datetime_start=EPOCH,
        datetime_complete=EPOCH,
        params={each.key: _param(each, trial.values[each.key]) for each in ranges},
        distributions=_distributions(ranges),
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=number,
    )


def _distributions(ranges: Sequence[Range]) -> dict[str, BaseDistribution]:
    made: dict[str, BaseDistribution] = {}
    for each in ranges:
        if each.kind == "choices":
            made[each.key] = CategoricalDistribution([json.dumps(choice) for choice in each.choices])
        elif each.kind == "whole":
            made[each.key] = IntDistribution(int(each.low), int(each.high))
        else:
            made[each.key] = FloatDistribution(each.low, each.high, log=each.kind == "log")
    return made


def _param(range_: Range, value: Any) -> Any:
    """Return a value as Optuna has it: choices, which may be lists, as JSON."""
    return json.dumps(value) if range_.kind == "choices" else value


def _value(range_: Range, param: Any) -> Any:
    """Return the value of a parameter of Optuna."""
    if range_.kind == "choices":
        return range_.choices[[json.dumps(choice) for choice in range_.choices].index(param)]
    return range_.rounded(param) if range_.kind != "whole" else int(param)
