"""The student as three ONNX graphs, and the folder that is served: the bundle with its manifest and its card."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contracts.bundle import MANIFEST, Blend, Calibration, Manifest, content_version
from contracts.features import serving_service
from contracts.match import COMPARISONS, MATCH_VERSION
from contracts.tasks import TASKS
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from contracts.text.work import Vocabulary
from contracts.versions import content_hash, file_hash, require_current, set_current, staged_folder
from contracts.workspace import Workspace
from models.config import Precision, StudentConfig
from models.layers.backbone import finish_layer, l2_normalize
from models.layers.onnx import export_graph, quantize
from models.student.distil import load_student
from models.student.student import Student
from models.training.rows import Rows, read_rows
from ranking.canaries import write_canaries
from release.card import model_card

GRAPHS = ("item.onnx", "prefix.onnx", "score.onnx")
CALIBRATION_LISTS, CALIBRATION_JOBS = 24, 8

Feeds = dict[str, list[dict[str, np.ndarray]]]
"""Graph -> inputs of some calls."""


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
        """input_ids, attention_mask (1, len) int64 -> prefix_kv (L, 2, A, len + P, D) float32.

        The last P places hold the request's unit vector, cut into heads: one, or more where heads were pruned.
        """
        kept = self.student.encode_prefix(self.student.prefix.embed(input_ids), attention_mask)
        heads, _, width = kept.keys_values[0][0].shape[1:]
        places = vector_places(self.student)
        vector = nn.functional.pad(kept.vector[0], (0, heads * places * width - self.student.hidden))
        vector = vector.unflatten(0, (heads, places, width))
        return torch.stack(
            [torch.stack([torch.cat((states[0], vector), dim=1) for states in layer]) for layer in kept.keys_values]
        )


def vector_places(student: Student) -> int:
    """P: places of a prefix that the request's unit vector fills."""
    layer: Any = student.score_layers[0]
    return math.ceil(student.hidden / layer.attention.self.query.out_features)


class ScoreGraph(nn.Module):
    """score.onnx: one prefix and n candidates to logits, with a match where the student has one.

    `Student.score` for one request, laid out for a CPU: queries, keys and values in one product, heads before
    candidates so that nothing is turned but once in and once out, and two axes outside attention.
    """

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student, self.places = student, vector_places(student)
        self.joined = nn.ModuleList(_joined(layer.attention.self) for layer in student.score_layers)  # type: ignore

    def forward(self, prefix_kv: Tensor, items: Tensor, match: Tensor | None = None) -> Tensor:
        """prefix_kv (L, 2, A, len + P, D), items (n, T, H) float32, match (n, C) uint8 -> logits (n, tasks) float32."""
        vector = prefix_kv[0, 0, :, -self.places :].flatten()[: self.student.hidden]
        matched = self.student.matched(match, items)
        hidden = self.student.candidate_tokens(items, matched)
        each = hidden.shape[:2]
        hidden = hidden.flatten(0, 1)  # (n * T, H)
        for layer, joined, (keys, values) in zip(self.student.score_layers, self.joined, prefix_kv, strict=True):
            of_heads = joined(hidden).unflatten(-1, (3, *keys.shape[::2]))
            seen = _attend(of_heads.permute(1, 2, 0, 3), keys[:, : -self.places], values[:, : -self.places], each)
            hidden = finish_layer(layer, hidden, seen.transpose(0, 1).flatten(1))
        pooled = hidden.unflatten(0, each).mean(1)
        pooled = pooled if matched is None else pooled + matched
        return self.student.head(pooled, vector * l2_normalize(items.mean(1)))


def _joined(attention: nn.Module) -> nn.Linear:
    """Queries, scaled, keys and values (3 * A * D) of a layer as one map."""
    query, key, value = (getattr(attention, name) for name in ("query", "key", "value"))
    scale = 1 / math.sqrt(attention.attention_head_size)  # type: ignore[arg-type]
    joined = nn.Linear(query.in_features, 3 * query.out_features)
    with torch.no_grad():
        joined.weight.copy_(torch.cat((query.weight * scale, key.weight, value.weight)))
        joined.bias.copy_(torch.cat((query.bias * scale, key.bias, value.bias)))
    return joined


def _attend(own: Tensor, keys: Tensor, values: Tensor, each: Sequence[int]) -> Tensor:
    """Attention (A, n * T, D) of candidates to the prefix, keys and values (A, len, D), and to themselves.

    It is `Student._attend` for one request without padding, in the layout that ONNX Runtime runs fastest on a CPU; the
    student's own serves training, with batches of padded requests.

    own: queries, keys and values (3, A, n * T, D) of n candidates of T tokens; each: (n, T).
    """
    queries, own_keys, own_values = own
    within = queries.unflatten(1, each) @ own_keys.unflatten(1, each).transpose(2, 3)
    to_prefix = queries @ keys.transpose(1, 2)
    weights = torch.softmax(torch.cat((to_prefix, within.flatten(1, 2)), -1), -1)  # (A, n * T, len + T)
    from_prefix = weights @ nn.functional.pad(values, (0, 0, 0, each[1]))  # cheaper than to cut the weights
    from_own = weights[..., keys.shape[1] :].unflatten(1, each) @ own_values.unflatten(1, each)
    return from_prefix + from_own.flatten(1, 2)


