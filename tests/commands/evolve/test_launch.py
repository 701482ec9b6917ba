"""Several processes: number of a process, validation before the start, and explanation of their end."""

import signal

import pytest
from refusals import assert_refused

from metadisco.commands.evolve.causes import Ending, explain
from metadisco.commands.evolve.launch import complete
from metadisco.config import write_yaml
from metadisco.errors import UserError
from metadisco.evolution.opening import differences
from metadisco.outer.team import Place

CONFIG = {"inner": {"env": "gymnax/CartPole-v1"}, "outer": {"num_generations": 1}}
PLACE = ["--distributed", "--coordinator", "127.0.0.1:7077", "--num-processes", "2", "--process-id"]

REFUSED = [
    (["--processes", "0"], ["--processes", "got 0", "at least 1"]),
    (["--processes", "two"], ["--processes", "'two'"]),
    (["--processes", "99999999"], ["--processes", "got 99999999", "1 to 64, the evaluations of a generation"]),
    (["--processes", "2", "outer.num_devices=3"], ["outer.num_devices", "got 3", "multiple of --processes 2"]),
    (["--processes", "2", "--distributed"], ["--processes", "--distributed", "one of the two"]),
    (["--processes", "2", "seed=three"], ["seed", "a whole number"]),
    (["--process-id", "1"], ["--process-id", "only together with --distributed"]),
    (["--join-timeout", "9"], ["--join-timeout", "only together with --distributed"]),
    ([*PLACE, "2"], ["--process-id (or JAX_PROCESS_ID)", "got 2", "0 to 1"]),
    ([*PLACE, "-1"], ["--process-id", "got -1", "0 to 1"]),
    ([*PLACE, "0", "--join-timeout", "0"], ["--join-timeout", "got 0", "1 to 1000000 seconds"]),
    ([*PLACE, "0", "--join-timeout", "3000000000"], ["--join-timeout", "got 3000000000", "1 to 1000000 seconds"]),
    ([*PLACE, "1", "seed=three"], ["seed", "a whole number"]),
    (["--distributed", "--num-processes", "0"], ["--num-processes (or JAX_NUM_PROCESSES)", "got 0", "at least 1"]),
    (["--distributed", "--coordinator", "somewhere"], ["--coordinator", "'somewhere'", "HOST:PORT"]),
    (["--distributed", "--coordinator", "host:99999"], ["--coordinator", "'host:99999'", "HOST:PORT"]),
]


