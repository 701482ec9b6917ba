"""The lines of either loss in NumPy, JAX or PyTorch, from expressions and networks."""

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
"""What there is for each sample, by part."""


class Writer:
    """Writes the lines of either loss, and keeps what they need beside them.

    Args:
        module: `np`, `jnp` or `torch`.
    """

    def __init__(self, module: str):
        self._module = module
        self.helpers: set[str] = {"exp"}
        self.uses_progress: set[str] = set()
        """Parts that look at it."""
        self.weights: list[str] = []
        """Statements with those of each network."""

    def part(self, part: str, loss: "Expression | Network") -> tuple[list[str], list[str]]:
        """Return the lines of the body that return a loss, and those that return its slope."""
        lines, slopes = Code(self._module), Code(self._module)
        network = loss if isinstance(loss, Network) else None
        whole: Expression = loss.loss if isinstance(loss, Network) else loss
        names = names_in(whole).union(*map(names_in, network.features if network else ()))
        if "progress" in names or (network and network.timed):
            self.uses_progress.add(part)
            for code in (lines, slopes):
                code.lines.append(self._progress(LIKE[part]))
        if network:
            self._network(part, network, lines, slopes)
        (self._policy if part == "policy" else self._value)(whole, lines, slopes)
        self.helpers |= lines.helpers | (slopes.helpers if self._module == "np" else set())
        return lines.lines, slopes.lines

    def _progress(self, like: str) -> str:
        """Return the line that makes progress an array."""
        if self._module == "torch":
            return f"progress = torch.as_tensor(progress, dtype={like}.dtype, device={like}.device)"
        return f"progress = {self._module}.asarray(progress, {like}.dtype)"

    def _policy(self, drift: Expression, lines: Code, slopes: Code) -> None:
        """Add the lines that return the policy loss of a drift, and its slope."""
        if "log_ratio" in names_in(drift):
            drift = substitute(drift, {"log_ratio": "log_r"})
            for code in (lines, slopes):
                code.assign("log_r", apply("held", "log_ratio"))
            slopes.lines.append(f"dlog_r = np.where(log_ratio > {LOG_RATIO_CLIP}, 0, 1)")
        whole = apply("negate", multiply("r", "A"))
        if drift != 0:
            lines.assign("drift", drift)
            whole = apply("subtract", "drift", multiply("r", "A"))
        lines.lines.append(f"return {lines.text(whole)}")
        of = {"log_r": "dlog_r", "r": "dr", "network": "dnetwork"}
        slopes.assign("slope", derivative(drift, of, less=multiply("dr", "A")))
        slopes.lines.append("return slope.astype(r.dtype)")

    def _value(self, loss: Expression, lines: Code, slopes: Code) -> None:
        """Add the lines that return a value loss, and its slope."""
        varies = names_in(loss) & {"error", "target", "old_value", "value", "network"}
        lines.lines.append(f"return {lines.text(loss if varies else add(multiply(0, 'error'), loss))}")
        slopes.assign("slope", derivative(loss, {"error": 1, "value": 1, "network": "dnetwork"}))
        slopes.lines.append("return np.broadcast_to(slope, error.shape).astype(error.dtype)")

    def _network(self, part: str, network: Network, lines: Code, slopes: Code) -> None:
        """Add the lines that compute the output of a network, and along with its slope, and keep its weights."""
        of: dict[str, Expression] = {"log_ratio": 1, "r": "dr"} if part == "policy" else {"error": 1, "value": 1}
        self._features("features", part, network.features, lines)
        self._features("features", part, network.features, slopes)
        self._features("dfeatures", part, [derivative(each, of) for each in network.features], slopes)
        if network.bound is not None:
            clip = "torch.clamp" if self._module == "torch" else f"{self._module}.clip"
            slopes.lines.append(f"dfeatures = np.where(np.abs(features) <= {network.bound!r}, dfeatures, 0)")
            for code in (lines, slopes):
                code.lines.append(f"features = {clip}(features, -{network.bound!r}, {network.bound!r})")
        if network.timed:
            cat = "torch.cat" if self._module == "torch" else f"{self._module}.concatenate"
            for name, code in (("features", lines), ("features", slopes), ("dfeatures", slopes)):
                code.lines.append(f"{name} = {cat}(({name}, progress[..., None] * {name}), -1)")
        weights = f'"{part}"' if self._module == "torch" else f'WEIGHTS["{part}"]'
        lines.lines.append(f"network = _network(features, {weights})")
        slopes.lines.append(f"network, dnetwork = _network_slope(features, dfeatures, {weights})")
        self.weights.append(_weights(part, network))

    def _features(self, name: str, part: str, columns: Sequence[Expression], code: Code) -> None:
        """Add the lines that give what a network sees a name."""
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
    comment = "# kernel, one row per input, and bias of each layer"
    return f'WEIGHTS["{part}"] = [  {comment}\n{textwrap.indent(chr(10).join(layers), "    ")}\n]'


def _row(numbers: np.ndarray) -> str:
    """Return numbers as a list in lines that are not too long; as float32 they are the same again."""
    text = f"[{', '.join(str(np.float32(x)) for x in numbers)}]"
    return textwrap.fill(text, WIDTH, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False)


def _bias(bias: np.ndarray | None) -> str:
    return "None" if bias is None else textwrap.indent(_row(bias), " " * 4).lstrip()


def indented(lines: list[str]) -> str:
    """Return lines as the body of something."""
    return textwrap.indent("\n".join(lines), "    ")
