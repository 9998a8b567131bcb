"""The example data in examples/support keeps the promises of its voice guide."""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "examples" / "support"
GREETING = "Hoy from Fennjoch!"
SIGN_OFF = "Dry boots, your Fennjoch crew."
ASK = "Please send your five-digit booking number."
MARKER = "Triage: "
CATEGORIES = {
    "booking",
    "cancellation",
    "payment",
    "food",
    "gear",
    "lost_property",
    "facilities",
    "safety",
}
URGENCIES = {"high", "normal", "low"}
SPLITS = ("train", "test")
BOOKING = re.compile(r"(?<!\d)\d{5}(?!\d)")
CASE = re.compile(r"FJ-\d+")
UNITS = (
    "euro|percent|kg|km/h|metre|litre|minute|hour|day|night|week|month|year|bed|people|person"
    "|tent|bundle|place|token|pupil|bag|seat|signal|word|name|dog|box|room"
)
QUANTITY = re.compile(r"(?<![\d.,:])(\d[\d,]*(?:\.\d+)?) ((?:working )?(?:" + UNITS + r"))(?:s|es)?\b")
CLOCK = re.compile(r"(?<![\d:])\d{1,2}:\d{2}(?![\d:])")
DATE = re.compile(
    r"(?<!\d)\d{1,2} (?:January|February|March|April|May|June|July|August|September|October"
    r"|November|December)"
)

Conversation = list[dict[str, str]]


