"""`python -m outbox_client` is the command `outbox`."""

from .commands.app import main

if __name__ == "__main__":
    main()
