"""What several processes share that are forked from one: loaded once, and warmed before there is a second."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from dataclasses import fields
from typing import cast

from threadpoolctl import threadpool_limits

from contracts.workspace import Workspace
from feature_repo.online import OnlineMembers
from feature_repo.store import open_store
from history.unclicked import Unclicked, unclicked_days
from retrieval.engines.side_by_side import keep_to
from retrieval.onnx_session import chosen_providers
from retrieval.rules.rules import find_rules
from serving.answering import Answerer
from serving.config import ServeConfig
from serving.metrics import Metrics
from serving.servable import Loaded, Servable, load
from serving.warm_up import warm_up

log = logging.getLogger("rolecall")

NOBODY = cast(OnlineMembers, None)
"""First answers are to nobody: no member is read."""


def survives_fork(config: ServeConfig) -> bool:
    """Whether what is loaded can be used by a forked process: threads and what a GPU holds do not come along."""
    on_cpu = config.device is None and chosen_providers(config.providers) == ["CPUExecutionProvider"]
    return sys.platform == "linux" and config.call_threads == 1 and on_cpu


def preload(workspace: Workspace, config: ServeConfig) -> Loaded | None:
    """Load what `config` serves, with all that first answers load of libraries and tables; None where a thread runs.

    From here on this process works on one core at a time.

    Raises what `load`, `find_rules` and `open_store` raise.
    """
    keep_to(1)
    threadpool_limits(1, user_api="blas")
    rules = find_rules(workspace, config.rules)
    loaded = load(workspace, config)
    open_store(workspace)  # for its libraries; each process opens its own
    parts = {part.name: getattr(loaded, part.name) for part in fields(Loaded)}
    answerer = Answerer(rules, Unclicked(unclicked_days(rules.enabled)), Metrics(), config.deadline)
    warm_up(answerer, Servable(**parts, members=NOBODY))
    if threading.active_count() > 1:  # such as a plugin's
        log.warning("each process loads for itself: %s", ", ".join(of.name for of in threading.enumerate()))
        return None
    gc.collect()
    gc.freeze()  # else each process's collector writes to the objects of all, and no page stays shared
    return loaded
