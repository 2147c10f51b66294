"""The command `outbox`, which is `python -m outbox_client` too."""

from . import loading


def main() -> None:
    loading.begin()
    from .commands.app import run  # noqa: PLC0415  # it loads the rest

    run()


if __name__ == "__main__":
    main()
