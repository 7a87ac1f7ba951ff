"""What a query says must not be: by an operator, as -junior or NOT "night shift", or in words, as not sales."""

from __future__ import annotations

from contracts.text.adverts.cues import NOTHING
from contracts.text.words import words
from retrieval.filters.filters import Filter
from retrieval.queries.chips import Chip, Understood
from retrieval.queries.known import Known
from retrieval.queries.lexicon import FIELDS
from retrieval.queries.typed import Span, Typed
from retrieval.queries.values import excluded
from retrieval.words.term_query import ASKED

MOST_WORDS = 2
"""That a denial takes back."""


def read_operators(typed: Typed, known: Known) -> None:
    """Protect what stands in quotes, and read what an operator excludes.

    The inverted index leaves out jobs that hold it anywhere; a value of a field also those that state it.
    """
    for asked in ASKED.finditer(typed.text):
        span = typed.overlapping(*asked.span())
        if span is None:
            continue
        if asked[3] is not None:
            typed.keep(span)
            continue
        phrase = asked[1] or asked[2] or ""
        said = words(phrase)
        filter, field, value = Filter(), "words", " ".join(said)
        for name in FIELDS:
            hit = known.lexicon.fields[name].at_start(said)
            if hit and hit.end == len(said) and hit.value != NOTHING:
                filter, field, value = excluded(name, hit.value, "", "").filter, name, hit.value  # type: ignore[arg-type]
                break
        chip = Chip(
            id=f"-{field}:{value}",
            text=typed.slice(span),
            field=field,
            kind="exclusion",
            value=value,
            label=f"without “{phrase}”",
        )
        typed.take(span, Understood(chip, filter), from_words=False, from_query=True)


def read_denials(typed: Typed, known: Known) -> None:
    """Read denials of other words than conditions: no title may hold all of the words behind one."""
    kept = [span for span, _ in typed.find(known.lexicon.kept)]
    for denial, _ in typed.find(known.lexicon.denials):
        end = denial.end
        while (
            end < len(typed.spans)
            and end - denial.end < MOST_WORDS
            and not typed.taken[end]
            and not typed.breaks(end)
            and tuple(typed.words(Span(end, end + 1))) not in known.lexicon.parting.values
        ):
            end += 1
        if end == denial.end or not typed.is_free(denial) or any(one.first <= denial.first < one.end for one in kept):
            continue
        span, behind = Span(denial.first, end), Span(denial.end, end)
        value = " ".join(typed.words(behind))
        chip = Chip(
            id=f"-words:{value}",
            text=typed.slice(span),
            field="words",
            kind="exclusion",
            value=value,
            label=f"without “{typed.slice(behind)}” in the title",
        )
        typed.take(span, Understood(chip, not_titled=value), from_words=True, from_query=True)
