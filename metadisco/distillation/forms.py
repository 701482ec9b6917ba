"""All closed forms of a loss: known families, a mixture and formulas from symbolic search, accepted or rejected."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import sympy

from metadisco.distillation.families import DRIFT_FAMILIES, VALUE_FAMILIES, Fit, fit, fit_mixture, measure
from metadisco.distillation.formulas import Verdict, check_drift, to_sympy, written
from metadisco.distillation.symbolic import Grammar, search
from metadisco.distillation.targets import Target
from metadisco.objectives.expressions import Expression, complexity, to_json

EXACT_DIGITS = 17


class Forms(NamedTuple):
    """Closed forms of one loss."""

    fits: list[Fit]
    """Accepted forms, the closest first."""
    verdicts: dict[str, Verdict]
    """By form: whether a drift meets the conditions of mirror learning."""
    rejected: dict[str, tuple[Fit, str]]
    """By form: a fit that is no drift, and the reason."""


def find_forms(
    target: Target,
    grammar: Grammar | None = None,
    advance: Callable[[str], None] = lambda text: None,
    exact: "Expression | None" = None,
) -> Forms:
    """Fit all families to a target, search for formulas, and check the conditions of a drift.

    Args:
        target: a drift or a value loss at points.
        grammar: of the formulas; the full grammar by default.
        advance: called with the name of each finished step.
        exact: the loss itself, if it is a closed form as it is; it becomes the form `exact`.
    """
    families = DRIFT_FAMILIES if target.kind == "policy" else VALUE_FAMILIES
    fits = [] if exact is None else [measure("exact", exact, target, {}, None)]
    for family in families:
        fits.append(fit(family, target))
        advance(f"family {family.name}")
    if target.kind == "policy":
        mixture = fit_mixture(target)
        fits.extend([mixture] if mixture else [])
        advance("mixture of families")
    fits.extend(search(target, grammar, lambda text: advance(f"formulas: {text}")))
    fits = [each for each in fits if np.isfinite(each.relative_error)]
    verdicts, rejected, kept = {}, {}, []
    for each in sorted(fits, key=lambda fit: fit.relative_error):
        if target.kind == "policy":
            verdicts[each.name] = check_drift(each.expression)
            if not verdicts[each.name].valid:
                rejected[each.name] = (each, verdicts[each.name].reason)
                continue
        kept.append(each)
    return Forms(kept, verdicts, rejected)


def num_steps(target: Target, grammar: Grammar) -> int:
    """Return the number of steps of `find_forms`."""
    if target.kind == "value":
        return len(VALUE_FAMILIES) + 1
    return len(DRIFT_FAMILIES) + 2 + (2 if grammar.split else 0)


def as_json(forms: Forms) -> dict[str, Any]:
    """Return forms as in distilled.json."""
    return {
        "closest": forms.fits[0].name,
        "forms": {each.name: _form(each, forms.verdicts.get(each.name)) for each in forms.fits},
        "rejected": {name: {"reason": reason, **_form(each, None)} for name, (each, reason) in forms.rejected.items()},
    }


def _form(each: Fit, verdict: Verdict | None) -> dict[str, Any]:
    formula = to_sympy(each.expression)
    form = {
        "expression": to_json(each.expression),
        "text": written(each.expression),
        "latex": sympy.latex(formula),
        "sympy": sympy.srepr(to_sympy(each.expression, EXACT_DIGITS)),
        "constants": each.constants,
        "scale": each.scale,
        "complexity": complexity(each.expression),
        "value_error": each.value_error,
        "slope_error": each.slope_error,
        "relative_error": each.relative_error,
    }
    if verdict is not None:
        form["nonnegative"] = verdict.nonnegative
    return form
