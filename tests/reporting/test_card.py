"""Model cards: metadata for Hugging Face, and a text that says how a discovery was found."""

import shutil
from pathlib import Path

import pytest
from refusals import assert_refused

import metadisco
from metadisco.cli import main
from metadisco.config.text import parse_yaml
from metadisco.discoveries.published import FOLDER, published_names


def head_of(text: str) -> dict[str, object]:
    start, head, _ = text.split("---\n", 2)
    assert start == ""
    found: dict[str, object] = parse_yaml(head)
    return found


@pytest.mark.parametrize("name", published_names())
def test_a_published_card_has_the_metadata_that_the_command_writes(name):
    text = (FOLDER / name / "README.md").read_text(encoding="utf-8")
    assert metadisco.write_card(name) == text
    assert head_of(text)["license"] == "apache-2.0"
    assert head_of(text)["library_name"] == "metadisco"
    assert "reinforcement-learning" in head_of(text)["tags"]


@pytest.mark.parametrize("name", ["lpo_drift_classic", "mfos_ipd", "talk_cartpole_harm"])
def test_an_artefact_without_a_card_gets_one_that_says_how_it_was_found(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    for file in ("artefact.json", "arrays.npz"):
        shutil.copy(FOLDER / name / file, folder)
    text = metadisco.write_card(folder, folder)
    assert (folder / "README.md").read_text(encoding="utf-8") == text
    assert head_of(text)["tags"] == head_of((FOLDER / name / "README.md").read_text(encoding="utf-8"))["tags"]
    assert f"# {name}" in text
    assert "Open_ES" in text
    assert metadisco.write_card(folder) == text  # its own text is kept


def test_a_run_has_a_card_and_its_other_files_stay(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(FOLDER / "value_loss_cartpole_1", run)
    (run / "README.md").unlink()
    (run / "artefact.json").unlink()
    text = metadisco.write_card(f"{run}@0")
    assert "gymnax/CartPole-v1" in text and "| generations | 0 |" in text
    assert not (run / "README.md").exists()


def test_the_command_prints_or_writes_it_and_replaces_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["card", "mfos_imp"]) == 0
    printed = capsys.readouterr().out
    assert main(["card", "mfos_imp", "--output", "new/card.md"]) == 0
    assert Path("new/card.md").read_text(encoding="utf-8") == printed
    assert_refused(["card", "mfos_imp", "--output", "new/card.md"], ["new/card.md", "--force"], capsys)
    assert_refused(["card", "ppo"], ["'ppo'"], capsys)
    assert_refused(["card", "nowhere"], ["nowhere"], capsys)
