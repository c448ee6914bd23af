"""What one would write in an afternoon to serve the same model: FastAPI, sentencepiece and
CTranslate2. Every request is a batch of its own, translated in a thread of FastAPI's pool.

A directory holds a CTranslate2 model, source.spm and target.spm.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ctranslate2
import sentencepiece
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

END = "</s>"
MAX_BATCH_SIZE = 32
"""Sentences of one request that are translated together; CTranslate2 sorts them by length."""


class Body(BaseModel):
    """What POST /translate takes."""

    q: str | list[str]
    source: str
    target: str
    min_decoding_length: int = 1
    max_decoding_length: int = 256


class Reply(BaseModel):
    """What it answers."""

    translatedText: str | list[str]  # noqa: N815 (LibreTranslate's name)


def create_app(directory: Path, beam_size: int, inter_threads: int, intra_threads: int) -> FastAPI:
    """The service.

    inter_threads: how many batches are translated at once, each on intra_threads.
    """
    app = FastAPI()
    translator = ctranslate2.Translator(
        str(directory),
        compute_type="int8",
        inter_threads=inter_threads,
        intra_threads=intra_threads,
    )
    source_pieces = sentencepiece.SentencePieceProcessor(str(directory / "source.spm"))
    target_pieces = sentencepiece.SentencePieceProcessor(str(directory / "target.spm"))

    # Not async, so that FastAPI calls it in a thread; CTranslate2 releases the interpreter's lock.
    @app.post("/translate")
    def translate(body: Body) -> Reply:
        texts = [body.q] if isinstance(body.q, str) else body.q
        results = translator.translate_batch(
            [[*source_pieces.encode(text, out_type=str), END] for text in texts],
            beam_size=beam_size,
            min_decoding_length=body.min_decoding_length,
            max_decoding_length=body.max_decoding_length,
            max_batch_size=MAX_BATCH_SIZE,
        )
        found = [target_pieces.decode(result.hypotheses[0]) for result in results]
        return Reply(translatedText=found[0] if isinstance(body.q, str) else found)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--beam-size", type=int, default=4)
    parser.add_argument("--threads", default="2x1", help="batches at once x threads of each")
    arguments = parser.parse_args()
    inter_threads, intra_threads = map(int, arguments.threads.split("x"))
    app = create_app(arguments.directory, arguments.beam_size, inter_threads, intra_threads)
    uvicorn.run(app, port=arguments.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
