"""Two runs over the same requests: measures, slices, values, examples, and the sentence that says which is better."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from contracts.errors import BadInput
from contracts.workspace import Workspace
from replay.clustered import Mean, clustered_mean, holm
from replay.diff.examples import worst
from replay.diff.gate import judge
from replay.diff.interleaving import interleaved
from replay.diff.parity import parity, read_groups
from replay.diff.results import Diff, Gate, Line, Said, Slice, Suppressed
from replay.diff.values import values
from replay.results import BEST, LOWER_IS_BETTER, POPULARITY
from replay.runs.answers import SLICES
from replay.runs.folder import Manifest, RunFolder
from replay.runs.measured import DESCRIBES, FITS, MEASURES
from replay.runs.task import OWN

log = logging.getLogger("rolecall")

ALL = "all requests"
MINUS = "\N{MINUS SIGN}"
_NAMED = 3
"""Slices that the sentence names."""


@dataclass(frozen=True)
class Wanted:
    """What a comparison is to say.

    Attributes:
        measure: By which the runs are judged; one of `MEASURES`, in any case.
        least_members: Of a slice or group that is shown.
        level: Of two-sided intervals, and of the gate's one-sided bounds.
        worst_slice: The gate: share of the first run's value that a slice may lose; None: no gate.
        gain: Share of the first run's value for which the needed requests are counted.
        groups: A CSV of groups; None for none.
    """

    measure: str = "nDCG@10"
    least_members: int = 20
    level: float = 0.95
    worst_slice: float | None = None
    gain: float = 0.01
    groups: Path | None = None


def compare(workspace: Workspace, first: RunFolder, second: RunFolder, wanted: Wanted) -> Diff:
    """Hold the second run against the first.

    Args:
        workspace: Holds the jobs, for examples.
        first: What is there.
        second: What may replace it.
        wanted: What is to be said.

    Raises:
        BadInput: The runs share no request, were asked in different ways or know of other outcomes; no such measure, or
            no request says anything of it; a knob is out of its range.
    """
    measure = _measure(wanted)
    if first.manifest.rank_only != second.manifest.rank_only:
        one, other = (("full", "rank-only")[run.manifest.rank_only] for run in (first, second))
        raise BadInput(f"one run is {one}, the other {other}", where=second.manifest.name, cure="run both alike")
    ids, left_out = _shared(first, second)
    _check_outcomes(first, second, ids)
    graders = [
        (run.manifest.graded_by, *map(run.manifest.versions.get, ("policy", "judge"))) for run in (first, second)
    ]
    if graders[0] != graders[1]:
        log.warning("replay: fits are left out: the runs were graded by others, policies or knobs of the judge")
    both = {
        system: [_table(run, system, ids) for run in (first, second)] for system in (OWN, POPULARITY, BEST)
    }  # of each run the rows of `ids`, in their order
    about = first.requests.join(pl.DataFrame({"request_id": ids}), on="request_id", how="right", maintain_order="right")
    members = about["member_id"].to_list()
    names = [name for name in MEASURES if name not in FITS or graders[0] == graders[1]]
    lines = tuple(line for name in names if (line := _line(name, both, members, wanted.level)))
    chosen = next((line for line in lines if line.measure == measure), None)
    if chosen is None:
        raise BadInput(
            f"no request of both runs says anything of {measure}",
            where="--measure",
            cure=f"there are: {', '.join(line.measure for line in lines)}",
        )
    left, right = (table[measure].to_numpy() for table in both[OWN])
    sign = -1.0 if measure in LOWER_IS_BETTER else 1.0
    slices, suppressed, judged = _slices(about, left, right, members, sign, wanted)
    gate = None
    if wanted.worst_slice is not None:
        judged = {ALL: (left, right, members), **judged}
        gate = judge(judged, measure, wanted.worst_slice, wanted.level, measure in LOWER_IS_BETTER).model_copy(
            update={"suppressed": sum(one.slices for one in suppressed), "least_members": wanted.least_members}
        )
    found, no_value = values(first, second, wanted.level)
    known = ~np.isnan(left) & ~np.isnan(right)
    said = _said(sign * chosen.difference.value, chosen.difference.low, chosen.difference.high)
    learned = int((about["split"] != "test").sum())
    groups = None
    if wanted.groups is not None:
        key, named = read_groups(wanted.groups)
        groups = parity(first, second, ids, key, named, wanted.least_members, wanted.level)
    simulated = first.manifest.simulated or second.manifest.simulated
    return Diff(
        first=first.manifest.name,
        second=second.manifest.name,
        first_is=first.manifest.contender.name,
        second_is=second.manifest.contender.name,
        sentence=sentence(chosen, said, slices, simulated, (first.manifest.name, second.manifest.name)),
        said=said,
        measure=measure,
        requests=len(ids),
        left_out=left_out,
        learned_from=learned,
        rank_only=first.manifest.rank_only,
        simulated=simulated,
        graded_by=first.manifest.graded_by if graders[0] == graders[1] else "",
        set_apart=first.manifest.set_apart,
        other_features=_other_features(first.manifest, second.manifest),
        least_members=wanted.least_members,
        level=wanted.level,
        lines=lines,
        slices=slices,
        suppressed=suppressed,
        gain=wanted.gain,
        needed=chosen.difference.requests_needed(wanted.gain * chosen.first.value, 1 - wanted.level),
        values=found,
        no_value=no_value,
        parity=groups,
        interleaved=interleaved(first, second, ids, members, wanted.level),
        examples=worst(
            workspace,
            first,
            second,
            [one for one, is_known in zip(ids, known, strict=True) if is_known],
            (sign * (right - left))[known],
            np.stack([left, right], axis=1)[known],
        ),
        gate=gate,
    )


def sentence(line: Line, said: Said, slices: Sequence[Slice], simulated: bool, names: tuple[str, str]) -> str:
    """Which is better, by how much, how sure that is, and for whom it is worse."""
    apart = line.difference
    where = "On a simulated market, " if simulated else ""
    verdict = {"better": "is better than", "worse": "is worse than", "not told apart": "cannot be told apart from"}
    by = f"{line.measure} {line.second.value:.3f} against {line.first.value:.3f}"
    if apart.low is None or apart.high is None:
        sure = "too few members asked to tell anything of others"
    else:
        sure = f"{signed(apart.value)}, between {signed(apart.low)} and {signed(apart.high)}"
    over = f"{apart.requests:,} requests of {apart.members:,} members"
    lost = sorted((one for one in slices if one.said == "worse"), key=lambda one: -abs(one.difference.value))
    worse = [f"{one.kind} {one.name} ({signed(one.difference.value)})" for one in lost[:_NAMED]]
    if not slices:
        tail = "No group of requests is large enough to be judged by itself."
    elif worse:
        most = f"{len(lost)} of {len(slices)} slices, most for " if len(lost) > _NAMED else ""
        tail = f"It is worse for {most}{', '.join(worse)}."
    else:
        tail = f"Of {len(slices)} slices it is clearly worse for none."
    return f"{where}{names[1]} {verdict[said]} {names[0]}: {by} ({sure}; {over}). {tail}"


def signed(value: float) -> str:
    """A number with its sign, to three places."""
    return f"{value:+.3f}".replace("-", MINUS)


def _measure(wanted: Wanted) -> str:
    by_name = {name.lower(): name for name in MEASURES if name not in DESCRIBES}
    measure = by_name.get(wanted.measure.lower())
    if measure is None:
        raise BadInput(
            f"no measure {wanted.measure!r}", where="--measure", cure=f"one of {', '.join(by_name.values())}"
        )
    if wanted.worst_slice is not None and not -1 <= wanted.worst_slice <= 0:
        raise BadInput(f"{wanted.worst_slice:g}", where="--worst-slice", cure="a share such as -0.01, for one per cent")
    if not 0.5 <= wanted.level < 1:
        raise BadInput(f"{wanted.level:g}", where="--confidence", cure="a share such as 0.95")
    return measure


def _shared(first: RunFolder, second: RunFolder) -> tuple[list[str], int]:
    one, other = (run.requests["request_id"].to_list() for run in (first, second))
    both = set(one) & set(other)
    if not both:
        raise BadInput(
            "the runs share no request",
            where=f"{first.manifest.name}, {second.manifest.name}",
            cure="ask both the same days, seed and number of requests",
        )
    return [request for request in one if request in both], len({*one, *other}) - len(both)


def _check_outcomes(first: RunFolder, second: RunFolder, ids: list[str]) -> None:
    """Raise BadInput where the runs know of other outcomes of a request, as of two states of the log or two windows."""
    one, other = ((run.manifest.records, run.manifest.arguments.get("window_days")) for run in (first, second))
    if one == other:
        return
    wanted = pl.col("request_id").is_in(ids) & (pl.col("gain") > 0)
    known = [run.table("shown").filter(wanted).select("request_id", "job_id", "gain") for run in (first, second)]
    apart = pl.concat([known[i].join(known[1 - i], on=known[0].columns, how="anti") for i in (0, 1)])
    if len(apart):
        raise BadInput(
            f"{apart['request_id'].n_unique():,} requests have other outcomes in one run than in the other",
            where=f"{first.manifest.name}, {second.manifest.name}",
            cure="ask both again, of the same log and with the same window",
        )


_FEATURES = {"text": "texts of version", "encoder": "vectors of encoder", "activity": "activity as of"}
"""What of `Manifest.versions` says which features a run read, and how a sentence calls it."""


def _other_features(first: Manifest, second: Manifest) -> tuple[str, ...]:
    """What the runs read differently, so that it may be this and not who answered that tells them apart."""
    said = []
    for name, what in _FEATURES.items():
        one, other = first.versions.get(name), second.versions.get(name)
        if one is not None and other is not None and one != other:
            said.append(f"The first run read {what} {one or 'none'}, the second {other or 'none'}.")
    for warning in said:
        log.warning("replay: %s", warning)
    return tuple(said)


def _table(run: RunFolder, system: str, ids: list[str]) -> pl.DataFrame:
    rows = run.measures.filter(pl.col("system") == system)
    return rows.join(pl.DataFrame({"request_id": ids}), on="request_id", how="right", maintain_order="right")


def _line(name: str, both: Mapping[str, Sequence[pl.DataFrame]], members: Sequence[str], level: float) -> Line | None:
    """A measure over the requests of which both runs say something; None where there is none."""
    left, right = (table[name].to_numpy() for table in both[OWN])
    known = ~np.isnan(left) & ~np.isnan(right)

    def mean(values: np.ndarray) -> Mean | None:
        return clustered_mean(np.where(known, values, np.nan), members, level)

    first, second, apart = mean(left), mean(right), mean(right - left)
    if first is None or second is None or apart is None:
        return None
    ceiling, baseline = mean(both[BEST][0][name].to_numpy()), mean(both[POPULARITY][0][name].to_numpy())
    return Line(measure=name, first=first, second=second, difference=apart, ceiling=ceiling, baseline=baseline)


_Judged = dict[str, tuple[np.ndarray, np.ndarray, Sequence[str]]]


def _slices(
    about: pl.DataFrame, left: np.ndarray, right: np.ndarray, members: Sequence[str], sign: float, wanted: Wanted
) -> tuple[tuple[Slice, ...], tuple[Suppressed, ...], _Judged]:
    """The slices of enough members, those that are not shown, and what the gate judges."""
    known = ~np.isnan(left) & ~np.isnan(right)
    who = np.array([member or f"\x00{i}" for i, member in enumerate(members)], object)
    found: list[tuple[str, str, float, float, Mean]] = []
    judged: _Judged = {}
    hidden = []
    for kind in SLICES:
        names = about[f"slice_{kind}"].fill_null("").to_numpy()
        small: list[int] = []
        for name in sorted(set(names[known].tolist()) - {""}):
            rows = known & (names == name)
            if len(set(who[rows].tolist())) < wanted.least_members:
                small.append(int(rows.sum()))
                continue
            of = [members[i] for i in np.flatnonzero(rows).tolist()]
            apart = clustered_mean((right - left)[rows], of, wanted.level)
            assert apart is not None
            found.append((kind, name, float(left[rows].mean()), float(right[rows].mean()), apart))
            judged[f"{kind} {name}"] = (left[rows], right[rows], of)
        if small:
            hidden.append(Suppressed(kind=kind, slices=len(small), requests=sum(small)))
    adjusted = holm([min(1.0, 2 * min(apart.below(), apart.above())) for *_, apart in found])
    slices = []
    for (kind, name, first, second, apart), p in zip(found, adjusted, strict=True):
        clear = p < 1 - wanted.level
        said: Said = "not told apart" if not clear else "better" if sign * apart.value > 0 else "worse"
        slices.append(Slice(kind=kind, name=name, first=first, second=second, difference=apart, p=p, said=said))
    return tuple(slices), tuple(hidden), judged


def _said(better_by: float, low: float | None, high: float | None) -> Said:
    if low is None or high is None or low <= 0 <= high:
        return "not told apart"
    return "better" if better_by > 0 else "worse"


def gate_sentence(gate: Gate) -> str:
    """The gate's verdict, and what it does not judge."""
    bound = f"lose more than {-gate.worst:.1%} of {gate.measure}, {gate.confidence:.0%} confidence"
    says = f"Gate passed: of {gate.slices} slices none can {bound}."
    if gate.says == "worse":
        says = f"Gate failed: {_few(gate.worse)} {bound}."
    elif gate.says == "not known":
        which = _few(gate.unknown) or "anything"
        says = f"Gate not known: that {which} may {bound}, cannot be ruled out; ask more requests."
    if gate.suppressed:
        says += f" Not judged: {gate.suppressed} slices of fewer than {gate.least_members} members."
    return says


def _few(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more slices" if len(names) > most else "")
