"""Checkpoints are restored bit for bit; instead of a damaged one the previous one is restored."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.errors import MachineError, UserError
from metadisco.outer.search import Progress, SearchState
from metadisco.storage.checkpoints import Checkpoints


def state_of(number):
    return SearchState(jax.random.key(7), {"mean": jnp.full(3, float(number)), "count": jnp.int32(number)})


def saved(path, generations=(0, 2, 4)):
    checkpoints = Checkpoints(path, keep=3)
    for generation in generations:
        checkpoints.save(state_of(generation), Progress(generation, 10**12 + generation))
    checkpoints.close()


def damage(path):
    for file in path.rglob("*"):
        if file.is_file():
            file.write_bytes(b"")


def restored(path, warnings):
    checkpoints = Checkpoints(path, keep=3)
    try:
        return checkpoints.restore(state_of(0), warnings.append)
    finally:
        checkpoints.close()


def test_the_newest_state_comes_back_with_its_key_and_steps_beyond_32_bits(tmp_path):
    saved(tmp_path)
    warnings = []
    state, progress = restored(tmp_path, warnings)
    assert progress == Progress(4, 10**12 + 4)
    assert np.array_equal(jax.random.key_data(state.key), jax.random.key_data(jax.random.key(7)))
    assert state.strategy["mean"].tolist() == [4.0, 4.0, 4.0]
    assert warnings == []


def test_nothing_saved_is_none(tmp_path):
    assert restored(tmp_path, []) is None


def test_a_damaged_checkpoint_is_said_and_gives_way_to_the_one_before(tmp_path):
    saved(tmp_path)
    damage(tmp_path / "4")
    warnings = []
    _, progress = restored(tmp_path, warnings)
    assert progress.generation == 2
    assert len(warnings) == 1 and "checkpoint 4 is damaged" in warnings[0]


def test_the_place_of_a_damaged_checkpoint_can_be_written_again(tmp_path):
    saved(tmp_path)
    damage(tmp_path / "4")
    checkpoints = Checkpoints(tmp_path, keep=3)
    checkpoints.restore(state_of(0), lambda warning: None)
    checkpoints.save(state_of(40), Progress(4, 5))
    checkpoints.close()
    state, progress = restored(tmp_path, [])
    assert progress == Progress(4, 5)
    assert int(state.strategy["count"]) == 40


def test_a_flipped_bit_that_orbax_does_not_see_is_seen_by_the_sums(tmp_path):
    """In arrays, which have no checksum of orbax; also if a killed process left no file of checksums."""
    for sums in (True, False):
        saved(tmp_path / str(sums))
        folder = tmp_path / str(sums) / "4"
        if not sums:
            (folder / "sums.json").unlink()
        largest = max((path for path in (folder / "state").rglob("d/*")), key=lambda path: path.stat().st_size)
        content = bytearray(largest.read_bytes())
        for place in range(len(content)):
            largest.write_bytes(bytes([*content[:place], content[place] ^ 4, *content[place + 1 :]]))
            if place % 40 == 0:
                state, progress = restored(tmp_path / str(sums), [])
                assert state.strategy["mean"].tolist() == [float(progress.generation)] * 3


def test_a_checkpoint_without_checksums_as_older_versions_wrote_them_is_read(tmp_path):
    saved(tmp_path)
    (tmp_path / "4" / "sums.json").unlink()
    metadata = tmp_path / "4" / "progress" / "metadata"
    progress = json.loads(metadata.read_text())
    del progress["sha256"]
    metadata.write_text(json.dumps(progress))
    assert restored(tmp_path, [])[1] == Progress(4, 10**12 + 4)


def test_what_orbax_would_leave_out_is_an_error_and_no_silence(tmp_path):
    saved(tmp_path)
    checkpoints = Checkpoints(tmp_path, keep=3)
    with pytest.raises(MachineError, match="beyond generation 3"):
        checkpoints.save(state_of(3), Progress(3, 5))
    checkpoints.close()


def test_a_run_of_which_every_checkpoint_is_damaged_is_refused(tmp_path):
    saved(tmp_path)
    damage(tmp_path)
    with pytest.raises(UserError, match="none of the checkpoints 0, 2, 4 can be read"):
        restored(tmp_path, [])


def test_what_one_of_several_processes_saves_a_process_alone_reads(tmp_path, monkeypatch):
    """Orbax then accepts only plain arrays, from which the key is rebuilt."""
    checkpoints = Checkpoints(tmp_path, keep=3)
    with monkeypatch.context() as several:
        several.setattr("metadisco.storage.checkpoints._is_single_process", lambda: False)
        checkpoints.save(state_of(5), Progress(5, 50))
    checkpoints.close()
    state, progress = restored(tmp_path, [])
    assert progress == Progress(5, 50)
    assert state.key.dtype == jax.random.key(7).dtype
    assert np.array_equal(jax.random.key_data(state.key), jax.random.key_data(jax.random.key(7)))
    assert isinstance(state.strategy["mean"], jax.Array)
    assert state.strategy["mean"].tolist() == [5.0, 5.0, 5.0]
