"""An objective as one file of Python that needs NumPy, JAX or PyTorch alone."""

import textwrap
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from metadisco._version import __version__
from metadisco.export.code import Code, subtrees
from metadisco.export.derivative import derivative
from metadisco.export.losses import Losses, Network
from metadisco.export.pairs import INPUTS, OUTPUTS
from metadisco.expressions import Expression, apply, names_in, substitute
from metadisco.objectives import MAX_LOG_RATIO

LANGUAGES = {"numpy": ("np", "NumPy"), "jax": ("jnp", "JAX"), "torch": ("torch", "PyTorch")}
WIDTH = 104  # of a row of weights
TEMPLATES = Path(__file__).parent.parent / "templates" / "source"


def write_source(
    losses: Losses,
    language: str,
    *,
    name: str,
    file: str,
    about: list[str],
    call: dict[str, Any],
    pairs: dict[str, Any],
) -> str:
    """Return the text of a file with both losses.

    Args:
        losses: of the objective.
        language: `numpy`, `jax` or `torch`.
        name: of the objective.
        file: that the text will be in.
        about: lines of its header: what it is, where it was found.
        call: `advantage` and `value_coef` of the trainings in which it was found, in words, and `licence`.
        pairs: inputs and outputs that the file checks itself against.
    """
    module, library = LANGUAGES[language]
    writer = _Writer(module)
    policy, policy_gradient = writer.part("policy", losses.policy)
    value, value_gradient = writer.part("value", losses.value)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(f"{language}.py.j2").render(
        title=f"The losses of {name}, for {library}.",
        library=library,
        version=__version__,
        name=name,
        file=file,
        about=about,
        advantage=call["advantage"],
        value_coef=call["value_coef"],
        licence=call["licence"],
        policy=_indented(policy),
        policy_gradient=_indented(policy_gradient),
        value=_indented(value),
        value_gradient=_indented(value_gradient),
        uses=writer.uses,
        progress=_whether(writer.uses_progress),
        policy_progress="policy" in writer.uses_progress,
        value_progress="value" in writer.uses_progress,
        networks=writer.networks,
        max_log_ratio=MAX_LOG_RATIO,
        pairs=_rows(pairs, bool(writer.uses_progress)),
    )


