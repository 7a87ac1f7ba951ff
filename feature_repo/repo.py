"""What Feast reads in this folder: the definitions over $ROLECALL_WORKSPACE, by default the demo's workspace."""

import os

from feature_repo.definitions import declare

globals().update(declare(os.environ.get("ROLECALL_WORKSPACE", "../artifacts/demo")))
