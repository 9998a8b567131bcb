import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt
from markdown_it.token import Token

from core.evaluate.axes import RULE, Measured, compare, overall
from core.evaluate.markdown import as_text, report_markdown
from core.evaluate.prompts import Prompt
from core.evaluate.render import report_text
from core.evaluate.report import Counts, Intervals, Report, ReportedSubject, read_report, report_schema
from core.evaluate.rows import Side, worst_and_best
from core.evaluate.scores import Answer, RowLoss, Score
from serve.chat import Message
from tunery.errors import BrokenIntegrity, NotThere

HOSTILE = (
    "a | b || c\n| --- | --- |\n```json\n{}\n```\n~~~\n# head\n- item\n1. one\n> quote\n<script>x</script>\n"
    "[link](http://x.test) ![i](y) `code` **bold** _it_ \\| \\ <br> &amp; &#124; $x$ \x1b[31mred \u202eback"
)


def make_report(name: str = "support") -> Report:
    def measured(loss: float, rouge: float) -> Measured:
        scores = [[Score(rouge + 0.01 * row, row % 2 == 0, True, True, 20)] for row in range(12)]
        return Measured([RowLoss(loss * 10 + row, 10) for row in range(12)], scores)

    subjects = {"base": measured(2.5, 0.1), "tuned": measured(1.5, 0.5), "q8_0": measured(1.51, 0.5)}
    axes = compare(subjects, resamples=200, seed=1)
    return Report(
        name=name,
        suite="held_out",
        subjects=[
            ReportedSubject(
                name=name, quant="f16", weights_sha256="ab" * 32, engine="e", loss_engine="l",
                knowledge=False, guards=False,
            )
            for name in subjects
        ],
        axes=axes,
        verdict=overall(axes),
        rule=RULE,
        counts=Counts(
            rows=12, answers=12, structured_answers=12, trained_tokens=120, max_new_tokens=160,
            shortened_answers=0,
        ),
        intervals=Intervals(method="m", confidence=0.95, resamples=200, seed=1),
        environment={"cores": 2},
    )  # fmt: skip


def make_side(row: int, text: str, rouge: float = 0.5) -> Side:
    prompt = Prompt(row, 1, (Message("user", text),), text, (1, 2), structured=False)
    answer = Answer(text, 5, stopped=False)
    score = Score(rouge, None, None, False, 5)
    return Side(prompt, {"base": answer, "tuned": answer}, {"base": score, "tuned": score})


def cells(markdown: str) -> list[list[str]]:
    """The rows of the first table as a reader of the rendered page sees them."""
    found: list[list[str]] = []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(markdown):
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            found.append([])
        if token.type == "inline" and found:
            found[-1].append("".join(map(seen, token.children or [])))
    return found


def seen(token: Token) -> str:
    if token.type == "html_inline":
        return "\n" if token.content == "<br>" else token.content
    assert token.type in ("text", "text_special"), f"{token.type} began inside of an answer"
    return token.content.replace("\N{NO-BREAK SPACE}", " ")


def test_hostile_text_stays_in_its_cell_and_reads_as_it_was() -> None:
    markdown = f"| a | b |\n| --- | --- |\n| {as_text(HOSTILE)} | end |\n"
    rows = cells(markdown)
    shown = HOSTILE.replace("\x1b", "\N{REPLACEMENT CHARACTER}").replace(
        "\u202e", "\N{REPLACEMENT CHARACTER}"
    )
    assert rows[1] == [shown, "end"]
    assert len(rows) == 2


@given(st.text(alphabet=st.sampled_from("|\\`*_<>&#-~[]()!$ \n\tab1."), max_size=30))
def test_any_text_stays_in_its_cell(text: str) -> None:
    rows = cells(f"| a | b |\n| --- | --- |\n| {as_text(text)} | end |\n")
    assert [row[-1] for row in rows] == ["b", "end"]
    assert rows[1][0].replace("\n", "").split() == text.replace("\n", "").split()


def test_a_very_long_answer_is_shortened_and_says_so() -> None:
    assert "more characters" in as_text("x" * 100_000)
    assert len(as_text("x" * 100_000)) < 2000


def test_the_markdown_report_has_one_row_an_answer() -> None:
    sides = [make_side(row, f"{row} {HOSTILE}", rouge=row / 30) for row in range(30)]
    losses = {name: [RowLoss(1.0, 1)] * 30 for name in ("base", "tuned")}
    worst, best = worst_and_best(sides, losses)
    assert [side.prompt.row for side in worst] == list(range(10))
    assert [side.prompt.row for side in best] == list(range(29, 19, -1))
    markdown = report_markdown(make_report(), worst, best)
    tables = [
        token
        for token in MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
        if token.type == "tr_open"
    ]
    # Seven axes, three subjects, ten worst, ten best, one of the environment, and five heads.
    assert len(tables) == 7 + 3 + 10 + 10 + 1 + 5
    assert "cut at the token limit" in markdown


def test_a_prompt_out_of_a_conversation_says_how_much_came_before() -> None:
    side = make_side(0, "Sure?")
    talk = (
        Message("system", "Email."),
        Message("user", "Open?"),
        Message("assistant", "Yes."),
        Message("user", "Sure?"),
    )
    later = replace(side, prompt=replace(side.prompt, history=talk))
    assert "after 2 earlier messages" in report_markdown(make_report(), [later], [])
    assert "earlier messages" not in report_markdown(make_report(), [side], [])


def test_few_answers_are_never_both_worst_and_best() -> None:
    sides = [make_side(row, "x", rouge=row / 10) for row in range(5)]
    losses = {name: [RowLoss(1.0, 1)] * 5 for name in ("base", "tuned")}
    worst, best = worst_and_best(sides, losses)
    assert [side.prompt.row for side in worst] == [0, 1, 2]
    assert [side.prompt.row for side in best] == [4, 3]


def test_the_terminal_report_fits_80_columns_and_says_the_verdict() -> None:
    text = report_text(make_report())
    assert max(map(len, text.splitlines())) <= 80
    assert "loss" in text
    assert "q8_0" in text
    assert "Verdict: ship" in text
    assert "95 of 100" in " ".join(text.split())


def test_a_name_cannot_move_the_cursor() -> None:
    assert "\x1b" not in report_text(make_report(name="\x1b[2Jsupport"))


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = make_report()
    (tmp_path / "report.json").write_text(json.dumps(report.to_json()), encoding="utf-8")
    assert read_report(tmp_path) == report


def test_the_schema_accepts_a_report_and_refuses_a_broken_one() -> None:
    validator = Draft202012Validator(json.loads(report_schema()))
    value = make_report().to_json()
    validator.validate(value)
    assert {"version", "subjects", "axes", "verdict", "forced"} <= set(value)
    assert {"name", "metric", "n", "values", "base", "tuned", "difference", "low", "high", "verdict"} <= set(
        value["axes"][0]
    )
    assert not validator.is_valid({**value, "verdict": "perhaps"})
    assert validator.is_valid({**value, "added_later": 1})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"version": 1}'])
def test_a_foreign_report_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    with pytest.raises(BrokenIntegrity, match="evaluate again"):
        read_report(tmp_path)


def test_without_a_report_it_says_which_step_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotThere, match="evaluate step"):
        read_report(tmp_path)
