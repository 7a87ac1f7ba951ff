"""Lists that were shown, what came of each place, and how probable they were under two policies."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from contracts.errors import BadInput

_PROBABILITIES = (
    "logging", "target", "logging_at", "target_at", "logging_family", "target_family", "logging_click", "target_click",
)  # fmt: skip
_OF_REQUESTS = ("members", "support", "target_clicks", "expected_of_clicks")
"""Fields with one number a request; the others have one a place."""


@dataclass(frozen=True)
class LoggedLists:
    """n requests of K places. A list that is shorter has probability 1 and reward 0 at the places that it lacks.

    Attributes:
        members: (n,) int64, who asked; intervals resample members, since requests of one are alike.
        rewards: (n, K) float64, what came of each place.
        logging: (n, K) float64, the probability that the logging policy puts the shown job at place k, given the jobs
            at the places before. Their product is that of the list.
        target: (n, K) float64, the same under the policy in question; 0 where it would not.
        logging_at: (n, K) float64, the probability that the shown job stands at place k, whatever stands before.
        target_at: (n, K) float64, the same under the policy in question.
        predicted: (n, K) float64, the reward that a model predicts of the shown job at its place.
        expected: (n, K) float64, the same in the mean over the jobs that the policy in question may put there.
        predicted_rest: (n, K) float64, the rewards that a model predicts of place k and those after it, given the jobs
            up to place k.
        expected_rest: (n, K) float64, the same in the mean over the jobs that the policy in question may put at place
            k, given the jobs before it.
        logging_family: (n, K) float64, the probability that a job of the shown one's family stands at place k.
        target_family: (n, K) float64, the same under the policy in question.
        clicks: (n, K) float64, 1 where the job was opened, else 0; what was not opened brings nothing.
        logging_click: (n, K) float64, the probability that the shown job is opened, wherever the logging policy puts
            it and whether or not it does.
        target_click: (n, K) float64, the same under the policy in question; 0 where it would not show the job.
        target_clicks: (n,) float64, how many jobs are opened of a request under the policy in question, in the mean.
        predicted_of_click: (n, K) float64, the reward that a model predicts of the shown job once it is opened.
        expected_of_clicks: (n,) float64, the rewards that the model predicts of a request under the policy in question.
        support: (n,) float64, of the lists that the policy in question may show, the share that the logging policy may
            show too.
    """

    members: np.ndarray
    rewards: np.ndarray
    logging: np.ndarray
    target: np.ndarray
    logging_at: np.ndarray | None = None
    target_at: np.ndarray | None = None
    predicted: np.ndarray | None = None
    expected: np.ndarray | None = None
    predicted_rest: np.ndarray | None = None
    expected_rest: np.ndarray | None = None
    logging_family: np.ndarray | None = None
    target_family: np.ndarray | None = None
    clicks: np.ndarray | None = None
    logging_click: np.ndarray | None = None
    target_click: np.ndarray | None = None
    target_clicks: np.ndarray | None = None
    predicted_of_click: np.ndarray | None = None
    expected_of_clicks: np.ndarray | None = None
    support: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check shapes, probabilities and rewards.

        Raises:
            BadInput: A field has another shape or values that it cannot have; the error names both.
        """
        n = len(self.members)
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            shape = (n,) if field.name in _OF_REQUESTS else (n, *self.rewards.shape[1:])
            if value.shape != shape or value.ndim > 2:
                raise BadInput(f"{value.shape} where {shape} belongs", where=field.name, cure="give each request a row")
            if field.name != "members" and not np.isfinite(value).all():
                raise BadInput("a value that is no number", where=field.name, cure="leave such requests out")
        for name in _PROBABILITIES:
            self._check_probability(name, least_open=name.startswith("logging"))
        if self.clicks is not None and ((self.rewards > 0) & (self.clicks == 0)).any():
            row, place = np.argwhere((self.rewards > 0) & (self.clicks == 0))[0]
            problem = f"place {place + 1} of request {row} brought {self.rewards[row, place]:.3g} and was not opened"
            raise BadInput(problem, where="clicks", cure="count as opened what something came of")

    def _check_probability(self, name: str, least_open: bool) -> None:
        value = getattr(self, name)
        if value is None:
            return
        wrong = (value > 1) | (value < 0) | ((value == 0) & least_open)
        if wrong.any():
            row, place = np.argwhere(wrong)[0]
            raise BadInput(
                f"{value[row, place]:.3g} at place {place + 1} of request {row}",
                where=name,
                cure="what was shown had a probability above 0 and up to 1; log it when the list is drawn",
            )

    def __len__(self) -> int:
        return len(self.members)

    @property
    def is_deterministic(self) -> bool:
        """Whether the logging policy could show nothing else, so that the log tells of no other list."""
        return bool((self.logging == 1).all())

    def ratios(self) -> np.ndarray:
        """(n, K) float64: how much more probable the policy in question makes the first k places of each list."""
        return np.cumprod(self.target / self.logging, axis=1)

    def take(self, rows: np.ndarray) -> LoggedLists:
        """Some of the requests."""
        taken = {f.name: None if (v := getattr(self, f.name)) is None else v[rows] for f in fields(self)}
        return LoggedLists(**taken)  # type: ignore[arg-type]
