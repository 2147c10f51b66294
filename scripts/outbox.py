"""The companion script: `python scripts/outbox.py` is the command `outbox`."""

from outbox_client.__main__ import main

if __name__ == "__main__":
    main()
