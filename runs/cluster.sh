#!/usr/bin/env bash
# Several machines: Beam on Flink, training under torchrun, Redis for features and job changes, replicas of the service.
# Meant for four workers of 16 cores and two machines of four GPUs each. NOT RUN YET: no cluster has run these lines;
# torchrun is tested with two processes on one CPU, Redis with a local server. All machines must see the workspace
# under the same path.
#
#     FLINK=host:8081 REDIS_URL=host:6379 MASTER=host NODE=0 runs/cluster.sh /shared/data /shared/workspace
set -euo pipefail
cd "$(dirname "$0")/.."
data=$1 workspace=$2
beam=(--runner=FlinkRunner --flink_master="$FLINK" --parallelism=64 --environment_type=LOOPBACK)
train=(torchrun --nnodes 2 --node-rank "${NODE:-0}" --nproc-per-node 4 --master-addr "$MASTER" --master-port 29500 -m rolecall)

. .venv/bin/activate
rolecall ingest --data "$data" --workspace "$workspace" "${beam[@]}"
rolecall golden import --data "$data" --workspace "$workspace"
rolecall verbalize --workspace "$workspace" "${beam[@]}"
rolecall activity --workspace "$workspace" "${beam[@]}"
rolecall links learn --or-none --workspace "$workspace"
rolecall train encoder --workspace "$workspace"
rolecall embed --workspace "$workspace" "${beam[@]}"
rolecall label --workspace "$workspace" "${beam[@]}"
rolecall features training-set --workspace "$workspace"
"${train[@]}" train policy --workspace "$workspace" # the same line on every machine, with its own NODE
"${train[@]}" train click --workspace "$workspace"
rolecall train student --workspace "$workspace"
rolecall export --workspace "$workspace"
rolecall embed --what items --workspace "$workspace" "${beam[@]}"
rolecall index --workspace "$workspace"
rolecall features materialize --workspace "$workspace" --profile redis
rolecall replay --workspace "$workspace"
# One of these on every machine that serves, behind a balancer that asks /readyz.
# Something in front, with TLS, checks who asks; else name keys: docs/how-to/secure.md.
ROLECALL_SERVE__SECURITY__BEHIND_PROXY=true rolecall serve --workspace "$workspace" --host 0.0.0.0 --port 8080 --changes "redis://$REDIS_URL#jobs"
