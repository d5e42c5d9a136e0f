"""The site: these pages and the reference, built by `make docs`; whatever is broken fails it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_site"))

project = "Tallystick"
copyright = "the Tallystick authors, Apache-2.0"  # noqa: A001  # Sphinx's name
extensions = ["myst_parser", "sphinx.ext.autodoc", "tables", "references"]
exclude_patterns = ["_site"]
nitpicky = True

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

default_role = "code"  # docstrings quote names with single backticks
autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
add_module_names = False  # the page is of one module
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "Tallystick"
html_copy_source = False
html_show_sphinx = False
