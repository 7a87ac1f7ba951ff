#!/usr/bin/env bash
# The whole recipe on a laptop: two cores, 8 GB of memory, no GPU. Run as it stands: 8 minutes on two server cores for the
# demo (500 members, 1,500 jobs, 40,000 events); with your own data, plan an hour for 100,000 jobs, most of it `embed`
# (an estimate, not measured).
#
#     runs/laptop.sh                    a simulated market in artifacts/demo
#     runs/laptop.sh my-data            a folder of members, jobs and events in artifacts/mine
set -euo pipefail
cd "$(dirname "$0")/.."

make setup
. .venv/bin/activate
rolecall doctor
if [ $# -eq 0 ]; then
    workspace=artifacts/demo
    rolecall run --workspace "$workspace"
else
    workspace=artifacts/mine
    rolecall validate "$1"
    rolecall run --data "$1" --workspace "$workspace"
fi
rolecall serve --workspace "$workspace" --port 8080
