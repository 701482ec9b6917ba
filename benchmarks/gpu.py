"""Meta-evolution on a GPU: experiments/value_loss/cartpole.yaml with shortened lifetimes, extrapolated to the whole.

Stages; the results so far are written after each, so that a time-out loses only the current one:

- populations of 512 × 1 and 512 × 2 rollouts: frames per second and seconds per generation;
- two lengths of lifetime, from which the hours of the whole experiment follow: a generation costs a + b × updates;
- a profile of one short generation, summed by kernel.

    python benchmarks/gpu.py --output benchmarks/results/gpu.json

Sized for ten minutes with compilation; a stage is skipped if less time remains than the longest so far took.
benchmarks/gpu.sh runs it where nothing can be installed. It also runs on a CPU, to be tried with --quick.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from generation import Built, build_config
from showing import machine, make_parser, parse, show, write
from turns import rate, timed

if TYPE_CHECKING:
    from metadisco.config import Config

EXPERIMENT = Path(__file__).parent.parent / "experiments" / "value_loss" / "cartpole.yaml"
TOP_KERNELS = 15


class Size(NamedTuple):
    """Settings that replace those of the experiment."""

    population: int
    rollouts: int
    num_updates: int
    chunk_size: int | None = None


SHORT, LONG = "512 x 1", "512 x 1, long"
STAGES = {
    SHORT: Size(512, 1, 32),
    LONG: Size(512, 1, 128),
    "512 x 2": Size(512, 2, 32),
    "512 x 2, one chunk": Size(512, 2, 32, chunk_size=1024),
}
QUICK = {SHORT: Size(4, 1, 1), LONG: Size(4, 1, 2)}


def experiment(size: Size) -> "Config":
    """Return the experiment with another population and shorter lifetimes."""
    from metadisco.config import parse_config, read_yaml

    settings = read_yaml(EXPERIMENT)
    ppo, outer = settings["inner"]["ppo"], settings["outer"]
    ppo["num_env_steps"] = size.num_updates * ppo["num_envs"] * ppo["num_steps"]
    outer |= {"num_rollouts": size.rollouts, "chunk_size": size.chunk_size}
    outer["strategy"]["population_size"] = size.population
    return parse_config(settings)


@cache
def compile_once(size: Size) -> Built:
    """Compile a generation, which takes longer than the rest: the profile is of one that was timed."""
    return build_config(experiment(size))


def time_generations(size: Size, num_rounds: int) -> dict[str, Any]:
    """Compile a generation and time it."""
    config, built = experiment(size), compile_once(size)
    first = timed(built.run)
    seconds = [timed(built.run) for _ in range(num_rounds)]
    frames = config.outer.num_evaluations * config.inner.ppo.executed_env_steps
    facts = {"lives": config.outer.num_evaluations, "updates_per_life": size.num_updates}
    return (
        facts | built.facts | {"first_seconds": first, "frames_per_second": rate(frames, seconds), "seconds": seconds}
    )


def project(short: dict[str, Any], long: dict[str, Any]) -> dict[str, float]:
    """Return the duration of the whole experiment, from two lengths of lifetime with its number of lifetimes."""
    from metadisco.config import parse_config, read_yaml

    config = parse_config(read_yaml(EXPERIMENT))
    ppo, outer = config.inner.ppo, config.outer
    updates = ppo.executed_env_steps // (ppo.num_envs * ppo.num_steps)
    ends = [(each["updates_per_life"], statistics.median(each["seconds"])) for each in (short, long)]
    per_update = (ends[1][1] - ends[0][1]) / (ends[1][0] - ends[0][0])
    generation = ends[0][1] + (updates - ends[0][0]) * per_update
    generations = outer.num_generations * (1 + 1 / outer.evaluate_every if outer.evaluate_every else 1)
    return {
        "lives": outer.num_evaluations,
        "updates_per_life": updates,
        "seconds_per_update": per_update,
        "seconds_per_generation": generation,
        "generations_with_those_of_the_centre": generations,
        "hours": generation * generations / 3600,
    }


def profile(size: Size) -> dict[str, Any]:
    """Run one generation under JAX's profiler, and sum up the work of the device."""
    import jax

    built = compile_once(size)
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, profiler_options=options):
            seconds = timed(built.run)
        (trace,) = Path(folder).rglob("*.xplane.pb")
        events = list(device_events(jax.profiler.ProfileData.from_file(str(trace))))
    totals: dict[str, float] = {}
    for name, duration in events:
        totals[name] = totals.get(name, 0.0) + duration
    busy = sum(totals.values())
    top = sorted(totals, key=lambda name: -totals[name])[:TOP_KERNELS]
    return {
        "seconds": seconds,
        "updates": size.num_updates,
        "device_seconds": busy,
        "kernels": len(events),
        "kernels_per_update": len(events) / size.num_updates,
        "top": [{"name": name, "seconds": totals[name], "share": totals[name] / busy} for name in top],
    }


def device_events(data: Any) -> Any:
    """Yield name and seconds of each kernel on GPUs, by stream; on a CPU those of its threads."""
    planes = list(data.planes)
    gpus = [plane for plane in planes if plane.name.startswith("/device:GPU")]
    for plane in gpus or [plane for plane in planes if plane.name == "/host:CPU"]:
        for line in plane.lines:
            if not gpus or line.name.startswith("Stream"):
                yield from ((event.name, event.duration_ns / 1e9) for event in line.events)


def run_stages(stages: dict[str, Callable[[], Any]], seconds: float, keep: Callable[[str, Any], None]) -> None:
    """Run stages while there is time for the longest so far; one that fails does not take the others with it."""
    begun, longest = time.monotonic(), 0.0
    for name, stage in stages.items():
        stage_begun = time.monotonic()
        if stage_begun - begun + longest > seconds:
            keep(name, {"left_out": "no time left"})
            continue
        try:
            keep(name, stage())
        except Exception as error:
            keep(name, {"failed": f"{type(error).__name__}: {str(error)[:300]}"})
        longest = max(longest, time.monotonic() - stage_begun)


def main() -> None:
    """Run all stages."""
    parser = make_parser(__doc__, 3)
    parser.add_argument("--seconds", type=float, default=540, help="after which no stage is begun (default: 540)")
    options = parse(parser, 3)
    from metadisco.outer.devices import start_jax

    start_jax(None)
    import jax

    device = jax.devices()[0]
    sizes = QUICK if options.quick else STAGES
    result: dict[str, Any] = {"machine": machine() | {"device": device.device_kind}, "quick": options.quick}
    result |= {"rounds": options.rounds, "stages": {}}
    done = result["stages"]

    def keep(name: str, measured: Any) -> None:
        done[name] = measured
        write(result, options.output)

    stages: dict[str, Callable[[], Any]] = {}
    for name, size in sizes.items():
        stages[name] = partial(time_generations, size, options.rounds)
        if name == LONG:
            stages["whole experiment"] = lambda: project(done[SHORT], done[LONG])
    stages["profile"] = partial(profile, sizes[SHORT])
    run_stages(stages, options.seconds, keep)
    show(result, options.output)


if __name__ == "__main__":
    main()
