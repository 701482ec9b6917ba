"""What is said when a search begins: its cost, its devices, and what differs from the last start."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from metadisco.config import Config, OuterConfig
from metadisco.outer.gpus import unused_gpu

if TYPE_CHECKING:
    from metadisco.outer.evaluate import Evaluator

DIGESTS = ("code", "opponents")
"""Keys of provenance.json that hold digests by name."""


def opening(name: str, config: Config, evaluator: "Evaluator") -> list[str]:
    """Describe the cost of a generation and the devices, in sentences.

    Args:
        name: of the run.
        config: of the search.
        evaluator: compiled.
    """
    outer, tasks = config.outer, config.tasks
    each = evaluator.env_steps // outer.num_evaluations
    where = f" on {len(tasks)} environments" if len(tasks) > 1 else ""
    steps = f" of {each:,} steps{where} = {evaluator.env_steps:,} steps a generation" if each else " a generation"
    memory = "unknown" if evaluator.chunk_bytes is None else f"{evaluator.chunk_bytes / 2**20:,.1f} MiB"
    return [
        f"{name}: {outer.strategy.name}, {outer.strategy.population_size} members × "
        f"{outer.num_rollouts} rollouts{steps}",
        *baseline_cost(outer, len(tasks) or 1, evaluator),
        f"{describe_devices(evaluator)}, chunks of {evaluator.chunk_size} evaluations; memory per device {memory}; "
        f"compiled in {evaluator.compile_seconds:.1f} s",
        *filter(None, [unused_gpu(evaluator.platform)]),
    ]


def describe_devices(evaluator: "Evaluator") -> str:
    """Return the devices of a search in words."""
    number, platform = evaluator.num_devices, evaluator.platform.upper()
    of = f" of {evaluator.num_processes} processes" if evaluator.num_processes > 1 else ""
    aloud = ", the GPU here is NOT used" if unused_gpu(evaluator.platform) else ""
    return f"{number} {platform} device{'' if number == 1 else 's'}{of}{aloud}"


def baseline_cost(outer: OuterConfig, num_tasks: int, evaluator: "Evaluator") -> list[str]:
    """Describe the lifetimes that the baseline of a search costs; empty without a baseline."""
    every = f"whenever the centre is evaluated, every {outer.evaluate_every} generations"
    uses = (
        (evaluator.num_baselines, every if outer.evaluate_every != 1 else "as the centre is evaluated"),
        (evaluator.num_baselines_per_generation, "in each generation, as the scale of capped_mean"),
    )
    costs = [f"{number * num_tasks:,} more lifetimes {when}" for number, when in uses if number]
    name = outer.baseline or "of the problem"
    return [f"baseline {name}: {'; '.join(costs)}"] if costs else []


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describe how devices and settings differ from the previous start of a run, and what this means for its numbers.

    Args:
        before: the newest entry of provenance.json; empty for a new run.
        now: `processes`, `devices`, `platform`, `chunk_size`, and digests: `code`, of user-defined code by name, and
            `opponents`, of saved agents by path.
    """
    old = {"processes": 1, **before} if before else {}
    changed = [name for name in now if name in old and old[name] != now[name]]
    exact = "platform" not in changed and "chunk_size" not in changed and now["platform"] == "cpu"
    same = exact and now["chunk_size"] == 1
    what = "numbers stay bit-identical" if same else "numbers agree to float tolerance only"
    edited, retrained = (
        [name for name, digest in now.get(kind, {}).items() if old.get(kind, {}).get(name, digest) != digest]
        for kind in DIGESTS
    )
    return [
        *(f"the source of {name} was edited since the last start: numbers may change" for name in edited),
        *(f"the agents in {name}, which are opponents, have changed since the last start: numbers will change"
          for name in retrained),
        *(f"{name} was {old[name]} and is {now[name]} now: {what}" for name in changed if name not in DIGESTS),
    ]  # fmt: skip
