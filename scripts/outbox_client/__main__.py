"""The command `outbox`, which is `python -m outbox_client` too."""

from . import loading


def main() -> None:
    loading.begin()
    try:
        from .commands.app import run  # noqa: PLC0415  # it loads the rest

        run()
    except KeyboardInterrupt:  # before there was anything to tell of
        from .commands.exit_codes import INTERRUPTED  # noqa: PLC0415

        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
