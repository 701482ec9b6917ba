"""Exported files for NumPy and JAX: values and slopes of the original, in either precision."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from exported import CLOSED, LEARNED, assert_equal, exported, make_run, samples

from metadisco import load_objective

TOLERANCES = {np.float32: 1e-5, np.float64: 1e-10}


@pytest.fixture(scope="module", params=[*CLOSED, *LEARNED])
def name(request, tmp_path_factory):
    if request.param in CLOSED:
        return request.param
    return make_run(tmp_path_factory.mktemp("runs") / request.param, request.param)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("language", ["numpy", "jax"])
def test_values_and_slopes_are_those_of_the_original(name, language, dtype, tmp_path):
    objective, fields = load_objective(name), samples(dtype)
    module = exported(name, language, tmp_path / "losses.py")
    found = numpy_results(module, fields) if language == "numpy" else jax_results(module, fields)
    assert_equal(found, objective, fields, TOLERANCES[dtype])


@pytest.mark.parametrize("language", ["numpy", "jax"])
def test_nan_in_gives_nan_out(name, language, tmp_path):
    module = exported(name, language, tmp_path / "losses.py")
    xp = np if language == "numpy" else jnp
    one, nan = xp.ones(1), xp.full(1, xp.nan)
    for arguments in ((nan, one, one), (one, nan, one), (one, one, nan)):
        assert np.isnan(module.policy_loss(*arguments)).all()
    for arguments in ((nan, one, one), (one, one, nan)):
        assert np.isnan(module.value_loss(*arguments)).all()


@pytest.mark.parametrize("language", ["numpy", "jax"])
def test_a_file_checks_itself_without_metadisco(name, language, tmp_path):
    exported(name, language, tmp_path / "losses.py")
    text = (tmp_path / "losses.py").read_text()
    assert "import metadisco" not in text and "from metadisco" not in text.replace("metadisco 0", "")
    assert run(tmp_path / "losses.py").returncode == 0
    changed = text.replace("return drift - r * A", "return drift - 1.01 * r * A")
    (tmp_path / "changed.py").write_text(changed)
    assert run(tmp_path / "changed.py").returncode != 0


def run(path):
    return subprocess.run([sys.executable, str(path)], capture_output=True, cwd=path.parent, check=False)


def arguments(fields, module):
    progress = [fields["progress"]] if "progress" in module.policy_loss.__code__.co_varnames[:4] else []
    policy = [fields["log_ratio"], np.zeros_like(fields["log_ratio"]), fields["advantage"], *progress]
    return policy, [fields["value"], fields["old_value"], fields["target"]]


def numpy_results(module, fields):
    policy, value = arguments(fields, module)
    return [
        module.policy_loss(*policy), module.policy_loss_gradient(*policy),
        module.value_loss(*value), module.value_loss_gradient(*value),
    ]  # fmt: skip


def jax_results(module, fields):
    policy, value = arguments(fields, module)
    results = []
    with jax.enable_x64(fields["value"].dtype == np.float64):
        for loss, given in ((module.policy_loss, policy), (module.value_loss, value)):
            x, *rest = map(jnp.asarray, given)
            values, pull = jax.vjp(lambda x, loss=loss, rest=rest: loss(x, *rest), x)
            results += [values, *pull(jnp.ones_like(values))]
    return [np.asarray(x) for x in results]
