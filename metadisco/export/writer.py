"""The lines of either loss in NumPy, JAX or PyTorch, from expressions and networks."""

import textwrap
from typing import Any

import numpy as np

from metadisco.export.code import RELU, Code
from metadisco.export.derivative import derivative
from metadisco.objectives.closed import MAX_LOG_RATIO
from metadisco.objectives.expressions import Expression, add, apply, multiply, names_in, substitute
from metadisco.objectives.losses import Network

WIDTH = 104  # of a row of weights


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
        self.networks: list[str] = []

    def part(self, part: str, loss: "Expression | Network") -> tuple[list[str], list[str]]:
        """Return the lines of the body that return a loss, and those that return its slope."""
        lines, slopes = self._network(part, loss) if isinstance(loss, Network) else self._expression(part, loss)
        if part in self.uses_progress:
            like = "r" if part == "policy" else "error"
            line = f"progress = {self._module}.asarray(progress, {like}.dtype)"
            if self._module == "torch":
                line = f"progress = torch.as_tensor(progress, dtype={like}.dtype, device={like}.device)"
            lines, slopes = [line, *lines], [line, *slopes]
        return lines, slopes

    def _expression(self, part: str, loss: Expression) -> tuple[list[str], list[str]]:
        policy = part == "policy"
        names = names_in(loss)
        self.uses_progress |= {part} if "progress" in names else set()
        lines, slopes = Code(self._module), Code(self._module)
        if "log_ratio" in names:
            loss = substitute(loss, {"log_ratio": "log_r"})
            for code in (lines, slopes):
                code.assign("log_r", apply("held", "log_ratio"))
            slopes.lines.append(f"dlog_r = np.where(log_ratio > {MAX_LOG_RATIO}, 0, 1)")
        if policy:
            whole = apply("negate", multiply("r", "A"))
            slope = derivative(loss, {"log_r": "dlog_r", "r": "dr"})
            if loss != 0:
                lines.assign("drift", loss)
                whole = apply("subtract", "drift", multiply("r", "A"))
            pull = multiply("dr", "A")
            whole_slope = slopes.text(apply("subtract", slope, pull) if slope != 0 else apply("negate", pull))
            slopes.lines.append(f"return ({whole_slope}).astype(r.dtype)")
        else:
            whole = loss if names & {"error", "target", "old_value", "value"} else add(multiply(0, "error"), loss)
            slopes.assign("slope", derivative(loss, {"error": 1, "value": 1}))
            slopes.lines.append("return np.broadcast_to(slope, error.shape).astype(error.dtype)")
        lines.lines.append(f"return {lines.text(whole)}")
        self.helpers |= lines.helpers | (slopes.helpers if self._module == "np" else set())
        return lines.lines, slopes.lines

    def _network(self, part: str, network: Network) -> tuple[list[str], list[str]]:
        numpy, policy = self._module == "np", part == "policy"
        inputs = ["log_ratio", "r", "A"] if policy else _value_inputs(network)
        if policy and network.settings.time_aware:
            self.uses_progress.add(part)
            inputs.append("progress")
        function = "_drift" if policy else "_value_loss"
        body = self._drift_body(network) if policy else self._value_body(network)
        text = f"Return the learned {'drift' if policy else 'value loss'}"
        if numpy:
            text += ", its slope but for what PPO's clipping adds, and where it clips" if policy else ", and its slope"
        given = [*inputs[:2], "dr", *inputs[2:]] if numpy and policy else inputs
        lines = [f'"""{text}."""', *body]
        self.networks.append(f"def {function}({', '.join(given)}):\n{indented(lines)}")
        self.networks.append(_weights(part, network))
        call = f"{function}({', '.join([*inputs[:2], 'r', *inputs[2:]] if numpy and policy else inputs)})"
        if policy:
            # Where PPO clips, its drift takes back all of r A: they cancel here and not in rounding.
            slopes = [
                f"_, slope, clipped = {function}({', '.join(given)})",
                "return (slope - np.where(clipped, 0, dr) * A).astype(r.dtype)",
            ]
            return [f"return {call}{'[0]' if numpy else ''} - r * A"], slopes
        return [f"return {call}{'[0]' if numpy else ''}"], [f"return {call}[1]"]

    def _apply(self, part: str) -> str:
        """Return the line that applies a network to `features`."""
        if self._module == "np":
            return f'learned, dlearned = _network(features, dfeatures, WEIGHTS["{part}"])'
        weights = f'"{part}"' if self._module == "torch" else f'WEIGHTS["{part}"]'
        return f"learned = _network(features, {weights})"

    def _drift_body(self, network: Network) -> list[str]:
        settings, m = network.settings, self._module
        cat, clip = ("torch.cat", "torch.clamp") if m == "torch" else (f"{m}.concatenate", f"{m}.clip")
        numpy = m == "np"
        lines = [
            "gap = 1 - r",
            f"base = {m}.stack((log_ratio, log_ratio**2, gap, gap**2), -1)",
            f"features = {cat}((base, A[..., None] * base), -1)",
        ]
        if numpy:
            lines += [
                "dbase = np.stack((np.ones_like(log_ratio), 2 * log_ratio, -dr, -2 * gap * dr), -1)",
                "dfeatures = np.concatenate((dbase, A[..., None] * dbase), -1)",
            ]
        if settings.feature_clip is not None:
            bound = settings.feature_clip
            if numpy:
                lines.append(f"dfeatures = np.where(np.abs(features) <= {bound}, dfeatures, 0)")
            lines.append(f"features = {clip}(features, -{bound}, {bound})")
        if settings.time_aware:
            for name in ("features", "dfeatures") if numpy else ("features",):
                lines.append(f"{name} = {cat}(({name}, progress[..., None] * {name}), -1)")
        lines.append(self._apply("policy"))
        relu = RELU[m]
        ppo = f"(r - {clip}(r, {1 - settings.clip_eps!r}, {1 + settings.clip_eps!r})) * A"
        start = f"{relu.format(ppo)} + " if settings.ppo_init else ""
        drift = f"{start}{_scaled(settings, 'learned')} - {settings.margin!r}"
        if not numpy:
            return [*lines, f"return {relu.format(drift)}"]
        clipped = f"(drift > 0) & ({ppo} > 0)" if settings.ppo_init else "False"
        slope = f"np.where(drift > 0, {_scaled(settings, 'dlearned')}, 0)"
        lines += [f"drift = {drift}", f"clipped = {clipped}", f"return {relu.format('drift')}, {slope}, clipped"]
        return lines

    def _value_body(self, network: Network) -> list[str]:
        settings, numpy = network.settings, self._module == "np"
        several = len(settings.inputs) > 1
        stacked = f"{self._module}.stack(({', '.join(settings.inputs)}), -1)"
        lines = [f"features = {stacked if several else f'{settings.inputs[0]}[..., None]'}"]
        if numpy:
            column = settings.inputs.index("error") if "error" in settings.inputs else -1
            lines += ["dfeatures = np.zeros_like(features)"]
            lines += [f"dfeatures[..., {column}] = 1"] if column >= 0 else []
        lines.append(self._apply("value"))
        square = _adds_square(network)
        loss = f"{'0.5 * error**2 + ' if square else ''}{_scaled(settings, 'learned')}"
        if not numpy:
            return [*lines, f"return {loss}"]
        return [*lines, f"return {loss}, {'error + ' if square else ''}{_scaled(settings, 'dlearned')}"]


def _value_inputs(network: Network) -> list[str]:
    """Return what a learned value loss is computed from; the error first."""
    names = [name for name in network.settings.inputs if name != "error"]
    return ["error", *names] if len(names) < len(network.settings.inputs) or _adds_square(network) else names


def _adds_square(network: Network) -> bool:
    return bool(network.settings.start == "squared_error")


def _scaled(settings: Any, name: str) -> str:
    return name if settings.output_scale == 1 else f"{settings.output_scale!r} * {name}"


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
