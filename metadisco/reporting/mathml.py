"""Equations as MathML, which browsers draw by themselves: no script and nothing to load."""

from latex2mathml.converter import convert


def typeset(latex: str, *, block: bool = False) -> str:
    """Return an equation in LaTeX as MathML, in a line of text or on a line of its own."""
    return str(convert(latex, display="block" if block else "inline"))
