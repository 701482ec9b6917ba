"""A student network learns a drift, a value loss or both, from any initial meta-parameters."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_targets import huber, value_points
from quick import quick

from metadisco.config import parse_config
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.sources import find_source
from metadisco.distillation.distil import _train_student
from metadisco.distillation.network import train_student
from metadisco.distillation.surfaces import drift_points, value_loss_points
from metadisco.distillation.targets import drift_target
from metadisco.objectives import dpo
from metadisco.parametrisations import LPODrift, PolicyAndValue, ValueLoss, make_parametrisation
from metadisco.parametrisations.lpo_drift import LearnedDrift
from metadisco.parametrisations.value_loss import LearnedValueLoss
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

STEPS = 500
GOAL = np.random.default_rng(1).normal(size=400)
DPO = drift_target(dpo().policy_loss, num_points=400)
HUBER = huber(0.7, num_points=400)
TAUGHT = {
    "drift": (LPODrift(hidden_sizes=(16,)), [DPO]),
    "both": (
        PolicyAndValue(
            policy=LearnedDrift(hidden_sizes=(16,)),
            value=LearnedValueLoss(hidden_sizes=(16,), start="random"),
        ),
        [DPO, HUBER],
    ),
}


def errors(objective, targets):
    """Return relative errors of values and slopes by target, in double precision."""
    found = []
    for target in targets:
        if target.kind == "policy":
            value, slope = drift_points(objective.policy_loss, target.x, target.others["A"])
            slope = target.others["A"] - slope
            miss, size = value - target.value, target.value
        else:
            goal = target.others.get("target", np.zeros_like(target.x))
            old_value = target.others.get("old_value", goal)
            value, slope = value_loss_points(objective.value_loss, target.x, goal, old_value)
            miss, size = (each - target.weight @ each for each in (value - target.value, target.value))
        squares = ((miss, size), (slope - target.slope, target.slope))
        found.append(tuple(np.sqrt(target.weight @ one**2 / (target.weight @ other**2)) for one, other in squares))
    return found


@pytest.mark.parametrize("name", quick(TAUGHT, ["drift"]))
def test_a_student_comes_near_to_what_it_is_taught_and_tells_how_near(name):
    parametrisation, targets = TAUGHT[name]
    student = train_student(jax.random.key(0), parametrisation, targets, STEPS, 1e-2)
    found = errors(parametrisation.bind(student.meta_params), targets)
    told = list(zip(student.value_errors, student.slope_errors, strict=True))
    np.testing.assert_allclose(told, found, rtol=0.02, atol=1e-3)
    assert all(slope_error < 0.3 and value_error < 0.3 for value_error, slope_error in found)
    template = jax.eval_shape(parametrisation.init, jax.random.key(0))
    assert jax.tree.structure(student.meta_params) == jax.tree.structure(template)


def test_a_value_loss_with_second_inputs_is_taught_with_them():
    factor = 1 + 0.5 * np.sign(GOAL)
    target = value_points(lambda x: factor * x**2, lambda x: 2 * factor * x, num_points=400, target=GOAL)
    parametrisation = ValueLoss(hidden_sizes=(16,), inputs=("error", "target"), start="random")
    student = train_student(jax.random.key(0), parametrisation, [target], STEPS, 1e-2)
    best_without = factor.std() / np.sqrt(np.square(factor).mean())  # of errors and targets that are independent
    assert student.slope_errors[0] < 0.6 * best_without


def test_points_count_by_their_weight():
    half = HUBER.x > 0
    target = HUBER._replace(
        slope=np.where(half, HUBER.slope, -20.0),
        value=np.where(half, HUBER.value, -20.0 * HUBER.x),
        weight=np.where(half, 1.0, 0.0) / half.sum(),
    )
    student = train_student(jax.random.key(0), ValueLoss(hidden_sizes=(16,), start="random"), [target], STEPS, 1e-2)
    assert student.slope_errors[0] < 0.3


STARTS = {
    "zeros": ({"name": "value_loss", "start": "zeros", "hidden_sizes": [4]}, {"value": HUBER}),
    "zero output without PPO": ({"name": "lpo_drift", "ppo_init": False, "hidden_sizes": [4]}, {"policy": DPO}),
    "both": (
        {
            "name": "policy_and_value",
            "policy": {"ppo_init": False, "hidden_sizes": [4]},
            "value": {"start": "zeros", "hidden_sizes": [4]},
        },
        {"policy": DPO, "value": HUBER},
    ),
}


@pytest.mark.parametrize("name", quick(STARTS, ["both"]))
def test_wherever_the_search_began_a_smaller_network_is_taught_and_kept_as_a_run(name, tmp_path, monkeypatch):
    section, targets = STARTS[name]
    config = parse_config({"parametrisation": section})
    run = RunDirectory(tmp_path / "run")
    run.create(config)
    run.write_centre(0, to_arrays(make_parametrisation(config.parametrisation).init(jax.random.key(0))))
    monkeypatch.setattr(
        "metadisco.distillation.distil.train_student",
        functools.partial(train_student, num_steps=STEPS, learning_rate=1e-2),
    )
    path = _train_student(find_source(str(run.path)), (16,), targets, tmp_path, lambda text: None)
    objective = load_objective(path)
    found = errors(objective, targets.values())
    assert all(slope_error < 0.5 for _, slope_error in found)
    told = json.loads((tmp_path / "network" / "provenance.json").read_text())[-1]["relative_errors"]
    assert list(told) == list(targets)
    for part, (value_error, slope_error) in zip(told.values(), found, strict=True):
        assert part == pytest.approx({"value_error": value_error, "slope_error": slope_error}, rel=0.02, abs=1e-3)
    sizes = {array.shape for name, array in np.load(RunDirectory(tmp_path / "network").centre_path(0)).items()
             if name.startswith(("Dense_0", "policy/Dense_0", "value/Dense_0"))}  # fmt: skip
    assert {shape[-1] for shape in sizes} == {16}
    assert jnp.isfinite(jnp.array(found)).all()
