"""A small teacher of each form of texts, compared with the form in force on the same held-out requests.

One has to win on validation requests, and the figure that counts is that of the test requests, which chose nothing. The
form in force is trained a second time from other seeds: a gain that this control has too is chance.

Source of the idea that the verbaliser is to be chosen by what it teaches: arXiv 2602.20558.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from contracts.documents import to_yaml
from contracts.errors import BadInput, NothingToLearn, NotReady
from contracts.text.form import TextForm
from contracts.text.verbalizer import Verbalizer
from contracts.values import FrozenModel
from contracts.versions import require_current, write_text
from contracts.workspace import Workspace
from models.registry import TEACHERS
from models.teachers.text import TextTeacher
from models.text_trial.forms import CONTROL, IN_FORCE, near_forms
from models.text_trial.retell import Origins, read_origins, retell
from models.text_trial.telling import telling_words
from models.training.lists import held_served
from models.training.metrics import grouped_mean, list_ndcgs
from models.training.rows import Rows, read_rows

log = logging.getLogger("rolecall")

TELLING = "job-telling-first"
SPLITS = ("valid", "test")


class Figure(FrozenModel):
    """A mean over requests with its 95% interval, requests of one member resampled together."""

    value: float
    low: float
    high: float


class Tried(FrozenModel):
    """What a form came to.

    Attributes:
        name: Of the form.
        digest: Of the form; empty for the built-in one.
        ndcg: Split -> mean NDCG@10 of its small teachers.
        gain: Split -> what that is above the form in force, request by request.
        words: Mean words of a request's text and of a job's.
    """

    name: str
    digest: str
    ndcg: Mapping[str, Figure]
    gain: Mapping[str, Figure]
    words: tuple[float, float]


class Trial(FrozenModel):
    """All forms that were tried.

    Attributes:
        teacher: Whose kind the small teachers are.
        task: Whose labels order the requests' jobs.
        requests: Split -> requests that the figures are of.
        seeds: Teachers of each form.
        tried: The form in force first, then the control, then the others.
        winner: The form that won on validation requests: the interval of its gain is above 0, and the gain above the
            control's; "" if none.
        confirmed: Whether both hold on test requests too.
    """

    teacher: str
    task: str
    requests: Mapping[str, int]
    seeds: int
    tried: tuple[Tried, ...]
    winner: str
    confirmed: bool


def try_forms(
    workspace: Workspace, name: str, config: Any, forms: Mapping[str, TextForm] | None, seeds: int = 2, most: int = 200
) -> Trial:
    """Train small teachers of each form, compare them, and write the outcome and the forms to `workspace.text_trial`.

    Args:
        workspace: With records, text and a training set; where `forms` is None and the teacher is a language model,
            with a trained one of this name.
        name: Of the teacher whose kind is trained.
        config: Its knobs, `max_pairs` small.
        forms: To try; None: those one step from the form in force and, where the teacher is a language model, the most
            telling sentences first.
        seeds: Teachers of each form, whose figures are averaged.
        most: Requests of each split at most, the first ones.

    Raises:
        BadInput: The teacher does not read the texts of the training set alone, or they are of another version.
        NothingToLearn: The teacher's first task cannot be learned from the training lists.
        NotReady: There is no training set, or no held-out request has jobs of different labels.
    """
    kind = TEACHERS.get(name)
    if "max_pairs" not in type(config).model_fields or kind.reads:  # tables, which no form changes
        what = f"the {name} teacher reads no texts, or not those of the training set alone"
        raise BadInput(what, cure="name one that does, such as policy")
    rows = read_rows(workspace.training)
    origins = read_origins(workspace, rows)
    lists = {split: _held_out(rows, kind.tasks[0], split, most) for split in SPLITS}
    if forms is None:
        forms = near_forms(origins.verbalizer.form)
        if issubclass(kind, TextTeacher):  # any other is asked in a training alone
            forms |= _most_telling(workspace, name, rows, origins)
    in_force = origins.verbalizer.form
    values = {
        each: _ndcgs(workspace, kind, config, retell(rows, origins, _in(origins, form)), lists, first, seeds)
        for each, form, first in (
            (IN_FORCE, in_force, config.seed),
            (CONTROL, in_force, config.seed + seeds),
            *((each, form, config.seed) for each, form in forms.items()),
        )
    }
    all_forms = {IN_FORCE: in_force, CONTROL: in_force, **forms}
    tried = tuple(_tried(each, all_forms[each], values, lists, rows, origins) for each in values)
    winner = _winner(tried)
    trial = Trial(
        teacher=name,
        task=kind.tasks[0],
        requests={split: len(of_split) for split, of_split in lists.items()},
        seeds=seeds,
        tried=tried,
        winner=winner,
        confirmed=any(one.name == winner and _gains(one, tried, "test") for one in tried),
    )
    _write(workspace.text_trial, trial, all_forms)
    return trial


def _in(origins: Origins, form: TextForm) -> Verbalizer:
    return Verbalizer(origins.verbalizer.percentiles, form)


def _most_telling(workspace: Workspace, name: str, rows: Rows, origins: Origins) -> dict[str, TextForm]:
    """The form in force with the most telling sentences of a description first, by the workspace's teacher."""
    folder = require_current(workspace.teachers / name, f"{name} teacher", f"run `rolecall train {name}` first")
    telling = telling_words(folder, rows, origins)
    return {TELLING: origins.verbalizer.form.model_copy(update={"telling": telling})}


