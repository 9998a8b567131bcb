"""The child process that quantizes: `python -P -m core.models.quantize_child SOURCE TARGET TYPE`.

It is C code that ends the process when it meets a file that it does not expect; the
parent, `core.models.gguf.quantize`, then says so in a sentence.
"""

from __future__ import annotations

import sys

from core.models.gguf import FILE_TYPES


def main(source: str, target: str, file_type: str) -> int:
    """Quantize the f16 file `source` to `target`; returns 0 when llama.cpp says that it worked."""
    import llama_cpp

    llama_cpp.llama_backend_init()
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = int(getattr(llama_cpp, FILE_TYPES[file_type]))
    params.nthread = 0
    return int(llama_cpp.llama_model_quantize(source.encode(), target.encode(), params))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
