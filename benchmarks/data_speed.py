"""Time the prepare step on real rows repeated, and show that its memory does not grow with them.

    python benchmarks/data_speed.py [--rows 200000] [--distinct] [--redact] [--parts]
    python benchmarks/data_speed.py --curve [--bytes 2000000000] [--look]

Rows are those of the shared folder's alpaca_en_demo.json, written as JSONL. Repeated as they
are, all but 985 are duplicates, which the recipe drops; with --distinct each gets a number of
its own, so that every one of them is sketched, compared, rendered and written. The recipe
drops duplicates and near-duplicates, looks for leaks, and renders for SmolLM2-135M.

--parts says where the time goes: CPU time of each part for a row, measured in one process.
--curve prepares files of a twentieth, a quarter and all of --bytes, each in a process of its
own, and prints the peak memory (all processes together) and time of each. With --look they are
read, linted, cleaned, compared and divided as `tunery data inspect` does, and not tokenized.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.recipe.data import DataSection

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "alpaca_en_demo.json"
STARTER = "smollm2-135m-instruct"
MAX_LENGTH = 1024
SAMPLE = 2000
PRIVATE = ("email", "phone", "iban", "card", "ip", "secret")


def main() -> None:
    """Make the rows, prepare them, print what it took."""
    options = _options()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory(prefix="tunery-data-speed-") as name:
        folder = Path(name)
        if options.child:
            do = _look if options.look else _prepare
            print(json.dumps(do(Path(options.child), options.redact)))
        elif options.curve:
            _curve(folder, options.bytes, ("--look",) if options.look else ())
        else:
            rows = _write(folder / "rows.jsonl", _rows(options.distinct), count=options.rows)
            result = _prepare(folder, options.redact)
            _print_result(rows, result)
            if options.parts:
                _print_parts(folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--distinct", action="store_true", help="no two rows are equal")
    parser.add_argument("--redact", action="store_true", help="replace e-mail addresses, keys and the like")
    parser.add_argument("--parts", action="store_true", help="CPU time of each part")
    parser.add_argument("--curve", action="store_true", help="memory over the size of the file")
    parser.add_argument("--look", action="store_true", help="the curve without tokens")
    parser.add_argument("--bytes", type=int, default=2_000_000_000, help="the largest file of the curve")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def _rows(distinct: bool) -> Iterator[dict[str, str]]:
    rows = json.loads(DATA.read_text(encoding="utf-8"))
    round_number = 0
    while True:
        for number, row in enumerate(rows):
            mark = f" [{round_number}.{number} {round_number * 7919 % 10007}]" if distinct else ""
            yield {**row, "instruction": row["instruction"] + mark}
        round_number += 1


def _write(
    path: Path, rows: Iterable[dict[str, str]], *, count: int = sys.maxsize, size: int = sys.maxsize
) -> int:
    """Write rows until there are `count` of them or `size` bytes; returns how many there are."""
    written = length = 0
    with open(path, "w", encoding="utf-8") as handle:
        for row in rows:
            if written == count or length >= size:
                break
            line = json.dumps(row, ensure_ascii=False) + "\n"
            length += len(line.encode())
            handle.write(line)
            written += 1
    return written


def _prepare(folder: Path, redact: bool) -> dict[str, Any]:
    """Run the step in `folder`; seconds of its phases, what came out, peak memory in bytes."""
    from core.data.prepare import prepare
    from core.models.find import find_base
    from core.recipe.sections import PrepareSection
    from core.workspace.events import Event, Progress
    from core.workspace.home import Workspace
    from core.workspace.steps import StepContext

    workspace = Workspace(folder / "workspace")
    base = find_base(STARTER, workspace, folder)
    section = _section(redact)
    began = time.monotonic()
    phases: dict[str, float] = {}

    def emit(event: Event) -> None:
        if isinstance(event, Progress):
            first = f"first {event.what}"
            phases.setdefault(first, time.monotonic() - began)
            phases[f"last {event.what}"] = time.monotonic() - began

    out = folder / "out"
    out.mkdir()
    context = StepContext(
        step="prepare",
        name="speed",
        inputs={"base": base},
        recipe_folder=folder,
        out=out,
        work=folder / "work",
        shared=folder / "shared",
        workspace=workspace,
        emit=emit,
    )
    with _Watch() as watch:
        result = prepare(PrepareSection(data=section, max_length=MAX_LENGTH), context)
    seconds = time.monotonic() - began
    return {
        "seconds": seconds,
        "phases": {
            "read, check, lint, clean, sketch": phases["last rows read"],
            "decide, divide, look for leaks": phases["first rows"] - phases["last rows read"],
            "render, check masks, write": phases["last rows"] - phases["first rows"],
            "report": seconds - phases["last rows"],
        },
        "metrics": dict(result.metrics),
        "peak_bytes": watch.peak,
    }


def _look(folder: Path, redact: bool) -> dict[str, Any]:
    """Everything but tokens, on the rows in `folder`; seconds, and peak memory in bytes."""
    from core.data.inspect import inspect_sources

    began = time.monotonic()
    with _Watch() as watch:
        inspect_sources(_section(redact), folder)
    return {"seconds": time.monotonic() - began, "peak_bytes": watch.peak}


def _section(redact: bool) -> DataSection:
    from core.recipe.data import Clean, DataSection, DataSource

    return DataSection(
        sources=(DataSource(path="rows.jsonl"),),
        clean=Clean(duplicates="drop", near_duplicates=0.95, redact=PRIVATE if redact else ()),
        too_long="truncate",
        refuse_above=1.0,
    )


class _Watch:
    """The largest memory (proportional set size) of this process and its children together."""

    def __enter__(self) -> _Watch:
        self.peak = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.5):
            self.peak = max(self.peak, sum(_private_bytes(pid) for pid in _family()))


def _family() -> list[int]:
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [os.getpid(), *map(int, children)]


def _private_bytes(pid: int) -> int:
    """Anonymous memory: what is read from files by mapping can be given back at any time."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0


