"""One record a rule: `_records/NAME.py` holds its `RECORD`. Read through `gdfunc.rules.records()`.

A transcription takes the gradients of one parameter, shaped (steps, ...), the parameters they were taken at, and the
rule's numbers by name; it returns the updates, in NumPy float64, straight from the paper. What it does not name it does
not cover: settings that leave the default there are held against the witnesses only.
"""
