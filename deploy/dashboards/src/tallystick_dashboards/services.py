"""The services that have messages, as `deploy/services.toml` lists them."""

import tomllib
from pathlib import Path

LIST = Path(__file__).parents[3] / "services.toml"
MESSAGING = [name for name, one in tomllib.loads(LIST.read_text()).items() if one["messages"]]
