"""Any documents for a query, scored by the student: an endpoint in the shape that clients of Cohere and Jina speak.

A document is read like a job's text and turned into item tokens as it comes, which costs most of the time. No
comparison of records is made of a text: the student knows less of it than of a job of the index.
"""

from __future__ import annotations

import threading
import time
import uuid
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, ConfigDict, FailFast, Field, SerializerFunctionWrapHandler, model_serializer

from contracts.cleaning import clean_text
from contracts.errors import RolecallError
from contracts.text.verbalizer import request_text
from contracts.values import FrozenModel
from ranking.blend import RELEVANCE
from ranking.objective import good_matches
from ranking.scorer import ItemEncoder
from retrieval.onnx_session import open_session
from serving.config import ServeConfig
from serving.metrics import Metrics
from serving.schemas import MAX_QUERY_CHARS, Whole
from serving.servable import Servable

MAX_DOCUMENTS = 256
MAX_DOCUMENT_CHARS = 20_000
ENCODED_AT_ONCE = 16
"""Documents between two looks at the clock."""


class TooLate(RolecallError):
    """The documents could not be read within the deadline."""

    reason, http_status = "too_late", 503


class Document(FrozenModel):
    """A document as an object; fields beside its text are read over."""

    model_config = ConfigDict(extra="ignore")
    text: Annotated[str, Field(max_length=MAX_DOCUMENT_CHARS), AfterValidator(clean_text)]


_Text = Annotated[str, Field(max_length=MAX_DOCUMENT_CHARS), AfterValidator(clean_text)]


class RerankRequest(FrozenModel):
    """What is asked; fields of other services that are not known here are read over."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [{"query": "night shift nurse", "documents": ["Registered Nurse, ICU", "Cook"]}]
        },
    )
    model: Annotated[str, Field(max_length=200)] = Field(
        "", description="Read over: there is one model, which the answer names."
    )
    query: Annotated[str, Field(max_length=MAX_QUERY_CHARS), AfterValidator(clean_text), Field(min_length=1)]
    documents: Annotated[tuple[_Text | Document, ...], FailFast(), Field(min_length=1, max_length=MAX_DOCUMENTS)]
    top_n: Annotated[Whole, Field(ge=1)] | None = Field(None, description="Documents of the answer; null: all.")
    return_documents: Annotated[bool, Field(strict=True)] = False


class Reranked(FrozenModel):
    """One document of an answer."""

    index: int = Field(description="Its place in the request, from 0.")
    relevance_score: float = Field(
        description="From 0 to 1: where the bundle says so, the calibrated probability of a good match."
    )
    document: Document | None = Field(None, description="Where the request asks for it; else it is not there.")

    @model_serializer(mode="wrap")
    def _without_nothing(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if value is not None}


class RerankAnswer(FrozenModel):
    """The documents, the most relevant first."""

    id: str
    model: str = Field(description="Version of the bundle.")
    results: tuple[Reranked, ...]


class Reranker:
    """Scores documents. Holds the item encoder of the bundle served last, opened when it is first needed."""

    def __init__(self, config: ServeConfig, metrics: Metrics) -> None:
        self._opened = partial(open_session, providers=config.providers)
        self._threads, self._metrics, self._deadline = config.threads, metrics, config.deadline
        self._encoder: tuple[Path, ItemEncoder] | None = None
        self._lock = threading.Lock()

    def rerank(self, servable: Servable, message: RerankRequest, arrived: float) -> RerankAnswer:
        """The documents by the student's relevance.

        Args:
            servable: Its bundle scores.
            message: The request.
            arrived: When it came in, by `time.monotonic`.

        Raises:
            TooLate: The deadline passed; nothing cheaper could answer.
        """
        texts = [one.text if isinstance(one, Document) else one for one in message.documents]
        items = self._items(servable, texts, arrived + self._deadline)
        started = time.perf_counter()
        prefix = servable.scorer.prefix(request_text("", "", message.query))
        logits = servable.scorer.logits(prefix, items)
        self._observe("student", started)
        scores = _scores(servable, logits)
        order = np.argsort(-logits[:, servable.scorer.tasks.index(RELEVANCE)], kind="stable")[: message.top_n]
        return RerankAnswer(
            id=uuid.uuid4().hex,
            model=servable.manifest.version,
            results=tuple(
                Reranked(
                    index=i,
                    relevance_score=round(float(scores[i]), 6),
                    document=Document(text=texts[i]) if message.return_documents else None,
                )
                for i in order.tolist()
            ),
        )

    def _items(self, servable: Servable, texts: list[str], deadline: float) -> np.ndarray:
        """(n, T, H) float32 item tokens of the documents."""
        encoder, parts = self._item_encoder(servable), []
        started = time.perf_counter()
        for start in range(0, len(texts), ENCODED_AT_ONCE):
            if time.monotonic() > deadline:
                raise TooLate(
                    f"{start:,} of {len(texts):,} documents were read within the deadline",
                    where="documents",
                    cure="send fewer or shorter ones, or jobs of the index to /v1/search",
                )
            parts.append(encoder.encode(texts[start : start + ENCODED_AT_ONCE]))
        self._observe("items", started)
        return np.concatenate(parts)

    def _item_encoder(self, servable: Servable) -> ItemEncoder:
        if servable.item_encoder is not None:
            return servable.item_encoder
        with self._lock:
            if self._encoder is None or self._encoder[0] != servable.folders[0]:
                folder = servable.folders[0]
                self._encoder = folder, ItemEncoder(folder, self._threads, servable.manifest, self._opened)
            return self._encoder[1]

    def _observe(self, stage: str, started: float) -> None:
        self._metrics.stage_seconds.labels(stage).observe(time.perf_counter() - started)


def _scores(servable: Servable, logits: np.ndarray) -> np.ndarray:
    """(n,) in [0, 1]: probabilities of a good match, else the logistic of the relevance."""
    good = good_matches(servable.manifest.good_match, logits, servable.scorer.tasks)
    if good is not None:
        return good
    relevance = logits[:, servable.scorer.tasks.index(RELEVANCE)].astype(np.float64)
    return np.asarray(1 / (1 + np.exp(-relevance)))
