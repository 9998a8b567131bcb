"""The table of findings tells everybody the same: how grave, what, and what to do."""

import re
from typing import get_args

import pytest

from core.data.lint.findings import FINDINGS
from core.recipe.data import DataSection


def test_every_finding_says_what_it_means_and_what_to_do():
    for code, kind in FINDINGS.items():
        assert re.fullmatch(r"[a-z][a-z_0-9]+", code), code
        assert kind.severity in ("error", "warning", "note"), code
        for sentence in (kind.means, kind.fix):
            assert sentence, code
            assert not sentence.endswith((".", ";")), code


KEYS = sorted({key for kind in FINDINGS.values() for key in re.findall(r"data\.([\w.\[\]]+)", kind.fix)})


@pytest.mark.parametrize("key", KEYS)
def test_the_keys_that_fixes_name_are_keys_of_the_recipe(key):
    section = DataSection
    for name in key.rstrip(".").split("."):
        plain = name.removesuffix("[]")
        assert plain in section.model_fields, key
        kind = section.model_fields[plain].annotation
        section = kind if plain == name else get_args(kind)[0]
