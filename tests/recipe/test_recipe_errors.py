"""A wrong recipe is refused with file, line, key and the nearest valid key."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.recipe.load import dump_recipe, load_recipe
from tunery.errors import RecipeError

START = "name: x\nmodel: {base: smollm2-135m-instruct}\ndata:\n  sources:\n    - path: a.jsonl\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.jsonl").write_text("{}\n")
    return tmp_path


def problem(folder: Path, text: str, *overrides: str) -> str:
    (folder / "recipe.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(folder / "recipe.yaml", overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (START + "train: {epoch: 3}\n", r"line 6: train\.epoch is not a key here; did you mean 'epochs'\?"),
        (START + "exports: []\n", r"line 6: exports is not a key here; did you mean 'export'\?"),
        (START + "train:\n  lora:\n    rnk: 4\n", r"line 8: train\.lora\.rnk .*did you mean 'rank'"),
        (START + "train:\n  epochs: many\n", r"line 7: train\.epochs expects a number, found 'many'"),
        (START + "train:\n  adapter: lorra\n", r"line 7: train\.adapter .*did you mean 'lora'"),
        (START + "train:\n - {epochs: 1}\n - {epochs: -1}\n", r"line 8: train\.1\.epochs .*greater than 0"),
        (START + "train: {batch_size: 8, micro_batch: 3}\n", r"micro_batch 3 does not divide batch_size 8"),
        (
            START + "export: [{quant: q8_0}, {quant: q8_0}]\n",
            r"line 6: export\.1\.quant exports q8_0 a second",
        ),
        (START + "serve: {export: f16}\n", r"line 6: serve\.export wants to serve 'f16'"),
        (START + "  split: {test: gone.jsonl}\n", r"line 6: data\.split\.test\.path names 'gone\.jsonl'"),
        (START + "  split: {validation: 0.5, test: 0.5}\n", r"leave too little to train on"),
        (
            START + "  test: 0.2\n  split: {test: 0.1}\n",
            r"line 6: data\.test and data\.split\.test say the same",
        ),
        (
            START.replace("a.jsonl", "b.jsonl"),
            r"line 5: data\.sources\.0\.path names 'b\.jsonl', and there is no",
        ),
        (START.replace("smollm2-135m-instruct", "./m.gguf"), r"line 2: model\.base names './m\.gguf'"),
        (START + "name: y\n", r"line 6: `name` stands here and on line 1"),
        ("name: x\nmodel: {base: b}\n", r"line 1: data is required"),
        ("name: [\n", r"line 2: this is not valid YAML"),
        ("- name: x\n", r"line 1: a recipe is a mapping"),
        ("", r"line 1: a recipe is a mapping"),
    ],
)
def test_a_wrong_recipe_names_line_key_and_what_to_do(folder: Path, text: str, said: str) -> None:
    message = problem(folder, text)
    assert re.search(said, message), message
    assert message.startswith(f"{folder}/recipe.yaml line ")


def test_every_problem_is_named_at_once_in_the_order_of_the_file(folder: Path) -> None:
    lines = problem(folder, START + "train:\n  epochs: x\n  rank: 4\nserve: {port: 99999}\n").splitlines()
    assert [re.search(r"line (\d+)", line)[1] for line in lines] == ["7", "8", "9"]  # type: ignore[index]


def test_a_wrong_override_is_blamed_on_the_override(folder: Path) -> None:
    assert problem(folder, START, "train.epochs=soon").startswith(
        "--set train.epochs=soon: train.0.epochs expects"
    )
    assert problem(folder, START, "trian.epochs=1").startswith("--set trian.epochs=1: trian is not a key")
    assert "write it as a.b=value" in problem(folder, START, "train.epochs")
    assert "no key 'x' inside the value" in problem(folder, START, "name.x=1")


def test_overrides_reach_into_lists_and_into_sections_written_without_one(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(START + "train: {epochs: 2}\n")
    recipe = load_recipe(
        folder / "recipe.yaml", ["train.0.epochs=1", "train.max_steps=5", "data.test={path: a.jsonl}"]
    )
    assert (recipe.train[0].epochs, recipe.train[0].max_steps) == (1.0, 5)
    assert recipe.data.split.test.path == "a.jsonl"  # type: ignore[union-attr]


def test_what_is_dumped_loads_as_the_same_recipe(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(START + "export: {quant: f16}\n")
    first = load_recipe(folder / "recipe.yaml")
    (folder / "again.yaml").write_text(dump_recipe(first))
    assert load_recipe(folder / "again.yaml") == first


def test_refusing_a_recipe_loads_nothing_heavy(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(START + "train: {epoch: 3}\n")
    code = (
        "import sys\nfrom pathlib import Path\nfrom core.recipe.load import load_recipe\n"
        "try:\n    load_recipe(Path(sys.argv[1]))\nexcept ValueError:\n    pass\n"
        "except Exception as error:\n    print(type(error).__name__)\n"
        "print(sorted({'torch', 'transformers', 'numpy', 'chromadb', 'textual'} & set(sys.modules)))\n"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "recipe.yaml")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["RecipeError", "[]"]
    assert time.monotonic() - started < 30


KEYS = st.sampled_from(["name", "model", "base", "data", "sources", "train", "lora", "test", "split", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=VALUES)
def test_nonsense_is_refused_in_sentences_and_never_with_a_traceback(folder: Path, value: object) -> None:
    import yaml

    (folder / "recipe.yaml").write_text(yaml.safe_dump(value))
    with pytest.raises(RecipeError):
        load_recipe(folder / "recipe.yaml")