def load(split: str) -> list[Conversation]:
    lines = (ROOT / "data" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert all(set(row) == {"messages"} for row in rows)
    return [row["messages"] for row in rows]


def handbook() -> dict[str, str]:
    pages = sorted((ROOT / "handbook").glob("*.md"))
    return {page.name: page.read_text(encoding="utf-8") for page in pages}


def is_triage(messages: Conversation) -> bool:
    return any(m["role"] == "user" and m["content"].startswith(MARKER) for m in messages)


def prose(messages: Conversation) -> list[str]:
    return [m["content"] for m in messages if m["role"] == "assistant" and not is_triage(messages)]


def users(messages: Conversation) -> str:
    return " ".join(m["content"] for m in messages if m["role"] == "user")


def bare(messages: Conversation) -> str:
    """The whole conversation without what the voice guide makes equal in every row."""
    text = " ".join(m["content"] for m in messages if m["role"] != "system")
    for fixed in (GREETING, SIGN_OFF, ASK, MARKER):
        text = text.replace(fixed, " ")
    return CASE.sub(" ", text)


def grams(text: str, size: int = 5) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    if len(words) < size:
        return frozenset([tuple(words)])
    return frozenset(tuple(words[i : i + size]) for i in range(len(words) - size + 1))


def overlap(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> float:
    return len(a & b) / len(a | b)


@pytest.fixture(scope="module")
def data() -> dict[str, list[Conversation]]:
    return {split: load(split) for split in SPLITS}


def test_counts(data: dict[str, list[Conversation]]) -> None:
    assert len(data["train"]) >= 420
    assert len(data["test"]) >= 70
    assert 20 <= sum(map(is_triage, data["test"])) <= 25
    train = data["train"]
    assert 0.16 <= sum(map(is_triage, train)) / len(train) <= 0.25
    two = sum(sum(m["role"] == "user" for m in row) == 2 for row in train)
    assert 0.09 <= two / len(train) <= 0.15
    system = sum(row[0]["role"] == "system" for row in train)
    assert 0.05 <= system / len(train) <= 0.11


def test_handbook_pages() -> None:
    pages = handbook()
    assert len(pages) >= 15
    for name, text in pages.items():
        assert text.startswith("# "), name
        assert 250 <= len(text.split()) <= 450, name


@pytest.mark.parametrize("split", SPLITS)
def test_roles_alternate(data: dict[str, list[Conversation]], split: str) -> None:
    for row in data[split]:
        roles = [m["role"] for m in row]
        if roles[0] == "system":
            roles = roles[1:]
        assert roles in (["user", "assistant"], ["user", "assistant"] * 2), row
        for message in row:
            assert set(message) == {"role", "content"}
            assert message["content"] and message["content"] == message["content"].strip()
            assert "\n" not in message["content"]


@pytest.mark.parametrize("split", SPLITS)
def test_house_voice(data: dict[str, list[Conversation]], split: str) -> None:
    for row in data[split]:
        for answer in prose(row):
            assert answer.startswith(GREETING + " "), answer
            assert answer.endswith(" " + SIGN_OFF), answer
            assert answer.count(GREETING) == answer.count(SIGN_OFF) == 1, answer
            assert 20 <= len(answer.split()) <= 60, answer
            assert "!" not in answer.removeprefix(GREETING), answer


@pytest.mark.parametrize("split", SPLITS)
def test_case_numbers(data: dict[str, list[Conversation]], split: str) -> None:
    for row in data[split]:
        if is_triage(row):
            continue
        known: list[str] = []
        for message in row:
            if message["role"] == "user":
                known += BOOKING.findall(message["content"])
                assert len(known) <= 1, row
            elif message["role"] == "assistant":
                answer = message["content"]
                if known:
                    assert answer.startswith(f"{GREETING} Case FJ-{known[0]}: "), answer
                    assert answer.count("FJ-") == 1 and ASK not in answer, answer
                else:
                    assert "FJ-" not in answer, answer
                if "booking number" in answer:
                    assert answer.count("booking number") == answer.count(ASK) == 1, answer


@pytest.mark.parametrize("split", SPLITS)
def test_triage(data: dict[str, list[Conversation]], split: str) -> None:
    seen = set()
    for row in filter(is_triage, data[split]):
        assert [m["role"] for m in row] == ["user", "assistant"]
        answer = row[-1]["content"]
        parsed = json.loads(answer)
        assert list(parsed) == ["category", "urgency"]
        assert parsed["category"] in CATEGORIES and parsed["urgency"] in URGENCIES
        assert answer == json.dumps(parsed)
        seen.add((parsed["category"], parsed["urgency"]))
    assert len(seen) == len(CATEGORIES) * len(URGENCIES) or split == "test"
    assert {category for category, _ in seen} == CATEGORIES
    assert {urgency for _, urgency in seen} == URGENCIES


def test_booking_numbers_are_used_once(data: dict[str, list[Conversation]]) -> None:
    found = [n for row in itertools.chain(*data.values()) for n in BOOKING.findall(users(row))]
    assert len(found) == len(set(found))


@pytest.mark.parametrize("view", [users, bare])
def test_no_near_duplicates(data: dict[str, list[Conversation]], view: Callable[[Conversation], str]) -> None:
    train = [grams(view(row)) for row in data["train"]]
    test = [grams(view(row)) for row in data["test"]]
    pairs = itertools.chain(
        itertools.product(test, train),
        itertools.combinations(train, 2),
        itertools.combinations(test, 2),
    )
    for a, b in pairs:
        if not a.isdisjoint(b):
            assert overlap(a, b) < 0.5, (sorted(a), sorted(b))


@pytest.mark.parametrize("split", SPLITS)
def test_stated_facts_stand_in_the_handbook(data: dict[str, list[Conversation]], split: str) -> None:
    text = " ".join(" ".join(handbook().values()).split())
    quantities = set(QUANTITY.findall(text))
    clocks = set(CLOCK.findall(text))
    dates = set(DATE.findall(text))
    assert len(quantities) > 100 and len(clocks) > 20 and len(dates) > 10
    for row in data[split]:
        for answer in prose(row):
            stated = CASE.sub("", answer)
            assert set(QUANTITY.findall(stated)) <= quantities, answer
            assert set(CLOCK.findall(stated)) <= clocks, answer
            assert set(DATE.findall(stated)) <= dates, answer
