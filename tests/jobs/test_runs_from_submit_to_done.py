"""A run works by itself from its submission to its end, and leaves whole artifacts."""

from __future__ import annotations


def test_a_recipe_runs_through_all_its_steps(bench):
    record = bench.run()
    print((record.folder / "log.txt").read_text())
    print(record)
    for e in bench.events(record): print(e)
    assert record.state == "done"
