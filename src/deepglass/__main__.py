"""``python -m deepglass`` is ``deepglass``."""

from .cli import main

raise SystemExit(main())
