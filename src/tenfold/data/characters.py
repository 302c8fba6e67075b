"""The characters that numbers are made of, in the order of a detector's classes."""

# Ten digits and the marks that stand between them; "." is a point or a comma.
DETECTED_CLASSES = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", ".", "-", "/", ":")
