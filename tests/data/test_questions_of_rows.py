"""What the rows of a recipe ask already."""

from __future__ import annotations

import json
from pathlib import Path

from core.data.questions import questions_of
from core.recipe.data import DataSection


def test_the_last_question_of_every_row_that_can_be_read(tmp_path: Path) -> None:
    talk = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "When do you open?"},
        {"role": "assistant", "content": "At 10."},
    ]
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": talk}) + "\nnot a row\n")
    (tmp_path / "b.csv").write_text("frage,antwort\nWo ist der Eingang?,Im Hof.\n")
    sources = [
        {"path": "a.jsonl"},
        {"path": "b.csv", "columns": {"prompt": "frage", "completion": "antwort"}},
    ]
    section = DataSection.model_validate({"sources": sources})
    assert list(questions_of(section, tmp_path)) == ["When do you open?", "Wo ist der Eingang?"]


def test_files_of_one_folder_may_hold_rows_of_several_formats(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text(json.dumps({"prompt": "One?", "completion": "Yes."}) + "\n")
    (tmp_path / "data" / "b.jsonl").write_text(json.dumps({"instruction": "Two?", "output": "No."}) + "\n")
    section = DataSection.model_validate({"sources": [{"path": "data"}]})
    assert list(questions_of(section, tmp_path)) == ["One?", "Two?"]
