"""The language of deepglass: types, op records, values, tensors and traces.

This package knows no backend and no op by name.
"""
