"""`python -m tallystick_skeleton loyalty`, in the root of a checkout."""

import sys
import tempfile
from pathlib import Path

from tallystick_skeleton.naming import Refused, check
from tallystick_skeleton.placing import changed, place
from tallystick_skeleton.staging import Failed, stage

DONE = """\
The service {name} is in services/{name}. These, which others share, know it now:

{shared}

Try it: `make check test`, then `make up`. CONTRIBUTING.md, "Add a service", says what is left.
"""


def main(root: Path, name: str) -> None:
    """Make the service in a copy of the checkout, then put what is new or changed into this one.

    Exits with 1 and a sentence if the name cannot be had or a step fails; nothing has changed then.
    """
    try:
        check(name, root)
        with tempfile.TemporaryDirectory(prefix="tallystick-service-") as folder:
            copy = Path(folder) / "copy"
            stage(root, name, copy)
            files = changed(copy, root)
            shared = [file for file in files if (root / file).exists()]
            place(copy, root, files)
    except (Refused, Failed) as error:
        sys.exit(f"make service: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.stdout.write(DONE.format(name=name, shared="\n".join(f"  {file}" for file in shared)))


if __name__ == "__main__":
    main(Path.cwd(), " ".join(sys.argv[1:]))
