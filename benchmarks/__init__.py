"""Programs that measure. Each compares with its rivals in the same run and writes `results/<name>.json`."""