def _held_out(rows: Rows, task: str, split: str, most: int) -> list[np.ndarray]:
    """Row numbers of the requests of a split whose jobs have different labels; served ones where those are graded."""
    gains = rows.target(task)
    lists = held_served(rows, split) if task == "relevance" else []
    lists = lists or rows.lists(rows.of_splits(split))
    known = [of_list[np.isfinite(gains[of_list])] for of_list in lists]
    differing = [of_list for of_list in known if len(np.unique(gains[of_list])) > 1][:most]
    if not differing:
        raise NotReady(f"no {split} request has jobs of different {task}", cure="run `rolecall label` with more lists")
    return differing


def _ndcgs(
    workspace: Workspace,
    kind: Any,
    config: Any,
    rows: Rows,
    lists: Mapping[str, list[np.ndarray]],
    first_seed: int,
    seeds: int,
) -> dict[str, np.ndarray]:
    """Split -> (requests,) NDCG@10, the mean over the seeds."""
    values: dict[str, list[np.ndarray]] = {split: [] for split in lists}
    for seed in range(first_seed, first_seed + seeds):
        teacher = kind(workspace, config.model_copy(update={"seed": seed}))
        with TemporaryDirectory() as folder:
            teacher.fit(rows, teacher.targets(rows), Path(folder) / "stopped")
        if kind.tasks[0] not in teacher.answered:
            what = f"no training pairs tell {kind.tasks[0]} apart, by which the {kind.name} teacher orders jobs"
            raise NothingToLearn(what, cure="run `rolecall label` with more lists")
        column = teacher.answered.index(kind.tasks[0])
        for split, of_split in lists.items():
            chosen = np.unique(np.concatenate(of_split))
            scores = np.full(len(rows), np.nan)
            scores[chosen] = teacher.scores(rows, chosen)[:, column]
            values[split].append(list_ndcgs(scores, rows.target(kind.tasks[0]), of_split))
    return {split: np.mean(of_seeds, axis=0) for split, of_seeds in values.items()}


def _tried(
    name: str,
    form: TextForm,
    values: Mapping[str, Mapping[str, np.ndarray]],
    lists: Mapping[str, list[np.ndarray]],
    rows: Rows,
    origins: Origins,
) -> Tried:
    told = retell(rows, origins, _in(origins, form))
    askers = {s: [origins.asked_by[rows.list_ids[one[0]]] or rows.list_ids[one[0]] for one in lists[s]] for s in lists}

    def figure(split: str, numbers: np.ndarray) -> Figure:
        value, low, high = grouped_mean(numbers, askers[split], 0)
        return Figure(value=value, low=low, high=high)

    return Tried(
        name=name,
        digest=form.digest,
        ndcg={split: figure(split, values[name][split]) for split in lists},
        gain={split: figure(split, values[name][split] - values[IN_FORCE][split]) for split in lists},
        words=(_mean_words(told.requests), _mean_words(told.jobs)),
    )


def _mean_words(texts: list[str]) -> float:
    return round(float(np.mean([len(text.split()) for text in texts])), 1)


def _winner(tried: tuple[Tried, ...]) -> str:
    better = [one for one in tried if one.name not in (IN_FORCE, CONTROL) and _gains(one, tried, "valid")]
    return max(better, key=lambda one: one.gain["valid"].value).name if better else ""


def _gains(form: Tried, tried: tuple[Tried, ...], split: str) -> bool:
    """Whether a form's gain is neither chance of the requests nor, as the control's is, of the training."""
    by_chance = next(one.gain[split].value for one in tried if one.name == CONTROL)
    return form.gain[split].low > 0 and form.gain[split].value > abs(by_chance)


def _write(folder: Path, trial: Trial, forms: Mapping[str, TextForm]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, form in forms.items():
        if name != CONTROL:
            write_text(folder / f"{name}.yaml", to_yaml(form.model_dump(mode="json")))
    write_text(folder / "trial.json", trial.model_dump_json(indent=1) + "\n")
