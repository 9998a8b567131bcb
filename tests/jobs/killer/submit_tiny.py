"""Submit the tiny recipe in the current folder, as a command would."""

import sys
from pathlib import Path

from core.jobs.submit import submit
from core.recipe.recipe import Recipe
from core.workspace.home import find_workspace

RECIPE = {
    "name": "tiny",
    "model": {"base": "base"},
    "data": {"sources": [{"path": "rows.jsonl"}]},
    "export": [{"quant": "f16"}],
}

if __name__ == "__main__":
    record = submit(Recipe.model_validate(RECIPE), Path("recipe.yaml"), find_workspace(), until="train")
    sys.stdout.write(record.id)
