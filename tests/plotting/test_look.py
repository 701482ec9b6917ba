"""Figures for a paper, and in further formats."""

import re

import numpy as np
import pytest
from layout import assert_well_laid_out

from metadisco.cli import main
from metadisco.plotting import learning_curves_figure, look, run_figure, save

STEPS = [1000 * update for update in range(1, 13)]


def test_a_figure_for_a_paper_is_a_column_wide_and_its_text_is_text(tmp_path):
    with look("paper", ["pdf"]) as chosen:
        figure = learning_curves_figure({"ppo": (STEPS, np.ones((2, 12)))}, title="A title")
        files = save(figure, tmp_path / "a")
    assert [file.name for file in files] == ["a.png", "a.svg", "a.pdf"]
    assert chosen.suffixes == ".png, .svg and .pdf"
    assert re.search(r"<text[^>]*>A title</text>", files[1].read_text())
    assert re.search(r'width="237\.\d+pt"', files[1].read_text())  # 3.3 inches
    assert b"/CIDFontType2" in files[2].read_bytes() and b"/Type3" not in files[2].read_bytes()


def test_letters_of_a_wide_figure_for_a_paper_can_be_read(tmp_path):
    rows = [{"generation": n, "fitness_mean": 1.0 * n, "seconds": 1.0} for n in range(9)]
    with look("paper"):
        figure = run_figure(rows, title="A run")
        save(figure, tmp_path / "run")
        assert figure.get_figwidth() == pytest.approx(6.9)
        assert_well_laid_out(figure)
    sizes = {text.get_fontsize() for text in figure.findobj(lambda artist: hasattr(artist, "get_fontsize"))}
    assert min(sizes) >= 6 and max(sizes) <= 8


def test_a_look_ends_where_it_ends(tmp_path):
    with pytest.raises(ZeroDivisionError), look("paper", ["pdf"]):
        1 / 0  # noqa: B018
    figure = learning_curves_figure({"ppo": (STEPS, np.ones((2, 12)))}, title="A")
    assert [file.suffix for file in save(figure, tmp_path / "a")] == [".png", ".svg"]
    assert figure.get_figwidth() == 6.4


@pytest.mark.slow
def test_every_figure_of_an_objective_fits_a_paper(place):
    words = ["--no-visits", "--style", "paper", "--format", "pdf", "--quiet"]
    assert main(["plot", "lpo_drift_classic", "--output", "out", *words]) == 0
    for file in (place / "out").glob("*.svg"):
        assert re.search(r'width="496\.\d+pt"', file.read_text())  # 6.9 inches
        assert file.with_suffix(".pdf").is_file()
