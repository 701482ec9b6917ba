"""Links and names of the package in the documentation refer to something that exists."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("docs", "experiments", "analysis", "checkpoints")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in ROOT.glob(f"{folder}/**/*.md"))])


@pytest.mark.parametrize(
    "path", ["expressions:multiply", "losses:Losses", "tabulate:TabulableLoss", "published:FOLDER", "objectives:mirror"]
)
def test_import_paths_that_were_documented_before_still_work(path: str) -> None:
    module, _, name = path.partition(":")
    assert hasattr(importlib.import_module(f"metadisco.{module}"), name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_says_is_in_the_package_is_there(page: Path) -> None:
    for path in set(re.findall(r"`(?:from )?(metadisco(?:\.\w+)+)(?: import [^`]+)?`", page.read_text())):
        module, _, name = path.rpartition(".")
        try:
            importlib.import_module(path)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(module), name), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_the_documentation_point_to_what_exists(page: Path) -> None:
    broken = [link for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if not exists(link, page)]
    assert broken == []


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def exists(link: str, page: Path) -> bool:
    """Return whether a link is absolute, or leads to a file and, if it says so, to a heading in it."""
    if re.match(r"[a-z]+:", link):
        return True
    file, _, anchor = link.partition("#")
    target = (page.parent / file) if file else page
    if not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", prose(target), re.MULTILINE) if target.is_file() else []
    return anchor in [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
