"""The teachers' model: a cross-encoder over the full text of request and job.

Lower layers read each text by itself, in the top ones every token of the job attends to every token of the request
(PreTTR, MacAvaney et al. 2020; DeFormer, Cao et al. 2020). A backbone tuned on single texts has learned nothing of
pairs below, and a text is read once and not once a pair. As in a decoder with the request as its prefix, the request
does not attend to the job: it is read once for all its jobs, and the student differs by its item tokens alone.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn

from models.backbone import Backbone, TaskHead, keys_values, mask_bias, mean_pool, run_layer, sentence_vectors, unit
from models.config import TeacherConfig

POSITIONS = 32


class CrossEncoder(nn.Module):
    """Tokens of a job attend to the request and to each other, are mean-pooled, and end in one logit a task.

    segment: added to the job's tokens where the texts meet, so that layers can tell them from the request's.
    position: an additive logit a (position, task) that takes up how far a job was looked at; it is learned beside the
    rest and left out when scoring, so that scores are of the job and not of its place (COOKBOOK 1.3).
    """

    def __init__(self, folder: Path, tasks: tuple[str, ...], joint_layers: int, trained: bool = True) -> None:
        super().__init__()
        self.backbone = Backbone(folder, trained)
        self.split = max(0, self.backbone.depth - joint_layers)
        self.segment = nn.Parameter(torch.zeros(self.backbone.hidden))
        self.head = TaskHead(tasks, sentence_vectors(self.backbone, folder, tasks))
        self.position = nn.Embedding(POSITIONS, len(tasks))
        nn.init.zeros_(self.position.weight)

    def forward(self, requests: tuple[Tensor, Tensor], jobs: tuple[Tensor, Tensor], request: Tensor, job: Tensor,
                first: int = 0) -> Tensor:  # fmt: skip
        """Logits (n, tasks) float32 of n pairs.

        requests, jobs: states (texts, len, H) that enter layer `first` (not above the joint layers) and mask (texts,
        len), each text once; request, job: (n,) int64, which of them a pair has.
        """
        asked = self.backbone.run(*requests, first, self.split)
        read = self.backbone.run(*jobs, first, self.split)
        offered = (read + self.segment)[job]
        asked_bias = mask_bias(requests[1], asked.dtype)
        bias = torch.cat((asked_bias[request], mask_bias(jobs[1], asked.dtype)[job]), -1)
        for layer in self.backbone.layers[self.split :]:
            keys, values = keys_values(layer, asked)
            own_keys, own_values = keys_values(layer, offered)
            both = torch.cat((keys[request], own_keys), 2), torch.cat((values[request], own_values), 2)
            offered = run_layer(layer, offered, *both, bias)
            asked = run_layer(layer, asked, keys, values, asked_bias)
        alone = unit(mean_pool(self.backbone.run(read, jobs[1], self.split), jobs[1]))
        match = unit(mean_pool(asked, requests[1]))[request] * alone[job]
        return self.head(mean_pool(offered, jobs[1][job]), match)


def save_teacher(out: Path, model: CrossEncoder, config: TeacherConfig, backbone: Path) -> None:
    """Write a teacher so that `load_teacher` needs nothing else."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(backbone / name, out)
    save_model(model, str(out / "model.safetensors"))
    about = {"tasks": model.head.tasks, "config": config.model_dump(mode="json")}
    (out / "teacher.json").write_text(json.dumps(about, indent=2))


def load_teacher(folder: Path) -> tuple[CrossEncoder, TeacherConfig]:
    """A trained teacher and its knobs, from the folder of its version (where its tokenizer lies as well)."""
    about = json.loads((folder / "teacher.json").read_text())
    config = TeacherConfig.model_validate(about["config"])
    model = CrossEncoder(folder, tuple(about["tasks"]), config.joint_layers, trained=False)
    load_model(model, str(folder / "model.safetensors"))
    return model.eval(), config
