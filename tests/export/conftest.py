"""Exported files, made and checked once."""

import functools
import json
from pathlib import Path

import jax
import pytest

from metadisco.cli import main
from metadisco.config import parse_config
from metadisco.parametrisations import ValueLoss
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

pytest.register_assert_rewrite("artefact_cases", "damage", "exporting", "loss_contract")

from artefact_cases import CASES, make_case  # noqa: E402
from damage import Sound  # noqa: E402
from exported import Exports, make_run  # noqa: E402
from exporting import FORMS, tree  # noqa: E402
from jax_examples import AT_PROGRESS, FILES, import_example  # noqa: E402
from messages import Messages  # noqa: E402
from policies import Policies  # noqa: E402
from refusals import assert_refused  # noqa: E402
from self_checks import check_all  # noqa: E402


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    return Exports(tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="session")
def policies(tmp_path_factory):
    return Policies(tmp_path_factory.mktemp("policies"))


@pytest.fixture(scope="session")
def messages(tmp_path_factory):
    return Messages(tmp_path_factory.mktemp("messages"))


@pytest.fixture(scope="session")
def self_checks(exports, tmp_path_factory):
    """Return the results of the self-checks of files of a language, unchanged and with one number changed."""
    return functools.cache(lambda language: check_all(exports, language, tmp_path_factory.mktemp("changed")))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A sound artefact."""
    path = tmp_path_factory.mktemp("sound")
    run = make_run(path / "run", "value_loss_of_all_inputs")
    assert main(["export", run, "--to", "artefact", "--output", str(path / "artefact"), "--quiet"]) == 0
    return Sound(path / "artefact")


@pytest.fixture
def folder(place, sound):
    """(artefact.json, arrays.npz or None) -> the folder of them."""

    def folder(text, packed=sound.packed):
        path = place / "artefact"
        path.mkdir(exist_ok=True)
        (path / "artefact.json").write_bytes(text.encode() if isinstance(text, str) else text)
        (path / "arrays.npz").unlink(missing_ok=True)
        if packed is not None:
            (path / "arrays.npz").write_bytes(packed)
        return path

    return folder


@pytest.fixture
def archive(place):
    """(content) -> the zip file of it."""

    def archive(content):
        path = place / "artefact.zip"
        path.write_bytes(content)
        return path

    return archive


@pytest.fixture(scope="module")
def case_of(tmp_path_factory):
    """(name) -> its case, made once."""
    made = {}

    def case_of(name):
        if name not in made:
            made[name] = make_case(name, tmp_path_factory.mktemp("case"))
        return made[name]

    return case_of


@pytest.fixture(params=CASES)
def case(request, case_of):
    return case_of(request.param)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on two environments, with two centres, rows of metrics and a start."""
    run = RunDirectory(tmp_path_factory.mktemp("run") / "run")
    ppo = {"value_coef": 0.25, "normalise_advantages": "batch", "num_minibatches": 2}
    envs = [{"env": "gymnax/CartPole-v1", "ppo": {"learning_rate": 0.001}}, {"env": "brax/ant:spring"}]
    section = {"name": "value_loss", "hidden_sizes": [8]}
    run.create(parse_config({"seed": 5, "parametrisation": section, "inner": {"envs": envs, "ppo": ppo}}))
    params = ValueLoss(hidden_sizes=(8,)).init(jax.random.key(0))
    for generation, scale in ((3, 0.5), (7, 1.0)):
        run.write_centre(generation, to_arrays(jax.tree.map(lambda leaf, scale=scale: scale * leaf + scale, params)))
    for generation in range(9):
        run.append_metrics({"generation": generation, "env_steps": 1000 * (generation + 1)})
    run.note_start({})
    return run


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A learned objective."""
    return make_run(tmp_path_factory.mktemp("runs") / "learned", "value_loss_of_all_inputs")


@pytest.fixture
def distilled_run(place):
    """A run with a closed form."""
    path = make_run(place / "distilled_run", "value_loss_of_all_inputs")
    (Path(path) / "distilled").mkdir()
    (Path(path) / "distilled" / "distilled.json").write_text(json.dumps(FORMS))
    return path


@pytest.fixture
def refused(place, capsys):
    """(arguments, parts of the message) -> check that the command is refused and writes nothing."""

    def refused(words, *told):
        before = tree(place)
        assert_refused(["export", *words], told, capsys)
        caches = {path for path in tree(place) if "__pycache__" in path.parts}  # of a user-defined module
        assert {path: content for path, content in tree(place).items() if path not in caches} == before

    return refused


@pytest.fixture(scope="module")
def programs_compile_fast():
    """Optimise programs less, which run for milliseconds."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture
def programs_run_fast():
    """Optimise programs after all."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="module")
def one_file():
    return import_example("purejaxrl_style_ppo")


@pytest.fixture(scope="module")
def loop():
    """Return the example with few steps and a learning rate at which both losses clip."""
    module = import_example("optax_flax_loop")
    module.NUM_ENVS, module.NUM_STEPS, module.NUM_EPOCHS, module.NUM_MINIBATCHES = 4, 16, 2, 2
    module.LEARNING_RATE = 0.01
    return module


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the paths of files with losses, by name: exported ones, and `at_progress`."""
    folder = tmp_path_factory.mktemp("losses")
    paths = {name: str(folder / f"{name}.py") for name in (*FILES, "at_progress")}
    for name, words in FILES.items():
        assert main(["export", *words, "--to", "jax", "--output", paths[name], "--quiet"]) == 0
    Path(paths["at_progress"]).write_text(AT_PROGRESS)
    return paths


@pytest.fixture(scope="module")
def own(one_file):
    """Return the losses that are written in the single file, by name."""
    return {"own": one_file.ppo_losses(), "own_unclipped": one_file.ppo_losses(value_clip_eps=None)}
