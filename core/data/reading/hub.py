"""Datasets of the Hugging Face hub: their data files alone, in the hub library's own cache.

No loading script is ever run. Without a network, what was downloaded before is read.
"""

from __future__ import annotations

import re
from glob import escape
from pathlib import Path

from core.data.reading.found import Found
from core.data.reading.splits import choose_split
from tunery.errors import DataError, NotThere

_NAME = re.compile(r"hf:(?P<repo>[\w.-]+(/[\w.-]+)?)(:(?P<split>.+))?")

_PATIENCE = 20  # Seconds in which the hub says what a dataset holds.


def hub_files(name: str) -> list[Found]:
    """The files that `hf:ORG/NAME` or `hf:ORG/NAME:SPLIT` means, downloaded where they are not yet.

    Raises NotThere when the hub has no such dataset, or cannot be reached and it is not
    here; DataError when its files do not say which of them are meant.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise DataError(f"{name} is no hub dataset; write hf:ORGANISATION/NAME or hf:ORGANISATION/NAME:SPLIT")
    repo, split = match["repo"], match["split"]
    listed = _listed(repo)
    if listed is None:
        folder = _kept(repo)
        inside = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        chosen = choose_split(inside, split, name)
    else:
        chosen = choose_split(listed, split, name)
        folder = _downloaded(repo, chosen)
    return [Found(folder / file, f"hf:{repo}/{file}") for file in chosen]


def _listed(repo: str) -> list[str] | None:
    """What the hub says the dataset holds; None when it says nothing."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return [file.rfilename for file in HfApi().dataset_info(repo, timeout=_PATIENCE).siblings or ()]
    except RepositoryNotFoundError:
        raise NotThere(
            f"the hub has no dataset {repo!r}, or you may not see it; correct data.sources or log in"
        ) from None
    except Exception:
        # The library's transport, and with it what a lost connection raises, changes between versions.
        return None


def _kept(repo: str) -> Path:
    """The folder of an earlier download."""
    from huggingface_hub import snapshot_download

    try:
        # No pattern: which files are wanted is found out by looking at what is there.
        return Path(snapshot_download(repo, repo_type="dataset", local_files_only=True, allow_patterns=[]))
    except (OSError, ValueError):
        raise NotThere(
            f"the hub cannot be reached for {repo!r}, and it was never downloaded here; switch the network "
            "on, or download it elsewhere and set data.sources to the file"
        ) from None


def _downloaded(repo: str, files: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(repo, repo_type="dataset", allow_patterns=[escape(file) for file in files])
        )
    except Exception as error:
        raise NotThere(
            f"{repo!r} could not be downloaded from the hub ({type(error).__name__}); try again, or set "
            "data.sources to a file"
        ) from None
