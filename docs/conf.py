"""Configuration of the documentation site: `make site`."""

from incidentwire import __version__

project = "Incidentwire"
release = __version__
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3  # levels of headings that can be linked to
exclude_patterns = ["schemas"]
html_theme = "furo"
html_title = f"Incidentwire {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}
suppress_warnings = ["misc.highlighting_failure"]  # of blocks such as ```search
