"""The licence travels from the base model's card into what is exported."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.models.find import find_base
from core.models.licence import find_licence, write_licence
from core.workspace.home import Workspace


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\ntags: [x]\n---\n# A model\n", "mit"),
        ("---\nlicense: [mit\n---\n", None),
        ("---\nlicense: mit\n", None),
        ("---\n- a list\n---\n", None),
        ("# A model\n", None),
        ("", None),
    ],
)
def test_the_card_says_the_licence_or_nothing_is_known(
    tmp_path: Path, card: str, licence: str | None
) -> None:
    (tmp_path / "README.md").write_text(card, encoding="utf-8")

    assert find_licence(tmp_path) == licence


def test_without_a_card_nothing_is_known_and_nothing_is_written(tmp_path: Path) -> None:
    assert find_licence(tmp_path) is None
    write_licence(tmp_path, None)
    assert not any(tmp_path.iterdir())


def test_a_base_model_from_a_folder_keeps_its_licence(tiny_model_folder: Path, tmp_path: Path) -> None:
    import shutil

    source = tmp_path / "mine"
    shutil.copytree(tiny_model_folder, source)
    (source / "model.json").unlink()
    (source / "README.md").write_text("---\nlicense: cc-by-4.0\n---\nWords: [broken\n", encoding="utf-8")

    assert find_licence(find_base("mine", Workspace(tmp_path / "home"), tmp_path)) == "cc-by-4.0"


@pytest.mark.slow
def test_the_starter_keeps_its_licence(starter_folder: Path) -> None:
    assert find_licence(starter_folder) == "apache-2.0"
