"""Equations as MathML, which browsers draw by themselves: no script and nothing to load but one font of this site.

The font is STIX Two Math (SIL Open Font License), taken from the package ziamath.
"""

from importlib.resources import files
from pathlib import Path
from shutil import copyfile
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from metadisco.reporting.mathml import typeset

FONT = "STIXTwoMath-Regular.ttf"


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(typeset(node.astext()))
    raise nodes.SkipNode


def _block(self: Any, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math"))
    for identifier in node.get("ids", ())[1:]:
        self.body.append(f'<span id="{identifier}"></span>')
    if node.get("number"):
        self.body.append(f'<span class="eqno">({node["number"]})</span>')
    self.body.append(typeset(node.astext(), block=True))
    self.body.append("</div>")
    raise nodes.SkipNode


def _copy_font(app: Sphinx) -> None:
    """Put the font among the static files of the built site."""
    if app.builder.format == "html":
        folder = Path(app.outdir) / "_static"
        folder.mkdir(parents=True, exist_ok=True)
        copyfile(str(files("ziamath") / "fonts" / FONT), folder / FONT)


def _finish(app: Sphinx, exception: Exception | None) -> None:
    if exception is None:
        _copy_font(app)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer `mathml`, for `html_math_renderer`."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
