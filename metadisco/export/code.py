"""Expressions as lines of Python for NumPy, JAX or PyTorch."""

from collections import Counter
from collections.abc import Sequence

from metadisco.objectives.expressions import Expression, Node

INFIX = {"add": (1, "{} + {}"), "subtract": (1, "{} - {}"), "multiply": (2, "{} * {}"), "divide": (2, "{} / {}")}
ATOM = 4
WIDTH = 76  # characters of the arguments of an operation, beyond which its long arguments are assigned to variables
SIGNS = {"where_negative": "<", "where_positive": ">"}
HELPERS = ("absolute", "exp", "excess", "log_cosh", "greater", "within", "clipped")
"""Operations that are functions of the file; `absolute` in JAX only."""
RELU = {"np": "np.maximum({}, 0)", "jnp": "jax.nn.relu({})", "torch": "torch.relu({})"}


class Code:
    """Lines that compute expressions; shared subexpressions are computed once.

    Four operations exist beside those of expressions:
    `sign(x)`;
    `greater(x, y)`: 1 where x > y, 0.5 where x = y, else 0;
    `within(x, low, high, y)`: y where low < x < high, half of y at either bound, else 0;
    `clipped(x)`: min(x, LOG_RATIO_CLIP), the argument of every exponential.

    Args:
        module: `np`, `jnp` or `torch`.
    """

    def __init__(self, module: str):
        self._module = module
        self._names: dict[Node, str] = {}
        self.lines: list[str] = []
        self.helpers: set[str] = set()
        """Helpers that the lines call."""

    def assign(self, name: str, expression: Expression) -> None:
        """Add the lines that assign an expression to a variable."""
        self.lines.append(f"{name} = {self.text(expression)}")

    def text(self, expression: Expression) -> str:
        """Return the text of an expression; add lines for repeated subexpressions first."""
        return self.texts([expression])[0]

    def texts(self, expressions: Sequence[Expression]) -> list[str]:
        """Return the texts of expressions; add lines for subexpressions that they share first."""
        parts = list(dict.fromkeys(part for each in expressions for part in _operations(each)))
        uses = Counter([*expressions, *(argument for each in parts for argument in each.arguments)])
        for each in parts:
            if uses[each] > 1 and each.operation != "negate":
                self._name(each, self._text(each)[0])
        return [self._text(each)[0] for each in expressions]

    def _text(self, expression: Expression) -> tuple[str, int]:
        """Return the text of an expression and the precedence of its outermost operation."""
        if not isinstance(expression, Node):
            return (expression, ATOM) if isinstance(expression, str) else _number(expression)
        if expression in self._names:
            return self._names[expression], ATOM
        return self._operation(expression)

    def _operation(self, expression: Node) -> tuple[str, int]:
        """Return text and precedence of an operation that is not assigned to a variable yet."""
        operation, arguments = expression
        bounds = clip_bounds(expression)
        if bounds is not None and arguments[0] not in self._names:
            x, low, high = bounds
            clip = "torch.clamp" if self._module == "torch" else f"{self._module}.clip"
            return f"{clip}({self._text(x)[0]}, {low!r}, {high!r})", ATOM
        if operation == "subtract" and isinstance(arguments[1], int | float) and arguments[1] < 0:
            operation, arguments = "add", (arguments[0], -arguments[1])
        if operation == "where_negative" and self._is_negated(arguments[0]):
            operation, arguments = "where_positive", (arguments[0].arguments[0], *arguments[1:])  # type: ignore[union-attr]
        texts = [self._text(each) for each in arguments]
        if sum(len(text) for text, _ in texts) > WIDTH:
            texts = [self._shortened(*each) for each in zip(arguments, texts, strict=True)]
        if operation in INFIX:
            strength, pattern = INFIX[operation]
            return pattern.format(_wrap(texts[0], strength), _wrap(texts[1], strength + 1)), strength
        if operation == "negate":
            return f"-{_wrap(texts[0], 3)}", 2
        if operation in SIGNS:
            return self._where(SIGNS[operation], arguments, texts), ATOM
        return self._call(operation, arguments, [text for text, _ in texts]), ATOM

    def _shortened(self, expression: Expression, text: tuple[str, int]) -> tuple[str, int]:
        """Assign an argument to a variable if its text is long."""
        if not isinstance(expression, Node) or len(text[0]) < WIDTH // 4:
            return text
        return self._name(expression, text[0]), ATOM

    def _name(self, expression: Node, text: str) -> str:
        """Assign an expression to a new variable; return the variable."""
        if expression not in self._names:
            name = f"t{len(self._names) + 1}"
            self.lines.append(f"{name} = {text}")
            self._names[expression] = name
        return self._names[expression]

    def _array(self, expression: Expression, text: str) -> str:
        """Return a variable for an array that occurs twice in a line."""
        return self._name(expression, text) if isinstance(expression, Node) else text

    def _is_negated(self, expression: Expression) -> bool:
        return isinstance(expression, Node) and expression.operation == "negate" and expression not in self._names

    def _where(self, sign: str, arguments: tuple[Expression, ...], texts: list[tuple[str, int]]) -> str:
        condition, first, second = (_wrap(text, 1) for text in texts)
        if not any(isinstance(each, Node | str) for each in arguments[1:]):  # else the result has the default dtype
            condition = self._array(arguments[0], texts[0][0])
            first = f"{self._module}.full_like({condition}, {first})"
        return f"{self._module}.where({condition} {sign} 0, {first}, {second})"

    def _call(self, operation: str, arguments: tuple[Expression, ...], texts: list[str]) -> str:
        if operation == "relu":
            return RELU[self._module].format(texts[0])
        if operation in ("minimum", "maximum") and self._module == "torch":
            for x, number in ((0, 1), (1, 0)):
                if not isinstance(arguments[number], Node | str):  # clamp has another derivative at equality
                    array = self._array(arguments[x], texts[x])
                    return f"torch.{operation}({array}, torch.full_like({array}, {texts[number]}))"
        if operation in HELPERS and (operation != "absolute" or self._module == "jnp"):
            self.helpers.add(operation)
            return f"_{operation}({', '.join(texts)})"
        name = "abs" if operation == "absolute" else operation
        return f"{self._module}.{name}({', '.join(texts)})"


def clip_bounds(expression: Node) -> tuple[Expression, float, float] | None:
    """Return (x, low, high) of minimum(maximum(x, low), high) with numbers low < high; None for other expressions."""
    if expression.operation != "minimum":
        return None
    inner, high = expression.arguments
    if not isinstance(inner, Node) or inner.operation != "maximum" or isinstance(high, Node | str):
        return None
    x, low = inner.arguments
    if isinstance(low, Node | str) or not low < high:
        return None
    return x, low, high


def _operations(expression: Expression) -> list[Node]:
    """Return all operations of an expression in topological order, arguments first."""
    if not isinstance(expression, Node):
        return []
    return [part for each in expression.arguments for part in _operations(each)] + [expression]


def _number(number: float) -> tuple[str, int]:
    return repr(number), ATOM if number >= 0 else 2


def _wrap(text: tuple[str, int], least: int) -> str:
    return text[0] if text[1] >= least else f"({text[0]})"