def export_graphs(workspace: Workspace, precision: Precision = "int8_static") -> Graphs:
    """Export the current student of a workspace to `student/<version>/graphs-<precision>/`.

    Raises NotReady where no student was trained.
    """
    source = require_current(workspace.student, "student", "run `rolecall train student` first")
    student, about = load_student(source)
    config = StudentConfig.model_validate(about["config"])
    folder = source / f"graphs-{precision}"
    feeds = None
    if precision == "int8_static":
        feeds = calibration_feeds(student, source, config, read_rows(workspace.training))
    export_student(student, source / "tokenizer.json", folder, precision, feeds)
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
        match_version="" if student.match is None else MATCH_VERSION,
        vocabulary=Vocabulary.model_validate(about.get("vocabulary", {})),
        lineage=lineage | {"config": about["config"]},
        metrics=json.loads((source / "metrics.json").read_text()),
    )
    return Graphs(folder, manifest)


def export_student(
    student: Student, tokenizer: Path, out: Path, precision: Precision, feeds: Feeds | None = None
) -> None:
    """Write the three graphs and the tokenizer to `out`. The head stays float32 at any precision.

    feeds: from `calibration_feeds`, for int8_static, which raises BadInput without them.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    ids = torch.randint(5, 100, (2, 16))
    mask = torch.ones_like(ids)
    text = {"input_ids": ("n", "len"), "attention_mask": ("n", "len")}
    export_graph(ItemGraph(student), (ids, mask), out / "item.onnx", inputs=text, output="items")
    one = {"input_ids": (None, "len"), "attention_mask": (None, "len")}
    export_graph(PrefixGraph(student), (ids[:1], mask[:1]), out / "prefix.onnx", inputs=one, output="prefix_kv")
    export_score(student, out / "score.onnx")
    shutil.copy(tokenizer, out / "tokenizer.json")
    quantize_graphs(out, precision, feeds)


def export_score(student: Student, path: Path) -> None:
    """Write score.onnx alone, in float32."""
    ids = torch.randint(5, 100, (1, 16))
    with torch.no_grad():
        kept = PrefixGraph(student)(ids, torch.ones_like(ids))
    example = [kept, torch.randn(3, student.item_tokens, student.hidden)]
    candidates: dict[str, tuple[str | None, ...]] = {
        "prefix_kv": (None, None, None, "len", None),
        "items": ("n", None, None),
    }
    if student.match is not None:
        example.append(torch.zeros(3, len(COMPARISONS), dtype=torch.uint8))
        candidates["match"] = ("n", None)
    export_graph(ScoreGraph(student), tuple(example), path, inputs=candidates, output="logits")


def quantize_graphs(folder: Path, precision: Precision, feeds: Feeds | None = None) -> None:
    """Bring the float32 graphs of a folder to a precision in place; as in `export_student`, which takes longer."""
    for name in GRAPHS:
        quantize(folder / name, precision, ("student.head",), feeds[name] if feeds else ())


def calibration_feeds(student: Student, folder: Path, config: StudentConfig, rows: Rows) -> Feeds:
    """Inputs of the three graphs, from training lists. folder: the student's, with its tokenizer."""
    of_request, of_job = (
        open_tokenizer(folder, longest) for longest in (config.max_prefix_tokens, config.max_item_tokens)
    )
    feeds: Feeds = {name: [] for name in GRAPHS}
    graphs = ItemGraph(student), PrefixGraph(student)
    for of_list in rows.lists(rows.of_splits("train"))[:CALIBRATION_LISTS]:
        texts = [rows.jobs[job] for job in rows.job[of_list[:CALIBRATION_JOBS]]]
        jobs, request = (
            dict(zip(("input_ids", "attention_mask"), pad(tokens), strict=True))
            for tokens in (token_ids(of_job, texts), [of_request.encode(rows.requests[rows.request[of_list[0]]]).ids])
        )
        with torch.no_grad():
            items, prefix_kv = (
                graph(*map(torch.from_numpy, inputs.values())).numpy()
                for graph, inputs in zip(graphs, (jobs, request), strict=True)
            )
        candidates = {"prefix_kv": prefix_kv, "items": items}
        if student.match is not None:
            candidates["match"] = rows.match[of_list[:CALIBRATION_JOBS]]
        for name, inputs in zip(GRAPHS, (jobs, request, candidates), strict=True):
            feeds[name].append(inputs)
    return feeds


def write_bundle(
    graphs: Graphs,
    workspace: Workspace,
    *,
    calibration: Mapping[str, Sequence[Calibration]],
    blend: Blend | None,
    metrics: Mapping[str, Any],
    simulated: bool,
) -> Path:
    """Write the bundle of an exported student under its content hash and make it the current one.

    What it scores on a few pairs is written beside the graphs (`ranking.canaries`).
    """
    write_canaries(graphs.folder, graphs.manifest)
    manifest = graphs.manifest.model_copy(
        update={
            "calibration": dict(calibration),
            "blend": blend,
            "metrics": dict(graphs.manifest.metrics) | dict(metrics),
            "lineage": dict(graphs.manifest.lineage) | {"simulated": simulated},
        }
    )
    card = model_card(manifest)
    files = {path.name: file_hash(path) for path in graphs.folder.iterdir()} | {"README.md": content_hash(card, 64)}
    manifest = manifest.model_copy(update={"files": dict(sorted(files.items()))})
    version = content_version(manifest)
    manifest = manifest.model_copy(update={"version": version, "feature_service": serving_service(version)})
    out = workspace.bundles / version
    if not out.exists():
        with staged_folder(out) as staged:
            shutil.copytree(graphs.folder, staged, dirs_exist_ok=True)
            (staged / "README.md").write_text(card, "utf-8")
            (staged / MANIFEST).write_text(manifest.model_dump_json(indent=2), "utf-8")
    set_current(workspace.bundles, version)
    return out
