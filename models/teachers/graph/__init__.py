"""The graph teacher: it reads the market around a pair, and corrects what the click teacher says of its two texts.

`teacher` is the plug, `config` its knobs, `market` the pairs as places in the graph, `structure` how both sides' walks
meet. The rungs: `sign` (G0), `sage` (G1), `reader` (G2).
"""
