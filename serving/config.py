"""The knobs of a service, in one frozen value that is passed through."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from contracts.machine import cores
from contracts.values import FrozenModel
from contracts.workspace import Workspace
from feature_repo.config import StoreConfig
from serving.access.config import SecurityConfig
from serving.drift_config import DriftConfig
from serving.event_log_config import LogConfig
from serving.limits import FencesConfig, LimitsConfig
from serving.tracing import Telemetry
from serving.trials.config import TrialsConfig

CALLS_AT_ONCE = 4
"""Calls of models that a request has for cores that nothing else needs: its text and titles are read for retrieval
while the student reads it, and candidates are scored in parts."""


class ConsoleConfig(FrozenModel):
    """The console for people."""

    golden: Path | None = Field(
        None,
        description="Golden folder that is graded in the console; none: `graded` in the workspace, which begins as a "
        "copy of its golden set.",
    )
    policy: Path | None = Field(None, description="Product policy that is graded by; none: the built-in one.")
    policies: tuple[Path, ...] = Field((), description="Further policies that answers can be compared by.")
    beside: int = Field(1, ge=0, le=4, description="Bundles loaded beside the one that is served, for comparisons.")
    writes: bool = Field(True, description="Whether grades and rules may be written in the console.")


class CacheConfig(FrozenModel):
    """Megabytes that a process keeps of what requests have in common; 0: nothing."""

    vectors_mb: float = Field(
        16.0, ge=0, allow_inf_nan=False, description="Vectors of texts and titles of requests; about 4 kB a text."
    )
    prefixes_mb: float = Field(
        96.0, ge=0, allow_inf_nan=False, description="What the student made of texts; up to 0.7 MB a text."
    )
    scores_mb: float = Field(
        48.0, ge=0, allow_inf_nan=False, description="The student's scores of a text's last candidates; about 9 kB."
    )


class ServeConfig(FrozenModel):
    """The service over HTTP: what it answers with, and within which bounds."""

    bundle: Path | None = Field(None, description="Folder of a bundle; none: the workspace's current one.")
    index: Path | None = Field(None, description="Folder of an index; none: the workspace's current one.")
    rules: Path | None = Field(None, description="File of rules; none: the workspace's own, else the built-in ones.")
    deadline: float = Field(1.0, description="Seconds after a request's arrival past which no further stage begins.")
    threads: int | None = Field(
        None,
        ge=1,
        description="Cores that one model call may use; none: a quarter, since a request makes several at once.",
    )
    providers: tuple[str, ...] | None = Field(
        None,
        description="ONNX Runtime providers of the models, first tried first; none: a GPU's if there is one.",
    )
    device: str | None = Field(None, description="Device that scans the vectors, as `JobIndex.load` takes it.")
    changes: str | None = Field(
        None, description="Feed of job changes that is applied meanwhile: a folder, or redis://host:port#stream."
    )
    poll: float = Field(5.0, ge=0, description="Seconds between looks for a newer bundle or index; 0: none.")
    cache: CacheConfig = CacheConfig()
    telemetry: Telemetry = Telemetry()
    drift: DriftConfig = DriftConfig()
    security: SecurityConfig = SecurityConfig()
    log: LogConfig = Field(LogConfig(), description="The log of what was shown and done.")
    store: StoreConfig = Field(StoreConfig(), description="Bounds of the online store of features.")
    limits: LimitsConfig = LimitsConfig()
    fences: FencesConfig = FencesConfig()
    trials: TrialsConfig = TrialsConfig()

    console: ConsoleConfig = ConsoleConfig()

    @property
    def call_threads(self) -> int:
        """Cores that one model call may use."""
        return self.threads or threads_of(cores())

    def folders(self, workspace: Workspace) -> tuple[Path, Path]:
        """The bundle and the index to serve from. Raises NotReady where the workspace has none yet."""
        return self.bundle or workspace.bundle, self.index or workspace.index


def threads_of(own: int) -> int:
    """Cores that one model call may use where the process has so many of its own."""
    return max(1, own // CALLS_AT_ONCE)
