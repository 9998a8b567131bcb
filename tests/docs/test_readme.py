"""What the README says is true of the code."""

from __future__ import annotations

import re
from pathlib import Path

from tui.actions import commands

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_commands_is_the_table_of_actions() -> None:
    rows = re.findall(r"^\| `(tunery [^`]+)` \| (.+) \|$", README, re.MULTILINE)
    assert rows == [(action.twin, action.about) for action in commands().values()]


def test_every_make_target_and_file_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        shown = " ".join(re.findall(r"^    .*|`[^`]*`", text, re.MULTILINE))
        for target in re.findall(r"\bmake ([a-z]+)\b", shown):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), (page, target)
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (ROOT / link).exists(), (page, link)


def test_every_exit_code_is_named() -> None:
    for code in ("0 done", "1 failed", "2 bad input", "4 integrity", "130 interrupted"):
        assert code in README
