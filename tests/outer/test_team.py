"""Agreement of processes, simulated by threads; tests/distributed/ uses real processes."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import MemoryRecorder, bits

from metadisco.errors import MachineError, UserError
from metadisco.outer.search import Progress, SearchState
from metadisco.outer.sharing import SharedRecorder
from metadisco.outer.team import ALONE, Place, Team, num_cores

COUNT = 3


def together(work: Callable[[Team, int], Any]) -> list[Any]:
    """Return the result or exception of each of three processes."""
    barrier, told = threading.Barrier(COUNT, timeout=600), [b""] * COUNT

    def run(number: int) -> Any:
        def gather(content: bytes) -> list[bytes]:
            told[number] = content
            barrier.wait()
            everything = list(told)
            barrier.wait()
            return everything

        try:
            return work(Team(number == 0, gather, Place()), number)
        except (UserError, MachineError, OSError) as error:
            return error

    with ThreadPoolExecutor(COUNT) as pool:
        return list(pool.map(run, range(COUNT)))


def refuse(team: Team, number: int, which: int, error: Exception) -> str:
    with team.agreed():
        if number == which:
            raise error
    return "went on"


class TestAgreed:
    @pytest.mark.parametrize("which", range(COUNT))
    def test_what_one_process_refuses_all_refuse(self, which):
        errors = together(lambda team, number: refuse(team, number, which, UserError("no such thing")))
        assert [(type(error), str(error)) for error in errors] == [(UserError, "no such thing")] * COUNT

    def test_a_file_that_one_cannot_write_stops_all(self):
        errors = together(lambda team, number: refuse(team, number, 0, OSError(28, "No space left on device", "here")))
        assert isinstance(errors[0], OSError) and errors[0].filename == "here"
        assert all(isinstance(error, MachineError) and "No space left" in str(error) for error in errors[1:])

    def test_where_nobody_refuses_all_go_on(self):
        assert together(lambda team, number: refuse(team, number, -1, UserError(""))) == ["went on"] * COUNT

    def test_a_process_alone_refuses_by_itself(self):
        with pytest.raises(UserError, match="mine"), ALONE.agreed():
            raise UserError("mine")


class TestShouldStop:
    @pytest.mark.parametrize("which", range(COUNT))
    def test_a_request_to_any_process_stops_all(self, which):
        assert together(lambda team, number: team.should_stop(number == which)) == [True] * COUNT

    def test_without_a_request_none_stops(self):
        assert together(lambda team, number: team.should_stop(False)) == [False] * COUNT

    def test_a_process_whose_parent_is_gone_asks_for_a_stop(self):
        orphan = Place(parent=-1)
        assert together(
            lambda team, number: (team._replace(place=orphan) if number == 1 else team).should_stop(False)
        ) == [True] * COUNT  # fmt: skip

    def test_a_process_alone_stops_on_request(self):
        assert [ALONE.should_stop(requested) for requested in (False, True)] == [False, True]


class TestCheckSame:
    def test_the_first_difference_is_named_in_all_processes(self):
        def check(team: Team, number: int) -> None:
            team.check_same({"a": 1, "seed": 5 if number == 2 else 4, "z": number})

        errors = together(check)
        assert {str(error) for error in errors} == {
            "z: got 0 in process 0 and 1 in process 1, allowed: the same in all processes"
        }

    def test_a_key_that_one_lacks_is_a_difference(self):
        errors = together(lambda team, number: team.check_same({"a": 1} if number else {"a": 1, "b": [2]}))
        assert "b: got [2] in process 0 and None in process 1" in str(errors[0])

    def test_equal_facts_are_accepted(self):
        assert together(lambda team, number: team.check_same({"a": [1, 2.5, None, "ä" * 9000]})) == [None] * COUNT


def state_of(number: int) -> SearchState:
    """Return a state whose numbers a sum over processes would not keep: −0, NaN, and beyond."""
    numbers = {"odd": jnp.asarray([-0.0, jnp.nan, -jnp.inf, 1e-45]), "count": jnp.int32(number)}
    return SearchState(jax.random.key(number), numbers | {"flags": jnp.asarray([True, False]), "none": None})


class TestSharedRecorder:
    def test_all_start_from_the_bits_that_the_first_one_read(self):
        saved = (state_of(5), Progress(7, 10**12))

        def restore(team: Team, number: int) -> Any:
            recorder = SharedRecorder(team, MemoryRecorder(saved) if team.first else None)
            return recorder.restore(state_of(0)), recorder.done

        for (state, progress), done in together(restore):
            assert (progress, done) == (saved[1], 7)
            assert jax.tree.structure(state) == jax.tree.structure(saved[0])
            assert bits(state) == bits(saved[0])
            assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))

    def test_where_there_is_nothing_to_go_on_from_all_start_anew(self):
        def restore(team: Team, number: int) -> Any:
            return SharedRecorder(team, MemoryRecorder() if team.first else None).restore(state_of(0))

        assert together(restore) == [None] * COUNT

    def test_only_the_first_one_leaves_traces(self):
        kept = MemoryRecorder()

        def record(team: Team, number: int) -> int:
            recorder = SharedRecorder(team, kept if team.first else None)
            recorder.log({"generation": 3})
            recorder.save(state_of(4), Progress(4, 40))
            return recorder.done

        assert together(record) == [4] * COUNT
        assert kept.rows == [{"generation": 3}]
        assert list(kept.states) == [4]

    def test_states_that_differ_in_a_bit_are_saved_by_none(self):
        kept = MemoryRecorder()

        def record(team: Team, number: int) -> None:
            state = state_of(4)
            if number == 1:
                state.strategy["odd"] = jnp.abs(state.strategy["odd"])  # of which −0 is one
            SharedRecorder(team, kept if team.first else None).save(state, Progress(4, 40))

        errors = together(record)
        assert all("process 1 computed another generation 4 than process 0" in str(error) for error in errors)
        assert kept.states == {}

    def test_alone_it_is_the_recorder_that_it_holds(self):
        kept = MemoryRecorder((state_of(1), Progress(2, 20)))
        recorder = SharedRecorder(ALONE, kept)
        restored = recorder.restore(state_of(0))
        assert restored is not None and restored[1] == Progress(2, 20)
        recorder.log({"generation": 2})
        recorder.save(*kept.saved)
        assert (recorder.done, len(kept.rows), list(kept.states)) == (3, 1, [2])
        assert np.array_equal(bits(restored[0]), bits(kept.saved[0]))


def test_cores_are_counted_where_the_system_does_not_say_which_a_process_may_use(monkeypatch):
    assert num_cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    assert num_cores() == os.cpu_count()
