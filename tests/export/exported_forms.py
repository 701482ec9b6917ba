"""Closed forms as a distillation writes them, by name and part; `all_operations` uses all operations in both parts."""

import functools
from typing import Any

GAP = ["subtract", "r", 1]
HALF_SQUARE = ["multiply", 0.5, ["square", "error"]]


def saturating(x: Any, limit: float) -> list[Any]:
    return ["relu", ["subtract", x, ["multiply", limit, ["tanh", ["divide", x, limit]]]]]


def total(*terms: Any) -> Any:
    return functools.reduce(lambda left, right: ["add", left, right], terms)


DPO_LIKE = [
    "where_negative", "A", saturating(["multiply", "log_ratio", "A"], 0.5), saturating(["multiply", GAP, "A"], 1.7),
]  # fmt: skip
CLIPPED = ["maximum", 0.7, ["minimum", "r", 1.3]]
ALL_OPERATIONS = {
    "policy": total(
        [
            "where_negative", "A",
            ["multiply", ["negate", "A"], ["excess", ["multiply", 0.5, "log_ratio"]]],
            ["divide", ["square", GAP], ["add", 2, ["absolute", GAP]]],
        ],
        ["multiply", ["subtract", 1, "progress"], ["square", ["subtract", "r", CLIPPED]]],
        ["relu", ["subtract", "r", 1.1]],
        ["subtract", ["sqrt", ["add", 1, ["square", ["tanh", ["multiply", "A", "log_ratio"]]]]], 1],
        ["multiply", 0.1, ["log_cosh", ["multiply", 2, "log_ratio"]]],
        ["multiply", "progress", ["subtract", 1, ["exp", ["negate", ["absolute", "log_ratio"]]]]],
    ),
    "value": total(
        [
            "where_negative", "error",
            ["square", ["tanh", "error"]],
            ["divide", ["square", "error"], ["add", 1, ["absolute", "error"]]],
        ],
        ["multiply", "progress", ["log_cosh", ["multiply", 0.5, "error"]]],
        ["square", ["subtract", "error", ["maximum", -1.2, ["minimum", "error", 0.8]]]],
        ["relu", ["subtract", "error", 0.1]],
        ["sqrt", ["add", 1, ["square", ["subtract", "old_value", "target"]]]],
        ["exp", ["negate", ["absolute", "error"]]],
        ["multiply", 0.2, ["excess", ["minimum", "error", 1.3]]],
    ),
}  # fmt: skip
PROGRESS_ALONE = {
    "policy": [
        "multiply", ["add", ["tanh", ["multiply", 2, "progress"]], ["square", "progress"]], ["square", "log_ratio"],
    ],
    "value": total(
        ["multiply", ["sqrt", ["add", 0.1, "progress"]], HALF_SQUARE],
        ["multiply", ["where_negative", ["subtract", ["multiply", 2, "progress"], 1], 0.3, 2], ["absolute", "error"]],
        ["minimum", ["absolute", "error"], "progress"],
        ["multiply", ["maximum", 1.5, ["exp", "progress"]], ["log_cosh", "error"]],
    ),
}  # fmt: skip
"""Operations that see nothing but progress or numbers, which may be no arrays."""
KINKS = {
    "policy": total(
        ["multiply", 0.7, ["absolute", "log_ratio"]], ["minimum", "r", 1], ["maximum", 0, "log_ratio"],
        ["maximum", ["multiply", GAP, "A"], ["negate", GAP]], ["relu", GAP], ["where_negative", "log_ratio", "r", 1],
    ),
    "value": total(
        ["multiply", 0.6, ["absolute", "error"]], ["maximum", "error", 0], ["minimum", ["multiply", 2, "error"], 0],
        ["maximum", "error", ["subtract", "old_value", "target"]],
        ["minimum", ["multiply", 3, "error"], ["multiply", 3, ["subtract", "old_value", "target"]]],
    ),
}  # fmt: skip
"""At r = 1, where the value is the target, and where it is the old one."""
FORMS: dict[str, dict[str, Any]] = {
    "asymmetric": {
        "policy": DPO_LIKE,
        "value": ["where_negative", "error", ["multiply", 0.3, HALF_SQUARE], HALF_SQUARE],
    },
    "quantile": {"value": ["multiply", ["where_negative", "error", 0.3, 1], ["absolute", "error"]]},
    "log_cosh": {"value": ["multiply", ["multiply", 1.3, ["square", 0.7]], ["log_cosh", ["divide", "error", 0.7]]]},
    "all_operations": ALL_OPERATIONS,
    "progress_alone": PROGRESS_ALONE,
    "kinks": KINKS,
    "straight": {"policy": 0.25, "value": ["add", ["multiply", 2, "error"], "target"]},
}
