"""The service: a bundle, an index and a feature repository in; answers and a log of what was shown out.

One request: features -> candidates -> rank -> rules -> answer -> log. `http/` calls the engine, which knows nothing of
HTTP. Must not know: how a model was trained, nor replay.
"""
