"""The section on speed of docs/explanation/benchmarks.md, made from the JSON files under benchmarks/results/.

    python benchmarks/table.py           writes it between the two marker comments of the page
    python benchmarks/table.py --print   prints it

A part that has no file has no paragraph.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
PAGE = ROOT / "docs" / "explanation" / "benchmarks.md"
MARKERS = ("<!-- made by benchmarks/table.py: begin -->", "<!-- made by benchmarks/table.py: end -->")

Result = dict[str, Any]


def read(directory: Path) -> dict[str, Result]:
    """Return the existing results by part.

    Raises:
        SystemExit: for results of a trial with --quick, whose numbers mean nothing.
    """
    results = {path.stem: json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))}
    for part, result in results.items():
        if part in PARTS and result.get("quick"):
            raise SystemExit(f"{part}.json was written with --quick: its numbers mean nothing")
    return results


def markdown(results: dict[str, Result]) -> str:
    """Return the section."""
    paragraphs = []
    for part, describe in PARTS.items():
        if part in results:
            paragraphs.append("\n".join(describe(results[part])))
    return "\n\n".join(paragraphs)


def place(text: str, section: str) -> str:
    """Return a page with a section between its markers."""
    before, _, rest = text.partition(MARKERS[0])
    _, found, after = rest.partition(MARKERS[1])
    if not found:
        raise SystemExit(f"markers missing: {' … '.join(MARKERS)}")
    return f"{before}{MARKERS[0]}\n{section}\n{MARKERS[1]}{after}"


def where(result: Result) -> str:
    """Return the machine in words."""
    machine = result["machine"]
    words = [f"{machine['cores']} cores, {machine['processor']}"]
    words += [f"jax {machine['jax']}"] if machine.get("jax") else []
    return ", ".join([*words, machine["date"]] if machine.get("date") else words)


def table(*rows: tuple[Any, ...]) -> Iterator[str]:
    """Yield the lines of a table; the first row is its head."""
    for index, row in enumerate(rows):
        yield f"| {' | '.join(map(str, row))} |".replace("|  |", "| |").replace("|  |", "| |")
        if index == 0:
            yield "|" + "---|" * len(row)


def seconds(value: float) -> str:
    """Return a readable duration: milliseconds below a tenth of a second."""
    return f"{value * 1000:.0f} ms" if value < 0.1 else f"{value:.1f} s"


def mebibytes(value: float) -> str:
    return f"{value / 2**20:,.1f} MiB" if value < 10 * 2**20 else f"{value / 2**20:,.0f} MiB"


PEERS = {
    "plain_recipe": "the plain recipe: one `jit(vmap(train))`, as in PureJaxRL's meta-evolution notebook",
    "one_vmap": "metadisco's own training run in one `jit(vmap(…))`",
    "stable_baselines3": "one agent of Stable-Baselines3's PPO (PyTorch, CPU) at equal settings",
}


def throughput(result: Result) -> Iterator[str]:
    yield f"Environment steps per second of a generation, learning included, sides timed alternately ({where(result)}):"
    yield ""
    rows = [("", "environment steps per second", "", "compiling")]
    for name, task in result["tasks"].items():
        compiling = seconds(task["metadisco"]["compile_seconds"])
        rows.append((f"{name}, `metadisco evolve`", f"{task['metadisco']['frames_per_second']:,}", "", compiling))
        if "search" in task:
            rows.append((f"{name}, the whole search loop", f"{task['search']['frames_per_second']:,}", "", ""))
        rows += [peer(task, side, words) for side, words in PEERS.items() if side in task]
    yield from table(*rows)
    yield ""
    first = next(iter(result["tasks"]))
    yield " ".join(f"{name}: {task['what']}." for name, task in result["tasks"].items()) + f" Peers are on {first}."


def peer(task: Result, side: str, words: str) -> tuple[str, ...]:
    """Return the row of a peer."""
    if "missing" in task[side]:
        return (words, task[side]["missing"], "", "")
    ratio = task[f"speedup_over_{side}"]["median"]
    compiling = seconds(task[side]["compile_seconds"]) if "compile_seconds" in task[side] else ""
    return (
        words,
        f"{task[side]['frames_per_second']:,}",
        f"{ratio:.{2 if ratio < 10 else 0}f} times slower",
        compiling,
    )


def scaling(result: Result) -> Iterator[str]:
    yield f"Over cores, one device each, the processes pinned ({where(result)}):"
    yield ""
    rows = [("cores", "environment steps per second", "speed-up", "efficiency")]
    for cores, side in result["cores"].items():
        speedup = side["speedup_over_one_core"]["median"]
        rows.append((cores, f"{side['frames_per_second']:,}", f"{speedup:.2f}", f"{side['efficiency']:.0%}"))
    yield from table(*rows)


MEASURES = ("compiled", "running", "process")
AXES = {"population": "population", "num_updates": "updates of a lifetime", "chunk_size": "chunk size"}


def memory(result: Result) -> Iterator[str]:
    yield f"Memory of the compiled program on a device, and of the process beyond its imports ({where(result)}):"
    yield ""
    rows = [("", "from, to", "compiled program", "added by running", "peak of the process, compiler included")]
    for axis, measured in result["axes"].items():
        first, *_, last = (points := measured["points"])
        spans = [f"{mebibytes(points[first][m])}, {mebibytes(points[last][m])}" for m in MEASURES]
        rows.append((AXES[axis], f"{first}, {last}", *spans))
    yield from table(*rows)
    yield ""
    grows = result["axes"]["num_updates"]["grows_by"]
    compiled, running = (f"{grows[name]:.1%}" for name in ("compiled", "running"))
    yield (
        f"Over these lengths of a lifetime, the memory of the compiled program changes by {compiled}, and the "
        f"memory added by running by {running}. The compiler determines the peak of the process."
    )


def overhead(result: Result) -> Iterator[str]:
    real, toy = result["real"], result["toy"]
    took, generation = seconds(real["overhead_seconds"]), seconds(real["seconds_per_generation"])
    yield f"Outside of training (ask, tell, metrics, log, a checkpoint every {result['checkpoint_every']} generations),"
    yield f"`metadisco evolve` takes {took} of a generation of {generation}, {real['share']:.2%}."
    yield f"A generation without any training takes {seconds(toy['overhead_seconds'])} in all ({where(result)})."


DOUBLED = AXES | {"rollouts": "rollouts", "num_envs": "environments of an agent"}


def cost(result: Result) -> Iterator[str]:
    yield f"Time of a generation when one quantity doubles, relative to {result['what']} ({where(result)}):"
    yield ""
    by_axis: dict[str, dict[str, float]] = {}
    for name, point in result["points"].items():
        axis, _, factor = name.partition(" x ")
        if factor:
            by_axis.setdefault(axis, {})[factor] = point["time_over_base"]["median"]
    factors = list(next(iter(by_axis.values())))
    rows = [("", *(f"× {factor}" for factor in factors))]
    rows += [(DOUBLED[axis], *(f"{ratios[factor]:.2f}" for factor in factors)) for axis, ratios in by_axis.items()]
    yield from table(*rows)


def starts(result: Result) -> Iterator[str]:
    yield f"Start of `metadisco evolve` with an empty and with a filled cache of compiled programs ({where(result)}):"
    yield ""
    rows = [("", "compiling, first start", "second start", "to the first generation, first start", "second start")]
    for name, task in result["tasks"].items():
        states = (task["empty"], task["filled"])
        rows.append((name, *(seconds(s[key]) for key in ("compile_seconds", "to_first_generation") for s in states)))
    yield from table(*rows)


def chunks(result: Result) -> Iterator[str]:
    yield f"Environment steps per second by chunk size ({where(result)}):"
    yield ""
    chosen = result["chosen"]
    sizes = {name: side for name, side in result["sizes"].items() if name not in chosen}
    yield from table(tuple(sizes), tuple(f"{side['frames_per_second']:,}" for side in sizes.values()))
    yield ""
    speed = {name: f"{each['median']:.0%}" for name, each in result["speed_over_the_best"].items()}
    yield (
        f"The best size is {result['best']}. By default the size is {chosen['rule']}, {speed['rule']} as fast as "
        f"the best; `auto` chose {chosen['auto']}, {speed['auto']} as fast."
    )


def games(result: Result) -> Iterator[str]:
    yield f"Meta-steps per second of opponent shaping, iterated prisoner's dilemma, one device ({where(result)}):"
    yield ""
    rows = [("", "meta-steps per second", "")]
    for opponent, sides in result["opponents"].items():
        ours, plain = (f"{sides[side]['meta_steps_per_second']:,}" for side in ("ours", "straightforward"))
        rows.append((f"against {opponent}, {sides['what']}", ours, ""))
        times = f"{sides['speedup']['median']:.0f} times slower"
        rows.append(("the same by `linalg.solve` and nested automatic differentiation", plain, times))
    for name, each in result["searches"].items():
        share = f"{each['share_of_bare']:.0%} of the evaluation alone"
        rows.append((f"`metadisco evolve`, everything included, {name}", f"{each['meta_steps_per_second']:,}", share))
    yield from table(*rows)


def cheap_talk(result: Result) -> Iterator[str]:
    yield f"Training next to a message, {result['what']} ({where(result)}):"
    yield ""
    called = {
        "zero": "two zeros next to each observation", "small": "a message network 4-32-2",
        "wide": "a message network 4-64-64-2",
    }  # fmt: skip
    rows = [("", "environment steps per CPU second", "relative to zeros")]
    for side, words in called.items():
        share = result[side].get("share_of_zero")
        rows.append((words, f"{result[side]['frames_per_cpu_second']:,}", f"{share['median']:.0%}" if share else ""))
    yield from table(*rows)


def gpu(result: Result) -> Iterator[str]:
    yield f"On a GPU, {result['machine']['device']} (jax {result['machine']['jax']}, {result['machine']['date']}):"
    yield ""
    rows = [("population × rollouts", "environment steps per second", "compiling")]
    for name, stage in result["stages"].items():
        if "frames_per_second" in stage:
            compiling = seconds(stage["compile_seconds"])
            words = f"{name.replace(' x ', ' × ')}, {stage['updates_per_life']} updates"
            rows.append((words, f"{stage['frames_per_second']:,}", compiling))
    yield from table(*rows)
    whole = result["stages"].get("whole experiment", {})
    if "hours" in whole:
        yield ""
        yield f"The whole of `experiments/value_loss/cartpole.yaml` would take {whole['hours']:.1f} hours there."


PARTS: dict[str, Callable[[Result], Iterator[str]]] = {
    "throughput": throughput, "scaling": scaling, "cost": cost, "chunks": chunks, "memory": memory,
    "overhead": overhead, "starts": starts, "games": games,
    "cheap_talk": cheap_talk, "gpu": gpu,
}  # fmt: skip


def main() -> None:
    """Write the section, or print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="print the section and write nothing")
    options = parser.parse_args()
    section = markdown(read(RESULTS))
    if options.print:
        print(section)
    else:
        PAGE.write_text(place(PAGE.read_text(), section))


if __name__ == "__main__":
    main()
