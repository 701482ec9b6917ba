"""Expressions as lines of Python for NumPy, JAX or PyTorch."""

from collections import Counter
from collections.abc import Sequence

from metadisco.objectives.expressions import Expression, Node

INFIX = {"add": (1, "{} + {}"), "subtract": (1, "{} - {}"), "multiply": (2, "{} * {}"), "divide": (2, "{} / {}")}
ATOM = 4
WIDTH = 76  # of what an operation is applied to, beyond which parts of it get names
SIGNS = {"where_negative": "<", "where_positive": ">"}
HELPERS = ("absolute", "exp", "excess", "log_cosh", "share", "within", "held")
"""Operations for which there are functions in the file; `absolute` in JAX alone."""
RELU = {"np": "np.maximum({}, 0)", "jnp": "jax.nn.relu({})", "torch": "torch.relu({})"}


class Code:
    """Lines that compute expressions; what is used twice is computed once.

    Beside the operations of expressions there are `sign`, `share(x, y)`, which is 1 where x is larger than y and 0.5
    where they are equal, else 0, `within(x, low, high, y)`, which is y where x is between both, half of it where x is
    one of them, else 0, and `held`, which bounds what is exponentiated.

    Args:
        module: `np`, `jnp` or `torch`.
    """

    def __init__(self, module: str):
        self._module = module
        self._names: dict[Node, str] = {}
        self.lines: list[str] = []
        self.helpers: set[str] = set()
        """Those that the lines call."""

    def assign(self, name: str, expression: Expression) -> None:
        """Add the lines that give an expression a name."""
        self.lines.append(f"{name} = {self.text(expression)}")

    def text(self, expression: Expression) -> str:
        """Return the text of an expression, after adding lines for what it shares with itself or earlier ones."""
        return self.texts([expression])[0]

    def texts(self, expressions: Sequence[Expression]) -> list[str]:
        """Return the texts of expressions, after adding lines for what they share with each other or earlier ones."""
        parts = list(dict.fromkeys(part for each in expressions for part in _operations(each)))
        uses = Counter([*expressions, *(argument for each in parts for argument in each.arguments)])
        for each in parts:
            if uses[each] > 1 and each.operation != "negate":
                self._name(each, self._text(each)[0])
        return [self._text(each)[0] for each in expressions]

    def _text(self, expression: Expression) -> tuple[str, int]:
        """Return the text of an expression, and how strongly its outermost operation binds."""
        if not isinstance(expression, Node):
            return (expression, ATOM) if isinstance(expression, str) else _number(expression)
        if expression in self._names:
            return self._names[expression], ATOM
        return self._operation(expression)

    def _operation(self, expression: Node) -> tuple[str, int]:
        """Return the same of an operation that has no name yet."""
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

    def _array(self, expression: Expression, text: str) -> str:
        """Return a name of an array that is needed twice in a line."""
        return self._name(expression, text) if isinstance(expression, Node) else text

    def _is_negated(self, expression: Expression) -> bool:
        return isinstance(expression, Node) and expression.operation == "negate" and expression not in self._names

    def _where(self, sign: str, arguments: tuple[Expression, ...], texts: list[tuple[str, int]]) -> str:
        condition, first, second = (_wrap(text, 1) for text in texts)
        if not any(isinstance(each, Node | str) for each in arguments[1:]):  # else of the precision that is the default
            condition = self._array(arguments[0], texts[0][0])
            first = f"{self._module}.full_like({condition}, {first})"
        return f"{self._module}.where({condition} {sign} 0, {first}, {second})"

    def _call(self, operation: str, arguments: tuple[Expression, ...], texts: list[str]) -> str:
        if operation == "relu":
            return RELU[self._module].format(texts[0])
        if operation in ("minimum", "maximum") and self._module == "torch":
            for x, number in ((0, 1), (1, 0)):
                if not isinstance(arguments[number], Node | str):  # clamp has another slope where they are equal
                    array = self._array(arguments[x], texts[x])
                    return f"torch.{operation}({array}, torch.full_like({array}, {texts[number]}))"
        if operation in HELPERS and (operation != "absolute" or self._module == "jnp"):
            self.helpers.add(operation)
            return f"_{operation}({', '.join(texts)})"
        name = "abs" if operation == "absolute" else operation
        return f"{self._module}.{name}({', '.join(texts)})"


def clip_bounds(expression: Node) -> tuple[Expression, float, float] | None:
    """Return x and both numbers of minimum(maximum(x, low), high), low being less; None for any other expression."""
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
    """Return all operations of an expression, arguments before what uses them."""
    if not isinstance(expression, Node):
        return []
    return [part for each in expression.arguments for part in _operations(each)] + [expression]


def _number(number: float) -> tuple[str, int]:
    return repr(number), ATOM if number >= 0 else 2


def _wrap(text: tuple[str, int], least: int) -> str:
    return text[0] if text[1] >= least else f"({text[0]})"
