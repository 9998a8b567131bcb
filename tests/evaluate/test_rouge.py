import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from core.evaluate.rouge import common_subsequence, rouge_l, words

SHARED = Path(__file__).parents[2] / "../shared/data"
SENTENCE = "the hut is open from may to october please book a bed by phone or mail"


def package_score(answer: str, reference: str) -> float:
    return RougeScorer(["rougeL"], use_stemmer=False).score(reference, answer)["rougeL"].fmeasure


def test_by_hand() -> None:
    # "the cat sat" is common: 3 words of 6 and of 4.
    assert rouge_l("the cat sat down on it", "the cat quietly sat") == pytest.approx(2 * 3 / (6 + 4))


def test_case_and_punctuation_do_not_matter() -> None:
    assert rouge_l("Hello, World!", "hello world") == 1


def test_order_matters() -> None:
    assert rouge_l("one two three", "three two one") == pytest.approx(2 * 1 / 6)


def test_letters_beyond_ascii_are_words() -> None:
    assert words("Für Müller") == ["für", "müller"]
    assert words("日本語 text") == ["日", "本", "語", "text"]
    assert rouge_l("Füße", "Füsse") == 0
    assert rouge_l("cafe\u0301", "café") == 1


def test_texts_without_words_are_compared_as_they_are() -> None:
    assert rouge_l("👍", "👍 ") == 1
    assert rouge_l("👍", "👎") == 0
    assert rouge_l("", "") == 1
    assert rouge_l("", "yes") == 0


@given(st.text())
def test_a_text_agrees_with_itself(text: str) -> None:
    assert rouge_l(text, text) == 1


@given(st.text(), st.text())
def test_it_is_symmetric_and_between_zero_and_one(left: str, right: str) -> None:
    assert rouge_l(left, right) == rouge_l(right, left)
    assert 0 <= rouge_l(left, right) <= 1


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_the_bit_parallel_subsequence_equals_the_textbook_table(left: list[str], right: list[str]) -> None:
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, one in enumerate(left):
        for j, other in enumerate(right):
            table[i + 1][j + 1] = table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
    assert common_subsequence(left, right) == table[-1][-1]


def test_generated_pairs_score_as_the_rouge_score_package_scores_them() -> None:
    generator = random.Random(7)
    for _ in range(200):
        left, right = (
            " ".join(generator.choices(SENTENCE.split(), k=generator.randint(1, 40))) for _ in range(2)
        )
        assert rouge_l(left, right) == pytest.approx(package_score(left, right), abs=1e-12)


def test_real_pairs_score_as_the_rouge_score_package_scores_them() -> None:
    path = SHARED / "alpaca_en_demo.json"
    if not path.is_file():
        pytest.skip("the shared data are not beside the repository")
    texts = [row["output"] for row in json.loads(path.read_text(encoding="utf-8"))]
    plain = [text for text in texts if text.isascii() and words(text)][:400]
    pairs = list(zip(plain[::2], plain[1::2], strict=True))
    assert len(pairs) == 200
    for left, right in pairs:
        assert rouge_l(left, right) == pytest.approx(package_score(left, right), abs=1e-12)
