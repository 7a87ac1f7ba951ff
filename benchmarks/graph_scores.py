"""What a trained graph teacher says of members, of pairs that it was not trained with, and of members as if new."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_model

from history.graph.graph import Adjacency, Graph
from history.graph.walks import MEMBER_PATHS, Queries
from models.teachers.fit_text import score_pairs
from models.teachers.graph.config import GraphConfig
from models.teachers.graph.market import Market, Side
from models.teachers.graph.sage import Sage, SagePairs, hops, told
from models.teachers.graph.sign import Sign, SignPairs, inputs_around
from models.training.rows import Rows

ACTED = ("opened", "applied")
"""Relations of a member that come of what they did."""


def tasks_and_config(folder: Path) -> tuple[tuple[str, ...], GraphConfig]:
    """What the teacher in a folder answers, and its knobs."""
    about = json.loads((folder / "teacher.json").read_text())
    return tuple(about["tasks"]), GraphConfig.model_validate(about["config"])


def graph_logits(folder: Path, market: Market, rows: Rows, text: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Logits (len(chosen), tasks) float32 by G0 or G1.

    Args:
        folder: Of the teacher's version.
        market: Of all n rows.
        rows: The pairs.
        text: (n, tasks) float32 logits of the text teacher, in the order of the teacher's tasks; read of `chosen`.
        chosen: (m,) row numbers, ascending.
    """
    model, config = _model(folder, market)
    pairs_of = {"G0": SignPairs, "G1": SagePairs}[config.rung]
    pairs = pairs_of(rows, model, market, text, chosen, config)
    return score_pairs(pairs, chosen, config.precision, "graph teacher")


def _model(folder: Path, market: Market) -> tuple[Any, GraphConfig]:
    """The trained G0 or G1 in a folder, a `Sign` or a `Sage`, and its knobs."""
    tasks, config = tasks_and_config(folder)
    with safe_open(folder / "model.safetensors", "pt") as file:
        position = torch.zeros(file.get_slice("position.weight").get_shape())
    model = {"G0": Sign, "G1": Sage}[config.rung](tasks, position, market.vectors, config)
    load_model(model, str(folder / "model.safetensors"))
    return model.eval(), config


def member_vectors(folder: Path, market: Market, chosen: np.ndarray) -> np.ndarray:
    """(m, width) float32: what G0 or G1 makes of each member's neighbourhood; NaN where a member has no neighbour.

    One vector a request, so no edge is barred: all that is read is known before the request, as a service would know
    it, and a job that the member opened earlier is among it also where it is a candidate again.

    Args:
        folder: Of the teacher's version.
        market: Of all n rows.
        chosen: (m,) row numbers, one of each request.
    """
    model, config = _model(folder, market)
    queries = Queries(market.member[chosen], market.time[chosen], np.full(len(chosen), -1))
    read = model.read(market.vectors)
    with torch.inference_mode():
        if isinstance(model, Sign):
            walked = list(market.reached(Side(queries, np.arange(len(chosen))), MEMBER_PATHS, config.walks).values())
            found = np.any([path.found for path in walked], axis=0)
            vectors = model.member(torch.from_numpy(inputs_around(read, market, queries, walked)))
        else:
            around = hops(market, queries, "member", config)
            found = np.isin(
                np.arange(len(chosen)), np.concatenate([np.zeros(0, np.int64), *(h.parent for h in around)])
            )
            nodes = model.enter(torch.from_numpy(np.concatenate([read, np.zeros((1, read.shape[1]), np.float32)])))
            vectors = model.states(nodes, told(market, queries.origins, queries.times), around)
    return np.where(found[:, None], vectors.numpy(), np.float32(np.nan))


def as_if_new(folder: Path, market: Market, rows: Rows, text: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """As `graph_logits`, with each member read as if they had done nothing yet: what their records say is left."""
    found = np.full((len(chosen), text.shape[1]), np.nan, np.float32)
    members = market.member[chosen]
    for member in np.unique(members):
        own = members == member
        graph = market.graph if member < 0 else without_actions(market.graph, int(member))
        there = Market(graph, market.vectors, market.known, market.member, market.job, market.time)
        found[own] = graph_logits(folder, there, rows, text, chosen[own])
    return found


def without_actions(graph: Graph, member: int) -> Graph:
    """The graph without the edges of what one member did; those of all others stay."""
    kept = dict(graph.adjacency)
    for name in ACTED:
        for way in (name, f"~{name}"):
            if way in kept:
                kept[way] = _without(kept[way], member)
    return replace(graph, adjacency=kept)


def _without(edges: Adjacency, node: int) -> Adjacency:
    source = np.repeat(np.arange(len(edges.starts) - 1), np.diff(edges.starts))
    stays = (source != node) & (edges.target != node)
    starts = np.concatenate([[0], np.cumsum(stays)])[edges.starts]
    return Adjacency(starts, edges.target[stays], edges.since[stays], edges.until[stays])
