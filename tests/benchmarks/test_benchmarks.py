"""The parts of the benchmarks that measure nothing: ratios, tables, options, and that their page is up to date."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scripts import ROOT, scripts_of

BENCHMARKS = ROOT / "benchmarks"
PARTS = ("throughput", "scaling", "cost", "chunks", "memory", "overhead", "starts", "games", "cheap_talk")
OTHERS = ("random_keys", "shuffle", "dense", "narrow_dense", "final_values", "value_table")
MACHINE = {"cores": 2, "processor": "Abacus", "jax": "0.9.2", "date": "2026-11-27"}
RUN_ALL = """
import contextlib, pathlib, runpy, sys
sys.path.insert(0, str(pathlib.Path(sys.argv[1]).parent))
for script in sys.argv[1:]:
    sys.argv = [script, "--help"]
    with contextlib.suppress(SystemExit):
        runpy.run_path(script, run_name="__main__")
        raise AssertionError(f"{script} did not end with its help")
    assert "jax" not in sys.modules, script
"""


@pytest.fixture
def load() -> Iterator[Callable[[str], ModuleType]]:
    """Return a function that imports a script."""
    with scripts_of("benchmarks") as load:
        yield load


def test_help_of_every_part_needs_no_jax() -> None:
    scripts = [str(BENCHMARKS / f"{part}.py") for part in (*PARTS, "ablation", "gpu", "table", "tuning")]
    done = subprocess.run([sys.executable, "-c", RUN_ALL, *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage:") == len(scripts)


def test_make_bench_runs_every_part() -> None:
    (line,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("BENCHES :=")]
    assert tuple(line.split()[2:]) == PARTS


def test_page_shows_what_was_measured(load: Callable[[str], ModuleType]) -> None:
    table = load("table")
    page = table.PAGE.read_text()
    assert table.place(page, table.markdown(table.read(BENCHMARKS / "results"))) == page


def test_a_section_replaces_what_is_between_its_markers(load: Callable[[str], ModuleType]) -> None:
    table = load("table")
    begin, end = table.MARKERS
    assert table.place(f"a\n{begin}\nold\n{end}\nb", "new") == f"a\n{begin}\nnew\n{end}\nb"
    with pytest.raises(SystemExit, match="markers"):
        table.place("a", "new")


def test_results_of_a_quick_try_are_refused(load: Callable[[str], ModuleType], tmp_path: Path) -> None:
    (tmp_path / "cost.json").write_text(json.dumps({"quick": True}))
    with pytest.raises(SystemExit, match="quick"):
        load("table").read(tmp_path)


def test_a_table_has_one_line_per_row_and_one_below_its_head(load: Callable[[str], ModuleType]) -> None:
    assert list(load("table").table(("", "x", ""), ("a", 1, ""))) == ["| | x | |", "|---|---|---|", "| a | 1 | |"]


def test_throughput_names_a_peer_that_is_missing_and_how_much_slower_the_others_are(
    load: Callable[[str], ModuleType],
) -> None:
    ours = {"frames_per_second": 1000, "compile_seconds": 8.04}
    task = {
        "what": "w",
        "metadisco": ours,
        "search": {"frames_per_second": 990},
        "one_vmap": ours | {"frames_per_second": 500},
        "speedup_over_one_vmap": {"median": 2.0},
        "stable_baselines3": {"missing": "not installed: torch"},
    }
    text = "\n".join(load("table").throughput({"machine": MACHINE, "tasks": {"T": task}}))
    assert "| T, `metadisco evolve` | 1,000 | | 8.0 s |" in text
    assert "| T, the whole search loop | 990 | | |" in text
    assert "| 500 | 2.00 times slower | 8.0 s |" in text
    assert "| not installed: torch | | |" in text
    assert "2 cores, Abacus, jax 0.9.2, 2026-11-27" in text


def test_ratios_are_medians_over_rounds(load: Callable[[str], ModuleType]) -> None:
    turns = load("turns")
    assert turns.ratio([2.0, 9.0, 4.0], [1.0, 3.0, 1.0]) == {"median": 3.0, "rounds": [2.0, 3.0, 4.0]}
    assert turns.rate(100, [1.0, 2.0, 10.0]) == 50


def test_sides_take_turns(load: Callable[[str], ModuleType]) -> None:
    order: list[str] = []

    def side(name: str) -> Callable[[], float]:
        return lambda: order.append(name) or float(len(order))

    assert load("turns").in_turn({"a": side("a"), "b": side("b")}, 2) == {"a": [1.0, 3.0], "b": [2.0, 4.0]}
    assert order == ["a", "b", "a", "b"]


def test_overhead_is_what_is_left_between_judgings_weighted_by_the_checkpoints(
    load: Callable[[str], ModuleType],
) -> None:
    # Ten seconds of judging; 0.1 s until the next, and 0.5 s where generations 2, 4 and so on were saved.
    times, now = [], 0.0
    for generation in range(1, 8):
        times.append([now, now + 10])
        now += 10 + (0.1 if generation % 2 else 0.5)
    account = load("overhead").account(times, inner=True, every=8)
    assert account["overhead_seconds"] == pytest.approx(0.1 + 0.4 / 8)
    assert account["generations"] == 4


def test_scaling_counts_cores_by_powers_of_two_and_all_of_them(load: Callable[[str], ModuleType]) -> None:
    scaling = load("scaling")
    assert [scaling.core_counts(cores) for cores in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_generations_are_settings_that_are_accepted(load: Callable[[str], ModuleType]) -> None:
    from metadisco.config import parse_config

    generation = load("generation")
    for each in (
        generation.CARTPOLE,
        generation.BREAKOUT,
        generation.REACHER,
        *load("cost").points(load("cost").BASE).values(),
    ):
        config = parse_config(each.settings(num_generations=1))
        assert config.outer.num_evaluations * config.inner.ppo.executed_env_steps == each.frames


def test_every_arrangement_can_be_left_out(load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    ablation = load("ablation")
    for name in ablation.ARRANGEMENTS:
        ablation.leave_out(name, monkeypatch.setattr)
    monkeypatch.setitem(ablation.ARRANGEMENTS, "adam", lambda: {("optimise", "adam"): None})
    with pytest.raises(AssertionError, match="optimise"):
        ablation.leave_out("adam", monkeypatch.setattr)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adam", *OTHERS])
def test_what_takes_the_place_of_an_arrangement_learns_alike(
    load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import jax
    import numpy as np
    from compiling import QUICK
    from probes import matching_action

    from metadisco import PPOConfig, ppo, train
    from metadisco.objectives.tabulate import TabulableLoss

    ablation, config = (
        load("ablation"),
        PPOConfig(num_env_steps=512, num_steps=128, num_minibatches=1, num_epochs=12, hidden_sizes=(8,)),
    )
    assert set(ablation.ARRANGEMENTS) == {"adam", *OTHERS}
    plain, tabulated = ppo(), []

    def tabulate() -> Any:
        tabulated.append(name)
        return plain.value_loss

    def learned() -> Any:
        objective = plain._replace(value_loss=TabulableLoss(plain.value_loss, tabulate))
        lifetime = jax.jit(lambda key: train(key, matching_action(), config, objective), compiler_options=QUICK)
        return jax.device_get(lifetime(jax.random.key(1)).state.params)

    with_it = learned()
    ablation.leave_out(name, monkeypatch.setattr)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=2e-3, atol=2e-4), learned(), with_it)
    assert len(tabulated) == (1 if name == "value_table" else 2)


def test_whole_experiment_is_projected_along_the_length_of_lives(load: Callable[[str], ModuleType]) -> None:
    # Two seconds and a tenth of one per update; 1953 updates, 1024 generations and one in 16 of the centre.
    ends = [{"updates_per_life": n, "seconds": [2 + n / 10]} for n in (32, 128)]
    projected = load("gpu").project(*ends)
    assert projected["updates_per_life"] == 1953
    assert projected["seconds_per_generation"] == pytest.approx(197.3)
    assert projected["hours"] == pytest.approx(197.3 * 1024 * 17 / 16 / 3600)


def test_a_stage_that_fails_or_has_no_time_leaves_the_others(load: Callable[[str], ModuleType]) -> None:
    kept: dict[str, object] = {}

    def fail() -> None:
        raise ValueError("no")

    stages = {"fails": fail, "works": lambda: 1}
    load("gpu").run_stages(stages, 60, kept.__setitem__)
    assert kept == {"fails": {"failed": "ValueError: no"}, "works": 1}
    load("gpu").run_stages(stages, -1, kept.__setitem__)
    assert kept["works"] == {"left_out": "no time left"}
