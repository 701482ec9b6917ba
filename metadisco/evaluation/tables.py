"""Tables of a comparison, as text."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

from metadisco.discoveries.sources import short_names
from metadisco.evaluation.comparison import Row
from metadisco.evaluation.digits import decimals_of, interval, to_digits
from metadisco.evaluation.statistics import Difference, Estimate

HEADINGS = ("{compared}", "mean", "IQM (95 %)", "minus {baseline} (95 %)", "P(> {baseline})", "failed")
NO_TALKER = "none"
"""The baseline where talkers are compared; no objective has this name."""
GAPS = "updates without an ended episode"
SCORE_TITLES = {"final_return": "final return", "area_under_curve": "area under the curve"}
LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\n": " ",
    }
)  # fmt: skip
"""Escapes of characters that are special in LaTeX."""


class Table(NamedTuple):
    """Text by row and column; the first column names the entrants."""

    title: str
    headings: list[str]
    lines: list[list[str]]


HeldOut = Mapping[tuple[str, str], bool | None]
"""By objective and environment, as `Cell` has it."""


def tables(rows: Sequence[Row], held_out: HeldOut, baseline: str) -> list[Table]:
    """Return a table for each environment and score, and one for each score over all environments."""
    short = short_names([*(row.objective for row in rows), baseline])
    result = []
    for env, score in dict.fromkeys((row.env, row.score) for row in rows):
        where = env or f"all environments, random actions = 0, {short[baseline]} = 1"
        shown = [row for row in rows if (row.env, row.score) == (env, score)]
        compared = "talker" if baseline == NO_TALKER else "objective"
        headings = [heading.format(baseline=short[baseline], compared=compared) for heading in HEADINGS]
        lines = [_line(row, short[row.objective], held_out.get((row.objective, row.env or ""))) for row in shown]
        for other in dict.fromkeys(name for row in shown for name in row.differences):
            headings.append(f"minus {short_names([other])[other]} (95 %)")
            lines = [[*line, with_sign(row.differences.get(other))] for line, row in zip(lines, shown, strict=True)]
        if any(row.gaps for row in shown):
            headings.append(GAPS)
            lines = [[*line, f"{row.gaps or 0:.0%}"] for line, row in zip(lines, shown, strict=True)]
        result.append(Table(f"{where}: {SCORE_TITLES[score]}", headings, lines))
    return result


def short_envs(names: Iterable[str]) -> dict[str, str]:
    """Return short names of environments: without their suites, if these names differ."""
    full = list(dict.fromkeys(names))
    short = {name: name.partition("/")[2] or name for name in full}
    return short if len(set(short.values())) == len(full) else {name: name for name in full}


def _line(row: Row, name: str, held_out: bool | None) -> list[str]:
    """Return the entries of a row under HEADINGS."""
    note = {True: " (held out)", False: " (meta-trained here)", None: ""}[held_out]
    chance = row.probability_of_improvement
    return [
        name + note,
        to_digits(row.mean, decimals_of(row.half_width)),
        interval(*row.interquartile_mean),
        with_sign(row.difference),
        "" if chance is None else f"{chance:.2f}",
        str(row.failed or ""),
    ]


def with_sign(difference: Difference | Estimate | None) -> str:
    """Return a difference with its interval; empty for none."""
    return "" if difference is None else interval(*difference, signed=True)


def _markdown_line(line: Sequence[str]) -> str:
    return f"| {' | '.join(' '.join(entry.replace('|', chr(92) + '|').split()) for entry in line)} |"


def in_markdown(tables: Iterable[Table]) -> str:
    """Return tables in Markdown, each below its title."""
    parts = []
    for title, headings, lines in tables:
        body = [headings, ["---"] + ["---:"] * (len(headings) - 1), *lines]
        parts.append(f"**{title}**\n\n" + "\n".join(map(_markdown_line, body)) + "\n")
    return "\n".join(parts)


def in_html(tables: Iterable[Table]) -> str:
    """Return tables as HTML, for notebooks."""
    return "".join(map(_html_table, tables))


def _html_table(table: Table) -> str:
    heading = "".join(f"<th>{escape(entry)}</th>" for entry in table.headings)
    lines = ("".join(f"<td>{escape(entry)}</td>" for entry in line) for line in table.lines)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><caption>{escape(table.title)}</caption><tr>{heading}</tr>{body}</table>"


def latex(rows: Sequence[Row], baseline: str, num_seeds: int) -> str:
    """Return the final returns as a LaTeX table for the package booktabs, with one column per environment.

    Args:
        rows: of an evaluation.
        baseline: the objective in the first row.
        num_seeds: per cell.
    """
    cells = {(row.objective, row.env): row for row in rows if row.env is not None and row.score == "final_return"}
    short = short_names([row.objective for row in cells.values()])
    envs = list(dict.fromkeys(row.env for row in cells.values() if row.env is not None))
    best = {env: max(row.mean for row in cells.values() if row.env == env) for env in envs}
    body = [
        [in_latex(name), *(_mean_in_latex(cells[objective, env], best[env]) for env in envs)]
        for objective, name in sorted(short.items(), key=lambda each: each[0] != baseline)
    ]
    failed = sum(row.failed for row in cells.values())
    caption = (
        f"Final return on {num_seeds} seeds: mean $\\pm$ half of its 95\\,\\% interval (Student's t); the best in bold."
    )
    if failed:
        caption += f" Failed agents, {failed} of {num_seeds * len(cells)}, count as the worst of their environment."
    lines = [["objective", *map(in_latex, short_envs(envs).values())], *body]
    heading, *entries = (f"{' & '.join(line)} \\\\" for line in lines)
    parts = (
        r"% \usepackage{booktabs}", "\\begin{table}", "\\centering", f"\\caption{{{caption}}}",
        f"\\begin{{tabular}}{{l{'r' * len(envs)}}}", "\\toprule", heading, "\\midrule", *entries, "\\bottomrule",
        "\\end{tabular}", "\\end{table}",
    )  # fmt: skip
    return "\n".join(parts) + "\n"


def _mean_in_latex(row: Row, best: float) -> str:
    """Return mean and half-width with the same number of decimals; in bold for the best mean."""
    decimals = decimals_of(row.half_width)
    mean, half = to_digits(row.mean, decimals), ""
    if row.half_width is not None:
        half = to_digits(row.half_width, decimals)
    mean, half = (re.sub(r"e([+-]\d+)", r"\\cdot 10^{\1}", number).replace(",", "{,}") for number in (mean, half))
    shown = f"\\mathbf{{{mean}}}" if row.mean == best else mean
    return f"${shown} \\pm {half}$" if half else f"${shown}$"


def in_latex(text: str) -> str:
    """Escape text for LaTeX."""
    return text.translate(LATEX)
