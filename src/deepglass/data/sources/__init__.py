"""Where samples come from: one file per format or named set."""
