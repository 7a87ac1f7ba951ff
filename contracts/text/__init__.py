"""Text, made once for all folders: records as sentences, words and stems, places, titles, token ids.

In: records and raw text. Out: text, words and ids, the same in batch, stream and request. Opens no network and no
model.
"""
