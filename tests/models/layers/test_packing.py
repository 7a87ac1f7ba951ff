"""Questions that share a prompt are answered as if each had its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import BadInput
from models.layers.decoder import answer_margin
from models.layers.packing import Item, Prompt, pack, packed_margins, require_packing
from tests.make import refused

WORDS = (7, 3)
ids = st.lists(st.integers(0, 39), min_size=1, max_size=6)
items = st.lists(st.builds(Item, ids, st.lists(ids, min_size=1, max_size=3)), min_size=1, max_size=4)
prompts = st.lists(st.builds(Prompt, ids, items), min_size=1, max_size=3)


def made(family: str) -> Any:
    """A decoder of two layers of 32 numbers whose random weights are large enough that places and tokens matter."""
    import transformers as hf

    torch.manual_seed(0)
    small: dict[str, Any] = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    if family == "gpt2":
        model: Any = hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=40, n_embd=32, n_layer=2, n_head=4, n_positions=64))
    elif family == "mamba":
        model = hf.MambaForCausalLM(hf.MambaConfig(vocab_size=40, hidden_size=32, num_hidden_layers=1, state_size=4))
    else:
        config = hf.LlamaConfig(**small, intermediate_size=48, num_key_value_heads=2, max_position_embeddings=64)
        model = hf.LlamaForCausalLM(config)
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.3)
    return model.eval()


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request: pytest.FixtureRequest) -> Any:
    return made(request.param)


@settings(max_examples=25)
@given(prompts)
def test_packed_questions_equal_one_by_one(model: Any, made_prompts: list[Prompt]) -> None:
    """Held against the plain path of a prompt alone, which knows of no packing: a list of ids and a causal mask."""
    with torch.inference_mode():
        together = packed_margins(model, pack(made_prompts), WORDS)
        alone = [
            answer_margin(model, torch.tensor([whole]), torch.ones(1, len(whole), dtype=torch.long), WORDS)
            for prompt in made_prompts
            for item in prompt.items
            for ending in item.endings
            if (whole := [*prompt.trunk, *item.ids, *ending])
        ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-5)


def test_attention_that_adds_the_mask_reads_alike(model: Any) -> None:
    packed = pack(
        [Prompt([1, 2, 3], [Item([4, 5], [[6], [7, 8]]), Item([9], [[10, 11]])]), Prompt([1], [Item([2], [[3]])])]
    )
    with torch.inference_mode():
        fused = packed_margins(model, packed, WORDS)
        model.set_attn_implementation("eager")
        added = packed_margins(model, packed, WORDS)
        model.set_attn_implementation("sdpa")
    torch.testing.assert_close(fused, added, atol=1e-4, rtol=1e-5)


def test_the_margin_is_float32_of_a_backbone_in_bfloat16() -> None:
    model = made("llama").to(torch.bfloat16)
    packed = pack([Prompt([1, 2], [Item([3], [[4], [5]])])])
    with torch.inference_mode():
        margins = packed_margins(model, packed, WORDS)
        hidden = model.base_model(input_ids=torch.tensor([[1, 2, 3, 4]])).last_hidden_state[0, -1].float()
        rows = model.lm_head.weight.float()
        alone = float(hidden @ (rows[WORDS[0]] - rows[WORDS[1]]))
    assert margins.dtype == torch.float32
    assert float(margins[0]) == pytest.approx(alone, abs=0.05)  # attention with and without a mask differs in bfloat16
    assert len({float(margin.to(torch.bfloat16)) for margin in margins} & set(margins.tolist())) < 2


def test_a_gradient_of_one_question_stays_out_of_the_others(model: Any) -> None:
    """The table of tokens gets a gradient from the tokens that the question sees, and from no other."""
    model.zero_grad()
    packed = pack([Prompt([10], [Item([11], [[12], [13]]), Item([14], [[15]])])])
    packed_margins(model, packed, WORDS)[1].backward()
    grads = model.get_input_embeddings().weight.grad
    touched = set(torch.nonzero(grads.abs().sum(1)).flatten().tolist()) - set(WORDS)
    assert touched & {10, 11, 12, 13, 14, 15} == {10, 11, 13}
    model.zero_grad()


def test_a_model_without_attention_is_refused() -> None:
    with refused(BadInput, "mamba", where="toy"):
        require_packing(made("mamba"), WORDS, "toy")


def test_weights_that_are_no_numbers_are_refused() -> None:
    model = made("llama")
    with torch.no_grad():
        model.model.norm.weight[0] = torch.nan
    with refused(BadInput, "finite", where="toy"):
        require_packing(model, WORDS, "toy")
    for dtype in (torch.float32, torch.bfloat16):
        require_packing(made("llama").to(dtype), WORDS, "toy")
