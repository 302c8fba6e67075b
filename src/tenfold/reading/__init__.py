"""Reading numbers from pictures: detection, grouping, decoding, the reader."""
