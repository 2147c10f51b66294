"""From a document's bytes to pages of pixels."""
