"""Interactive figures in HTML: nothing is loaded from elsewhere, and plotly.js is in a page once."""

import json
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from metadisco.plotting.interactive.look import DARK, LIGHT, template
from metadisco.storage.outputs import write_output

TEMPLATES = Path(__file__).parents[2] / "templates"
READ_BACK = """(() => {
  const getContext = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    return getContext.call(this, kind, kind === "2d" ? {willReadFrequently: true, ...options} : options);
  };
})();"""
"""plotly.js reads back the canvas on which it draws letters, of which browsers warn unless it was announced."""
HEADING = 34
"""Pixels of a title, which is a heading of the page there."""


def embedded(name: str, figure: go.Figure, caption: str = "") -> str:
    """Return a figure as a part of a page that holds `library` at its end.

    Args:
        name: of the figure; unique in the page.
        figure: its title becomes a heading.
        caption: a sentence below it.
    """
    content = json.loads(figure.to_json())
    layout = content["layout"]
    layout.pop("template", None)  # the script sets that of the page
    title = layout.pop("title", {}).get("text", "")
    layout["margin"]["t"] = max(layout["margin"]["t"] - HEADING, 10)
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    place = f"interactive-{escape(name)}"
    return (
        f'<figure class="turning" style="margin:1.5rem 0"><h3>{escape(title)}</h3>'
        f'<div class="interactive" id="{place}" style="min-height:{layout["height"]}px"></div>{below}'
        f'<script type="application/json" id="{place}-data">{_plain(content)}</script></figure>'
    )


def library() -> str:
    """Return what the embedded figures of a page need, once: plotly.js, and our script."""
    looks = _plain({"light": template(LIGHT), "dark": template(DARK)})
    script = (TEMPLATES / "interactive.js").read_text(encoding="utf-8")
    return (
        f'<script type="application/json" id="interactive-looks">{looks}</script>'
        f"<script>{READ_BACK}</script><script>{get_plotlyjs()}</script><script>{script}</script>"
    )


def _plain(content: object) -> str:
    """Return JSON that cannot end the script that holds it."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")


def write_figures(
    figures: Mapping[str, go.Figure], path: Path, *, title: str, caption: Callable[[str], str] = lambda name: ""
) -> None:
    """Write a page of interactive figures; its folder is made, and what is there is replaced.

    Args:
        figures: by name.
        path: of the page.
        title: of the page.
        caption: returns a sentence below the figure of a name.
    """
    import jinja2  # noqa: PLC0415 - only pages need it

    text = (TEMPLATES / "interactive.html.j2").read_text(encoding="utf-8")
    page = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(text)
    parts = [embedded(name, figure, caption(name)) for name, figure in figures.items()]
    write_output(path, page.render(title=escape(title), figures=parts, library=library()), force=True)
