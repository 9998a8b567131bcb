"""A few hundred bytes tell how similar two rows are."""

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.similar.sketch import SKETCH, SKETCH_BYTES, Sketcher, similarities
from core.data.similar.words import words_of

ROOT = Path(__file__).resolve().parents[2]
TEXT = "Your flight to Oslo leaves at 9:40 from gate B12; please be there by nine."


def sketch(text):
    return Sketcher().sketch([text])[0]


def told(left, right):
    both = np.frombuffer(b"".join(Sketcher().sketch([left, right])), SKETCH)
    return float(similarities(both[:1], both[1:])[0])


def triples(text):
    words = words_of(text)
    return {tuple(words[at : at + 3]) for at in range(max(1, len(words) - 2))}


def truth(left, right):
    return len(triples(left) & triples(right)) / len(triples(left) | triples(right))


def text_of(count, seed, vocabulary=5000):
    draw = random.Random(seed)
    return " ".join(f"w{draw.randrange(vocabulary)}" for _ in range(count))


def edited(text, share, seed):
    draw = random.Random(seed)
    return " ".join(f"x{draw.random()}" if draw.random() < share else word for word in text.split())


@pytest.mark.parametrize(
    "other",
    [
        TEXT.upper(),
        TEXT.replace(" ", "\n\n"),
        "**Your** flight — to Oslo... leaves at 9 40, from «gate» B12! Please be there by nine",
        TEXT.replace("O", "Ｏ"),
    ],
)
def test_case_punctuation_and_width_of_letters_make_no_difference(other):
    assert sketch(other) == sketch(TEXT)


def test_the_two_ways_to_write_an_accent_are_one():
    assert sketch("Le café est fermé") == sketch("Le cafe\u0301 est ferme\u0301")


def test_vowel_signs_do_not_take_words_apart():
    assert words_of("हिन्दी में लिखा") == ["हिन्दी", "में", "लिखा"]


def test_rows_without_spaces_are_compared_by_their_characters():
    said = "我想把我的航班改到星期五早上可以吗"
    assert words_of(said) == list(said)
    assert 0.5 < told(said, said.replace("五", "六")) < 1
    assert told(said, "今天天气很好我们去公园散步吧好不好") < 0.1


def test_rows_of_signs_alone_are_alike_only_if_they_are_equal():
    assert sketch("!!!") == sketch(" !!! ") != sketch("???")
    assert sketch("") == sketch(" \n")
    assert told("", "word") == 0


def test_rows_of_one_or_two_words_are_alike_only_if_the_words_are():
    assert told("yes", "Yes.") == told("thank you", "Thank you!") == 1
    assert told("yes", "no") == told("thank you", "you thank") == told("yes", "yes yes") == 0


@given(st.lists(st.text(max_size=80), max_size=8))
def test_every_text_has_a_sketch_and_its_neighbours_do_not_change_it(texts):
    together = Sketcher().sketch(texts)
    assert together == [sketch(text) for text in texts]
    assert all(len(each) == SKETCH_BYTES for each in together)


def test_a_long_row_among_short_ones_changes_none_of_them():
    texts = [text_of(20, seed) for seed in range(300)] + [text_of(150_000, 9)] + ["end"]
    assert Sketcher().sketch(texts) == [sketch(text) for text in texts]


def test_lone_surrogates_and_nul_bytes_are_no_words():
    assert sketch("a\x00b \ud800 c d") == sketch("a b c d")


def test_another_process_with_other_hash_seeds_makes_the_same_bytes():
    # A change of this value means that sketches of two versions must not be compared.
    expected = "5539cd"
    code = (
        "import hashlib\nfrom core.data.similar.sketch import Sketcher\n"
        f"print(hashlib.sha256(Sketcher().sketch([{TEXT!r}])[0]).hexdigest())"
    )
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-P", "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "RAYON_NUM_THREADS": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == hashlib.sha256(sketch(TEXT)).hexdigest()
    assert hashlib.sha256(sketch(TEXT)).hexdigest()[:6] == expected


@pytest.mark.parametrize("words", [12, 60, 500, 4000])
@pytest.mark.parametrize("share", [0.01, 0.03, 0.1])
def test_the_similarity_told_is_that_of_the_word_triples(words, share):
    texts = [text_of(words, seed) for seed in range(20)]
    pairs = [(text, edited(text, share, seed)) for seed, text in enumerate(texts)]
    errors = [abs(told(*pair) - truth(*pair)) for pair in pairs]
    assert max(errors) < (0.05 if share < 0.1 else 0.1)
    assert sum(errors) / len(errors) < (0.01 if share < 0.1 else 0.05)


def test_rows_of_book_length_are_told_less_exactly_and_never_absurdly():
    left = text_of(40_000, 1, vocabulary=200_000)
    for share in (0.003, 0.05, 1.0):
        right = edited(left, share, 2)
        assert told(left, right) == pytest.approx(truth(left, right), abs=0.12)


def test_a_row_that_holds_another_one_is_as_similar_as_their_lengths_allow():
    left = text_of(50, 1)
    right = f"{left} {text_of(50, 2)}"
    assert told(left, right) == pytest.approx(truth(left, right), abs=0.02)
    assert told(left, f"{left} {text_of(9000, 2)}") < 0.05


def test_a_row_of_the_same_words_over_and_over_counts_each_triple_once():
    assert sketch("buy now " * 50) == sketch("buy now " * 500)
