"""Time the search for near-duplicates here and in rensa's own deduplicator: rows/s, memory, who is found.

    python benchmarks/near_duplicates.py [--rows 100000,300000,1000000] [--data FILE] [--json]

Both see the same made-up rows of about 60 words, of which one in ten is an edited copy of an
earlier one and one in fifty an exact copy, and both compare word triples at a similarity of
0.8. Each contender runs in a process of its own with the rows streamed to it; making the rows
is not counted. Times are CPU seconds of one thread, so that other work on the machine changes
them little; "peak" is the memory of the whole process. Precision and recall are on real
rows with planted edits (words exchanged, case, punctuation, a sentence added), against exact
Jaccard: of the rows called duplicates, how many have an earlier near-duplicate, and the other
way round. Compare figures of one invocation: machines are noisy.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "alpaca_en_demo.json"
SIMILARITY = 0.8
PERMUTATIONS = 128
BATCH = 1000
SEED = 7


def main() -> None:
    """Run the contenders and print the tables."""
    options = _options()
    if options.child:
        result = _CHILDREN[options.child](Path(options.data), int(options.rows))
        print(json.dumps(result))
        return
    speed = [
        _measure(name, count, options.data) for count in options.rows.split(",") for name in ("ours", "rensa")
    ]
    found = [_measure(name, "0", options.data) for name in ("ours_found", "rensa_found")]
    print(json.dumps([*speed, *found], indent=2) if options.json else _tables(speed, found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", default="100000,300000,1000000", help="row counts, with commas")
    parser.add_argument("--data", default=str(DATA), help="alpaca rows as a JSON list")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    parser.add_argument("--child", choices=tuple(_CHILDREN), help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(child: str, rows: str, data: str) -> dict[str, Any]:
    print(f"{child} {rows} ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-P", __file__, "--child", child, "--rows", rows, "--data", data]
    # One thread, as each of the processes has that prepare rows.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAYON_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{child} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _ours(data: Path, count: int) -> dict[str, Any]:
    from core.data.similar.near import NearDuplicates
    from core.data.similar.sketch import SKETCH_BYTES, Sketcher

    with tempfile.TemporaryDirectory(prefix="tunery-near-") as name:
        near, sketcher = NearDuplicates(Path(name)), Sketcher()
        sketching = adding = 0.0
        for batch in _batches(_made_up(data, count)):
            began = time.process_time()
            sketches = sketcher.sketch(batch)
            sketched = time.process_time()
            for sketch in sketches:
                near.add(sketch)
            sketching += sketched - began
            adding += time.process_time() - sketched
        before = _peak()
        began = time.process_time()
        duplicates = sum(1 for _ in near.groups(SIMILARITY))
        grouping = time.process_time() - began
    return {
        "contender": "ours",
        "rows": count,
        "duplicates": duplicates,
        "sketch_us": _each(sketching, count),
        "find_us": _each(adding + grouping, count),
        "rows_per_second": round(count / (sketching + adding + grouping)),
        "peak_mb_before_groups": before,
        "peak_mb": _peak(),
        "bytes_a_row_on_disk": SKETCH_BYTES,
    }


def _rensa(data: Path, count: int) -> dict[str, Any]:
    from rensa import RMinHash, RMinHashDeduplicator

    deduplicator = RMinHashDeduplicator(threshold=SIMILARITY, num_perm=PERMUTATIONS, use_lsh=True)
    sketching = finding = 0.0
    duplicates = number = 0
    for batch in _batches(_made_up(data, count)):
        began = time.process_time()
        sketches = RMinHash.from_token_sets(map(_tokens, batch), PERMUTATIONS, 42)
        sketched = time.process_time()
        kept = deduplicator.add_pairs((str(number + at), sketch) for at, sketch in enumerate(sketches))
        sketching += sketched - began
        finding += time.process_time() - sketched
        duplicates += kept.count(False)
        number += len(batch)
    return {
        "contender": "rensa",
        "rows": count,
        "duplicates": duplicates,
        "sketch_us": _each(sketching, count),
        "find_us": _each(finding, count),
        "rows_per_second": round(count / (sketching + finding)),
        "peak_mb": _peak(),
        "bytes_a_row_on_disk": 0,
    }


def _ours_found(data: Path, _: int) -> dict[str, Any]:
    from core.data.similar.near import NearDuplicates
    from core.data.similar.sketch import Sketcher

    texts, true = _planted(data)
    with tempfile.TemporaryDirectory(prefix="tunery-near-") as name:
        near = NearDuplicates(Path(name))
        for sketch in Sketcher().sketch(texts):
            near.add(sketch)
        return {"contender": "ours", **_right({row for row, _ in near.groups(SIMILARITY)}, true)}


def _rensa_found(data: Path, _: int) -> dict[str, Any]:
    from rensa import RMinHashDeduplicator

    texts, true = _planted(data)
    deduplicator = RMinHashDeduplicator(threshold=SIMILARITY, num_perm=PERMUTATIONS, use_lsh=True)
    kept = deduplicator.add_pairs((str(row), _tokens(text)) for row, text in enumerate(texts))
    return {"contender": "rensa", **_right({row for row, keep in enumerate(kept) if not keep}, true)}


_CHILDREN: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "ours": _ours,
    "rensa": _rensa,
    "ours_found": _ours_found,
    "rensa_found": _rensa_found,
}


def _texts(data: Path) -> list[str]:
    rows = json.loads(data.read_text(encoding="utf-8"))
    return [f"{row['instruction']}\n{row['input']}\n{row['output']}" for row in rows]


def _made_up(data: Path, count: int) -> Iterator[str]:
    """Rows of the words of real ones, with copies of the last thousand rows among them."""
    draw = random.Random(SEED)  # noqa: S311
    words = [word for text in _texts(data) for word in text.split()]
    lately: list[str] = []
    for number in range(count):
        kind = draw.random()
        if kind < 0.12 and lately:
            text = draw.choice(lately)
            text = _edited(text, draw) if kind < 0.1 else text
        else:
            text = " ".join(draw.choices(words, k=draw.randrange(40, 81)))
        if len(lately) < 1000:
            lately.append(text)
        else:
            lately[number % 1000] = text
        yield text


def _batches(texts: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(texts, BATCH)):
        yield batch


def _edited(text: str, draw: random.Random) -> str:
    """Words exchanged, case and punctuation, a sentence added; some of it."""
    words = text.split()
    for _ in range(draw.choice((0, 1, 1, 2, 3))):
        words[draw.randrange(len(words))] = draw.choice(("indeed", "perhaps", "Paris", "seven"))
    changed = " ".join(words)
    ways: tuple[Callable[[str], str], ...] = (
        str,
        str.upper,
        lambda text: text.replace(".", "!").replace(",", " -"),
    )
    return draw.choice(("", "", "", "Sure! Here it is. ")) + draw.choice(ways)(changed)


def _planted(data: Path) -> tuple[list[str], set[int]]:
    """Real rows, two edited copies of each, and which rows have an earlier near-duplicate in truth."""
    draw = random.Random(SEED)  # noqa: S311
    rows = _texts(data)
    texts = rows + [_edited(text, draw) for _ in range(2) for text in rows]
    sets = [set(_tokens(text)) for text in texts]
    holders: dict[str, list[int]] = defaultdict(list)
    true: set[int] = set()
    for row, own in enumerate(sets):
        shared = Counter(earlier for token in own for earlier in holders[token])
        if any(both / (len(own) + len(sets[other]) - both) >= SIMILARITY for other, both in shared.items()):
            true.add(row)
        for token in own:
            holders[token].append(row)
    return texts, true


def _tokens(text: str) -> list[str]:
    """The word triples, which both contenders compare."""
    from core.data.similar.words import words_of

    words = words_of(text)
    return [" ".join(triple) for triple in zip(words, words[1:], words[2:], strict=False)] or [
        " ".join(words)
    ]


def _right(found: set[int], true: set[int]) -> dict[str, Any]:
    return {
        "true": len(true),
        "found": len(found),
        "precision": round(len(found & true) / len(found), 4),
        "recall": round(len(found & true) / len(true), 4),
    }


def _each(seconds: float, count: int) -> float:
    return round(seconds / count * 1e6, 1)


def _peak() -> int:
    """Peak memory of this process in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


def _tables(speed: list[dict[str, Any]], found: list[dict[str, Any]]) -> str:
    lines = [
        "|  | rows | sketch, us/row | find, us/row | rows per CPU second | peak MB | duplicates |",
        "|---|---|---|---|---|---|---|",
    ]
    keys = ("contender", "rows", "sketch_us", "find_us", "rows_per_second", "peak_mb", "duplicates")
    lines += ["| " + " | ".join(str(row[key]) for key in keys) + " |" for row in speed]
    lines += ["", f"|  | true at {SIMILARITY} | found | precision | recall |", "|---|---|---|---|---|"]
    keys = ("contender", "true", "found", "precision", "recall")
    lines += ["| " + " | ".join(str(row[key]) for key in keys) + " |" for row in found]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
