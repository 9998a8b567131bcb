"""A model of this machine is asked, through the engine that would serve it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from core.data.generate.asking import ANSWER_TOKENS, TEMPERATURE
from core.data.generate.request import LocalModel
from core.models.find import find_base
from core.models.starters import STARTERS, find_starter_gguf
from core.workspace.home import Workspace
from core.workspace.locks import one_at_a_time
from serve.chat import Message
from serve.engines.blocking import BlockingEngine, open_engine
from serve.engines.protocol import GenerateRequest, PromptTooLong
from serve.model_folder import MANIFEST_FILE, OpenModel, open_model, read_model_manifest, write_model_manifest
from tunery.errors import BadInput, BrokenIntegrity, NotThere
from tunery.files import whole_folder
from tunery.hashes import sha256_file, sha256_json, sha256_text

_SLOTS = 2
# Room for one passage, what is asked about it, and the answer.
_CONTEXT = 2048


@contextmanager
def open_local(answerer: LocalModel, workspace: Workspace, folder: Path) -> Iterator[LocalAsk]:
    """Find the model and start its engine. Raises as `find_base` and `open_engine` do."""
    model = _served(answerer.name, workspace, folder)
    context = min(_CONTEXT, model.manifest.context_length)
    with open_engine(model, slots=_SLOTS, context_length=context) as engine:
        yield LocalAsk(model, engine)


class LocalAsk:
    """An `Ask` on an engine. Prompts side by side may change the last bits of a figure, and so a word."""

    parallel = _SLOTS

    def __init__(self, model: OpenModel, engine: BlockingEngine) -> None:
        self.name = model.manifest.name
        self._model = model
        self._engine = engine

    def __call__(self, messages: Sequence[Message], *, seed: int) -> str:
        ids = self._model.chat.render(messages, add_generation_prompt=True).ids
        room = self._engine.context_length - len(ids)
        if room < ANSWER_TOKENS // 2:
            raise PromptTooLong(len(ids), self._engine.context_length)
        request = GenerateRequest(
            ids=tuple(ids),
            max_tokens=min(ANSWER_TOKENS, room),
            temperature=TEMPERATURE,
            seed=seed,
            stop_ids=self._model.manifest.stop_ids,
        )
        return self._engine.generate(request).text


def _served(name: str, workspace: Workspace, folder: Path) -> OpenModel:
    """The model as an engine reads it. A GGUF file is used as it is; other weights are converted once."""
    starter = STARTERS.get(name.lower())
    path = folder / Path(name).expanduser()
    if starter is not None:
        return _from_gguf(starter.name, find_starter_gguf(starter), workspace)
    if path.is_file() and path.suffix == ".gguf":
        return _from_gguf(path.stem, path, workspace)
    if (path / MANIFEST_FILE).is_file() and read_model_manifest(path).format == "gguf":
        return open_model(path)
    return _converted(find_base(name, workspace, folder), workspace)


def _from_gguf(name: str, gguf: Path, workspace: Workspace) -> OpenModel:
    from core.models.gguf import WEIGHTS, describe_gguf
    from core.models.unpack import UNPACK_VERSION, unpack_chat_format

    def fill(partial: Path) -> None:
        facts = describe_gguf(gguf).metadata
        length = facts.get(f"{facts.get('general.architecture')}.context_length")
        if not isinstance(length, int):
            raise BadInput(f"{gguf} does not say how long its context is; use a language model")
        unpack_chat_format(gguf, partial)
        (partial / WEIGHTS).symlink_to(gguf.resolve())
        write_model_manifest(
            partial, name=name, format="gguf", quant=None, weights=(WEIGHTS,), context_length=length
        )

    return _made_once(f"{name}-asked", sha256_text(f"{UNPACK_VERSION} {sha256_file(gguf)}"), fill, workspace)


def _converted(base: Path, workspace: Workspace) -> OpenModel:
    """The very folder that evaluation makes of a base model, so that it is made once for both."""
    from core.models.converter import converter_version
    from core.models.gguf import write_gguf_model

    name = read_model_manifest(base).name

    def fill(partial: Path) -> None:
        write_gguf_model(base, partial, name=name, quant="f16")

    key = sha256_json([sha256_file(base / MANIFEST_FILE), converter_version()])
    return _made_once(f"{name.replace('/', '--')}-f16", key, fill, workspace)


def _made_once(name: str, key: str, fill: Callable[[Path], None], workspace: Workspace) -> OpenModel:
    folder = workspace.models / f"{name}-{key[:12]}"
    with one_at_a_time(workspace, "models"):
        try:
            return open_model(folder)
        except (BrokenIntegrity, NotThere):
            with whole_folder(folder) as partial:
                fill(partial)
            return open_model(folder, verify=False)
