"""What `rolecall search` prints of what was found: lines for people, or values for programs."""

from __future__ import annotations

from typing import Any

from retrieval.search import Found

_WIDTHS = {"title": 40, "company": 24, "location": 26}
_HEADS = {"location": "place"}


def as_dict(query: str, found: Found) -> dict[str, Any]:
    candidates = found.candidates
    shown = [found.index.display(int(row)) for row in candidates.rows]
    return {
        "query": query,
        "words": found.reading.words,
        "place": found.reading.place,
        "filter": found.filter.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "index_version": found.index.version,
        "jobs": len(found.index),
        "open": found.open,
        "passed": found.passed,
        "quoted": found.quoted,
        "sources": candidates.sources,
        "lacks": found.lacks,
        "removed": dict(candidates.removed),
        "results": [
            {
                "rank": i + 1,
                "job_id": job["id"],
                **{name: job[name] for name in _WIDTHS},
                "found_by": candidates.found_by(i),
                "score": float(candidates.fused[i]),
                "demoted_by": candidates.demoted.get(int(candidates.rows[i]), ()),
            }
            for i, job in enumerate(shown)
        ],
    }


def as_table(told: dict[str, Any]) -> str:
    """told: what `as_dict` made."""
    where = f" in {told['place']}" if told["place"] else ""
    lacks = f" (no vectors: {told['lacks']})" if told["lacks"] else ""
    head = [
        f"read as {told['words']!r}{where}",
        f"{told['jobs']:,} jobs, {told['open']:,} open, {told['passed']:,} pass; "
        f"asked {', '.join(told['sources'])}{lacks}",
        *([] if told["quoted"] is None else [f"{told['quoted']:,} jobs hold what stands in quotes"]),
        *(f"{count:,} jobs removed by rule {rule}" for rule, count in told["removed"].items()),
        f"index {told['index_version']}",
        "",
    ]
    if not told["results"]:
        return "\n".join([*head, "no job"])
    widest = max(len("found by"), *(len(",".join(result["found_by"])) for result in told["results"]))
    columns = [*_WIDTHS.items(), ("found by", widest)]
    lines = ["rank  " + "  ".join(_cell(_HEADS.get(name, name), width) for name, width in columns) + "  score"]
    for result in told["results"]:
        cells = [_cell(result[name], width) for name, width in _WIDTHS.items()]
        cells.append(_cell(",".join(result["found_by"]), widest))
        demoted = "".join(f"  demoted by rule {rule}" for rule in result["demoted_by"])
        lines.append(f"{result['rank']:>4}  {'  '.join(cells)}  {result['score']:.5f}{demoted}")
    return "\n".join([*head, *lines])


def _cell(text: str, width: int) -> str:
    return f"{text if len(text) <= width else text[: width - 1] + '…':<{width}}"
