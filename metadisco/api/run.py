"""A run directory, to be read from Python."""

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metadisco.config import Config
from metadisco.config.problems import finds_objective
from metadisco.discoveries.published import located
from metadisco.errors import UserError
from metadisco.evolution.describe import describe
from metadisco.storage.files import Name, text_of
from metadisco.storage.runs import RunDirectory
from metadisco.types import MetaParams

if TYPE_CHECKING:
    import pandas


class Run:
    """A search on disk: its settings, its metrics, and what it has learned so far. Reading it changes nothing.

    It can be given in place of any name or path. Each access reads the current state of the files.

    Args:
        path: of the run directory, or the name of a discovery that comes with the package.

    Raises:
        UserError: if the path is not that of a run.

    Example:
        run = metadisco.Run("runs/first")
        run.metrics.plot(x="generation", y="fitness_mean")
        objective = run.bound()  # of the newest centre; run.bound(run.generations[0]) is where the search started
    """

    def __init__(self, path: Name):
        self._directory = RunDirectory(Path(located(text_of(path, "run"))))
        if not self._directory.exists:
            raise UserError(f"run: got {text_of(path)!r}, where no run is, allowed: the path of one")

    @property
    def path(self) -> Path:
        """The run directory, as an absolute path."""
        return self._directory.path

    @property
    def config(self) -> Config:
        """All settings, defaults filled in."""
        return self._directory.config()

    @property
    def metrics(self) -> "pandas.DataFrame":
        """A row per generation and a column per key of metrics.jsonl; NaN where there is no value.

        The keys are those of the table in docs/interfaces.md: `fitness_mean`, `env_steps` and so on.
        """
        import pandas

        rows = self._directory.metrics()
        return pandas.DataFrame(
            [{key: float("nan") if value is None else value for key, value in row.items()} for row in rows]
        )

    @property
    def generations(self) -> list[int]:
        """The numbers of generations after which a search centre was saved, in order; 0 is the start."""
        return self._directory.centre_generations()

    def centre(self, generation: int | None = None) -> MetaParams:
        """Return the meta-parameters at the search centre, as a pytree of float32 arrays.

        Args:
            generation: after how many generations, one of `generations`; the newest if left out.

        Raises:
            UserError: if no centre was saved then, or it does not fit the installed code.
        """
        from metadisco.discoveries.meta_problems import load_meta_params

        return load_meta_params(self._name(generation))

    def bound(self, generation: int | None = None) -> Any:
        """Return what the meta-parameters define: an `Objective`, or whatever the problem's parametrisation binds.

        Args:
            generation: as for `centre`.

        Raises:
            UserError: as for `centre`; or if the problem has no parametrisation.
        """
        from metadisco.discoveries.load import load_objective
        from metadisco.objectives.arithmetic import in_float32
        from metadisco.parametrisations import make_parametrisation

        config = self.config
        if finds_objective(config.problem):
            return load_objective(self._name(generation))
        if not config.parametrisation:
            raise UserError(
                f"{str(self.path)!r}: its problem {config.problem['name']} has no parametrisation, so that its "
                "meta-parameters define nothing by themselves, allowed: centre()"
            )
        return in_float32(make_parametrisation(config.parametrisation).bind)(self.centre(generation))

    def _name(self, generation: int | None) -> str:
        return str(self.path) if generation is None else f"{self.path}@{generation}"

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """Return the setup and progress of the run as an HTML table, for notebooks."""
        config, rows = self.config, self._directory.metrics()
        facts = {
            "learned": (config.parametrisation or config.problem)["name"],
            "environments": ", ".join(dict.fromkeys(task.env for task in config.tasks)),
            "strategy": f"{config.outer.strategy.name}, {config.outer.strategy.population_size} members",
            "generations": f"{len(rows)} of {config.outer.num_generations}",
            "newest": describe(rows[-1]) if rows else "",
        }
        lines = (f"<tr><th>{name}</th><td>{escape(fact)}</td></tr>" for name, fact in facts.items() if fact)
        return f"<table><caption>{escape(repr(self))}</caption>{''.join(lines)}</table>"
