"""Read an explanation: what one sees is why each job was found and what weighed how much in its order.

A blend is a weighted sum of what was compared for a request and a job. Here its weights are written by hand; in a
bundle they were learned, and probabilities of a view or an application from the student stand beside. A service answers
`GET /v1/explain/{request_id}/{job_id}` with the same value. The truck driver stands before the care assistant for its
place: such an order shows that the place weighs too much.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from contracts.activity import Activity
from contracts.bundle import Blend
from contracts.examples import PAIR_FEATURES
from contracts.workspace import Workspace
from ranking.explain import explain
from ranking.features import pair_features
from ranking.rank import as_retrieved
from retrieval.encoder import TextEncoder
from retrieval.filters.filters import Filter
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from retrieval.request import build_request
from rolecall.cli import app

JOBS = """id,title,company,location,description,updated_at
1,Registered Nurse,Mercy,"Denver, Colorado",Medication and wound dressing,2026-11-01T00:00:00Z
2,Care Assistant,Mercy,"Austin, Texas",Help residents of a home through their day,2026-11-02T00:00:00Z
3,Truck Driver,Hill Freight,"Denver, Colorado",Long haul with a class A licence,2026-11-03T00:00:00Z
"""
WEIGHTS = {"dense": 2.0, "terms": 1.0, "same_city": 0.5}

if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        data, workspace = Path(folder) / "data", Workspace(Path(folder) / "workspace")
        data.mkdir()
        (data / "jobs.csv").write_text(JOBS)
        for command in (["ingest", "--data", str(data)], ["verbalize"], ["train", "encoder"], ["embed"]):
            app(["--quiet", *command, "--workspace", str(workspace.root)], standalone_mode=False)
        index = JobIndex.load(build_index(workspace))
        request = build_request("", Activity(), "nurse", "Denver, Colorado", Filter(), datetime.now(UTC))
        vector = TextEncoder(workspace.encoder).encode([request.request_text], "request")[0]
        candidates = index.search(request, vector, 3)
        retrieved = as_retrieved(candidates)
        features = pair_features(index, index.activity, request, candidates.rows, vector)
        weights = tuple(WEIGHTS.get(name, 0.0) for name in PAIR_FEATURES)
        zeros, ones = (0.0,) * len(weights), (1.0,) * len(weights)
        blend = Blend(names=PAIR_FEATURES, weights=weights, means=zeros, scales=ones)
        for place in (features @ weights).argsort()[::-1]:
            print(index.display(int(candidates.rows[place]))["title"])
            because = retrieved.because(int(place))
            explanation = explain(candidates.found_by(int(place)), because, {}, blend, features[place])
            print("".join(f"    {sentence}\n" for sentence in explanation.words))
            print("".join(f"    {value:+.2f} {name}\n" for name, value in explanation.contributions.items() if value))
