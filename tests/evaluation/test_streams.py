"""Keys of agents: the streams for choosing settings and for evaluation are disjoint."""

import jax
import numpy as np
import pytest

from metadisco.cli import main
from metadisco.evaluation import evaluate, histograms, lifetimes, reference
from metadisco.evaluation.lifetimes import (
    EVALUATION,
    HISTOGRAMS,
    PROPOSING,
    RANDOM,
    REFERENCE,
    TRAINING,
    seed_keys,
)
from metadisco.outer.search import Keys, _streams

SEEDS, NUM = range(4), 64
JUDGED = {  # the keys that published numbers were made with
    (0, EVALUATION): [[1982010649, 2670649932], [369327484, 2754556814]],
    (0, HISTOGRAMS): [[2253465272, 413331119], [1915723553, 1296707896]],
    (0, RANDOM): [[787758665, 4104655523], [3696931279, 212564036]],
    (3, EVALUATION): [[1101876095, 2744503453], [1391510242, 3587831414]],
}


def rows(keys):
    return list(map(tuple, np.asarray(jax.random.key_data(keys)).reshape(-1, 2).tolist()))


def keys_of_a_search(seed):
    """Return the keys of a search: its streams, their generations and the lifetimes of these."""
    streams = _streams(jax.random.key(seed))
    generations = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)), (0, None))(
        jax.numpy.stack(streams), jax.numpy.arange(16)
    ).reshape(-1)
    split = jax.vmap(lambda key: jax.random.split(key, NUM))(generations)
    return [*rows(jax.random.key(seed)[None]), *rows(jax.numpy.stack(streams)), *rows(generations), *rows(split)]


def test_no_two_streams_share_a_key():
    every = [row for seed in SEEDS for row in keys_of_a_search(seed)]
    assert len(every) == len(SEEDS) * (1 + len(Keys._fields) * (1 + 16 * (1 + NUM)))
    for seed in SEEDS:
        for stream in range(PROPOSING + 1):
            every += rows(seed_keys(seed, NUM, stream))
    assert len(set(every)) == len(every)


@pytest.mark.parametrize(("seed", "stream"), JUDGED)
def test_what_is_judged_keeps_the_keys_that_it_had(seed, stream):
    assert rows(seed_keys(seed, 2, stream)) == list(map(tuple, JUDGED[seed, stream]))
    assert rows(seed_keys(seed, 5, stream))[:2] == rows(seed_keys(seed, 2, stream))
    assert rows(seed_keys(seed, 2)) == rows(seed_keys(seed, 2, EVALUATION))


class StoppedError(Exception):
    """Raised where agents would be trained."""


COMMANDS = {
    "train": ("train --objective ppo --env probes:rewarded_action", TRAINING),
    "evaluate": ("evaluate --objectives ppo --envs probes:rewarded_action --output out", RANDOM, EVALUATION),
    "reference": ("reference two.yaml", REFERENCE),
    "plot": ("plot ppo --env probes:rewarded_action --output out", HISTOGRAMS),
    "distil": ("distil ppo --env probes:rewarded_action --output out", HISTOGRAMS),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_stream_of_its_own(command, monkeypatch, tmp_path):
    words, *streams = COMMANDS[command]
    taken = []

    def noted(seed, num_seeds, stream=EVALUATION):
        taken.append(stream)
        return seed_keys(seed, num_seeds, stream)

    def map_over_devices(*arguments):
        if len(taken) == len(streams):
            raise StoppedError
        return np.zeros(64)

    for module in (evaluate, lifetimes, reference, histograms):
        monkeypatch.setattr(module, "seed_keys", noted)
        monkeypatch.setattr(module, "map_over_devices", map_over_devices)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.yaml").write_text(
        "inner: {envs: [{env: 'probes:rewarded_action'}, {env: 'probes:target_action'}]}\nseed: 3\n"
    )
    with pytest.raises(StoppedError):
        main([*words.split(), "outer.num_devices=1", "--quiet"])
    assert taken == streams
