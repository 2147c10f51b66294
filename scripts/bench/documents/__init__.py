"""Pages of many kinds, read by us, by an older commit and by tesseract."""
