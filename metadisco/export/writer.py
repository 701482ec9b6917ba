"""The code of both losses in NumPy, JAX or PyTorch, from expressions and networks."""

import textwrap
from collections.abc import Sequence

import numpy as np

from metadisco.export.code import Code
from metadisco.export.derivative import derivative
from metadisco.objectives.closed import LOG_RATIO_CLIP
from metadisco.objectives.expressions import Expression, add, apply, multiply, names_in, substitute
from metadisco.objectives.losses import Network

WIDTH = 104  # of a row of weights
LIKE = {"policy": "r", "value": "error"}
"""A variable of the shape of the samples, by part."""


class Writer:
    """Writes the code of both losses and collects the helpers and weights that it needs.

    Args:
        module: `np`, `jnp` or `torch`.
    """

    def __init__(self, module: str):
        self._module = module
        self.helpers: set[str] = {"exp"}
        self.uses_progress: set[str] = set()
        """Parts whose loss depends on progress."""
        self.weights: list[str] = []
        """One statement per network."""

    def part(self, part: str, loss: "Expression | Network") -> tuple[list[str], list[str]]:
        """Return the body of the function of a loss, and that of its gradient."""
        lines, gradient = Code(self._module), Code(self._module)
        network = loss if isinstance(loss, Network) else None
        whole: Expression = loss.loss if isinstance(loss, Network) else loss
        names = names_in(whole).union(*map(names_in, network.features if network else ()))
        if "progress" in names or (network and network.timed):
            self.uses_progress.add(part)
            for code in (lines, gradient):
                code.lines.append(self._progress(LIKE[part]))
        if network:
            self._network(part, network, lines, gradient)
        (self._policy if part == "policy" else self._value)(whole, lines, gradient)
        self.helpers |= lines.helpers | (gradient.helpers if self._module == "np" else set())
        return lines.lines, gradient.lines

    def _progress(self, like: str) -> str:
        """Return the line that converts progress to an array."""
        if self._module == "torch":
            return f"progress = torch.as_tensor(progress, dtype={like}.dtype, device={like}.device)"
        return f"progress = {self._module}.asarray(progress, {like}.dtype)"

    def _policy(self, drift: Expression, lines: Code, gradient: Code) -> None:
        """Add the lines that return the policy loss of a drift, and its gradient."""
        if "log_ratio" in names_in(drift):
            drift = substitute(drift, {"log_ratio": "log_r"})
            for code in (lines, gradient):
                code.assign("log_r", apply("clipped", "log_ratio"))
            gradient.lines.append(f"dlog_r = np.where(log_ratio > {LOG_RATIO_CLIP}, 0, 1)")
        whole = apply("negate", multiply("r", "A"))
        if drift != 0:
            lines.assign("drift", drift)
            whole = apply("subtract", "drift", multiply("r", "A"))
        lines.lines.append(f"return {lines.text(whole)}")
        of = {"log_r": "dlog_r", "r": "dr", "network": "dnetwork"}
        gradient.assign("gradient", derivative(drift, of, less=multiply("dr", "A")))
        gradient.lines.append("return gradient.astype(r.dtype)")

    def _value(self, loss: Expression, lines: Code, gradient: Code) -> None:
        """Add the lines that return a value loss, and its gradient."""
        varies = names_in(loss) & {"error", "target", "old_value", "value", "network"}
        lines.lines.append(f"return {lines.text(loss if varies else add(multiply(0, 'error'), loss))}")
        gradient.assign("gradient", derivative(loss, {"error": 1, "value": 1, "network": "dnetwork"}))
        gradient.lines.append("return np.broadcast_to(gradient, error.shape).astype(error.dtype)")

    def _network(self, part: str, network: Network, lines: Code, gradient: Code) -> None:
        """Add the lines that compute the output of a network, and its derivative; collect its weights."""
        of: dict[str, Expression] = {"log_ratio": 1, "r": "dr"} if part == "policy" else {"error": 1, "value": 1}
        self._features("features", part, network.features, lines)
        self._features("features", part, network.features, gradient)
        self._features("dfeatures", part, [derivative(each, of) for each in network.features], gradient)
        if network.bound is not None:
            clip = "torch.clamp" if self._module == "torch" else f"{self._module}.clip"
            gradient.lines.append(f"dfeatures = np.where(np.abs(features) <= {network.bound!r}, dfeatures, 0)")
            for code in (lines, gradient):
                code.lines.append(f"features = {clip}(features, -{network.bound!r}, {network.bound!r})")
        if network.timed:
            cat = "torch.cat" if self._module == "torch" else f"{self._module}.concatenate"
            for name, code in (("features", lines), ("features", gradient), ("dfeatures", gradient)):
                code.lines.append(f"{name} = {cat}(({name}, progress[..., None] * {name}), -1)")
        weights = f'"{part}"' if self._module == "torch" else f'WEIGHTS["{part}"]'
        lines.lines.append(f"network = _network(features, {weights})")
        gradient.lines.append(f"network, dnetwork = _network_jvp(features, dfeatures, {weights})")
        self.weights.append(_weights(part, network))

    def _features(self, name: str, part: str, columns: Sequence[Expression], code: Code) -> None:
        """Add the lines that assign the features of a network."""
        text = f"{name} = _features({LIKE[part]}, {', '.join(code.texts(columns))})"
        code.lines += textwrap.wrap(
            text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
        )


def _weights(part: str, network: Network) -> str:
    """Return the layers of a network as a statement."""
    layers = []
    for kernel, bias in network.layers:
        rows = ",\n".join(_row(row) for row in kernel)
        layers.append(f"(\n    [\n{textwrap.indent(rows, ' ' * 8)},\n    ],\n    {_bias(bias)},\n),")
    comment = "# each layer: kernel, one row per input; bias"
    return f'WEIGHTS["{part}"] = [  {comment}\n{textwrap.indent(chr(10).join(layers), "    ")}\n]'


def _row(numbers: np.ndarray) -> str:
    """Return numbers as a wrapped list; read as float32 they are exactly the same."""
    text = f"[{', '.join(str(np.float32(x)) for x in numbers)}]"
    return textwrap.fill(text, WIDTH, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False)


def _bias(bias: np.ndarray | None) -> str:
    return "None" if bias is None else textwrap.indent(_row(bias), " " * 4).lstrip()


def indented(lines: list[str]) -> str:
    """Return lines as an indented block."""
    return textwrap.indent("\n".join(lines), "    ")
