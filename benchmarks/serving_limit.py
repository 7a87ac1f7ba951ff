"""What the cores could do at most: the operations of a request's models and scan over the rate of products alone.

The rate is that of the feed-forward products of one layer as an INT8 graph (`benchmarks.ladder_speed.core_limit`) at
the number of tokens that a request brings, on all cores; the scan reads each byte of the vectors once, at the rate at
which memory is read. Retrieval reads a member's text where their vectors are not stored, which is a case of its own.
All that is no product (attention's softmax, norms, Python, HTTP, JSON) is left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.ladder_speed import core_limit, memory_limit
from contracts.features import MEMBER_TEXT
from contracts.machine import cores
from contracts.tables import read_table
from contracts.text.parts import parts_of
from contracts.text.token_ids import open_tokenizer, token_ids
from contracts.workspace import Workspace
from ranking.scorer import BundleScorer
from retrieval.encoder import TextEncoder
from retrieval.index.job_index import JobIndex

SAMPLED = 200
RANKED, VECTORS = 200, 2
"""Candidates that are scored; vectors that are searched for: the request's and that of the last jobs."""
LAYERS = 6


def limit_rows(workspace: Workspace, name: str, system: str) -> list[dict[str, Any]]:
    """Operations and bytes of a request, the machine's rates, and the requests a second that they allow."""
    manifest = BundleScorer(workspace.bundle).manifest
    texts = read_table(workspace.features / MEMBER_TEXT, ["text"])["text"].to_pylist()[:SAMPLED]
    encoded, read = _tokens(workspace, texts), _prefix_tokens(workspace, texts, manifest.max_prefix_tokens)
    width = manifest.hidden
    of_layer = 2 * 12 * width * width
    scored = RANKED * manifest.item_tokens * of_layer * _score_layers(workspace)
    scanned = VECTORS * len(JobIndex.load(workspace.index)) * width
    rate, bandwidth = core_limit(width, int(encoded + read), cores())["int8"], memory_limit()
    rows = []
    for kind, tokens in (("", 0.0), (", members encoded", encoded)):
        operations = (tokens + read) * LAYERS * of_layer + scored
        measures = {
            "tokens_encoded": (tokens, ""),
            "tokens_of_prefix": (read, ""),
            "operations_a_request": (operations, ""),
            "operations_per_s": (rate, "1/s"),
            "requests_per_second": (1 / (operations / rate + scanned / bandwidth), "1/s"),
        }
        rows += [
            {
                "case": f"{name}, {cores()} cores, arithmetic alone{kind}",
                "system": f"limit of {system}",
                "metric": metric,
                "value": float(value),
                "unit": unit,
            }
            for metric, (value, unit) in measures.items()
        ]
    return rows


def _tokens(workspace: Workspace, texts: list[str]) -> float:
    """Tokens of a member's parts, in the mean."""
    encoder = TextEncoder(workspace.encoder)
    tokenizer = open_tokenizer(workspace.encoder, encoder.max_tokens)
    weights = encoder.parts
    parts = [
        [part.text for part in parts_of(text, weights.most_sentences) if weights.of(part.kind)] or [text]
        for text in texts
    ]
    return float(np.mean([sum(map(len, token_ids(tokenizer, of))) for of in parts]))


def _prefix_tokens(workspace: Workspace, texts: list[str], most: int) -> float:
    return float(np.mean([len(ids) for ids in token_ids(open_tokenizer(workspace.bundle, most), texts)]))


def _score_layers(workspace: Workspace) -> int:
    return int(BundleScorer(workspace.bundle).prefix("nurse").shape[0])
