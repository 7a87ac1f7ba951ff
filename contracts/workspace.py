"""Where things lie. A workspace is one folder; every program is given it and finds the rest by name.

Tables are folders of Parquet files (`part-*.parquet`), append-only where they hold history.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contracts.versions import current, require_current

RAW = "raw"
"""The folder of a workspace that its own simulated market is written to."""
JUDGE_REPORT, JUDGE_COST = "judge.json", "cost.json"
"""Beside the grades."""
_DEALT = ".dealt-"
PERCENTILES, ENCODER = "percentiles.json", "encoder"
"""What texts and vectors are made with; a version of them that was made with another one holds it."""


@dataclass(frozen=True)
class Workspace:
    """Paths below one root. Knows names only: it opens nothing and creates nothing."""

    root: Path

    @property
    def records(self) -> Path:
        """One folder a table of `contracts.records.RECORDS`, with a `row_hash` column beside the record's own."""
        return self.root / "records"

    @property
    def quarantine(self) -> Path:
        """Rows that did not fit: table, source, row, reason, detail, raw."""
        return self.root / "quarantine"

    @property
    def reading(self) -> Path:
        """How `ingest` last read times (`contracts.reading.times.TimeReading`); a feed reads them likewise."""
        return self.root / "reading.json"

    @property
    def skills(self) -> Path:
        """Skill -> how many jobs and members of the records list it: by these names skills are read out of adverts."""
        return self.root / "skills.json"

    @property
    def copies(self) -> Path:
        """Data that were taken from elsewhere than a folder here: one folder a database, bucket or archive."""
        return self.root / "copies"

    @property
    def percentiles(self) -> Path:
        """The break points of the text in use."""
        return self._switched_with("text", PERCENTILES)

    @property
    def text_trial(self) -> Path:
        """What `rolecall text trial` found: `trial.json`, and a file for each form of texts that it tried."""
        return self.root / "text_trial"

    @property
    def features(self) -> Path:
        """One folder a view of `contracts.features.VIEWS`: what Feast's offline store reads."""
        return self.root / "features"

    @property
    def feature_repo(self) -> Path:
        return self.root / "feature_repo"

    @property
    def encoder(self) -> Path:
        """The retrieval encoder of the vectors in use: `encoder.onnx`, `tokenizer.json`, `encoder.json`."""
        return self._switched_with("vectors", ENCODER)

    @property
    def towers(self) -> Path:
        """What it was trained to, one backbone folder a version; empty where it was not."""
        return self.root / "towers"

    @property
    def examples(self) -> Path:
        """Sampled (request, job) pairs with their labels and grades, before features are joined."""
        return self.root / "examples"

    @property
    def golden(self) -> Path:
        """The golden set that came with the data, and how far its graders agree; no pairs where there was none."""
        return self.root / "golden"

    @property
    def graded(self) -> Path:
        """The golden set as people go on grading it in the console: no stage of the recipe writes here."""
        return self.root / "graded"

    @property
    def grades(self) -> Path:
        """What the judge said of graded examples and why, as `Grade` rows; grades that came as data are records."""
        return self.root / "grades"

    @property
    def judge_report(self) -> Path:
        """Who gave those grades, and how far it agrees with the golden set."""
        return self._beside_grades / JUDGE_REPORT

    @property
    def judge_cost(self) -> Path:
        """What a pair cost when pairs were last graded: seconds, calls, tokens, money."""
        return self._beside_grades / JUDGE_COST

    @property
    def curve(self) -> Path:
        """How agreement with the judge grows with the pairs that it grades, and these: `curve.json`, `curve.svg`,
        `pairs.parquet`."""
        return self.root / "curve"

    @property
    def judge_answers(self) -> Path:
        """What a language model answered before, by model and prompt."""
        return self.root / "judge_answers.sqlite"

    @property
    def training(self) -> Path:
        """`examples` joined point-in-time with text: what the teachers and the student train on."""
        return self.root / "training"

    @property
    def teachers(self) -> Path:
        return self.root / "teachers"

    @property
    def scores(self) -> Path:
        """The score store: one folder a teacher, one Parquet file a teacher version."""
        return self.root / "scores"

    @property
    def student(self) -> Path:
        return self.root / "student"

    @property
    def bundles(self) -> Path:
        """One folder a bundle version; `bundle` names the current one."""
        return self.root / "bundles"

    @property
    def bundle(self) -> Path:
        return self._current(self.bundles, "rolecall export")

    @property
    def indexes(self) -> Path:
        return self.root / "indexes"

    @property
    def index(self) -> Path:
        return self._current(self.indexes, "rolecall index")

    @property
    def rules(self) -> Path:
        """Rules from member feedback that people edit; the built-in ones hold where there is no such file."""
        return self.root / "rules.yaml"

    @property
    def links(self) -> Path:
        """Learned links: one folder a version; `link_graph` names the current one."""
        return self.root / "links"

    @property
    def link_graph(self) -> Path:
        return self._current(self.links, "rolecall links learn")

    @property
    def erased(self) -> Path:
        """Hashes of the ids of members who were erased (`contracts.erased`)."""
        return self.root / "erased.json"

    @property
    def erasing(self) -> Path:
        """Members who were erased online, and whose rows `rolecall erase` has to rewrite yet."""
        return self.root / "erasing.json"

    @property
    def logs(self) -> Path:
        """What the service showed, as `Event` rows in JSONL."""
        return self.root / "logs"

    @property
    def replay(self) -> Path:
        """TREC run and qrels files, and metrics."""
        return self.root / "replay"

    @property
    def replay_runs(self) -> Path:
        """Past requests asked again (`rolecall replay run`): one folder a run."""
        return self.root / "replay_runs"

    def dealt_log(self, key: str) -> Path:
        """The log as a run of these arguments deals it to disk, while it lasts."""
        return self.replay_runs / f"{_DEALT}{key}"

    def dealt_logs(self) -> list[Path]:
        """Those of all runs that are at work or were killed."""
        return sorted(self.replay_runs.glob(f"{_DEALT}*"))

    @property
    def replay_diffs(self) -> Path:
        """Pairs of runs held against each other (`rolecall replay diff`): one folder a pair."""
        return self.replay_runs / "diffs"

    @property
    def export_metrics(self) -> Path:
        """Figures of the last bundle; they and those of replay stand where DVC compares runs by them."""
        return self.root / "metrics" / "export.json"

    @property
    def replay_metrics(self) -> Path:
        """Figures of the last replay: table -> system -> metric -> value."""
        return self.root / "metrics" / "replay.json"

    @property
    def summary(self) -> Path:
        """Figures, knobs and costs of the last replay, as one JSON document."""
        return self.root / "summary.json"

    @property
    def report(self) -> Path:
        """The last replay as a page for a browser."""
        return self.root / "report.html"

    @property
    def stages(self) -> Path:
        """What each stage of the last recipe took: seconds and peak memory."""
        return self.root / "stages.json"

    @property
    def items(self) -> Path:
        """Item tokens of jobs: one folder a bundle version."""
        return self.root / "items"

    @property
    def label_index(self) -> Workspace:
        """A small workspace of its own: the index that `label` draws candidates from."""
        return Workspace(self.root / "label_index")

    @property
    def examples_staged(self) -> Path:
        """Parts of `examples` and `grades` that an unfinished `label` has made."""
        return self.root / "examples.staged"

    @property
    def _beside_grades(self) -> Path:
        """The folder of the grades in use, as `contracts.tables.in_use` gives it."""
        version = current(self.grades)
        return self.grades if version is None else version / self.grades.name

    def _switched_with(self, product: str, name: str) -> Path:
        """What is switched with feature tables: in their version in use where it has its own, else in the root."""
        version = current(self.features / product)
        own = self.root / name if version is None else version / name
        return own if own.exists() else self.root / name

    def versions_with(self, product: str, name: str) -> list[Path]:
        """What is switched with feature tables, of every version that has its own and of the root."""
        of_versions = sorted(self.features.glob(f"{product}/*/{name}"), reverse=True)
        return [*of_versions, *([self.root / name] if (self.root / name).exists() else [])]

    def _current(self, folder: Path, command: str) -> Path:
        return require_current(folder, "current version", f"run `{command} --workspace {self.root}` first")
