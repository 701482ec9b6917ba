"""Full and read-only disks and removed directories: one sentence, and the run can be resumed afterwards."""

import resource
import shutil

import pytest
from disks import fill, read_only, small_disk
from processes import num_rows
from running import assert_equal_in_every_bit, assert_one_sentence, files_of

from metadisco.cli import main

pytestmark = pytest.mark.faults


class TestFullDisk:
    @pytest.mark.parametrize("leave", [0, 4096, 16384, 65536])
    def test_a_disk_that_fills_up_during_the_run(self, leave, undisturbed, evolve, launcher, tmp_path):
        with small_disk(tmp_path / "disk", "4m") as disk:
            running = launcher.start(evolve(disk / "run"))
            assert running.wait_until(lambda: num_rows(disk / "run") >= 5)
            filler = fill(disk, leave)
            assert_one_sentence(
                running.finish(), 1, "No space left on device", "saved states remain valid", "to continue: "
            )
            assert num_rows(disk / "run") < 30
            if leave == 0:  # nothing gets better of itself, and nothing gets worse
                assert_one_sentence(launcher.run(evolve(disk / "run")), 1, "No space left on device")
            filler.unlink()
            ended = launcher.run(evolve(disk / "run"))
            assert ended.code == 0 and "damaged" not in ended.err, ended.err
            assert_equal_in_every_bit(disk / "run", undisturbed)

    @pytest.mark.parametrize("leave", [0, 4096, 12288, 24576])
    def test_a_disk_that_is_full_from_the_start(self, leave, undisturbed, evolve, launcher, tmp_path):
        """With some bytes left the run gets so far as its config, its provenance, or its first centre."""
        with small_disk(tmp_path / "disk", "4m") as disk:
            filler = fill(disk, leave)
            assert_one_sentence(launcher.run(evolve(disk / "run")), 1, "No space left on device")
            filler.unlink()
            ended = launcher.run(evolve(disk / "run"))
            assert ended.code == 0, ended.err
            assert_equal_in_every_bit(disk / "run", undisturbed)

    def test_a_file_that_may_grow_no_further(self, undisturbed, evolve, launcher, tmp_path):
        run = tmp_path / "run"
        running = launcher.start(evolve(run))
        assert running.wait_until(lambda: num_rows(run) >= 5)
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, ((run / "metrics.jsonl").stat().st_size, -1))
        assert_one_sentence(running.finish(), 1, "File too large", "saved states remain valid", "to continue: ")
        ended = launcher.run(evolve(run))
        assert ended.code == 0, ended.err
        assert_equal_in_every_bit(run, undisturbed)

    def test_with_tensorboard_on_it(self, undisturbed, evolve, launcher, tmp_path):
        with small_disk(tmp_path / "disk", "4m") as disk:
            running = launcher.start(evolve(disk / "run", "logging.tensorboard=true"))
            assert running.wait_until(lambda: num_rows(disk / "run") >= 5)
            filler = fill(disk, 0)
            assert_one_sentence(running.finish(), 1, "No space left on device")
            filler.unlink()
            ended = launcher.run(evolve(disk / "run", "logging.tensorboard=true"))
            assert ended.code == 0, ended.err
            assert_equal_in_every_bit(disk / "run", undisturbed)

    def test_with_what_is_printed_on_it(self, evolve, launcher, tmp_path):
        """Nothing can be said then, but the exit code tells, and nothing is broken."""
        with small_disk(tmp_path / "disk", "4m") as disk:
            (disk / "err.txt").touch()
            filler = fill(disk, 0)
            ended = launcher.start(evolve(disk / "run"), err=disk / "err.txt").finish()
            assert ended.code == 1
            assert (disk / "err.txt").read_text() == ""
            filler.unlink()
            assert launcher.run(evolve(disk / "run")).code == 0


class TestReadOnly:
    def test_a_new_run_on_a_read_only_disk_is_refused(self, evolve, tmp_path, capfd):
        (tmp_path / "disk").mkdir()
        with read_only(tmp_path / "disk"):
            assert main(evolve(tmp_path / "disk" / "run")) == 2
        assert capfd.readouterr().err.count("is no directory that can be written to") == 1
        assert list((tmp_path / "disk").iterdir()) == []

    @pytest.mark.parametrize("part", ["metrics.jsonl", "centres", "checkpoints", "."])
    def test_what_becomes_read_only_during_the_run(self, part, undisturbed, evolve, launcher, tmp_path):
        run = tmp_path / "run"
        running = launcher.start(evolve(run))
        assert running.wait_until(lambda: num_rows(run) >= 5)
        with read_only(run / part):
            assert_one_sentence(running.finish(), 1, "Read-only file system", "to continue: ")
            assert launcher.run(evolve(run)).code in (1, 2)
        ended = launcher.run(evolve(run))
        assert ended.code == 0 and "damaged" not in ended.err, ended.err
        assert_equal_in_every_bit(run, undisturbed)


class TestGone:
    @pytest.mark.parametrize("at", [1, 2, 12])
    def test_a_directory_that_is_deleted_stays_deleted(self, at, evolve, launcher, tmp_path):
        run = tmp_path / "run"
        running = launcher.start(evolve(run))
        assert running.wait_until(lambda: num_rows(run) >= at)
        shutil.rmtree(run, ignore_errors=True)
        while run.exists():  # a file may have come while others were deleted
            shutil.rmtree(run, ignore_errors=True)
        assert_one_sentence(running.finish(), 1, "deleted or replaced", "to restart: metadisco evolve")
        assert not run.exists()

    def test_a_directory_that_is_moved_goes_on_from_its_new_place(self, undisturbed, evolve, launcher, tmp_path):
        run, moved = tmp_path / "run", tmp_path / "moved"
        running = launcher.start(evolve(run))
        assert running.wait_until(lambda: num_rows(run) >= 5)
        run.rename(moved)
        assert_one_sentence(running.finish(), 1, "deleted or replaced")
        assert not run.exists()
        ended = launcher.run(evolve(moved))
        assert ended.code == 0, ended.err
        assert_equal_in_every_bit(moved, undisturbed)

    @pytest.mark.parametrize("part", ["checkpoints", "centres", "metrics.jsonl"])
    def test_a_part_that_is_deleted_is_made_again_or_missed_in_words(self, part, evolve, launcher, tmp_path):
        run = tmp_path / "run"
        running = launcher.start(evolve(run))
        assert running.wait_until(lambda: num_rows(run) >= 5)
        path = run / part
        path.rename(tmp_path / "elsewhere")
        ended = running.finish()
        assert ended.code in (0, 1) and "Traceback" not in ended.err, ended.err
        ended = launcher.run(evolve(run))
        assert ended.code == 0, ended.err
        assert "done: 30 generations" in ended.err
        if part == "metrics.jsonl":
            assert "metrics.jsonl has lost the rows of generations 0 to " in ended.err
        assert files_of(run)
