"""Reading digits from pictures: foreground, segmentation, the reader."""
