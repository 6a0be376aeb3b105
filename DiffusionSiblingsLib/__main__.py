"""`python -m DiffusionSiblingsLib`: the same as `siblings`."""

from .apps.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
