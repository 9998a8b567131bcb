"""The evaluate step on a tiny random model: real dataset, real adapter, real GGUF, real engine."""

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.data.prepare import prepare
from core.evaluate.report import read_report
from core.evaluate.step import evaluate
from core.models.gguf import write_gguf_model
from core.recipe.data import DataSection, DataSource, Split
from core.recipe.sections import EvaluateSection, PrepareSection
from core.workspace.events import Event, Metric, Progress, Sample
from core.workspace.home import Workspace
from core.workspace.steps import StepContext, StepResult
from tunery.errors import BrokenIntegrity, DataError, Stopped

SECTION = EvaluateSection(max_new_tokens=8, resamples=200)


def make_adapter(base: Path, out: Path) -> None:
    """A LoRA adapter with random weights, saved as training saves one."""
    import torch
    from peft import LoraConfig, get_peft_model

    from core.models.load import load_model

    torch.manual_seed(1)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(load_model(base, dtype="float32"), config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    model.peft_config["default"].base_model_name_or_path = "tiny"
    model.save_pretrained(str(out))


@pytest.fixture(scope="module")
def made(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what comes before evaluation: dataset, adapter, and a q8_0 export."""
    root = tmp_path_factory.mktemp("before")
    rows = root / "rows.jsonl"
    generator = random.Random(3)
    with open(rows, "w", encoding="utf-8") as handle:
        for number in range(40):
            answer = f"The lamp on shelf {number} is {generator.choice(['red', 'green'])}."
            if number % 3 == 0:
                answer = json.dumps({"shelf": number, "urgent": number % 2 == 0})
            turns = [
                {"role": "user", "content": f"Shelf {number}?"},
                {"role": "assistant", "content": answer},
            ]
            if number % 4 == 0:
                turns += [
                    {"role": "user", "content": "Sure?"},
                    {"role": "assistant", "content": "Yes | `sure`."},
                ]
            handle.write(json.dumps({"messages": turns}) + "\n")
    for name in ("dataset", "q8_0"):
        (root / name).mkdir()
    section = PrepareSection(
        data=DataSection(sources=(DataSource(path="rows.jsonl"),), split=Split(test=0.4, seed=1)),
        max_length=256,
    )
    prepare(section, context_for(root, "dataset", {"base": tiny_model_folder}, Workspace(root / "home")))
    make_adapter(tiny_model_folder, root / "adapter")
    write_gguf_model(tiny_model_folder, root / "q8_0", name="tiny", quant="q8_0")
    return root


def context_for(
    root: Path, out: str, inputs: dict[str, Path], workspace: Workspace, **more: Any
) -> StepContext:
    for name in ("work", "shared", out):
        (root / name).mkdir(exist_ok=True)
    context = StepContext(
        step="evaluate", name="tiny", inputs=inputs, recipe_folder=root, out=root / out, work=root / "work",
        shared=root / "shared", workspace=workspace, emit=lambda event: None,
    )  # fmt: skip
    return replace(context, **more)


@pytest.fixture(scope="module")
def first(made: Path, tiny_model_folder: Path) -> tuple[StepContext, StepResult, list[Event]]:
    """One whole evaluation; the other tests start from what it left in `shared` and `work`."""
    inputs = {
        "base": tiny_model_folder,
        "dataset": made / "dataset",
        "model": made / "adapter",
        "export[0]": made / "q8_0",
    }
    events: list[Event] = []
    ctx = context_for(made, "report", inputs, Workspace(made / "home"), emit=events.append)
    return ctx, evaluate(SECTION, ctx), events


@pytest.fixture
def again(first: tuple[StepContext, StepResult, list[Event]], tmp_path: Path) -> StepContext:
    """The context of a second evaluation by the same run, with folders of its own."""
    work, out = tmp_path / "work", tmp_path / "out"
    shutil.copytree(first[0].work, work)
    out.mkdir()
    return replace(first[0], work=work, out=out, emit=lambda event: None)


def test_it_compares_base_tuned_and_export_on_the_same_rows(
    first: tuple[StepContext, StepResult, list[Event]],
) -> None:
    ctx, result, _ = first
    report = read_report(ctx.out)
    assert [subject.name for subject in report.subjects] == ["base", "tuned", "q8_0"]
    axes = {axis.name: axis for axis in report.axes}
    assert set(axes) == {
        "loss", "perplexity", "rouge_l", "exact_match", "valid_json", "stopped", "answer_length",
    }  # fmt: skip
    assert report.counts.rows == 16
    assert report.counts.answers > report.counts.rows
    assert axes["loss"].n == 16
    assert axes["exact_match"].n < 16
    assert axes["loss"].units == report.counts.trained_tokens
    for axis in report.axes:
        assert axis.low <= axis.difference <= axis.high
        assert axis.difference == pytest.approx(axis.tuned - axis.base)
    # The export here is the base model: its loss comes from llama.cpp, base's from torch.
    assert axes["loss"].values["q8_0"] == pytest.approx(axes["loss"].base, abs=0.01)
    assert result.metrics["loss.base"] == axes["loss"].base
    assert result.details["verdict"] == report.verdict


def test_every_assistant_turn_is_asked_with_the_true_history_before_it(
    first: tuple[StepContext, StepResult, list[Event]],
) -> None:
    lines = (first[0].out / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert len(records) == 16
    assert all(set(record["loss"]) == {"base", "tuned", "q8_0"} for record in records)
    two = next(record for record in records if len(record["answers"]) == 2)
    one, other = two["answers"]
    # The second prompt holds the reference's first answer, not a generated one.
    assert other["prompt"][:2] == [*one["prompt"], {"role": "assistant", "content": one["reference"]}]
    assert set(other["subjects"]["tuned"]) == {
        "text", "rouge_l", "exact", "valid_json", "stopped", "tokens",
    }  # fmt: skip


def test_viewers_see_progress_figures_and_samples(first: tuple[StepContext, StepResult, list[Event]]) -> None:
    ctx, _, events = first
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[-1].done == progress[-1].of
    figures = {name for event in events if isinstance(event, Metric) for name in event.metrics}
    assert {"base.loss", "tuned.rouge_l", "q8_0.stopped"} <= figures
    assert {event.subject for event in events if isinstance(event, Sample)} == {"base", "tuned"}
    assert "Yes \\| \\`sure\\`." in (ctx.out / "report.md").read_text(encoding="utf-8")


def test_the_same_evaluation_twice_gives_the_same_report(again: StepContext) -> None:
    section = SECTION.model_copy(update={"max_rows": 5})
    evaluate(section, again)
    reports = [(again.out / "report.json").read_bytes()]
    (again.work / "cache.jsonl").unlink()
    evaluate(section, again)
    reports.append((again.out / "report.json").read_bytes())
    assert reports[0] == reports[1]


def test_a_stopped_evaluation_keeps_what_it_has(again: StepContext) -> None:
    cache = again.work / "cache.jsonl"
    whole = _lines(cache)
    cache.unlink()
    with pytest.raises(Stopped, match="resume"):
        evaluate(SECTION, replace(again, stop_requested=lambda: _lines(cache) >= 5))
    assert 5 <= _lines(cache) < whole


def test_an_evaluation_killed_in_a_write_measures_only_what_is_missing(
    first: tuple[StepContext, StepResult, list[Event]], again: StepContext
) -> None:
    cache = again.work / "cache.jsonl"
    kept = cache.read_text(encoding="utf-8").splitlines(keepends=True)
    cache.write_text("".join(kept[:-1]) + kept[-1][:20], encoding="utf-8")
    evaluate(SECTION, again)
    assert _lines(cache) == len(kept) + 1
    assert (again.out / "rows.jsonl").read_bytes() == (first[0].out / "rows.jsonl").read_bytes()


def test_nothing_is_measured_again_after_a_finished_evaluation(
    again: StepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    for name in ("open_engine", "torch_losses", "llama_losses"):
        monkeypatch.setattr(f"core.evaluate.measure.{name}", refuse)
    evaluate(SECTION, again)
    assert (again.out / "report.json").is_file()


def test_without_test_rows_it_says_which_setting_to_change(
    again: StepContext, tmp_path: Path, made: Path, tiny_model_folder: Path
) -> None:
    section = PrepareSection(
        data=DataSection(sources=(DataSource(path="rows.jsonl"),), split=Split(test=0.0)), max_length=256
    )
    inputs = {"base": tiny_model_folder}
    prepare(section, context_for(tmp_path, "bare", inputs, Workspace(tmp_path), recipe_folder=made))
    with pytest.raises(DataError, match=r"data\.split\.test"):
        evaluate(SECTION, replace(again, inputs={**again.inputs, "dataset": tmp_path / "bare"}))


def test_an_export_with_another_chat_template_is_refused(
    again: StepContext, made: Path, tmp_path: Path
) -> None:
    from serve.model_folder import write_model_manifest

    other = tmp_path / "other"
    shutil.copytree(made / "q8_0", other)
    template = (other / "chat_template.jinja").read_text(encoding="utf-8")
    (other / "chat_template.jinja").write_text(template + " ", encoding="utf-8")
    write_model_manifest(
        other, name="x", format="gguf", quant="q8_0", weights=["model.gguf"], context_length=512
    )
    with pytest.raises(BrokenIntegrity, match="chat template"):
        evaluate(SECTION, replace(again, inputs={**again.inputs, "export[0]": other}))


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else 0
