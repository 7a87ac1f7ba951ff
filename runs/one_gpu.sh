#!/usr/bin/env bash
# A server with one GPU: larger teachers with a Hugging Face backbone, a trained retrieval encoder, FAISS, Redis.
# Meant for 16 cores, 64 GB of memory and one GPU of 24 GB. NOT RUN YET as a whole: hours are unknown; each command is
# tested on a CPU. Two processes on one machine work the same without a GPU.
#
#     BACKBONE=path/to/a/hugging-face/folder REDIS_URL=localhost:6379 runs/one_gpu.sh my-data artifacts/gpu
set -euo pipefail
cd "$(dirname "$0")/.."
data=$1 workspace=$2

. .venv/bin/activate
pip install --constraint constraints.txt '.[all,redis]' # `.[gpu]` takes the place of onnxruntime: remove that first
export ROLECALL_POLICY_TEACHER__BACKBONE=$BACKBONE ROLECALL_CLICK_TEACHER__BACKBONE=$BACKBONE
export ROLECALL_POLICY_TEACHER__LORA='{rank: 16}' ROLECALL_CLICK_TEACHER__LORA='{rank: 16}'
export ROLECALL_POLICY_TEACHER__CHECKPOINTING=true ROLECALL_CLICK_TEACHER__CHECKPOINTING=true
export ROLECALL_ENCODER__TRAIN='{max_requests: 100000}'
export ROLECALL_INDEX__ENGINE=faiss
export ROLECALL_LABEL__TRAIN_LISTS=20000 ROLECALL_LABEL__GRADED_LISTS=5000

rolecall run --data "$data" --workspace "$workspace" --to training_set
for stage in verbalize embed; do # more processes for what Beam spreads; done already where nothing changed
    rolecall "$stage" --workspace "$workspace" --direct_running_mode=multi_processing --direct_num_workers=8
done
rolecall run --data "$data" --workspace "$workspace" --from policy_teacher --profile redis
# Something in front, with TLS, checks who asks; else name keys: docs/how-to/secure.md.
ROLECALL_SERVE__SECURITY__BEHIND_PROXY=true rolecall serve --workspace "$workspace" --host 0.0.0.0 --port 8080 --device cuda
