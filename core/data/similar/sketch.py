"""A row's sketch: a few hundred bytes from which the similarity of two rows can be told.

Similarity is Jaccard's: of all word triples in two rows, the share that stands in both.
A sketch holds three things:

- `slots`: MinHash values (rensa's), one byte each. Rows that agree in a band of them may be alike.
- `parity`: for each of PARITY_BITS classes, whether an odd number of triples fall into it. Where
  two rows differ there, they have a triple that the other lacks, so the bits tell how many
  triples are not shared (odd sketches: Mitzenmacher, Pagh and Pham, WWW 2014). For rows of a
  hundred words that is all but exact, where MinHash of equal size is off by 0.02.
- `triples`: how many different triples the row has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from core.data.similar.words import words_of

SLOTS = 128
PARITY_BITS = 2048
SKETCH = np.dtype([("parity", "<u8", PARITY_BITS // 64), ("slots", "u1", SLOTS), ("triples", "<u4")])
SKETCH_BYTES = SKETCH.itemsize

_SEED = 7
# Rows and words that are worked on at once: enough to amortise each call, little enough for the cache.
_ROWS = 256
_WORDS = 100_000
_FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
# From this share of differing bits on, too many classes are hit twice and the slots tell more.
_CROWDED = 0.4

Hashes = NDArray[np.uint64]
Sketches = NDArray[Any]


class Sketcher:
    """Makes sketches. The same text gives the same bytes in every process; many texts at once are faster."""

    def sketch(self, texts: Sequence[str]) -> list[bytes]:
        """The sketch of each text, SKETCH_BYTES long."""
        return [row.tobytes() for words in _portions(texts) for row in _sketches(words)]


def similarities(left: Sketches, right: Sketches) -> NDArray[np.float64]:
    """The estimated similarity, 0 to 1, of the rows at equal positions of two arrays of SKETCH."""
    both = left["triples"].astype(np.int64) + right["triples"]
    differing = np.bitwise_count(left["parity"] ^ right["parity"]).sum(axis=1, dtype=np.int64)
    unshared = np.maximum(_unshared(differing), np.abs(left["triples"].astype(np.int64) - right["triples"]))
    similar: NDArray[np.float64] = np.maximum(both - unshared, 0) / np.maximum(both + unshared, 1)
    similar[both == 0] = 1.0
    crowded = differing > _CROWDED * PARITY_BITS
    if crowded.any():
        similar[crowded] = _by_slots(left["slots"][crowded], right["slots"][crowded])
    return similar


def _unshared(differing: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many triples stand in one of two rows only, from how many bits of their parities differ."""
    share = np.minimum(differing / PARITY_BITS, _CROWDED)
    expected = -PARITY_BITS / 2 * np.log1p(-2 * share)
    # Two triples in one class hide each other, so the true number is even where this one is.
    hidden: NDArray[np.int64] = np.rint((expected - differing) / 2).astype(np.int64)
    return differing + 2 * hidden


def _by_slots(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.float64]:
    equal = (left == right).mean(axis=1)
    by_chance = 1 / 256
    similar: NDArray[np.float64] = np.maximum((equal - by_chance) / (1 - by_chance), 0.0)
    return similar


def _portions(texts: Sequence[str]) -> Iterator[list[list[str]]]:
    """The words of the texts, some texts at a time."""
    portion: list[list[str]] = []
    size = 0
    for text in texts:
        words = words_of(text)
        # One or two words are filled up to one triple; a row without words has none.
        portion.append(words + [""] * (3 - len(words)) if 0 < len(words) < 3 else words)
        size += len(words)
        if len(portion) == _ROWS or size > _WORDS:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _sketches(rows: list[list[str]]) -> Sketches:
    """The sketches of rows of words."""
    triples, owners = _triples(rows)
    ends = np.searchsorted(owners, np.arange(len(rows) + 1)).astype(np.uint64)
    sketches = np.zeros(len(rows), SKETCH)
    sketches["triples"] = np.diff(ends)
    slots = RMinHash.digest_matrix_from_flat_token_hashes(triples, ends, SLOTS, _SEED).to_rows()
    sketches["slots"] = np.array(slots, dtype=np.uint32) & 0xFF
    classes = (triples >> np.uint64(32)) % np.uint64(PARITY_BITS)
    parity = np.zeros((len(rows), PARITY_BITS // 64), np.uint64)
    np.bitwise_xor.at(parity, (owners, classes >> np.uint64(6)), np.uint64(1) << (classes & np.uint64(63)))
    sketches["parity"] = parity
    return sketches


def _triples(rows: list[list[str]]) -> tuple[Hashes, NDArray[np.int64]]:
    """A hash of each row's different word triples, and the row's position, in the order of rows."""
    lengths = np.array([len(words) for words in rows])
    words = np.array([value for row in RMinHash.hash_token_sets(rows) for value in row], dtype=np.uint64)
    if len(words) < 3:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    owners = np.repeat(np.arange(len(rows)), lengths)
    first, second, third = (np.uint64(factor) for factor in _FACTORS)
    mixed = _mix(words[:-2] * first + words[1:-1] * second + words[2:] * third)
    within = owners[:-2] == owners[2:]
    # The row stands in the top byte, so that one sort brings the triples of a row together.
    keyed = np.sort(
        (owners[:-2][within].astype(np.uint64) << np.uint64(56)) | (mixed[within] >> np.uint64(8))
    )
    keyed = keyed[np.concatenate([[True], keyed[1:] != keyed[:-1]])] if len(keyed) else keyed
    return _mix(keyed << np.uint64(8)), (keyed >> np.uint64(56)).astype(np.int64)


def _mix(values: Hashes) -> Hashes:
    """Spread each value's differences over all its bits."""
    values = (values ^ (values >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return values ^ (values >> np.uint64(29))
