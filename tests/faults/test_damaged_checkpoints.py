"""If a checkpoint is damaged, in any file and in any way, the previous one is used."""

import random
import shutil

import jax
import pytest
from running import assert_equal_in_every_bit, files_of
from toys import NOISY

from metadisco.cli import main
from metadisco.outer.search import SearchState
from metadisco.outer.strategy import make_strategy
from metadisco.storage.checkpoints import Checkpoints, digest_of
from metadisco.storage.runs import RunDirectory

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("toy_problem")]


@pytest.fixture
def run(undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path / "run")
    return tmp_path / "run"


def flip(path, delays):
    content = bytearray(path.read_bytes())
    content[delays.randrange(len(content))] ^= 1 << delays.randrange(8)
    path.write_bytes(content)


def truncate(path, delays):
    content = path.read_bytes()
    path.write_bytes(content[: delays.randrange(len(content))])


def empty(path, delays):
    path.write_bytes(b"")


def remove(path, delays):
    path.unlink()


DAMAGES = (flip, truncate, empty, remove)


@pytest.fixture(scope="module")
def template(undisturbed):
    config = RunDirectory(undisturbed).config()
    start = NOISY.init(jax.random.key(0))
    return SearchState(jax.random.key(0), make_strategy(config.outer.strategy, start).init(jax.random.key(0), start))


def read(run, template):
    """Return generation and checksum of the restored state, and the messages."""
    said = []
    checkpoints = Checkpoints(run / "checkpoints", keep=3)
    state, progress = checkpoints.restore(template, said.append)
    checkpoints.close()
    return progress.generation, digest_of(state, progress), said


@pytest.mark.parametrize("sums", [True, False], ids=["with sums", "killed before the sums were written"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_in_any_file_is_noticed_or_does_no_harm(damage, sums, run, template, capfd):
    newest, before = run / "checkpoints" / "30", run / "checkpoints" / "28"
    whole = read(run, template)
    assert whole[0] == 30 and whole[2] == []
    shutil.move(newest, run / "kept")
    previous = read(run, template)
    assert previous[0] == 28
    shutil.move(run / "kept", newest)
    if not sums:
        (newest / "sums.json").unlink()
    delays = random.Random(3)
    files = sorted(path for path in newest.rglob("*") if path.is_file())
    assert len(files) > 10 and before.exists()
    skipped = 0
    for path in files:
        content = path.read_bytes()
        for _ in range(5 if damage in (flip, truncate) and content else 1):
            if content or damage is remove:
                damage(path, delays)
            generation, digest, said = read(run, template)
            assert (generation, digest) in (whole[:2], previous[:2]), path
            if generation == 28:
                assert len(said) == 1 and said[0].startswith("checkpoint 30 is damaged and is skipped: ")
                skipped += 1
            if sums and content and path.name != "sums.json":
                assert generation == 28, path
            path.write_bytes(content)
    assert skipped >= (len(files) // 2 if sums else 3)  # orbax has files that it does not read again
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("which", [(30,), (30, 28)])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_goes_on_from_the_checkpoint_before_to_the_same_numbers(damage, which, run, undisturbed, evolve, capfd):
    for number in which:
        for path in sorted((run / "checkpoints" / str(number)).rglob("*")):
            if path.is_file() and path.name != "sums.json":
                damage(path, random.Random(number))
    assert main(evolve(run)) == 0
    err = capfd.readouterr().err
    assert "Traceback" not in err
    for number in which:
        assert f"checkpoint {number} is damaged and is skipped: " in err
    assert f"reach generation 30, the newest checkpoint generation {min(which) - 2}: " in err
    assert "will be repeated with the same numbers" in err
    assert_equal_in_every_bit(run, undisturbed)
    before = files_of(run)
    assert main(evolve(run)) == 0
    assert "damaged" not in capfd.readouterr().err
    assert files_of(run) == before


def test_a_checkpoint_that_is_an_empty_folder_or_a_rest_of_orbax_is_no_trouble(run, undisturbed, evolve, capfd):
    shutil.rmtree(run / "checkpoints" / "30")
    (run / "checkpoints" / "30").mkdir()
    rest = run / "checkpoints" / "32.orbax-checkpoint-tmp" / "state.orbax-checkpoint-tmp"
    rest.mkdir(parents=True)
    (rest / "manifest.ocdbt").write_bytes(b"half")
    assert main(evolve(run)) == 0
    assert "checkpoint 30 is damaged and is skipped: it is empty" in capfd.readouterr().err
    assert_equal_in_every_bit(run, undisturbed)
    assert not list((run / "checkpoints").glob("*tmp*"))


def test_where_all_are_damaged_the_run_is_refused_and_left_as_it_is(run, evolve, capfd):
    for path in (run / "checkpoints").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    before = files_of(run)
    assert main(evolve(run)) == 2
    err = capfd.readouterr().err
    assert "none of the checkpoints 26, 28, 30" in err and "Traceback" not in err
    assert files_of(run) == before


def test_where_all_are_gone_it_says_what_is_left(run, evolve, capfd):
    shutil.rmtree(run / "checkpoints")
    assert main(evolve(run)) == 2
    assert "up to generation 30 but no checkpoint to continue from" in capfd.readouterr().err


def test_settings_of_another_search_are_still_refused(run, evolve, capfd):
    assert main(evolve(run, "seed=5")) == 2
    assert "another configuration" in capfd.readouterr().err
