# SPDX-License-Identifier: GPL-2.0-only
"""The paper as one HTML file, in light and dark, and as a PDF.

Where it stands: PAPER.md, analysis/pictures > [html] > build/paper.  python3-markdown and WeasyPrint do the work.
"""
from __future__ import annotations

import base64
import html as escapes
import logging
import re
from pathlib import Path

from . import REPO, ReportError

try:
    import markdown
except ImportError as error:
    raise SystemExit(f"analysis: {error}: run `make deps-paper` (and /usr/bin/python3: another Python does not see Debian's "
                     "packages)") from None

# Longhand where a variable is used: WeasyPrint of Debian 12 knows no variables in shorthands.
STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1a1a1a; --faint: #595959; --line: #d9d9d9; --code: #f4f4f4; --link: #005a9c; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181d; --ink: #eceff1; --faint: #aab2ba; --line: #3a424b; --code: #1e252c; --link: #7fc4f5; }
}
@media print { :root { --paper: #ffffff; --ink: #000000; --faint: #444444; --line: #bbbbbb; --code: #f4f4f4; --link: #000000; } }
html, body { background-color: var(--paper); color: var(--ink); }
html { font: 16px/1.5 "DejaVu Sans", Verdana, sans-serif; }
body { max-width: 62rem; margin: 0 auto; padding: 1.5rem; }
h1, h2, h3 { line-height: 1.25; } h2 { margin-top: 2.2em; border-bottom: 1px solid; border-color: var(--line); }
a { color: var(--link); } em { color: var(--faint); }
table { border-collapse: collapse; font-size: 0.82em; display: block; overflow-x: auto; }
th, td { border: 1px solid; border-color: var(--line); padding: 0.3em 0.5em; vertical-align: top; text-align: left; }
code, pre { font-family: "DejaVu Sans Mono", monospace; font-size: 0.88em; background-color: var(--code); }
pre { padding: 0.7em; overflow-x: auto; } pre code { font-size: 1em; }
img { max-width: 100%; height: auto; }
.toc { font-size: 0.9em; columns: 2; } .toc ul { list-style: none; padding: 0; margin: 0; }
"""
# On paper: nothing scrolls, so tables keep their form and long words break.
PRINT = """
@page { size: A4; margin: 15mm 16mm; @bottom-right { content: counter(page); font: 8pt "DejaVu Sans"; } }
@media print {
  html { font-size: 8.6pt; line-height: 1.42; } body { max-width: none; padding: 0; }
  h1 { font-size: 1.7em; } h2 { font-size: 1.3em; margin-top: 1.6em; } h3 { font-size: 1.1em; } h2, h3 { break-after: avoid; }
  table { display: table; font-size: 0.82em; width: 100%; overflow: visible; } td, th { overflow-wrap: break-word; } tr { break-inside: avoid; }
  pre { white-space: pre-wrap; font-size: 0.82em; tab-size: 4; } img { max-height: 95mm; }
}
"""
PICTURE = re.compile(r'<picture><source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"]+)"><img alt="(?P<alt>[^"]*)" '
                     r'src="(?P<light>[^"]+)"></picture>')


def _uri(path: str, root: Path) -> str:
    try:
        data = (root / path).read_bytes()
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}: run `make paper`") from None
    return "data:image/svg+xml;base64," + base64.b64encode(data).decode()


def page(text: str, *, dark: bool, root: Path = REPO) -> str:
    """PAPER.md's text as a page that needs no other file.

    dark    with the dark pictures, too; without them for paper
    """
    def picture(found: re.Match[str]) -> str:
        source = f'<source media="(prefers-color-scheme: dark)" srcset="{_uri(found["dark"], root)}">' if dark else ""
        return f'<picture>{source}<img alt="{found["alt"]}" src="{_uri(found["light"], root)}"></picture>'
    title = next((line[2:] for line in text.splitlines() if line.startswith("# ")), "")
    # The marks have done their work.
    clean = re.sub(r"<!-- (?:n: [^>]+|/n) -->", "", re.sub(r"<!-- (?:begin [^>]+|end) -->\n", "\n", text))
    made = markdown.Markdown(extensions=["tables", "fenced_code", "toc"], extension_configs={"toc": {"toc_depth": "2-2"}}, output_format="html5")
    body = PICTURE.sub(picture, made.convert(clean))
    body = body.replace("</h1>", f"</h1>\n<nav>{made.toc}</nav>", 1)  # type: ignore[attr-defined]
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{escapes.escape(title)}</title><style>{STYLE}{PRINT}</style></head>\n<body>\n{body}\n</body></html>\n")


def pdf(text: str, out: Path, root: Path = REPO) -> None:
    """The same on paper, with the light pictures."""
    try:
        import weasyprint
    except ImportError as error:
        raise ReportError(f"{error}: run `make deps-paper`") from None
    # It tells of each CSS property that is for screens.
    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    # Without a base: where the tree lies is nobody's business, so links into it are text.
    weasyprint.HTML(string=page(text, dark=False, root=root)).write_pdf(str(out))
