"""A run works by itself from its submission to its end, and leaves whole artifacts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from core.jobs.attach import follow
from core.jobs.records import find_run, list_runs
from core.jobs.status import is_alive, read_status
from core.workspace.artifacts import verify_artifact
from tunery.errors import BadInput, NotThere


def test_a_recipe_runs_through_all_its_steps(bench: Any) -> None:
    record = bench.run(train=[{"seed": 1}, {"seed": 2}], export=[{"quant": "f16"}, {"quant": "q8_0"}])
    assert (record.state, record.exit_code, record.error, record.progress) == ("done", 0, None, 1.0)
    steps = ["prepare", "train[0]", "train[1]", "export[0]", "export[1]", "evaluate"]
    assert [(item.step, item.state) for item in record.steps] == [(step, "done") for step in steps]
    for item in record.steps:
        artifact = verify_artifact(bench.workspace.artifacts / item.artifact)
        assert (artifact.step, artifact.run, artifact.name) == (item.step, record.id, "tiny")
    evaluated = verify_artifact(bench.workspace.artifacts / record.steps[-1].artifact)
    assert sorted(evaluated.inputs) == ["base", "dataset", "export[0]", "export[1]", "model"]
    assert evaluated.metrics == {"rouge_l": 0.5}
    trained = verify_artifact(bench.workspace.artifacts / record.steps[2].artifact)
    assert trained.seed == 2
    assert list(trained.libraries) == ["pydantic"]
    assert trained.details["facts"] == {"device": "cpu"}


def test_every_step_tells_of_its_start_its_artifact_and_its_end(bench: Any) -> None:
    record = bench.run(until="prepare")
    kinds = [(event["kind"], event["step"]) for event in bench.events(record)]
    assert kinds == [
        ("log", "prepare"),
        ("step_started", "prepare"),
        ("progress", "prepare"),
        ("artifact", "prepare"),
        ("step_finished", "prepare"),
        ("done", None),
    ]


def test_a_run_folder_says_everything_and_keeps_nothing_that_was_only_needed_on_the_way(bench: Any) -> None:
    record = bench.run()
    names = sorted(path.name for path in record.folder.iterdir())
    assert names == ["events.jsonl", "lock", "log.txt", "plan.json", "recipe.yaml", "status.json"]
    assert "learning_rate: 0.0005" in (record.folder / "recipe.yaml").read_text()
    status = json.loads((record.folder / "status.json").read_text())
    assert status["pid"] and status["process_start"] and status["boot_id"] and status["heartbeat"]


def test_run_ids_are_readable_and_sort_by_time(bench: Any) -> None:
    record = bench.run(until="prepare", name="a.very_long-name-for-one-small-recipe")
    assert re.fullmatch(r"\d{8}-\d{4}-a-very-long-name-for-one-[0-9a-f]{3}", record.id)


def test_a_run_can_end_after_any_step(bench: Any) -> None:
    assert [item.step for item in bench.run(until="train").steps] == ["prepare", "train[0]"]
    later = bench.run(until="export[0]")
    assert [item.state for item in later.steps] == ["skipped", "skipped", "done"]


def test_an_unknown_last_step_is_refused_before_anything_is_written(bench: Any) -> None:
    with pytest.raises(BadInput, match=r"no step 'index'; it has prepare, train\[0\], export\[0\], evaluate"):
        bench.submit(until="index")
    assert not bench.workspace.root.exists()


def test_a_base_model_that_is_not_there_is_refused_before_anything_is_queued(bench: Any) -> None:
    with pytest.raises(NotThere, match="no base model elsewhere"):
        bench.submit(model={"base": "elsewhere"})
    assert not bench.workspace.root.exists()


def test_what_was_done_is_not_done_again(bench: Any) -> None:
    first = bench.run()
    second = bench.run()
    assert second.id != first.id
    assert [item.state for item in second.steps] == ["skipped"] * 4
    assert [item.artifact for item in second.steps] == [item.artifact for item in first.steps]
    skipped = bench.events(second, "step_skipped")
    assert [event["step"] for event in skipped] == ["prepare", "train[0]", "export[0]", "evaluate"]
    assert [event["artifact"] for event in skipped] == [item.artifact for item in first.steps]


def test_only_what_depends_on_a_change_is_done_again(bench: Any) -> None:
    bench.run()
    assert [item.state for item in bench.run(evaluate={"seed": 8}).steps] == ["skipped"] * 3 + ["done"]
    assert [item.state for item in bench.run(export=[{"quant": "q8_0"}]).steps] == ["skipped"] * 2 + [
        "done"
    ] * 2
    assert [item.state for item in bench.run(train={"seed": 8}).steps] == ["skipped"] + ["done"] * 3
    (bench.folder / "rows.jsonl").write_text("four\n")
    assert [item.state for item in bench.run().steps] == ["done"] * 4


def test_a_damaged_artifact_is_made_again(bench: Any) -> None:
    first = bench.run(until="train")
    broken = bench.workspace.artifacts / first.steps[1].artifact / "weights.txt"
    broken.write_text("other")
    second = bench.run(until="train")
    assert [item.state for item in second.steps] == ["skipped", "done"]
    assert "was changed; the artifact is made again" in bench.events(second, "warning")[0]["text"]
    assert bench.weights(second) != "other"
    assert (next(bench.workspace.trash.iterdir()) / "weights.txt").read_text() == "other"


def test_a_viewer_follows_a_run_to_its_end(bench: Any) -> None:
    record = bench.submit()
    seen = list(follow(record, poll=0.01))
    assert seen[-1]["kind"] == "done"
    assert seen == bench.events(record)


def test_a_viewer_goes_on_from_a_byte_offset(bench: Any) -> None:
    record = bench.run(until="prepare")
    lines = (record.folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    assert list(follow(record, len(lines[0]))) == bench.events(record)[1:]


def test_runs_are_found_by_id_prefix_recipe_name_or_none(bench: Any) -> None:
    one, two = bench.run(until="prepare", name="one"), bench.run(until="prepare", name="two")
    assert [record.id for record in list_runs(bench.workspace)] == [two.id, one.id]
    assert find_run(bench.workspace).id == two.id
    assert find_run(bench.workspace, "one").id == one.id
    assert find_run(bench.workspace, two.id).id == two.id
    assert find_run(bench.workspace, one.id[:-1]).id == one.id
    with pytest.raises(NotThere, match="no run 'three'"):
        find_run(bench.workspace, "three")
    with pytest.raises(NotThere, match="no run"):
        find_run(bench.workspace, "../../etc")
    with pytest.raises(BadInput, match="say which"):
        find_run(bench.workspace, "20")


def test_an_empty_workspace_has_no_runs_and_stays_untouched(bench: Any) -> None:
    assert list_runs(bench.workspace) == []
    with pytest.raises(NotThere, match="no runs here yet"):
        find_run(bench.workspace)
    assert not bench.workspace.root.exists()


def test_progress_is_that_of_the_step_at_work(bench: Any) -> None:
    record = bench.submit_held(6)
    bench.wait_until(lambda: bench.events(record, "progress")[-1]["done"] == 6)
    now = find_run(bench.workspace)
    assert (now.state, now.step, now.progress) == ("running", "train[0]", 0.5)
    assert now.started is not None
    assert now.ended is None


def test_a_worker_writes_its_heartbeat_while_a_step_works(bench: Any) -> None:
    record = bench.submit_held(1)
    first = read_status(record.folder).heartbeat
    bench.wait_until(lambda: (read_status(record.folder).heartbeat or 0) > first)
    assert read_status(record.folder).state == "running"


def test_a_folder_of_the_users_named_core_is_not_what_runs(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("core", "tunery", "serve"):
        (bench.folder / package).mkdir()
        (bench.folder / package / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    monkeypatch.chdir(bench.folder)
    # An empty entry means the current folder to Python: common after PYTHONPATH=$PYTHONPATH:/more.
    monkeypatch.setenv("PYTHONPATH", f"{os.environ['PYTHONPATH']}:")
    assert bench.run(until="prepare").state == "done"


def test_a_run_outlives_its_terminal(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_HOLD", f"3:{bench.folder / 'gate'}")
    script = Path(__file__).parent / "killer" / "submit_tiny.py"
    viewer = subprocess.Popen(
        [sys.executable, "-P", str(script)], cwd=bench.folder, start_new_session=True, stdout=subprocess.PIPE
    )
    bench.wait_until(lambda: list_runs(bench.workspace) and list_runs(bench.workspace)[0].state == "running")
    os.killpg(viewer.pid, 1) if viewer.poll() is None else None
    viewer.communicate()
    record = find_run(bench.workspace)
    worker = read_status(record.folder).pid
    assert os.getsid(worker) == worker
    os.kill(worker, 1)
    bench.let_go()
    assert bench.finish(record).state == "done"


def test_killing_viewers_changes_nothing_for_the_run(bench: Any) -> None:
    record = bench.submit_held(5)
    watch = (
        "import sys; from pathlib import Path; from core.jobs.attach import follow; "
        "from core.jobs.records import read_record\n"
        "for event in follow(read_record(Path(sys.argv[1]))): print(event, flush=True)"
    )
    viewers = [
        subprocess.Popen([sys.executable, "-P", "-c", watch, str(record.folder)], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for viewer in viewers:
        assert viewer.stdout is not None
        viewer.stdout.readline()
        viewer.kill()
        viewer.communicate()
    bench.let_go()
    assert bench.finish(record).state == "done"
    steps = [event["at"] for event in bench.events(record, "metric")]
    assert steps == list(range(1, 13))


def test_two_looks_at_the_same_moment_do_not_see_one_another(bench: Any) -> None:
    record = bench.run(until="prepare")
    seen: list[bool] = []
    threads = [
        threading.Thread(target=lambda: seen.extend(is_alive(record.folder) for _ in range(200)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(seen)
