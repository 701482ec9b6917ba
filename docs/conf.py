"""Settings of the documentation site; `make docs` builds it."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))

from metadisco import __version__  # noqa: E402

project = "metadisco"
author = "the metadisco contributors"
copyright = author
version = release = __version__

# Where the site's own pages and the files beside docs/ lie; GitHub's workflows say it themselves.
server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
repository = f"{server}/{os.environ.get('GITHUB_REPOSITORY', 'OWNER/metadisco')}"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "mathml",
    "metadisco_site",
]
exclude_patterns = ["_ext", "jupyter_execute"]
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
myst_dmath_allow_space = False
myst_dmath_allow_digits = False

# Executed once, and again when their code changes.
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "notebooks")
nb_execution_in_temp = True  # they write files
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # nothing is loaded from elsewhere

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
# Types of other libraries have no page here; links between pages are checked all the same.
nitpick_ignore_regex = [("py:.*", ".*")]
default_role = "literal"  # in docstrings `x` is code
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Fields"]
maximum_signature_line_length = 88

html_theme = "sphinx_book_theme"
html_title = "metadisco"
html_static_path = ["_static"]
html_css_files = ["metadisco.css"]
html_math_renderer = "mathml"
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "repository_url": repository,
    "repository_branch": "main",
    "path_to_docs": "docs",
    "use_repository_button": "OWNER" not in repository,
    "use_issues_button": "OWNER" not in repository,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "launch_buttons": {"colab_url": "https://colab.research.google.com"} if "OWNER" not in repository else {},
    "home_page_in_toc": False,
    "navbar_start": [],
    "navbar_center": [],
    "navbar_end": [],
    "navbar_persistent": [],
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"
