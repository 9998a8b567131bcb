"""Rows from documents: cut into passages, ask about each, judge what comes back, write it down."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.data.generate.asking import Ask
from core.data.generate.journal import Journal, ledger_path, open_journal
from core.data.generate.judge import Judge
from core.data.generate.passages import Passage, read_passages
from core.data.generate.replies import Pair, Unusable
from core.data.generate.request import GenerateRequest
from core.data.generate.rounds import Wish, asking, plan_rounds
from core.data.generate.state import PROPOSED
from core.workspace.events import Emit, Progress, Sample, Warned
from rag.documents import Skipped
from tunery.errors import BadInput, Stopped


@dataclass(frozen=True)
class GenerateReport:
    """What came of one call. `asked` and `proposed` are of this call, `before` was settled by earlier ones.

    `aside` counts, by the reason's code, the pairs that the ledger keeps and `out` does not.
    """

    out: Path
    ledger: Path
    documents: int
    passages: int
    asked: int
    before: int
    proposed: int
    aside: Mapping[str, int]
    skipped: tuple[Skipped, ...]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "out": str(self.out), "ledger": str(self.ledger)}


def generate(
    request: GenerateRequest,
    ask: Ask,
    emit: Emit,
    stop_requested: Callable[[], bool] = lambda: False,
    *,
    existing: Iterable[str] = (),
) -> GenerateReport:
    """Append to `request.out` a row for every pair that its passage bears out, as "proposed".

    `existing` are questions of other data that are not to be asked again. What an earlier
    call has asked is not asked again, so a killed call goes on where it was. Raises
    BadInput when the documents hold no text or the file holds other rows, Stopped when
    that was requested, and what `ask` raises; all that was settled before is kept.
    """
    passages, documents, skipped = read_passages(request.docs)
    for file in skipped:
        emit(Warned(text=f"{file.path} is not used: {file.reason}"))
    if not passages:
        raise BadInput(
            f"{request.docs} holds no passage to ask about; name a folder with texts of some length"
        )
    with open_journal(request.out) as journal:
        desk = _Desk(Judge(passages, [*existing, *journal.questions]), journal, ask.name, emit)
        rounds = plan_rounds(passages, request, ask.name, journal.asked)
        clock = _Clock(emit, len(passages), len(rounds))
        with asking(rounds, request, ask, stop_requested) as replies:
            for this, found in replies:
                for wish, reply in found:
                    desk.settle(this.passage, wish, reply)
                clock.tick()
                if stop_requested() and clock.done < len(passages):
                    raise Stopped(
                        f"stopped after {clock.done} of {len(passages)} passages; run it again to go on"
                    )
    asked = desk.outcomes.total()
    return GenerateReport(
        out=request.out,
        ledger=ledger_path(request.out),
        documents=documents,
        passages=len(passages),
        asked=asked,
        before=len(passages) * request.questions - asked,
        proposed=desk.outcomes[PROPOSED],
        aside={code: count for code, count in sorted(desk.outcomes.items()) if code != PROPOSED},
        skipped=skipped,
    )


class _Desk:
    """Where replies are judged and written down, one after another."""

    def __init__(self, judge: Judge, journal: Journal, model: str, emit: Emit) -> None:
        self.outcomes: Counter[str] = Counter()
        self._judge = judge
        self._journal = journal
        self._model = model
        self._emit = emit

    def settle(self, passage: Passage, wish: Wish, reply: Pair | Unusable) -> None:
        if isinstance(reply, Unusable):
            self._set_aside(passage, wish, reply, {})
            return
        verdict = self._judge.judge(passage, reply)
        if isinstance(verdict, Unusable):
            self._set_aside(passage, wish, verdict, asdict(reply))
            return
        self.outcomes[PROPOSED] += 1
        messages = [
            {"role": "user", "content": reply.question},
            {"role": "assistant", "content": reply.answer},
        ]
        self._journal.keep(
            {
                "messages": messages,
                "source": passage.to_json(),
                "support": verdict.figure,
                "state": PROPOSED,
                "kind": wish.kind,
                "ask": wish.id,
                "model": self._model,
            }
        )
        self._emit(Sample(prompt=reply.question, answer=reply.answer, subject=PROPOSED))

    def _set_aside(self, passage: Passage, wish: Wish, why: Unusable, pair: Mapping[str, str]) -> None:
        self.outcomes[why.code] += 1
        said = pair or {"reply": why.reply}
        self._journal.note(
            wish.id, why.code, reason=why.reason, kind=wish.kind, **said, source=passage.to_json()
        )


class _Clock:
    """Says how many passages are done and, once one of this call is, how long the rest will take."""

    def __init__(self, emit: Emit, total: int, left: int) -> None:
        self.done = total - left
        self._emit = emit
        self._total = total
        self._ticks = 0
        self._started = time.monotonic()
        self._tell(None)

    def tick(self) -> None:
        self.done += 1
        self._ticks += 1
        took = time.monotonic() - self._started
        self._tell(took / self._ticks * (self._total - self.done))

    def _tell(self, eta: float | None) -> None:
        self._emit(Progress(what="passages", done=self.done, of=self._total, eta=eta))
