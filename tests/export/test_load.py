import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.config import parse_config
from metadisco.discoveries.load import load_centre, load_objective
from metadisco.errors import UserError
from metadisco.objectives import ppo
from metadisco.parametrisations import ValueLoss
from metadisco.storage.arrays import from_arrays, to_arrays
from metadisco.storage.runs import RunDirectory
from metadisco.types import Sample

VALUE_LOSS = ValueLoss(hidden_sizes=(8,), start="random")
NAMES = {"Dense_0/kernel", "Dense_0/bias", "output/kernel", "output/bias"}


@pytest.fixture
def params(getkey):
    return VALUE_LOSS.init(getkey())


@pytest.fixture
def run(tmp_path, params):
    """A run with two centres: all zeros first, `params` as the newest."""
    run = RunDirectory(tmp_path / "run")
    run.create(parse_config({"parametrisation": {"name": "value_loss", "hidden_sizes": [8], "start": "random"}}))
    run.write_centre(0, to_arrays(jax.tree.map(jnp.zeros_like, params)))
    run.write_centre(16, to_arrays(params))
    return run


@pytest.fixture
def sample(getkey):
    fields = dict(zip(Sample._fields, jax.random.normal(getkey(), (len(Sample._fields), 5)), strict=True))
    return Sample(**fields | {"progress": jnp.zeros(())})


def same(tree, other) -> bool:
    return jax.tree.structure(tree) == jax.tree.structure(other) and all(
        np.asarray(one).tobytes() == np.asarray(two).tobytes()
        for one, two in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True)
    )


class TestArrays:
    def test_are_named_by_their_path(self, params):
        assert set(to_arrays(params)) == NAMES

    def test_come_back_as_the_same_tree_bit_for_bit(self, params):
        template = jax.eval_shape(VALUE_LOSS.init, jax.random.key(0))
        assert same(from_arrays(to_arrays(params), template, "here"), params)

    def test_two_leaves_of_one_name_are_refused(self):
        with pytest.raises(UserError, match="'a/b'"):
            to_arrays({"a": {"b": jnp.zeros(1)}, "a/b": jnp.zeros(1)})

    def test_a_bare_array_and_a_tuple_come_back(self):
        for tree in (jnp.arange(3.0), (jnp.zeros(2), jnp.ones(3)), [jnp.ones(())]):
            assert same(from_arrays(to_arrays(tree), tree, "here"), tree)

    def test_an_array_of_an_odd_name_survives_the_file(self, tmp_path):
        tree = {"file": jnp.ones(2), "a b": jnp.zeros(1)}
        run = RunDirectory(tmp_path)
        run.write_centre(0, to_arrays(tree))
        with np.load(run.centre_path(0)) as arrays:
            assert same(from_arrays(dict(arrays), tree, "here"), tree)


class TestCentre:
    def test_the_newest_is_loaded(self, run, params):
        parametrisation, centre = load_centre(str(run.path))
        assert parametrisation == VALUE_LOSS
        assert same(centre, params)

    def test_a_generation_is_named_after_an_at_sign(self, run, params):
        assert same(load_centre(f"{run.path}@0")[1], jax.tree.map(jnp.zeros_like, params))
        assert same(load_centre(f"{run.path}@16")[1], params)

    def test_a_path_that_holds_an_at_sign_is_a_path(self, run, params):
        moved = run.path.rename(run.path.with_name("run@3"))
        assert same(load_centre(str(moved))[1], params)
        assert same(load_centre(f"{moved}@16")[1], params)

    def test_a_generation_that_was_not_kept_is_refused_with_those_that_were(self, run):
        with pytest.raises(UserError, match="generation 7, allowed: 0, 16"):
            load_centre(f"{run.path}@7")

    def test_a_run_without_centres_is_refused(self, tmp_path):
        run = RunDirectory(tmp_path)
        run.create(parse_config({}))
        with pytest.raises(UserError, match="holds no centre yet"):
            load_centre(str(tmp_path))

    def test_what_is_no_run_is_refused(self, tmp_path):
        with pytest.raises(UserError, match=r"no objective .*allowed: ppo"):
            load_centre(str(tmp_path / "nowhere"))
        with pytest.raises(UserError, match="no objective"):
            load_centre(str(tmp_path))