class _Writer:
    """Writes the lines of either loss, and keeps what they need beside them.

    Args:
        module: `np`, `jnp` or `torch`.
    """

    def __init__(self, module: str):
        self._module = module
        self.uses: set[str] = set()
        self.uses_progress: set[str] = set()
        """Parts that look at it."""
        self.networks: list[str] = []

    def part(self, part: str, loss: "Expression | Network") -> tuple[list[str], list[str]]:
        """Return the lines that compute a drift or a value loss, and those that compute its slope."""
        result = "drift" if part == "policy" else "loss"
        if isinstance(loss, Network):
            return self._network(part, loss, result)
        self._note(part, loss)
        of: dict[str, Expression] = {"log_r": "dlog_r", "r": "dr"} if part == "policy" else {"error": 1, "value": 1}
        lines, slopes = Code(self._module), Code(self._module)
        if "log_ratio" in names_in(loss):
            held = apply("minimum", "log_ratio", MAX_LOG_RATIO)
            loss = substitute(loss, {"log_ratio": "log_r"})
            for code in (lines, slopes):
                code.assign("log_r", held)
            slopes.lines.append(f"dlog_r = np.where(log_ratio > {MAX_LOG_RATIO}, 0, 1)")
        lines.assign(result, loss)
        slopes.assign("slope", derivative(loss, of))
        return lines.lines, slopes.lines

    def _note(self, part: str, loss: Expression) -> None:
        """Keep in mind which helpers an expression needs, of its derivative too."""
        operations = {each.operation for each in subtrees(loss)}
        self.uses |= operations & {"absolute", "relu", "exp", "excess", "log_cosh"}
        if "excess" in operations:
            self.uses.add("exp")
        self.uses_progress |= {part} if "progress" in names_in(loss) else set()

    def _network(self, part: str, network: Network, result: str) -> tuple[list[str], list[str]]:
        learned_drift = part == "policy"
        self.uses_progress |= {part} if learned_drift and network.settings.time_aware else set()
        self.uses |= {"relu"} if learned_drift else set()
        tangents = self._module == "np"
        function = "_learned_drift" if learned_drift else "_learned_value_loss"
        inputs = ["log_ratio", "r", "A"] if learned_drift else ["error", "old_value", "target"]
        if learned_drift and network.settings.time_aware:
            inputs.append("progress")
        body = self._drift_body(network) if learned_drift else self._value_body(network)
        given = ["log_ratio", "r", "dr", *inputs[2:]] if tangents and learned_drift else inputs
        what = "drift" if learned_drift else "loss"
        more = ""
        if tangents:
            more = (
                ", its slope but for what PPO's clipping adds, and where it clips"
                if learned_drift
                else ", and its slope"
            )
        text = f'"""Return the learned {what}{more}."""'
        self.networks.append(
            f"def {function}({', '.join(given)}):\n" + textwrap.indent("\n".join([text, *body]), "    ")
        )
        self.networks.append(_weights(part, network))
        if not tangents:
            return [f"{result} = {function}({', '.join(inputs)})"], []
        plain = ["log_ratio", "r", "r", *inputs[2:]] if learned_drift else inputs
        if not learned_drift:
            return [f"{result}, _ = {function}({', '.join(plain)})"], [f"_, slope = {function}({', '.join(given)})"]
        # Where PPO clips, its drift takes back all of r A: they cancel here and not in rounding.
        slopes = [f"_, slope, clipped = {function}({', '.join(given)})", "dr = np.where(clipped, 0, dr)"]
        return [f"{result}, _, _ = {function}({', '.join(plain)})"], slopes

    def _apply(self, part: str) -> list[str]:
        """Return the line that applies a network to `features`."""
        if self._module == "np":
            return [f'learned, dlearned = _network(features, dfeatures, WEIGHTS["{part}"])']
        weights = f'"{part}"' if self._module == "torch" else f'WEIGHTS["{part}"]'
        return [f"learned = _network(features, {weights})"]

    def _drift_body(self, network: Network) -> list[str]:
        settings, m = network.settings, self._module
        cat, clip = ("torch.cat", "torch.clamp") if m == "torch" else (f"{m}.concatenate", f"{m}.clip")
        tangents = m == "np"
        lines = [
            "gap = 1 - r",
            f"base = {m}.stack((log_ratio, log_ratio**2, gap, gap**2), -1)",
            f"features = {cat}((base, A[..., None] * base), -1)",
        ]
        if tangents:
            lines += [
                "dbase = np.stack((np.ones_like(log_ratio), 2 * log_ratio, -dr, -2 * gap * dr), -1)",
                "dfeatures = np.concatenate((dbase, A[..., None] * dbase), -1)",
            ]
        if settings.feature_clip is not None:
            bound = settings.feature_clip
            if tangents:
                lines.append(f"dfeatures = np.where(np.abs(features) <= {bound}, dfeatures, 0)")
            lines.append(f"features = {clip}(features, -{bound}, {bound})")
        if settings.time_aware:
            for name in ("features", "dfeatures") if tangents else ("features",):
                lines.append(f"{name} = {cat}(({name}, _column(progress, {name}) * {name}), -1)")
        lines += self._apply("policy")
        terms = [f"{settings.output_scale!r} * learned", repr(settings.margin)]
        start = f"_relu((r - {clip}(r, {1 - settings.clip_eps!r}, {1 + settings.clip_eps!r})) * A)"
        inner = f"{start if settings.ppo_init else '0'} + {terms[0]} - {terms[1]}"
        if not tangents:
            return [*lines, f"return _relu({inner})"]
        lines.append(f"inner = {inner}")
        slope = f"{settings.output_scale!r} * dlearned"
        if settings.ppo_init:
            low, high = 1 - settings.clip_eps, 1 + settings.clip_eps
            lines.append(f"clipped = (inner > 0) & ((r - np.clip(r, {low!r}, {high!r})) * A > 0)")
        else:
            lines.append("clipped = False")
        return [*lines, f"return _relu(inner), np.where(inner > 0, {slope}, 0), clipped"]

    def _value_body(self, network: Network) -> list[str]:
        settings, m = network.settings, self._module
        names = ", ".join(settings.inputs)
        lines = [f"features = {m}.stack(({names},), -1)"]
        if m == "np":
            slopes = ", ".join(
                "np.ones_like(error)" if name == "error" else "np.zeros_like(error)" for name in settings.inputs
            )
            lines.append(f"dfeatures = np.stack(({slopes},), -1)")
        lines += self._apply("value")
        base = "0.5 * error**2 + " if settings.start == "squared_error" else ""
        loss = f"{base}{settings.output_scale!r} * learned"
        if m != "np":
            return [*lines, f"return {loss}"]
        slope = f"{'error + ' if base else ''}{settings.output_scale!r} * dlearned"
        return [*lines, f"return {loss}, {slope}"]


def _weights(part: str, network: Network) -> str:
    """Return the layers of a network as a statement."""
    layers = []
    for kernel, bias in network.layers:
        rows = ",\n".join(_row(row) for row in kernel)
        layers.append(f"(\n    [\n{textwrap.indent(rows, ' ' * 8)},\n    ],\n    {_bias(bias)},\n),")
    comment = "# kernel, one row per input, and bias of each layer"
    return f'WEIGHTS["{part}"] = [  {comment}\n{textwrap.indent(chr(10).join(layers), "    ")}\n]'


def _row(numbers: np.ndarray) -> str:
    """Return numbers as a list in lines that are not too long, none of its digits lost."""
    text = f"[{', '.join(repr(float(x)) for x in numbers)}]"
    return textwrap.fill(text, WIDTH, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False)


def _bias(bias: np.ndarray | None) -> str:
    return "None" if bias is None else textwrap.indent(_row(bias), " " * 4).lstrip()


def _whether(parts: set[str]) -> str:
    """Return which losses look at progress, in words."""
    if not parts:
        return "is an argument of both that neither looks at"
    looks = "both losses look at" if len(parts) == 2 else f"the {min(parts)} loss looks at"
    return f"is an argument that {looks}: pass it"


def _indented(lines: list[str]) -> str:
    return textwrap.indent("\n".join(lines), "    ")


def _rows(pairs: dict[str, Any], uses_progress: bool) -> list[str]:
    """Return the pairs of inputs and outputs, a line each; what is not finite is left out."""
    names = ("log_ratio", "advantage", "progress", "value", "old_value", "target")
    assert set(names) == {*INPUTS, "progress"}
    columns = [pairs["inputs"][name] for name in names] + [pairs["outputs"][name] for name in OUTPUTS]
    table = [row for row in zip(*columns, strict=True) if None not in row]
    if not uses_progress:
        table = [row for row in table if row[names.index("progress")] == 0]
    return [", ".join(str(np.float32(x)) for x in row) for row in table]
