"""Everything that can be found in data: how grave it is, what it means, and the recipe key that fixes it.

Four parts: what one row shows by itself (`core.data.lint.look`), what shows only beside
other rows, what the recipe's filters leave out, and what keeps a row from being used at
all (the codes of `core.data.rows.Problem`, which say in each case what is wrong).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True)
class FindingKind:
    """What one code means.

    An "error" keeps the run from starting, a "warning" teaches the model something that
    nobody wants, a "note" may well be meant. `fix` is what to do, half a sentence.
    """

    severity: Literal["error", "warning", "note"]
    means: str
    fix: str


_DROP = "set data.clean.bad_rows: drop to leave such rows out"

_IN_A_ROW = {
    "control_token": FindingKind(
        "warning",
        "a control token of a chat template stands inside a text",
        "remove it from the text: it is trained as letters, never as the token that it looks like",
    ),
    "cut_answer": FindingKind(
        "warning",
        "a long answer stops in the middle of a sentence or program",
        "finish or remove the answer, since the model learns to stop there too",
    ),
    "encoding_damage": FindingKind(
        "warning",
        "characters were lost or split when the file was once read with the wrong encoding",
        "write the file again from its origin as UTF-8, or correct these texts",
    ),
    "html_entity": FindingKind(
        "warning",
        "an HTML entity such as &amp; stands in a text that is not HTML",
        "unescape the texts before they become rows",
    ),
    "invisible_character": FindingKind(
        "note",
        "a character that nobody can see, or a letter in an uncommon form",
        "set data.clean.unicode: nfc",
    ),
    "leading_space": FindingKind(
        "warning",
        "an answer begins with white space, which melts into the template's own text",
        "set data.clean.whitespace: strip",
    ),
    "machine_phrase": FindingKind(
        "note",
        "an answer speaks of itself as an AI",
        "keep it if your assistant should say so, or rewrite the answer",
    ),
    "mixed_languages": FindingKind(
        "warning",
        "the answer is in another language than its question, which did not ask for that",
        "correct the rows, or set data.clean.languages to the languages to keep",
    ),
    "much_alike": FindingKind(
        "note",
        "the chosen and the rejected answer share nine of ten words",
        "remove pairs that show no preference, or keep them if the small difference is the point",
    ),
    "placeholder": FindingKind(
        "warning",
        "a word such as TODO or N/A stands where an answer was meant to be",
        "write the answer, or set data.clean.min_answer_characters",
    ),
    "repeated_text": FindingKind(
        "warning",
        "an answer says the same line or sentence over and over",
        "remove the row unless it is a refrain or a table, since the model learns to loop",
    ),
    "repeats_prompt": FindingKind(
        "warning",
        "an answer begins by repeating its prompt",
        "remove the prompt from the answer",
    ),
    "spelled_escape": FindingKind(
        "warning",
        "a line end or character is spelled out, as a backslash and a letter",
        "decode the texts once more before they become rows",
    ),
}

_BESIDE_OTHERS = {
    "duplicate": FindingKind(
        "warning",
        "a row says word for word what an earlier one says",
        "set data.clean.duplicates: drop, unless copies are meant to count more",
    ),
    "contradiction": FindingKind(
        "warning",
        "rows ask the same and answer differently",
        "set data.clean.contradictions: drop to keep the first answer, or correct them",
    ),
    "near_duplicate": FindingKind(
        "note",
        "a row says nearly what an earlier one says",
        "set data.clean.near_duplicates to the share of common word triples from which rows are dropped",
    ),
    "leak": FindingKind(
        "warning",
        "a training row is nearly a validation or test row, or holds its passages",
        "leave data.clean.leakage.enabled on, which keeps such rows out of training",
    ),
    "class_imbalance": FindingKind(
        "warning",
        "one class has many times the rows of another",
        "set data.balance.by: label, or collect rows of the rare classes",
    ),
    "short_source": FindingKind(
        "note",
        "a source has too few rows to be divided or to teach much",
        "add rows, or raise data.sources[].weight",
    ),
    "length_bias": FindingKind(
        "warning",
        "the chosen answer is the longer one in most pairs, so that length is what is learned",
        "add pairs whose chosen answer is the shorter one",
    ),
    "unknown_column": FindingKind(
        "warning",
        "a column that the recipe maps stands in no row",
        "correct data.sources[].columns",
    ),
    "no_split": FindingKind(
        "error",
        "the rows that are left cannot be divided as the recipe asks",
        "add rows, or lower data.split.validation and data.split.test",
    ),
    "ignored_key": FindingKind(
        "note",
        "a column carries something that nobody reads",
        "name it in data.sources[].columns, or leave it",
    ),
}

_LEFT_OUT = {
    "short_answer": FindingKind(
        "note",
        "the last answer is shorter than the recipe asks for",
        "lower data.clean.min_answer_characters to keep such rows",
    ),
    "long_row": FindingKind(
        "note",
        "the row has more characters than the recipe allows",
        "raise data.clean.max_characters to keep such rows",
    ),
    "other_language": FindingKind(
        "note",
        "the row is in a language that the recipe does not keep",
        "add the language to data.clean.languages to keep such rows",
    ),
}

_UNUSABLE = {
    "broken_json": FindingKind("error", "a line is not valid JSON", _DROP),
    "empty_label": FindingKind("error", "a row has no class", _DROP),
    "empty_text": FindingKind("error", "a row has no text", _DROP),
    "empty_turn": FindingKind("error", "a turn says nothing", _DROP),
    "answer_too_long": FindingKind(
        "error", "the last question and answer alone are longer than the limit", "raise train.max_length"
    ),
    "longer_than_context": FindingKind(
        "error", "a row has more tokens than the model can read", "set data.too_long: truncate or drop"
    ),
    "longer_than_max_length": FindingKind(
        "error",
        "a row has more tokens than train.max_length",
        "raise train.max_length, or set data.too_long: truncate or drop",
    ),
    "misplaced_call": FindingKind("error", "a turn that is not the assistant's calls a tool", _DROP),
    "lone_surrogate": FindingKind("error", "half a character, which cannot be written as UTF-8", _DROP),
    "no_answer": FindingKind("error", "a conversation has no assistant turn", _DROP),
    "no_preference": FindingKind("error", "the chosen and the rejected answer are the same", _DROP),
    "no_prompt": FindingKind("error", "a row asks for nothing", _DROP),
    "no_turns": FindingKind("error", "a conversation has no turns", _DROP),
    "not_an_object": FindingKind("error", "a record is no object with named values", _DROP),
    "not_renderable": FindingKind("error", "the model's chat template refuses the conversation", _DROP),
    "not_supported": FindingKind("error", "a row holds something that would be lost in training", _DROP),
    "not_utf8": FindingKind("error", "a line is not UTF-8", _DROP),
    "nul_byte": FindingKind("error", "a line holds a NUL byte", _DROP),
    "nul_character": FindingKind("error", "a text holds a NUL character", _DROP),
    "other_method": FindingKind(
        "error", "a row is of a kind that the training method cannot use", "choose the method or the sources"
    ),
    "other_layout": FindingKind(
        "error",
        "a row is laid out otherwise than the first of its file",
        f"set data.sources[].format or columns, or {_DROP}",
    ),
    "proposed": FindingKind(
        "error", "a row that a model proposed and nobody has accepted", f"look at it, or {_DROP}"
    ),
    "rejected": FindingKind("error", "a generated row that a person rejected", _DROP),
    "too_deep": FindingKind("error", "a value is nested too deep", _DROP),
    "too_long": FindingKind("error", "a line or document is too large to be one row", _DROP),
    "two_systems": FindingKind("error", "a conversation has two system turns", _DROP),
    "unanswered": FindingKind(
        "error",
        "a conversation ends with a question",
        "set data.clean.unanswered: trim to cut the question off, or drop to leave the row out",
    ),
    "unknown_call": FindingKind("error", "a tool answers a call that nobody made", _DROP),
    "unreadable_row": FindingKind("error", "a row of a table cannot be read", _DROP),
    "unknown_role": FindingKind("error", "a turn has a role that nobody knows", _DROP),
    "wrong_cell_count": FindingKind("error", "a row has more or fewer cells than the header", _DROP),
    "wrong_mask": FindingKind("error", "what would be trained is not the answer", _DROP),
    "wrong_order": FindingKind("error", "turns stand in an order that templates refuse", _DROP),
    "wrong_type": FindingKind(
        "error", "a value is missing, or of another type than its layout asks for", _DROP
    ),
}

FINDINGS: Mapping[str, FindingKind] = MappingProxyType(
    {**_IN_A_ROW, **_BESIDE_OTHERS, **_LEFT_OUT, **_UNUSABLE}
)
