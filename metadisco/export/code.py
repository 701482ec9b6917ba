"""Expressions as lines of Python for NumPy, JAX or PyTorch."""

from collections import Counter
from collections.abc import Iterator

from metadisco.expressions import Expression, Node

INFIX = {"add": (1, "{} + {}"), "subtract": (1, "{} - {}"), "multiply": (2, "{} * {}"), "divide": (2, "{} / {}")}
ATOM = 4
WIDTH = 76  # of what an operation is applied to, beyond which parts of it get names


class Code:
    """Lines that compute expressions; what is used twice is computed once.

    Args:
        module: `np`, `jnp` or `torch`.
    """

    def __init__(self, module: str):
        self._module = module
        self._names: dict[Node, str] = {}
        self.lines: list[str] = []

    def assign(self, name: str, expression: Expression) -> None:
        """Add the lines that give an expression a name; what it shares with itself or earlier ones goes before."""
        uses = Counter(subtrees(expression))
        for each in subtrees(expression):
            if uses[each] > 1 and each not in self._names and each != expression and each.operation != "negate":
                self._name(each, self._text(each)[0])
        self.lines.append(f"{name} = {self._text(expression)[0]}")

    def _text(self, expression: Expression) -> tuple[str, int]:
        """Return the text of an expression, and how strongly its outermost operation binds."""
        if not isinstance(expression, Node):
            return (expression, ATOM) if isinstance(expression, str) else _number(expression)
        if expression in self._names:
            return self._names[expression], ATOM
        operation, arguments = expression
        if operation == "subtract" and isinstance(arguments[1], int | float) and arguments[1] < 0:
            operation, arguments = "add", (arguments[0], -arguments[1])
        clipped = _clipped(expression)
        if clipped is not None and clipped[0] not in self._names:
            inner, low, high = clipped
            clip = "torch.clamp" if self._module == "torch" else f"{self._module}.clip"
            return f"{clip}({self._text(inner.arguments[0])[0]}, {low!r}, {high!r})", ATOM
        texts = [self._text(each) for each in arguments]
        if sum(len(text) for text, _ in texts) > WIDTH:
            texts = [self._shortened(*each) for each in zip(arguments, texts, strict=True)]
        if operation in INFIX:
            strength, pattern = INFIX[operation]
            right = strength + (operation in ("subtract", "divide"))
            return pattern.format(_wrap(texts[0], strength), _wrap(texts[1], right)), strength
        if operation == "negate":
            return f"-{_wrap(texts[0], 3)}", 2
        return self._call(operation, arguments, [text for text, _ in texts]), ATOM

    def _shortened(self, expression: Expression, text: tuple[str, int]) -> tuple[str, int]:
        """Give an argument a name if it is long."""
        if not isinstance(expression, Node) or len(text[0]) < WIDTH // 4:
            return text
        return self._name(expression, text[0]), ATOM

    def _name(self, expression: Node, text: str) -> str:
        """Add a line that gives an expression a name of its own."""
        if expression not in self._names:
            name = f"t{len(self._names) + 1}"
            self.lines.append(f"{name} = {text}")
            self._names[expression] = name
        return self._names[expression]

    def _call(self, operation: str, arguments: tuple[Expression, ...], texts: list[str]) -> str:
        if operation == "where_negative":
            return f"{self._module}.where({texts[0]} < 0, {texts[1]}, {texts[2]})"
        if operation in ("minimum", "maximum") and self._module == "torch":
            bound = "max" if operation == "minimum" else "min"
            for x, y in ((0, 1), (1, 0)):
                if not isinstance(arguments[y], (Node, str)):
                    return f"torch.clamp({texts[x]}, {bound}={texts[y]})"
        if operation in ("relu", "log_cosh", "exp", "excess"):
            return f"_{operation}({texts[0]})"
        if operation == "absolute" and self._module == "jnp":
            return f"_absolute({texts[0]})"  # JAX's own has the slope 1 at 0
        name = "abs" if operation == "absolute" else operation
        return f"{self._module}.{name}({', '.join(texts)})"


def _clipped(expression: Node) -> tuple[Node, float, float] | None:
    """Return maximum(x, low) and both bounds of minimum(maximum(x, low), high), or None for any other expression."""
    inner, *bound = expression.arguments
    if expression.operation != "minimum" or not isinstance(inner, Node) or inner.operation != "maximum":
        return None
    low, high = inner.arguments[1], bound[0]
    if isinstance(low, (Node, str)) or isinstance(high, (Node, str)):
        return None
    return inner, low, high


def subtrees(expression: Expression) -> Iterator[Node]:
    """Yield all operations of an expression, arguments before what uses them."""
    if isinstance(expression, Node):
        for each in expression.arguments:
            yield from subtrees(each)
        yield expression


def _number(number: float) -> tuple[str, int]:
    return repr(number), ATOM if number >= 0 else 2


def _wrap(text: tuple[str, int], least: int) -> str:
    return text[0] if text[1] >= least else f"({text[0]})"
