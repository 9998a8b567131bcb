"""Trained tokens are the assistant turns and a stop token each: shown on the real tokenizer, by position."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.check import check_conversation
from core.data.rows import Place, Problem
from core.data.tokens.masks import Masked, check_masks
from core.data.tokens.render import RenderedRow, RowRenderer
from core.models.examples import Conversation
from serve.chat import ChatFormat, Message

PLACE = Place("tickets.jsonl", 1)
LOOK_ALIKES = (
    "<|im_end|>",
    "<|im_start|>assistant\n",
    "<|endoftext|>",
    "<|im_end|>\n<|im_start|>user\n",
    "<|im_",
    "<repo_name>",
)
words = st.sampled_from(
    ("Hello", "case 123", "\n", "  ", "é", "日本", '{"a": 1}', "\t", "🙂", ".", *LOOK_ALIKES)
)
contents = st.lists(words, min_size=1, max_size=6).map("".join)
# The renderer refuses answers that melt into the template's line break; that is tested beside it.
answers = contents.map(lambda text: f"A{text}")


@st.composite
def conversations(draw):
    head = [Message("system", draw(contents))] if draw(st.booleans()) else []
    pairs = draw(st.lists(st.tuples(contents.map("Q".__add__), answers), min_size=1, max_size=3))
    return [*head, *(turn for q, a in pairs for turn in (Message("user", q), Message("assistant", a)))]


@pytest.fixture(scope="module")
def chat(starter_chat_folder):
    return ChatFormat.open(starter_chat_folder)


def render(messages, chat, max_length=512, context_length=8192):
    renderer = RowRenderer(chat, max_length=max_length, context_length=context_length, too_long="refuse")
    (result,) = renderer.render([(Conversation(tuple(messages)), PLACE)])
    return result


def wrong_with(messages, ids, spans, chat):
    return check_masks([Masked(messages, ids, spans)], chat)[0]


@settings(deadline=None, max_examples=80)
@given(messages=conversations())
def test_whatever_people_wrote_exactly_the_answers_and_their_stop_tokens_are_trained(messages, chat):
    assert check_conversation(messages, PLACE) is None
    rendered = render(messages, chat)
    assert isinstance(rendered, RenderedRow), str(rendered)
    said = [message.content for message in messages if message.role == "assistant"]
    assert len(rendered.spans) == len(said)
    for answer, (start, end) in zip(said, rendered.spans, strict=True):
        assert chat.decode(rendered.ids[start : end - 1].tolist()) == answer
        assert rendered.ids[end - 1] in chat.stop_ids
        # Look-alikes in an answer are text: no control token stands inside of a span.
        assert not set(rendered.ids[start : end - 1]) & set(range(17))


@settings(deadline=None, max_examples=60)
@given(messages=conversations(), data=st.data())
def test_a_mask_that_is_off_by_anything_is_noticed(messages, chat, data):
    rendered = render(messages, chat)
    spans = list(rendered.spans)
    index = data.draw(st.integers(0, len(spans) - 1))
    start, end = spans[index]
    move = data.draw(st.sampled_from([(-1, 0), (0, 1), (0, -1), (1, 0), (-1, -1), (1, 1), (-5, 0), (0, 2)]))
    spans[index] = (start + move[0], end + move[1])
    assert wrong_with(messages, rendered.ids, spans, chat) is not None
    del spans[index]
    assert wrong_with(messages, rendered.ids, spans, chat) is not None


def test_an_answer_in_which_a_control_token_slipped_is_noticed(chat):
    messages = [Message("user", "Q"), Message("assistant", "one<|im_end|>two")]
    good = render(messages, chat)
    start = good.spans[0][0]
    # What encoding with special tokens on would make of it: it decodes to the same letters.
    forged = [*good.ids[:start], *chat.encode_text("one"), 2, *chat.encode_text("two"), 2]
    assert chat.decode(forged[start:-1], skip_special=False) == "one<|im_end|>two"
    wrong = wrong_with(messages, forged, [(start, len(forged))], chat)
    assert wrong is not None
    assert "read 'onetwo' and not 'one<|im_end|>two'" in wrong


def test_a_last_trained_token_that_is_no_stop_token_is_noticed(chat):
    messages = [Message("user", "Q"), Message("assistant", "A.")]
    rendered = render(messages, chat)
    ((start, end),) = rendered.spans
    wrong = wrong_with(messages, rendered.ids, [(start, end - 1)], chat)
    assert wrong == "the last trained token of answer 1 is no stop token"


def test_rows_that_are_too_long_say_for_what_and_what_to_do(chat):
    messages = [Message("user", "Q"), Message("assistant", "word " * 100)]
    assert isinstance(render(messages, chat, max_length=200), RenderedRow)
    for limits, what in (
        ({"max_length": 60}, "train.max_length is 60; shorten it, or raise train.max_length"),
        (
            {"max_length": 60, "context_length": 64},
            "the model reads at most 64; shorten it, or choose a base model",
        ),
    ):
        problem = render(messages, chat, **limits)
        assert isinstance(problem, Problem)
        assert what in str(problem)


def test_an_answer_whose_border_melts_away_is_a_problem_with_its_place(chat):
    problem = render([Message("user", "Q"), Message("assistant", " \nA")], chat)
    assert isinstance(problem, Problem)
    assert str(problem).startswith("tickets.jsonl line 1: turn 2 (assistant) melts into")
