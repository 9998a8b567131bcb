"""A training row that holds a test row's passages is told, with the test row and how much of it."""

from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from core.data.similar.passages import COMMON, HeldOutPassages

ANSWER = (
    "To change the name on a ticket write to the airline within a day of booking "
    "and attach a copy of the passport on which the name is spelled as it should be."
)


def holding(texts, ngram=13):
    held = HeldOutPassages(ngram)
    for key, text in enumerate(texts, 100):
        held.add(key, text)
    return held


def test_a_test_answer_inside_of_a_longer_row_is_found_whole():
    held = holding(["Some other question, which is about something else altogether and long enough.", ANSWER])
    text = f"FAQ, page 7. {ANSWER.upper().replace(',', ' -')} Questions? Call us any time."
    assert held.overlap(text) == (1.0, 101)


def test_half_an_answer_is_half_of_its_passages():
    words = [f"word{number}" for number in range(32)]
    held = holding([" ".join(words)])
    share, key = held.overlap(" ".join(words[:22]) + " and then something that nobody held out at all")
    assert (share, key) == (0.5, 100)


def test_rows_without_a_common_passage_overlap_with_nothing():
    held = holding([ANSWER])
    assert (
        held.overlap("Nothing of the sort is said here, and it is said in more than thirteen words.") is None
    )
    assert held.overlap(" ".join(reversed(ANSWER.split()))) is None
    assert held.overlap("To change the name on a ticket") is None
    assert held.overlap("") is None


def test_short_held_out_rows_are_left_to_near_duplicates():
    held = holding(["Twelve words are one too few to be a passage of thirteen."])
    assert held.overlap("Twelve words are one too few to be a passage of thirteen. " * 5) is None


def test_without_held_out_rows_nothing_overlaps():
    assert HeldOutPassages(13).overlap(ANSWER) is None


def test_a_system_prompt_that_every_row_shares_makes_no_leak():
    prompt = "You are the assistant of an airline and you answer briefly, politely and from the rules alone."
    held = holding([f"{prompt} {' '.join(f'q{row}x{at}' for at in range(20))}" for row in range(40)])
    assert held.overlap(f"{prompt} How many bags may I take with me when I fly to Oslo?") is None
    share, key = held.overlap(f"{prompt} {' '.join(f'q7x{at}' for at in range(20))}")
    assert (share, key) == (1.0, 107)


def test_rows_may_be_held_out_after_the_first_look():
    held = holding(["Something else that is held out and is long enough to have a passage or two."])
    assert held.overlap(ANSWER) is None
    held.add(7, ANSWER)
    assert held.overlap(ANSWER) == (1.0, 7)


def by_the_book(held, text, ngram):
    def passages(said):
        words = said.split()
        return {tuple(words[at : at + ngram]) for at in range(len(words) - ngram + 1)}

    sets = {key: passages(said) for key, said in enumerate(held, 100) if passages(said)}
    holders = Counter(passage for own in sets.values() for passage in own)
    common = {passage for passage, count in holders.items() if count > max(1, min(COMMON, len(sets) // 4))}
    shares = {
        key: len(passages(text) & (own - common)) / len(own - common)
        for key, own in sets.items()
        if own - common
    }
    best = max(shares.values(), default=0)
    return (best, min(key for key in shares if shares[key] == best)) if best else None


said = st.lists(st.sampled_from("abc"), max_size=30).map(" ".join)


@given(st.lists(said, max_size=12), said, st.integers(1, 9))
@example(["a b c a b"] * 3, "a b c a b", 2)
@example(["a b c a b", "b b b b", "c c c"], "a b c", 1)
def test_the_share_and_the_row_are_what_counting_every_passage_gives(held, text, ngram):
    assert holding(held, ngram).overlap(text) == by_the_book(held, text, ngram)
