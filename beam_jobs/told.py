"""What `ingest` says of the rows that it took in, and of those that it set aside."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping

from beam_jobs.pipeline import Counts
from contracts.errors import TooManyRejects
from contracts.workspace import Workspace
from sources import quarantine
from sources.findings import Finding, Findings

log = logging.getLogger("rolecall")

FOUND = ".found "
"""In a counter's name, between a table and a finding with its first row as JSON."""
_LISTED_REASONS = 5
_LISTED_FINDINGS = 20


def tell_findings(table: str, counters: Counter[str]) -> None:
    """Log what was changed in the rows of a table that were taken in, a line a finding."""
    findings = Findings()
    for name, rows in counters.items():
        if name.startswith(f"{table}{FOUND}"):
            *finding, first = json.loads(name.removeprefix(f"{table}{FOUND}"))
            findings.count(Finding(*finding), rows, first)
    lines = list(findings.lines())
    for line in lines[:_LISTED_FINDINGS]:
        log.info("%s: %s", table, line)
    if len(lines) > _LISTED_FINDINGS:
        log.info("%s: %d findings more; `rolecall validate` lists all", table, len(lines) - _LISTED_FINDINGS)


def tell_counts(workspace: Workspace, table: str, counts: Counts) -> None:
    """Log what was done with the rows of a table, and why most of those were set aside that were."""
    causes = quarantine.reasons(workspace.quarantine, table).most_common(_LISTED_REASONS)
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in causes)
    log.info("%s: %s%s", table, counts, f" ({reasons})" if counts.quarantined else "")


def require_few_rejects(workspace: Workspace, tables: Mapping[str, Counts], share: float) -> None:
    """Raise TooManyRejects where more than a share of a table's rows was set aside."""
    for table, counts in tables.items():
        if counts.quarantined > share * counts.read:
            why = quarantine.reasons(workspace.quarantine, table).most_common(3)
            raise TooManyRejects(
                f"{counts.quarantined:,} of {counts.read:,} rows ({counts.quarantined / counts.read:.1%}) do not fit, "
                f"allowed are {share:.1%}; most by {', '.join(f'{reason} ({number:,})' for reason, number in why)}",
                where=table,
                cure=f"see {workspace.quarantine}, correct the source, or raise --max-reject-share",
            )
