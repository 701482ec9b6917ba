"""What all figures share: colours, lines, titles, legends, files."""

import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps, rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter
from matplotlib.typing import LineStyleType

from metadisco.plotting.look import current, fit, points

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")  # Okabe and Ito
DASHES: tuple[LineStyleType, ...] = (
    "-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (7, 1.5)), (0, (4, 1, 4, 4)),
)  # fmt: skip
"""For print without colours."""
GUIDE = "#808080"
"""Lines at zero, and words in place of data."""

DPI, PRINT_DPI = 150, 300
UNDATED: dict[str, dict[str, Any]] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""Metadata of files, without the time at which they were written."""
LEGEND_SIZE = 9  # points
ROUND = (1, 2, 2.5, 5, 10)  # steps between numbers along an axis, times a power of ten
BREAK = "\u200b"  # where a name may be broken
PARTS = re.compile("(?<=[/_-])(?=.)|(?<=[a-z])(?=[A-Z])")  # of a name
BESIDE_LABEL = 0.85  # inches that an entry of a legend takes beside its label
MAX_LABEL = 4.6  # inches, so that two columns fit into the widest figures


def line_style(number: int) -> dict[str, Any]:
    """Return colour and dashes of the line with this number, from 0; the first 64 pairs differ."""
    shift = number // len(PALETTE)
    return {"color": PALETTE[number % len(PALETTE)], "linestyle": DASHES[(number + shift) % len(DASHES)]}


def save(figure: Figure, path: Path) -> tuple[Path, ...]:
    """Write a figure as PNG and as SVG, and in what else `look` asks for; equal figures give equal bytes.

    Args:
        figure: what to write. For a paper it is made as wide as a column or the text, if it is not yet.
        path: without suffix; its folder is made.

    Returns:
        The files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = files = tuple(path.with_name(f"{path.name}.{kind}") for kind in current().formats)
    first.write_bytes(encoded(figure, first.suffix))
    with _laid_out(figure):
        for file in others:
            file.write_bytes(encoded(figure, file.suffix))
    return files


@contextmanager
def _laid_out(figure: Figure) -> Iterator[None]:
    """Keep everything in place while a figure is drawn again; finding the places takes most of the time."""
    engine = figure.get_layout_engine()
    figure.set_layout_engine("none")
    try:
        yield
    finally:
        figure.set_layout_engine(engine)


def encoded(figure: Figure, suffix: str) -> bytes:
    """Return what a file of a figure holds, whose name ends in this suffix."""
    fit(figure)
    content = io.BytesIO()
    with rc_context({"svg.hashsalt": "metadisco"}):
        dpi = PRINT_DPI if current().paper else DPI
        figure.savefig(content, format=suffix[1:], dpi=dpi, metadata=UNDATED[suffix])
    return content.getvalue()


def set_title(figure: Figure, title: str) -> None:
    """Write the title of a figure, wrapped to its width; signs such as $ are written as they are."""
    size = points(figure, 12)
    figure.suptitle(wrapped(figure, title, size, 0.96 * figure.get_figwidth()), fontsize=size, parse_math=False)


def set_legend(figure: Figure, handles: Sequence[Artist]) -> Legend | None:
    """Write a legend of labelled artists below all panels, in as many columns as fit; long labels are wrapped."""
    if not handles:
        return None
    size = points(figure, LEGEND_SIZE)
    beside = BESIDE_LABEL * size / LEGEND_SIZE
    width = figure.get_figwidth() - beside
    lines = [wrapped(figure, str(handle.get_label()), size, min(width - 0.15, MAX_LABEL)) for handle in handles]
    longest = max(_width(figure, label, size) for label in lines)
    ncols = min(max(int(figure.get_figwidth() / (longest + beside)), 1), len(handles))
    legend = figure.legend(
        handles,
        lines,
        loc="outside lower center",
        ncols=ncols,
        frameon=False,
        fontsize=size,
        handlelength=3,  # for two periods of the longest dashes
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return legend


def band(words: str, colour: str = "#555555", alpha: float = 0.25) -> Patch:
    """Return the entry of a legend that says what a band is."""
    return Patch(facecolor=colour, alpha=alpha, linewidth=0, label=f"band: {words}")


def note(words: str) -> Line2D:
    """Return the entry of a legend that has no mark."""
    return Line2D([], [], linestyle="", label=words)


def wrapped(figure: Figure, words: str, size: float, width: float) -> str:
    """Return words with line breaks, so that they are no wider than `width` inches at a size in points.

    A word that is wider by itself is broken after slashes, hyphens and underscores, and before capitals.
    """
    lines = words
    characters = max(map(len, words.splitlines()), default=0)
    while characters > 1 and (excess := _width(figure, lines, size) / width) > 1:
        characters = min(characters - 1, int(1.05 * characters / excess))
        lines = "\n".join(_filled(line, characters) for line in words.splitlines())
    return lines


def _filled(line: str, characters: int) -> str:
    """Return a line with breaks between words; a word that is too long is broken within, best where a part begins."""
    parts = (PARTS.sub(f"{BREAK} ", word) if len(word) > characters else word for word in line.split(" "))
    filled = textwrap.fill(" ".join(parts), characters)
    return filled.replace(f"{BREAK} ", "").replace(BREAK, "")


def _width(figure: Figure, words: str, size: float) -> float:
    """Return the width of words in inches."""
    text = Text(0, 0, words, fontsize=size, parse_math=False)
    text.set_figure(figure)
    return text.get_window_extent().width / figure.dpi


def uncluttered(axes: Axes) -> None:
    """Remove the upper and right side of the frame, and write numbers in full, without a power of ten in the corner."""
    axes.spines[["top", "right"]].set_visible(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda number, _: short(number)))


def short(number: float, digits: int = 6) -> str:
    """Return a number as 0.25, 12,000, 4e−7 or 3e8, with at most so many digits."""
    if number == 0 or 1e-4 <= abs(number) < 1e6:
        return f"{float(f'{number:.{digits}g}'):,.8g}".replace("-", "−")
    mantissa, exponent = f"{number:.{digits - 1}e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}".replace("-", "−")


def say(axes: Axes, words: str) -> None:
    """Write words in the middle of a panel that has nothing to draw."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=GUIDE)


def robust_limits(values: Float[np.ndarray, "..."]) -> tuple[float, float]:
    """Return limits that hold all finite values, or all but the outermost hundredth where that is far outside.

    There is always room between them.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    inner_low, inner_high = (float(edge) for edge in np.percentile(finite, (1, 99)))
    inner = inner_high - inner_low
    rounding = 1e-9 * max(abs(inner_low), abs(inner_high))
    if finite.size >= 50 and rounding < inner < 0.2 * (high - low):
        low, high = inner_low - 0.25 * inner, inner_high + 0.25 * inner
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        centre, half = (low + high) / 2, 0.1 * max(abs(low), abs(high)) or 1.0
        return centre - half, centre + half
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def light_to_dark(name: str) -> Colormap:
    """Return a sequential colour map turned round, without its lightest part, which cannot be seen on white."""
    return LinearSegmentedColormap.from_list(f"{name}_light_to_dark", colormaps[name](np.linspace(0.88, 0, 256)))
