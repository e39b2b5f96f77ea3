"""``python -m dba_cli`` is ``dba``."""

from dba_cli.cli import main

if __name__ == "__main__":
    main()
