"""Reading digits from pictures: ink, segmentation, the reader."""
