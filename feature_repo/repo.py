"""What Feast reads in this folder: the definitions over $ROLECALL_WORKSPACE, by default the demo's workspace."""

import os
from pathlib import Path

from feature_repo.definitions import declare

_here = Path(__file__).resolve().parent
_workspace = Path(os.environ.get("ROLECALL_WORKSPACE") or _here.parent / "artifacts" / "demo").resolve()
globals().update(declare(_here, str(_workspace)))
