"""A stop string in a stream is found wherever the pieces are cut, and nothing else is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serve.engines.stops import StopWatch

LETTERS = st.text("ab\n", max_size=12)


@given(st.lists(LETTERS), st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3))
def test_a_stream_sends_exactly_the_text_before_the_first_stop(pieces: list[str], stops: list[str]) -> None:
    whole = "".join(pieces)
    ends = [whole.find(stop) for stop in stops if stop in whole]
    watch = StopWatch(stops)
    sent, stopped = "", False
    for piece in pieces:
        text, stopped = watch.add(piece)
        sent += text
        if stopped:
            break
    else:
        sent += watch.rest()
    assert stopped == bool(ends)
    if not ends:
        assert sent == whole
    elif len(stops) == 1:
        assert sent == whole[: ends[0]]
    else:
        # Of two stop strings that overlap, the one that is whole first ends the answer.
        assert sent in {whole[:end] for end in _all_ends(whole, stops)}
        assert not any(stop in sent for stop in stops)


@given(LETTERS, st.text("ab", min_size=1, max_size=3))
def test_text_waits_only_while_it_may_become_a_stop(text: str, stop: str) -> None:
    watch = StopWatch([stop])
    sent, stopped = watch.add(text)
    if not stopped:
        assert len(text) - len(sent) < len(stop)
        assert sent + watch.rest() == text


def _all_ends(whole: str, stops: list[str]) -> list[int]:
    return [at for stop in stops for at in range(len(whole)) if whole.startswith(stop, at)]
