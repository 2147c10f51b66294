"""What commands answer, as text and as JSON. Each imports what it needs: see `app.py`."""
