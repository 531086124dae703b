"""Changes that leave the rule the same, and why: they are not wrong, and do not count."""

THE_SAME = {}