@pytest.mark.parametrize(("words", "told"), REFUSED, ids=[" ".join(words) for words, _ in REFUSED])
def test_what_cannot_be_is_refused_before_a_process_is_started(words, told, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)
    config = tmp_path / "tiny.yaml"
    config.write_text(write_yaml(CONFIG))
    assert_refused(["evolve", str(config), *words, "--run", str(tmp_path / "run")], told, capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("words", [["--processes", "2"], [*PLACE, "0"]])
def test_a_directory_that_is_no_run_is_refused_before_a_process_is_started(words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)
    config = tmp_path / "tiny.yaml"
    config.write_text(write_yaml(CONFIG))
    assert_refused(["evolve", str(config), *words, "--run", str(tmp_path)], ["holds no config.yaml"], capsys)


def test_one_process_is_a_run_like_any_other(tmp_path, capsys):
    words = ["evolve", str(tmp_path / "nowhere.yaml"), "--processes", "1", "--run", str(tmp_path / "run")]
    assert_refused(words, ["nowhere.yaml"], capsys)


VARIABLES = {"JAX_COORDINATOR_ADDRESS": "host:1", "JAX_NUM_PROCESSES": "4", "JAX_PROCESS_ID": "3"}


class TestPlace:
    def test_variables_fill_what_options_leave_open(self):
        assert complete(Place(), VARIABLES) == Place("host:1", 4, 3)
        assert complete(Place("other:2", process_id=0), VARIABLES) == Place("other:2", 4, 0)

    def test_what_neither_says_is_left_to_the_scheduler(self):
        assert complete(Place(), {}) == Place()

    def test_a_variable_that_is_no_number_is_refused(self):
        with pytest.raises(UserError, match=r"JAX_PROCESS_ID: got 'x', allowed: a whole number"):
            complete(Place(), VARIABLES | {"JAX_PROCESS_ID": "x"})

    def test_an_address_of_ipv6_is_one(self):
        assert complete(Place("[::1]:7077", 2, 0), {}).coordinator == "[::1]:7077"


SILENT = """E1127 coordination_service_agent.cc:281] UNAVAILABLE: The following tasks are unhealthy (stopped sending heartbeats):
1
The tasks have crashed. Check the task logs
*** Check failure stack trace: ***
"""  # noqa: E501 - as jaxlib 0.9 prints it
LEADER = (
    "F1127 client.h:80] absl::Status: UNAVAILABLE: Failed to send RPC to coordination service. Either the leader task"
)
LATE = "absl::Status: DEADLINE_EXCEEDED: Deadline Exceeded\n\nRPC: /tensorflow.CoordinationService/RegisterTask"
PORT = "E1127 add_port.cc:83] Failed to add port to server: No address added out of total 1 resolved for '[::]:7077'"
ABORT = -int(signal.SIGABRT)


def ending(process_id: int, code: int | None, log: str = "", said: str = "") -> Ending:
    return Ending(process_id, code, log, said)


class TestExplain:
    OF_THREE = Place("host:7077", 3, 1)

    @pytest.mark.parametrize(
        ("endings", "code", "told"),
        [
            ([ending(0, 0), ending(1, 0)], 0, []),
            ([ending(0, None), ending(1, -9)], 1, ["process 1 of 3 was ended by SIGKILL, and the others", "{again}"]),
            ([ending(1, -9)], 1, ["process 1 of 3 was ended by SIGKILL; to continue"]),
            ([ending(0, ABORT, LEADER), ending(2, -11)], 1, ["process 2 of 3 was ended by SIGSEGV"]),
            ([ending(0, ABORT, SILENT)], 1, ["process 1 of 3 has ended or no longer responds"]),
            ([ending(1, ABORT, LEADER)], 1, ["process 0 of 3, which coordinates the others, has ended"]),
            ([ending(1, ABORT, LATE)], 2, ["--coordinator: got host:7077", "did not answer within 300 s"]),
            ([ending(0, -11, PORT)], 2, ["--coordinator: got host:7077", "cannot listen"]),
            ([ending(0, None), ending(1, 1, said="Traceback: bug\n")], 1, ["Traceback: bug"]),
            ([ending(0, 1, "Traceback: an import"), ending(1, 0)], 1, ["Traceback: an import"]),
            ([ending(0, 2), ending(1, 2, said="metadisco: the same")], 2, []),
            ([ending(0, 0), ending(1, None)], 1, ["process 1 did not finish"]),
            ([ending(0, ABORT, "some\nother words")], 1, ["other words", "process 0 of 3 was aborted by JAX"]),
        ],
    )
    def test_one_sentence_names_the_process(self, endings, code, told):
        got, sentence = explain(endings, self.OF_THREE, [])
        assert got == code
        assert bool(sentence) == bool(told)
        for part in told:
            assert part in sentence

    def test_the_first_process_tells_who_did_not_come(self):
        _, sentence = explain([ending(0, ABORT, LATE)], Place("host:7077", 3, 0), [])
        assert sentence == "metadisco: --num-processes: got 3, but not all of them joined within 300 s (--join-timeout)"

    def test_a_stop_before_the_search_began_is_no_failure(self):
        code, sentence = explain([ending(0, -15), ending(1, -15)], self.OF_THREE, [signal.SIGTERM])
        assert (code, sentence) == (0, "stopped before the search began; to restart: {again}")


NOW = {"processes": 2, "devices": 4, "platform": "cpu", "chunk_size": 1}


class TestDifferences:
    def test_a_new_run_differs_from_nothing(self):
        assert differences({}, NOW) == []

    def test_on_cpu_with_chunks_of_one_the_numbers_stay_the_same(self):
        before = {"devices": 2, "platform": "cpu", "chunk_size": 1}  # written when there was one process only
        assert differences(before, NOW) == [
            "processes was 1 and is 2 now: numbers stay bit-identical",
            "devices was 2 and is 4 now: numbers stay bit-identical",
        ]

    @pytest.mark.parametrize("other", [{"chunk_size": 2}, {"platform": "gpu"}])
    def test_otherwise_they_agree_to_float_tolerance(self, other):
        for before, now in ((NOW | other, NOW), (NOW, NOW | other)):
            assert all("agree to float tolerance only" in text for text in differences(before | {"devices": 1}, now))
            assert len(differences(before | {"devices": 1}, now)) == 2

    @pytest.mark.parametrize(("kind", "words"), [("code", "source of there"), ("opponents", "agents in there")])
    def test_what_a_digest_says_was_changed_is_named(self, kind, words):
        before, now = ({**NOW, kind: {"there": digest, "other": "same"}} for digest in ("one", "two"))
        (sentence,) = differences(before, now)
        assert words in sentence
        assert differences(NOW, now) == differences(now, now) == []
