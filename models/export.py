"""The student as three ONNX graphs, and the folder that is served: the bundle with its manifest and its card."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contracts.bundle import MANIFEST, Blend, Calibration, Manifest, content_version, file_hash
from contracts.errors import NotReady
from contracts.features import serving_service
from contracts.tasks import TASKS
from contracts.workspace import Workspace, set_current
from models.card import model_card
from models.config import Precision, StudentConfig
from models.distil import load_student
from models.graphs import export_graph, quantize
from models.student import Prefix, Student

GRAPHS = ("item.onnx", "prefix.onnx", "score.onnx")


@dataclass(frozen=True)
class Graphs:
    """An exported student: the folder with its graphs and tokenizer, and what its manifest will say of it."""

    folder: Path
    manifest: Manifest


class ItemGraph(nn.Module):
    """item.onnx: job text to item tokens."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """input_ids, attention_mask (n, len) int64 -> items (n, T, H) float32."""
        return self.student.encode_items(self.student.item.embed(input_ids), attention_mask)


class PrefixGraph(nn.Module):
    """prefix.onnx: request text to keys and values of the scoring layers."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """input_ids, attention_mask (1, len) int64 -> prefix_kv (L, 2, A, len + 1, D) float32.

        The last place holds the request's unit vector, cut into heads.
        """
        kept = self.student.encode_prefix(self.student.prefix.embed(input_ids), attention_mask)
        vector = kept.vector[0].unflatten(0, (self.student.heads, 1, -1))
        return torch.stack(
            [torch.stack([torch.cat((states[0], vector), dim=1) for states in layer]) for layer in kept.keys_values]
        )


class ScoreGraph(nn.Module):
    """score.onnx: one prefix and n candidates to logits."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student

    def forward(self, prefix_kv: Tensor, items: Tensor) -> Tensor:
        """prefix_kv (L, 2, A, len + 1, D), items (n, T, H) float32 -> logits (n, tasks) float32."""
        kept = [(layer[0, :, :-1][None], layer[1, :, :-1][None]) for layer in prefix_kv]
        return self.student.score(Prefix(kept, prefix_kv[0, 0, :, -1].flatten()[None]), None, items[None])[0]


def export_graphs(workspace: Workspace, precision: Precision = "int8") -> Graphs:
    """Export the current student of a workspace to `student/<version>/graphs-<precision>/`.

    Raises NotReady where no student was trained.
    """
    pointer = workspace.student / "CURRENT"
    if not pointer.is_file():
        raise NotReady(f"no student in {workspace.student}", cure="run `rolecall train student` first")
    source = workspace.student / pointer.read_text().strip()
    student, about = load_student(source)
    config = StudentConfig.model_validate(about["config"])
    folder = source / f"graphs-{precision}"
    export_student(student, source / "tokenizer.json", folder, precision)
    lineage = {name: about[name] for name in ("training", "backbone", "teachers")} | {"student": source.name}
    manifest = Manifest(
        text_version=about["text_version"],
        tasks=student.head.tasks,
        task_sentences={task: TASKS[task] for task in student.head.tasks},
        item_tokens=student.item_tokens,
        hidden=student.hidden,
        max_prefix_tokens=config.max_prefix_tokens,
        max_item_tokens=config.max_item_tokens,
        precision=precision,
        lineage=lineage | {"config": about["config"]},
        metrics=json.loads((source / "metrics.json").read_text()),
    )
    return Graphs(folder, manifest)


def export_student(student: Student, tokenizer: Path, out: Path, precision: Precision) -> None:
    """Write the three graphs and the tokenizer to `out`. The head stays float32 at any precision (COOKBOOK 2.3)."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    ids = torch.randint(5, 100, (2, 16))
    mask = torch.ones_like(ids)
    text = {"input_ids": ("n", "len"), "attention_mask": ("n", "len")}
    export_graph(ItemGraph(student), (ids, mask), out / "item.onnx", inputs=text, output="items")
    one = {"input_ids": (None, "len"), "attention_mask": (None, "len")}
    export_graph(PrefixGraph(student), (ids[:1], mask[:1]), out / "prefix.onnx", inputs=one, output="prefix_kv")
    with torch.no_grad():
        kept = PrefixGraph(student)(ids[:1], mask[:1])
    items = torch.randn(3, student.item_tokens, student.hidden)
    candidates = {"prefix_kv": (None, None, None, "len", None), "items": ("n", None, None)}
    export_graph(ScoreGraph(student), (kept, items), out / "score.onnx", inputs=candidates, output="logits")
    if precision == "int8":
        for name in GRAPHS:
            quantize(out / name, keep=("student.head",))
    shutil.copy(tokenizer, out / "tokenizer.json")


def write_bundle(
    graphs: Graphs,
    workspace: Workspace,
    *,
    calibration: Mapping[str, Calibration],
    blend: Blend | None,
    metrics: Mapping[str, Any],
    simulated: bool,
) -> Path:
    """Write the bundle of an exported student under its content hash and make it the current one."""
    workspace.bundles.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=workspace.bundles) as scratch:
        staged = Path(scratch) / "bundle"
        shutil.copytree(graphs.folder, staged)
        manifest = graphs.manifest.model_copy(
            update={
                "calibration": dict(calibration),
                "blend": blend,
                "metrics": dict(graphs.manifest.metrics) | dict(metrics),
                "lineage": dict(graphs.manifest.lineage) | {"simulated": simulated},
            }
        )
        (staged / "README.md").write_text(model_card(manifest))
        files = {path.name: file_hash(path) for path in sorted(staged.iterdir())}
        manifest = manifest.model_copy(update={"files": files})
        version = content_version(manifest)
        manifest = manifest.model_copy(update={"version": version, "feature_service": serving_service(version)})
        (staged / MANIFEST).write_text(manifest.model_dump_json(indent=2))
        out = workspace.bundles / version
        if not out.exists():
            staged.rename(out)
    set_current(workspace.bundles, version)
    return out
