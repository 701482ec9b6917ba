"""report.md: the results of a distillation in Markdown."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metadisco.discoveries.distilled import FILE, PARTS
from metadisco.storage.files import write_atomically

STUDENT = "network"
RETRAINED = "retrained"


def write_report(output: Path, retrained: bool, taught: bool) -> None:
    """Write the report.

    Args:
        output: folder of distilled.json and of the report.
        retrained: whether the folder has an evaluation of the forms.
        taught: whether the folder has a student network.
    """
    data = json.loads((output / FILE).read_text(encoding="utf-8"))
    parts = [part for part in PARTS if part in data]
    lines = [f"# Closed forms of {data['source']}", ""]
    lines += [
        f"Weighted by the minibatch statistics of {data['visited']['agents']} agents on {data['visited']['env']}. "
        "Errors are weighted root mean squares. The relative error is relative to the values and slopes of the target: "
        "a loss of zero has relative error 1.",
        "",
    ]
    for part in parts:
        lines += _forms(part, data[part])
    if taught:
        lines += _student(output / STUDENT)
    if retrained:
        lines += ["## Retrained", "", (output / RETRAINED / "table.md").read_text(encoding="utf-8")]
    closest = [data[part]["closest"] for part in parts]
    lines += ["## Use", "", "```python", "from metadisco import load_objective", ""]
    lines += [f'objective = load_objective("{output / FILE}")  # the closest: {", ".join(closest)}']
    lines += [f'objective = load_objective("{output / FILE}@{closest[0]}")', "```", ""]
    write_atomically(output / "report.md", "\n".join(lines))


def _forms(part: str, data: Mapping[str, Any]) -> list[str]:
    """Return a table of the forms of one loss, and those that were rejected."""
    what = "Drift D(r, A)" if part == "policy" else "Value loss φ(δ), up to a constant"
    ends = ("D ≥ 0", "---") if part == "policy" else ("scale", "---:")
    lines = [f"## {what}", ""]
    lines += [f"| form | formula | nodes | relative error | value error | slope error | {ends[0]} |"]
    lines += [f"|---|---|---:|---:|---:|---:|{ends[1]}|"]
    for name, form in data["forms"].items():
        scale = "" if form["scale"] is None else f"{form['scale']:.4g}"
        errors = " | ".join(f"{form[key]:.3g}" for key in ("relative_error", "value_error", "slope_error"))
        formula = form["text"].replace("|", "\\|")
        end = form["nonnegative"] if part == "policy" else scale
        lines.append(f"| {name} | `{formula}` | {form['complexity']} | {errors} | {end} |")
    if data["rejected"]:
        lines += ["", "Rejected, because they are not drifts:", ""]
        lines += [f"- {name}: `{form['text']}`: {form['reason']}" for name, form in data["rejected"].items()]
    return [*lines, ""]


def _student(path: Path) -> list[str]:
    """Return the relative errors of the student network."""
    errors = json.loads((path / "provenance.json").read_text(encoding="utf-8"))[-1]["relative_errors"]
    errors_by_part = "; ".join(
        f"{part}: values {each['value_error']:.3g}, slopes {each['slope_error']:.3g}" for part, each in errors.items()
    )
    return ["## Student network", "", f"`{STUDENT}`, relative errors: {errors_by_part}", ""]
