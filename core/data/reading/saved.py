"""Folders that `datasets.save_to_disk` wrote: Arrow files, and beside them what they are and their order."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any

from core.data.reading.found import Found
from core.data.reading.stream import unreadable
from tunery.errors import DataError

_STATE = "state.json"
_SPLITS = "dataset_dict.json"


def saved_files(folder: Found) -> list[Found] | None:
    """The Arrow files of a saved dataset, in its order; None when the folder is none.

    Of a dataset with splits, those of `train`: the others are there to be held out, and
    a path such as `saved/test` names them. Raises DataError when the folder's own files
    are not what `datasets` writes.
    """
    if (folder.path / _SPLITS).is_file():
        return _saved_split(folder.child(_train_split(folder)))
    if (folder.path / _STATE).is_file() and (folder.path / "dataset_info.json").is_file():
        return _saved_split(folder)
    return None


def _train_split(folder: Found) -> str:
    splits = _read(folder.child(_SPLITS)).get("splits")
    if not isinstance(splits, list) or not splits:
        raise _unlike(folder.child(_SPLITS))
    names = [_plain(name, folder.child(_SPLITS)) for name in splits]
    if "train" in names or len(names) == 1:
        return "train" if "train" in names else names[0]
    raise DataError(
        f"{folder.shown} holds the splits {', '.join(names)} and none called train; name one, "
        f"such as {folder.shown}/{names[0]}"
    )


def _saved_split(folder: Found) -> list[Found]:
    state = folder.child(_STATE)
    value = _read(state)
    files = value.get("_data_files")
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise _unlike(state)
    if value.get("_indices_files") or value.get("_indices_data_files"):
        raise DataError(f"{folder.shown} is a selection of saved rows; save it again with a newer `datasets`")
    return [folder.child(_plain(file.get("filename"), state)) for file in files]


def _plain(name: object, file: Found) -> str:
    """A name in the same folder, and no way out of it."""
    if not isinstance(name, str) or name in ("", ".", "..") or PurePath(name).name != name or "\0" in name:
        raise _unlike(file)
    return name


def _read(file: Found) -> dict[str, Any]:
    try:
        value = json.loads(file.path.read_bytes())
    except OSError as error:
        raise unreadable(file, error) from None
    except (ValueError, RecursionError):
        raise _unlike(file) from None
    if not isinstance(value, dict):
        raise _unlike(file)
    return value


def _unlike(file: Found) -> DataError:
    return DataError(f"{file.shown} is not as `datasets` writes it; save the dataset again")