def _print_result(rows: int, result: dict[str, Any]) -> None:
    seconds = result["seconds"]
    print(f"{rows:,} rows in {seconds:.1f} s: {rows / seconds:,.0f} rows/s")
    for name, took in result["phases"].items():
        print(f"  {name:34} {took:7.1f} s  {1e6 * took / rows:7.1f} us/row")
    metrics = result["metrics"]
    print(
        f"  kept {metrics['train_rows'] + metrics['validation_rows'] + metrics['test_rows']:,.0f} rows, ",
        end="",
    )
    print(f"{metrics['tokens_trained'] + metrics['tokens_context']:,.0f} tokens")
    print(f"  peak memory of all processes {result['peak_bytes'] / 2**20:,.0f} MiB")


def _curve(folder: Path, size: int, more: tuple[str, ...]) -> None:
    print("| file | rows | seconds | rows/s | peak memory, all processes |\n|---|---|---|---|---|")
    for share in (0.05, 0.25, 1.0):
        place = folder / f"share-{share}"
        place.mkdir()
        rows = _write(place / "rows.jsonl", _rows(distinct=True), size=int(size * share))
        command = [sys.executable, "-P", __file__, "--child", str(place), *more]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        result = json.loads(done.stdout.splitlines()[-1])
        print(
            f"| {size * share / 1e6:,.0f} MB | {rows:,} | {result['seconds']:.0f} | "
            f"{rows / result['seconds']:,.0f} | {result['peak_bytes'] / 2**20:,.0f} MiB |",
            flush=True,
        )
        for path in sorted(place.rglob("*"), reverse=True):
            path.unlink() if not path.is_dir() else path.rmdir()


def _print_parts(folder: Path) -> None:
    """CPU time of every part, one process, one row at a time or in the crew's batches."""
    print(f"\nCPU time in one process, {SAMPLE} rows:")
    for name, do in _parts(folder):
        began = time.process_time()
        do()
        print(f"  {name:34} {1e6 * (time.process_time() - began) / SAMPLE:7.1f} us/row")


def _parts(folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    from core.data.check import check_example
    from core.data.examine import Examination, RawBatch, examiner, said
    from core.data.layouts import LAYOUTS, to_example
    from core.data.lint.look import Linter
    from core.data.privacy.redactor import Redactor
    from core.data.reading.files import find_files
    from core.data.reading.rows import read_rows
    from core.data.rendering import Rendering, RowBatch, renderer
    from core.data.rows import Problem, RawRow
    from core.data.similar.sketch import Sketcher
    from core.models.examples import Example
    from core.models.find import find_base
    from core.recipe.data import Clean
    from core.workspace.home import Workspace

    part = folder / "part"
    part.mkdir()
    _write(part / "rows.jsonl", _rows(distinct=True), count=SAMPLE)
    (file,) = find_files("rows.jsonl", part, set())
    yield "read JSONL", lambda: list(read_rows(file))
    raw = [row for row in read_rows(file) if isinstance(row, RawRow)]
    layout = LAYOUTS["alpaca"]
    examples = [row for row in (to_example(item, layout, {}) for item in raw) if not isinstance(row, Problem)]

    def check() -> list[object]:
        return [check_example(example, row.place) for example, row in zip(examples, raw, strict=True)]

    def convert() -> list[Example | Problem]:
        return [to_example(item, layout, {}) for item in raw]

    linter, redactor, sketcher = (
        Linter(),
        Redactor(("email", "phone", "iban", "card", "ip", "secret")),
        Sketcher(),
    )
    examine = examiner(Examination(Clean(), 7, sketch=True))
    batch = RawBatch(
        0, "pool", "rows.jsonl", "line", "alpaca", {}, None, [(row.place.number, row.value) for row in raw]
    )
    examined = examine(batch)
    render = renderer(
        Rendering(find_base(STARTER, Workspace(folder / "workspace"), folder), MAX_LENGTH, "truncate")
    )
    texts = [said(example) for example in examples]
    yield "convert to an example", convert
    yield "check", check
    yield "lint", lambda: [linter.look(example) for example in examples]
    yield "redact (where asked for)", lambda: [redactor.redact(example) for example in examples]
    yield "sketch for near-duplicates", lambda: sketcher.sketch(texts)
    yield "all that a process does at first", lambda: examine(batch)
    yield (
        "render and check the mask",
        lambda: render(RowBatch([(entry.row, "line") for entry in examined.entries])),
    )


if __name__ == "__main__":
    main()
