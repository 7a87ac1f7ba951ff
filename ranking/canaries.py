"""A few pairs that a bundle scored as it was exported, scored again before it serves.

Hashes say that a bundle's files are those that were exported; canaries say that they compute what they computed then,
on this machine, by this version of ONNX Runtime and on these providers. The texts are written here and of nobody.
"""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from contracts.bundle import Manifest
from contracts.errors import BundleMismatch, ShapeMismatch
from ranking.scorer import BundleScorer, ItemEncoder

CANARIES = "canaries.npz"
TOLERANCE = 0.1
"""Between two logits: eight-bit kernels of unlike processors differ by a few hundredths."""
REQUESTS = (
    "headline: registered nurse | skills: triage, patient care | location: Austin, Texas",
    "query: data analyst in Denver | headline: accountant | seniority: senior",
    "headline: Softwareentwickler | skills: python, sql | workplace: remote",
)
JOBS = (
    "title: registered nurse | company: a hospital | location: Austin, Texas | workplace: onsite | seniority: mid",
    "title: senior data analyst | skills: sql, statistics | location: Denver, Colorado | workplace: hybrid",
    "title: truck driver | location: Houston, Texas | employment: full_time",
    "title: Softwareentwickler | skills: python, sql | workplace: remote | seniority: senior",
    "title: intern | description: learn how the company works",
)


def write_canaries(folder: Path, manifest: Manifest) -> None:
    """Score the canaries with the graphs in a folder, and write what they scored beside them.

    Args:
        folder: With the graphs and the tokenizer of an export.
        manifest: Of what is exported.
    """
    items = ItemEncoder(folder, manifest=manifest).encode(JOBS).astype(np.float16)
    logits = _logits(BundleScorer(folder, manifest=manifest), items)
    np.savez(folder / CANARIES, items=items, logits=np.round(logits, 3))


def check_canaries(folder: Path, scorer: BundleScorer) -> bool:
    """Whether a bundle has canaries, all of which score as they did at the export.

    Args:
        folder: Of the bundle, whose files were checked.
        scorer: Of the bundle, as it is to serve.

    Raises:
        BundleMismatch: One scores otherwise, or the file does not hold canaries of this bundle.
    """
    if CANARIES not in scorer.manifest.files:
        return False
    where, cure = str(folder / CANARIES), "export the bundle again, or serve it where it was exported"
    try:
        with np.load(folder / CANARIES, allow_pickle=False) as kept:
            items, expected = kept["items"], kept["logits"]
        found = _logits(scorer, items)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, ShapeMismatch) as error:
        raise BundleMismatch(f"broken canaries: {type(error).__name__}", where=where, cure=cure) from error
    if found.shape != expected.shape:
        raise BundleMismatch(f"canaries of shape {expected.shape}, not {found.shape}", where=where, cure=cure)
    off = np.abs(found - expected)
    if not (off <= TOLERANCE).all():  # not a number is off too
        request, job, task = np.unravel_index(int(np.argmax(np.nan_to_num(off, nan=np.inf))), off.shape)
        raise BundleMismatch(
            f"bundle {scorer.manifest.version} scores {scorer.tasks[task]} of canary {request}.{job} as "
            f"{found[request, job, task]:.3f}, at the export {expected[request, job, task]:.3f}",
            where=where,
            cure=cure,
        )
    return True


def _logits(scorer: BundleScorer, items: np.ndarray) -> np.ndarray:
    """(requests, jobs, tasks) float32 of items (jobs, T, H) float16."""
    kept = items.astype(np.float32)
    return np.stack([scorer.logits(scorer.prefix(text), kept) for text in REQUESTS])
