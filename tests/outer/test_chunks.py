"""Choice of the chunk size, and recovery if memory runs out."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import pytest
from toys import NOISY, SIZE, MemoryRecorder, bits, config_of, ran

from metadisco.errors import MachineError
from metadisco.outer import chunks
from metadisco.outer.chunks import Chunks, is_out_of_memory, measure_chunk_size
from metadisco.outer.evaluate import Evaluator
from metadisco.outer.mesh import make_mesh
from metadisco.outer.search import search
from metadisco.types import Evaluation, TaskInfo

FULL = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 68719476736 bytes.")


class Notebook(NamedTuple):
    """Notes on chunks, kept in memory."""

    kept: int | None
    said: list[str]
    changed: list[Evaluator]

    def kept_chunk_size(self, num_devices, platform):
        return self.kept

    def note_change(self, evaluator):
        self.changed.append(evaluator)

    def say(self, sentence):
        self.said.append(sentence)


def notebook(kept=None):
    return Notebook(kept, [], [])


def searched(size, recorder=None, notes=None, **settings):
    config = config_of(chunk_size=size, num_rollouts=2)
    return search(NOISY, config, recorder or MemoryRecorder(), chunks=Chunks(recorder=notes, **settings))


@pytest.fixture(scope="module")
def enough_memory():
    return ran(num_rollouts=2, chunk_size=8)


@pytest.fixture
def small_memory(monkeypatch):
    """Devices on which more than two parallel evaluations do not fit, from the third generation on."""
    plain, calls = Evaluator.population, []

    def population(self, key, members, *rest):
        calls.append(self.chunk_size)
        if len(calls) > 2 and self.chunk_size > 2:
            raise FULL
        return plain(self, key, members, *rest)

    monkeypatch.setattr(Evaluator, "population", population)
    return calls


class Slow:
    """Lifetimes that take a while each, so that the largest chunk cannot win by chance."""

    tasks, env_steps = (TaskInfo("spin"),), 1

    def init(self, key):
        return {"x": jnp.ones(3)}

    def evaluate(self, key, meta_params):
        spun = jax.lax.fori_loop(0, 20_000, lambda _, x: x * 0.999 + 1e-3, meta_params["x"].sum())
        return Evaluation(jnp.stack([spun]))


def test_sizes_are_tried_that_leave_no_short_chunk_and_the_fastest_is_taken():
    best, rates = measure_chunk_size(Slow(), 24, make_mesh(2), {"x": jnp.ones(3)})
    assert list(rates) == [4, 8, 12, 24]
    assert rates[best] * chunks.MIN_SPEEDUP >= max(rates.values())
    assert all(rate > 0 for rate in rates.values())


def test_sizes_for_which_memory_does_not_suffice_are_left_out(monkeypatch):
    def seconds(rehearsal, size, mesh, example):
        if size > 8:
            raise FULL
        return 1.0

    monkeypatch.setattr(chunks, "_seconds", seconds)
    assert measure_chunk_size(NOISY, 64, make_mesh(1), {}) == (8, {4: 4.0, 8: 8.0})
    monkeypatch.setattr(chunks, "SIZES", {"cpu": (32,)})
    assert measure_chunk_size(NOISY, 64, make_mesh(1), {}) == (8, {8: 8.0})
    monkeypatch.setattr(chunks, "_seconds", lambda rehearsal, size, *rest: seconds(rehearsal, 64, *rest))
    with pytest.raises(MachineError, match="out of device memory even with chunks of one evaluation"):
        measure_chunk_size(NOISY, 64, make_mesh(1), {})


def test_auto_says_what_it_picked_and_a_kept_size_is_not_measured_again():
    notes, recorder = notebook(), MemoryRecorder()
    config = config_of(chunk_size="auto", num_rollouts=2)
    search(NOISY, config, recorder, chunks=Chunks(NOISY, notes))
    (sentence,) = notes.said
    assert f"chunk size {recorder.started[0].chunk_size} is the fastest on short lifetimes" in sentence
    again, recorder = notebook(kept=3), MemoryRecorder()
    search(NOISY, config, recorder, chunks=Chunks(NOISY, again))
    assert recorder.started[0].chunk_size == 3 and not again.said


def test_without_anything_to_measure_with_auto_is_the_fixed_rule():
    recorder = MemoryRecorder()
    search(NOISY, config_of(chunk_size="auto", num_rollouts=2), recorder)
    assert [each.chunk_size for each in recorder.started] == [chunks.default_chunk_size(2 * SIZE, "cpu")]


def test_where_memory_runs_out_auto_halves_says_so_and_goes_on(enough_memory, small_memory):
    notes, recorder = notebook(kept=8), MemoryRecorder()
    centre = searched("auto", recorder, notes=notes)
    said, changed = notes.said, notes.changed
    assert small_memory == [8, 8, 8, 4, 2, 2, 2, 2]
    assert [built.chunk_size for built in changed] == [4, 2]
    assert len(said) == 4
    assert "out of device memory with chunks of 8 evaluations: using 4 from here on" in said[0]
    assert "bit for bit up to here" in said[1]
    assert sorted(recorder.states) == list(range(7))  # before the first smaller chunk as well
    assert [row["generation"] for row in recorder.rows] == list(range(6))
    expected, plain = enough_memory
    for row, other in zip(recorder.rows, plain.rows, strict=True):
        assert row["fitness_mean"] == pytest.approx(other["fitness_mean"], rel=1e-5)
    assert jnp.allclose(centre["x"], expected["x"], atol=1e-4)


def test_a_given_chunk_size_is_not_changed_but_a_smaller_one_named(small_memory):
    recorder = MemoryRecorder()
    with pytest.raises(MachineError, match=r"chunks of 8 evaluations, allowed: outer\.chunk_size=4, or auto"):
        searched(8, recorder)
    assert sorted(recorder.states) == [0, 1, 2]  # no finished generation is lost


def test_chunks_of_one_cannot_be_halved(monkeypatch):
    def population(self, key, members, *rest):
        raise FULL

    monkeypatch.setattr(Evaluator, "population", population)
    with pytest.raises(MachineError, match="chunks of 1 evaluations, allowed: smaller settings"):
        searched("auto", notes=notebook(kept=1))


def test_other_errors_of_a_device_are_none_of_memory(monkeypatch):
    def population(self, key, members, *rest):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    monkeypatch.setattr(Evaluator, "population", population)
    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        searched("auto", notes=notebook(kept=8))
    assert is_out_of_memory(FULL)


def test_memory_that_does_not_suffice_to_compile_halves_the_first_size(monkeypatch):
    notes, recorder, built = notebook(), MemoryRecorder(), partial(Evaluator)

    def build(*words, chunk_size=None, **more):
        if chunk_size is None or chunk_size > 2:
            raise FULL
        return built(*words, chunk_size=chunk_size, **more)

    monkeypatch.setattr("metadisco.outer.search.Evaluator", build)
    config = config_of(chunk_size="auto", num_rollouts=2)
    search(NOISY, config, recorder, chunks=Chunks(recorder=notes))
    assert [each.chunk_size for each in recorder.started] == [2]
    assert len(notes.said) == 2


def test_a_search_that_was_given_its_chunks_is_the_one_with_chunks_by_rule(enough_memory):
    one, other = enough_memory, ran(num_rollouts=2)
    assert bits(one[0]) == bits(other[0])


def test_where_it_may_not_halve_auto_says_what_would_fit(small_memory):
    with pytest.raises(MachineError, match=r"chunks of 8 evaluations, allowed: outer\.chunk_size=4"):
        searched("auto", notes=notebook(kept=8), may_halve=False)
