"""The service that one would put together of well-known parts, to be measured beside `rolecall serve`.

    python -m benchmarks.obvious_stack --workspace artifacts/serving/... --port 8090

Feast's SDK reads the member, MiniLM embeds their text, a flat FAISS index finds 500 jobs by its vector, an INT8 ONNX
cross-encoder of the same MiniLM reads member and job together, the first 200 of them, in batches of like length as
sentence-transformers does, and FastAPI returns the first 20. The cross-encoder's head is not trained: it costs the
same.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
import uvicorn
from fastapi import FastAPI
from tokenizers import Tokenizer
from torch import Tensor, nn

from contracts.bundle import read_manifest
from contracts.features import JOB_TEXT, MEMBER_KEY
from contracts.tables import read_table
from contracts.text.token_ids import TOKENIZER, pad
from contracts.workspace import Workspace
from feature_repo.store import open_store
from models.layers.folder import complete_folder
from models.layers.onnx import export_graph, quantize
from models.layers.whole import open_text_model
from retrieval.encoder import TextEncoder
from retrieval.index.job_index import CANDIDATES, JobIndex
from retrieval.onnx_session import open_session

RANKED = 200
MAX_TOKENS = 512
BATCH = 32
"""Pairs read at once, as sentence-transformers' `CrossEncoder.predict` takes them."""


class CrossEncoderGraph(nn.Module):
    """A text model over request and job as one text, and a number from its first state."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.backbone = open_text_model(folder)
        self.head = nn.Linear(self.backbone.hidden, 1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """input_ids, attention_mask (n, len) int64 -> (n, 1) float32."""
        return self.head(self.backbone(input_ids, attention_mask)[:, 0])


class CrossEncoder:
    """Scores texts for one request, each read whole beside it."""

    def __init__(self, threads: int | None = None) -> None:
        folder = complete_folder(None)
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS, strategy="longest_first")
        ids = torch.randint(5, 100, (2, 16))
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "cross.onnx"
            inputs = {"input_ids": ("n", "len"), "attention_mask": ("n", "len")}
            export_graph(CrossEncoderGraph(folder).eval(), (ids, torch.ones_like(ids)), path, inputs=inputs, output="y")
            quantize(path)
            self._session = open_session(path, threads)

    def score(self, request: str, texts: Sequence[str]) -> np.ndarray:
        """(n,) float32."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch([(request, text) for text in texts])]
        order = np.argsort([-len(ids) for ids in tokens], kind="stable")
        scores = np.zeros(len(texts), np.float32)
        for start in range(0, len(texts), BATCH):
            chosen = order[start : start + BATCH]
            ids, mask = pad([tokens[i] for i in chosen])
            scores[chosen] = self._session.run(["y"], {"input_ids": ids, "attention_mask": mask})[0][:, 0]
        return scores


def create_app(workspace: Workspace) -> FastAPI:
    """The application over a workspace's features, vectors and job texts."""
    store = open_store(workspace)
    features = store.get_feature_service(read_manifest(workspace.bundle).feature_service)
    built = JobIndex.load(workspace.index)
    index = faiss.IndexFlatIP(built.vectors.shape[1])
    index.add(np.asarray(built.vectors, np.float32))
    ids, encoder, ranker = built.ids, TextEncoder(workspace.encoder), CrossEncoder()
    table = read_table(workspace.features / JOB_TEXT, ["job_id", "text"])
    texts = dict(zip(table["job_id"].to_pylist(), table["text"].to_pylist(), strict=True))
    app = FastAPI()

    @app.get("/readyz")
    def readyz() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/v1/recommend")
    def recommend(body: dict[str, Any]) -> dict[str, Any]:
        member = store.get_online_features(features=features, entity_rows=[{MEMBER_KEY: body["member_id"]}]).to_dict()
        request = member["text"][0] or ""
        _, found = index.search(encoder.plain([request], "request"), CANDIDATES)
        jobs = [ids[row] for row in found[0][:RANKED] if row >= 0]
        scores = ranker.score(request, [texts[job] for job in jobs])
        best = np.argsort(-scores)[: body["k"]]
        return {"results": [{"job_id": jobs[i], "score": float(scores[i])} for i in best]}

    return app


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8090)
    options = parser.parse_args(argv)
    uvicorn.run(create_app(Workspace(options.workspace)), port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
