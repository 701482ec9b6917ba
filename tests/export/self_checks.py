"""Self-checks of exported files, unchanged and with one number changed, where only their library can be imported."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exported import NAMES, Exports

from metadisco.objectives import LOG_RATIO_CLIP

HIDDEN = {
    "numpy": ("metadisco", "jax", "flax", "scipy", "torch"),
    "jax": ("metadisco", "flax", "torch"),
    "torch": ("metadisco", "jax", "flax"),
}
"""Installed libraries that the files of a language must not need."""
PROGRAM = """
import contextlib, io, json, runpy, sys

for name in sys.argv[1:]:
    sys.modules[name] = None
said = {}
for path in sys.stdin.read().splitlines():
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(path, run_name="__main__")
        said[path] = ""
    except BaseException as error:
        said[path] = f"{type(error).__name__}: {error}"
print(json.dumps(said))
"""
LOSSES = ("policy_loss", "value_loss", "_drift", "_value_loss")
MARGIN = 1e-4  # of a learned drift; one per cent of it is less than the rounding of any loss
CHANGE = 1.01
OTHER_CLIP, CLIPPED = "another clipping of the ratio", ("ppo", "dpo", "kl")
SEVERAL = 2  # changes of a file for JAX, which is slow


def check_all(exports: Exports, language: str, folder: Path) -> dict[tuple[str, str], str]:
    """Return the error of each file when it runs, by objective and change; empty for none.

    Args:
        exports: the files.
        language: of the files.
        folder: where those with a change are written.
    """
    paths = {}
    for name in NAMES:
        text = exports.path(name, language).read_text()
        changed = list(changes(text, exports.module(name, language)))
        kept = changed[:: -max(1, len(changed) // SEVERAL)] if language == "jax" else changed
        if name in CLIPPED:
            kept.append((OTHER_CLIP, with_another_clip(text)))
        for number, (change, each) in enumerate([("", text), *kept]):
            path = folder / f"{name}_{number}.py"
            path.write_text(each)
            paths[str(path)] = name, change
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *HIDDEN[language]]
    ran = subprocess.run(command, input="\n".join(paths), capture_output=True, text=True, check=True)
    return {paths[path]: said for path, said in json.loads(ran.stdout).items()}


def changes(text: str, module: Any) -> Iterator[tuple[str, str]]:
    """Yield a description and a file with one of its numbers one per cent larger.

    These are the constants of both losses, apart from where a comparison is made, and of each network the largest
    weight of the output.
    """
    lines = text.splitlines(keepends=True)
    functions = [each for each in ast.parse(text).body if isinstance(each, ast.FunctionDef)]
    for function in functions:
        if function.name not in LOSSES:
            continue
        compared = {id(x) for each in ast.walk(function) if isinstance(each, ast.Compare) for x in ast.walk(each)}
        for node in ast.walk(function):
            number = node.value if isinstance(node, ast.Constant) and id(node) not in compared else None
            if isinstance(number, float) and number not in (0.0, MARGIN, LOG_RATIO_CLIP):
                line = lines[node.lineno - 1]
                new = f"{line[: node.col_offset]}{CHANGE * number!r}{line[node.end_col_offset :]}"
                words = f"{number} at {node.col_offset} of {line.strip()!r} in {function.name}"
                yield words, "".join([*lines[: node.lineno - 1], new, *lines[node.lineno :]])
    for part, layers in getattr(module, "WEIGHTS", {}).items():
        largest = max(abs(x) for row in layers[-1][0] for x in row)
        assert text.count(repr(largest)) == 1
        yield f"a weight of {part}", text.replace(repr(largest), repr(CHANGE * largest))


def with_another_clip(text: str) -> str:
    """Return a file in which the ratio is clipped elsewhere."""
    start = text.index("def _clipped(")
    end = text.index("\n\n\n", start)
    return text[:start] + text[start:end].replace(repr(LOG_RATIO_CLIP), repr(CHANGE * LOG_RATIO_CLIP)) + text[end:]