def without(name):
    return lambda arrays: {key: array for key, array in arrays.items() if key != name}


DAMAGE = [
    ("missing", without("output/bias"), "'output/bias'"),
    ("extra", lambda arrays: {**arrays, "Dense_1/bias": np.zeros(8, np.float32)}, "'Dense_1/bias'"),
    (
        "wrong shape",
        lambda arrays: {**arrays, "Dense_0/bias": np.zeros(9, np.float32)},
        r"'Dense_0/bias' is float32\[9\], expected float32\[8\]",
    ),
    (
        "transposed",
        lambda arrays: {**arrays, "Dense_0/kernel": arrays["Dense_0/kernel"].T},
        r"float32\[8, 1\], expected float32\[1, 8\]",
    ),
    (
        "wrong dtype",
        lambda arrays: {**arrays, "Dense_0/bias": np.zeros(8, np.float64)},
        r"'Dense_0/bias' is float64\[8\], expected float32",
    ),
    ("whole numbers", lambda arrays: {**arrays, "Dense_0/bias": np.zeros(8, np.int32)}, "int32"),
    ("no arrays", lambda arrays: {}, "lacks"),
]


class TestDamage:
    @pytest.mark.parametrize(("damage", "told"), [case[1:] for case in DAMAGE], ids=[case[0] for case in DAMAGE])
    def test_arrays_that_do_not_fit_are_refused_naming_file_and_array(self, run, params, damage, told):
        run.write_centre(16, damage(to_arrays(params)))
        with pytest.raises(UserError, match=told) as caught:
            load_centre(str(run.path))
        assert "000016.npz" in str(caught.value)

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
    def test_a_truncated_file_is_refused_by_name(self, run, share):
        path = run.centre_path(16)
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(UserError, match=r"000016\.npz"):
            load_centre(str(run.path))

    def test_a_flipped_byte_is_refused_by_name(self, run):
        path = run.centre_path(16)
        content = bytearray(path.read_bytes())
        content[content.index(b"NUMPY") + 130] ^= 0xFF  # in the numbers of the first array
        path.write_bytes(bytes(content))
        with pytest.raises(UserError, match=r"000016\.npz"):
            load_centre(str(run.path))

    def test_a_pickle_is_never_unpickled(self, run):
        with run.centre_path(16).open("wb") as file:
            np.savez(file, **{"output/bias": np.asarray([{"code": "here"}], dtype=object)})
        with pytest.raises(UserError, match=r"000016\.npz"):
            load_centre(str(run.path))


class TestObjective:
    def test_a_run_gives_the_objective_of_its_centre(self, run, params, sample):
        loaded, bound = load_objective(run.path), VALUE_LOSS.bind(params)
        for name in ("policy_loss", "value_loss"):
            np.testing.assert_array_equal(getattr(loaded, name)(sample), getattr(bound, name)(sample))

    def test_ppo_is_a_name_and_takes_its_constants(self, sample):
        loaded = load_objective("ppo", clip_eps=0.1, value_clip_eps=None)
        for name in ("policy_loss", "value_loss"):
            np.testing.assert_array_equal(getattr(loaded, name)(sample), getattr(ppo(0.1, None), name)(sample))

    @pytest.mark.parametrize("settings", [{"clip_eps": "wide"}, {"clip_eps": -1.0}, {"clipeps": 0.1}])
    def test_wrong_constants_are_refused_by_name(self, settings):
        with pytest.raises(UserError, match=r"objective\.clip"):
            load_objective("ppo", **settings)

    def test_constants_of_a_run_cannot_be_set(self, run):
        with pytest.raises(UserError, match="clip_eps cannot be set"):
            load_objective(run.path, clip_eps=0.1)

    def test_a_misspelt_name_is_answered_with_the_nearest(self):
        with pytest.raises(UserError, match="did you mean 'ppo'"):
            load_objective("pppo")
