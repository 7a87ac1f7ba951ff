"""The prefix scorer: packed scores are one-by-one scores, and no candidate sees another."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from contracts.errors import BadInput
from contracts.match import COMPARISONS, SIZES
from contracts.tasks import TASKS
from models.layers.backbone import mask_bias
from models.student.student import Prefix, Student
from models.teachers.cross_encoder import CrossEncoder
from tests.make import refused

HIDDEN, TASK_COUNT = 32, len(TASKS)


@pytest.fixture(scope="module")
def students(tiny: Path):
    @lru_cache
    def make(item_tokens: int, score_layers: int = 2, match: bool = False) -> Student:
        torch.manual_seed(item_tokens)
        return Student(tiny, tuple(TASKS), item_tokens, score_layers, match=match).eval()

    return make


def prefix_of(student: Student, lengths: list[int], seed: int = 0) -> tuple[Prefix, Tensor]:
    """Prefixes of random requests of these lengths, padded to the longest, and their attention bias."""
    ids = torch.randint(5, 1_000, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(seed))
    mask = (torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]).long()
    hidden = student.prefix.embed(ids)
    return student.encode_prefix(hidden, mask), mask_bias(mask, hidden.dtype)


@settings(max_examples=25, deadline=None)
@given(tokens=st.integers(1, 5), candidates=st.integers(1, 9), length=st.integers(1, 20), layers=st.integers(1, 3))
def test_packed_scores_equal_one_by_one(students, tokens: int, candidates: int, length: int, layers: int) -> None:
    student = students(tokens, layers)
    items = torch.randn(1, candidates, tokens, HIDDEN, generator=torch.Generator().manual_seed(length))
    with torch.no_grad():
        prefix, _ = prefix_of(student, [length])
        packed = student.score(prefix, None, items)
        alone = torch.cat([student.score(prefix, None, items[:, i : i + 1]) for i in range(candidates)], 1)
    assert packed.shape == (1, candidates, TASK_COUNT) and packed.dtype == torch.float32
    assert torch.allclose(packed, alone, atol=1e-5)


def bins_of(*shape: int, seed: int = 0) -> Tensor:
    """Random bins (*shape, C) uint8."""
    draws = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(0, size, shape, generator=draws) for size in SIZES], -1).to(torch.uint8)


@settings(max_examples=25, deadline=None)
@given(tokens=st.integers(1, 5), candidates=st.integers(1, 9), length=st.integers(1, 20), layers=st.integers(1, 3))
def test_packed_scores_with_a_match_equal_one_by_one(
    students, tokens: int, candidates: int, length: int, layers: int
) -> None:
    student = students(tokens, layers, match=True)
    items = torch.randn(2, candidates, tokens, HIDDEN, generator=torch.Generator().manual_seed(length))
    match = bins_of(2, candidates, seed=length)
    with torch.no_grad():
        prefix, bias = prefix_of(student, [length, 3])
        packed = student.score(prefix, bias, items, match)
        alone = [student.score(prefix, bias, items[:, [i]], match[:, [i]]) for i in range(candidates)]
    assert torch.allclose(packed, torch.cat(alone, 1), atol=1e-5)


def test_every_comparison_counts_for_its_own_candidate_alone(students) -> None:
    student = copy.deepcopy(students(2, match=True))
    torch.nn.init.normal_(student.match.embeddings.weight, std=0.5)
    items, match = torch.randn(1, 3, 2, HIDDEN), bins_of(1, 3)
    with torch.no_grad():
        prefix, _ = prefix_of(student, [7])
        before = student.score(prefix, None, items, match)
        for comparison, size in enumerate(SIZES):
            changed = match.clone()
            changed[0, 1, comparison] = (changed[0, 1, comparison] + 1) % size
            after = student.score(prefix, None, items, changed)
            assert not torch.allclose(before[0, 1], after[0, 1], atol=1e-3)
            assert torch.allclose(before[0, [0, 2]], after[0, [0, 2]], atol=1e-5)


def test_bins_that_are_not_given_are_not_known(students) -> None:
    student = students(2, match=True)
    items = torch.randn(1, 3, 2, HIDDEN)
    with torch.no_grad():
        prefix, _ = prefix_of(student, [7])
        unknown = student.score(prefix, None, items, torch.zeros(1, 3, len(COMPARISONS), dtype=torch.uint8))
        assert torch.equal(student.score(prefix, None, items), unknown)


def test_a_student_without_a_match_does_not_read_it(students) -> None:
    items = torch.randn(1, 3, 2, HIDDEN)
    with torch.no_grad():
        prefix, _ = prefix_of(students(2), [7])
        plain = students(2).score(prefix, None, items)
        assert torch.equal(plain, students(2).score(prefix, None, items, bins_of(1, 3)))


def test_a_match_leaves_the_other_weights_as_they_start(students) -> None:
    plain, matched = students(2).state_dict(), students(2, match=True).state_dict()
    assert set(matched) - set(plain) == {"match.embeddings.weight"}
    assert all(torch.equal(matched[name], value) for name, value in plain.items())


@pytest.mark.parametrize("of_base", [False, True])
def test_a_match_is_taken_from_a_base_that_has_one(students, of_base: bool) -> None:
    base, grown = copy.deepcopy(students(2, match=of_base)), copy.deepcopy(students(2, match=True))
    if of_base:
        torch.nn.init.normal_(base.match.embeddings.weight)
    fresh = grown.match.embeddings.weight.clone()
    grown.start_from_student(base)
    assert torch.equal(grown.match.embeddings.weight, base.match.embeddings.weight if of_base else fresh)


@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 15), min_size=1, max_size=4))
def test_requests_padded_together_score_as_each_alone(students, lengths: list[int]) -> None:
    student = students(2)
    items = torch.randn(len(lengths), 3, 2, HIDDEN, generator=torch.Generator().manual_seed(1))
    ids = torch.randint(5, 1_000, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together = student.score(*prefix_of(student, lengths), items)
        for i, length in enumerate(lengths):
            own = ids[i : i + 1, :length]
            alone = student.score(
                student.encode_prefix(student.prefix.embed(own), torch.ones_like(own)), None, items[i : i + 1]
            )
            assert torch.allclose(together[i : i + 1], alone, atol=1e-5)


def test_another_candidate_changes_no_score(students) -> None:
    student = students(3)
    items = torch.randn(1, 4, 3, HIDDEN)
    changed = items.clone()
    changed[0, 2] += 5
    with torch.no_grad():
        prefix, _ = prefix_of(student, [7])
        before, after = student.score(prefix, None, items), student.score(prefix, None, changed)
    assert torch.allclose(before[0, [0, 1, 3]], after[0, [0, 1, 3]], atol=1e-6)
    assert not torch.allclose(before[0, 2], after[0, 2], atol=1e-3)


def test_every_item_token_counts(students) -> None:
    student = students(3)
    items = torch.randn(1, 1, 3, HIDDEN)
    with torch.no_grad():
        prefix, _ = prefix_of(student, [7])
        before = student.score(prefix, None, items)
        for token in range(3):
            changed = items.clone()
            changed[0, 0, token] *= -1
            assert not torch.allclose(before, student.score(prefix, None, changed), atol=1e-4)


@pytest.mark.parametrize("match", [False, True])
def test_a_text_read_token_by_token_reads_as_that_many_item_tokens(students, match: bool) -> None:
    """What alignment compares differs by the compression alone."""
    student = students(3, match=match)
    items = torch.randn(2, 1, 3, HIDDEN)
    slots, student.slots.data = student.slots.data, torch.zeros(3, HIDDEN)
    try:
        with torch.no_grad():
            prefix, bias = prefix_of(student, [7, 4])
            by_items, states = student.read_items(prefix, bias, items, bins_of(2, 1))
            mask = torch.ones(2, 3, dtype=torch.long)
            by_text, read = student.read_text(prefix, bias, torch.arange(2), items[:, 0], mask, bins_of(2))
    finally:
        student.slots.data = slots
    assert torch.allclose(by_items[:, 0], by_text, atol=1e-5)
    assert torch.allclose(states[:, 0], read, atol=1e-5)


def test_a_student_that_starts_from_another_scores_as_it_does(students) -> None:
    base, grown = students(2), copy.deepcopy(students(2))
    for weight in grown.parameters():
        torch.nn.init.normal_(weight)
    grown.start_from_student(base)
    items = torch.randn(1, 4, 2, HIDDEN)
    with torch.no_grad():
        scores = [student.score(prefix_of(student, [7])[0], None, items) for student in (base, grown)]
    assert torch.allclose(*scores, atol=1e-6)


def test_item_tokens_do_not_depend_on_padding_or_company(students) -> None:
    student = students(4)
    ids = torch.randint(5, 1_000, (3, 12))
    mask = (torch.arange(12)[None] < torch.tensor([12, 5, 1])[:, None]).long()
    with torch.no_grad():
        together = student.encode_items(student.item.embed(ids), mask)
        for i, length in enumerate((12, 5, 1)):
            own = ids[i : i + 1, :length]
            alone = student.encode_items(student.item.embed(own), torch.ones_like(own))
            assert torch.allclose(together[i : i + 1], alone, atol=1e-5)


def test_item_tokens_start_at_different_parts_of_the_text(students) -> None:
    student = students(4)
    ids = torch.randint(5, 1_000, (1, 40))
    with torch.no_grad():
        items = student.encode_items(student.item.embed(ids), torch.ones_like(ids))[0]
    assert torch.pdist(items).min() > 1e-3


def test_one_item_token_starts_near_the_mean_of_the_text(students) -> None:
    """With one token the student starts at the sentence embedding's own pooling."""
    student = students(1)
    ids = torch.randint(5, 1_000, (1, 30))
    with torch.no_grad():
        hidden = student.item(ids, torch.ones_like(ids))
        token = student.encode_items(student.item.embed(ids), torch.ones_like(ids))[0, 0]
    assert torch.cosine_similarity(token, hidden[0].mean(0), dim=0) > 0.98


def test_a_student_begins_as_its_teacher(tiny: Path, students) -> None:
    teacher = CrossEncoder(tiny, ("relevance",), joint_layers=2)
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.add_(0.1)
    student = Student(tiny, tuple(TASKS), item_tokens=2, score_layers=2)
    student.start_from(teacher)
    top, whole = teacher.backbone.layers[1], teacher.backbone
    for own, taught in ((student.score_layers[0], top), (student.prefix, whole), (student.item, whole)):
        assert all(torch.equal(own.state_dict()[name], weight) for name, weight in taught.state_dict().items())


def test_a_teacher_of_another_shape_is_refused(tiny: Path) -> None:
    teacher = CrossEncoder(tiny, ("relevance",), joint_layers=2)
    del teacher.backbone.layers[-1]
    with refused(BadInput, "2 layers of 32", "3 of 32"):
        Student(tiny, tuple(TASKS), 2, 2).start_from(teacher)


def test_more_scoring_layers_than_the_backbone_has_are_refused(tiny: Path) -> None:
    with refused(BadInput, "score_layers", 4):
        Student(tiny, tuple(TASKS), 2, 4)
