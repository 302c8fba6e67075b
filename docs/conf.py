"""How Sphinx builds the documentation: `make docs`."""

import importlib.metadata

project = "tenfold"
author = copyright = "the tenfold developers"  # noqa: A001 - Sphinx's name
release = importlib.metadata.version("tenfold")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["images"]
napoleon_use_ivar = True
default_role = "code"  # docstrings put code in single backticks, as Markdown does
nitpicky = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = "tenfold"
html_static_path: list[str] = []
html_theme_options = {"navigation_with_keys": True}
