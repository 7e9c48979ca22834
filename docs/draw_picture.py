"""Draw docs/images/report.png: verdict and first finding of the demo's report, taken by a headless browser.

Needs Chromium or Chrome on the path; the picture shows scikit-learn's digits only.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "report.png"
WIDTH, HEIGHT = 1000, 1340
MOST_BYTES = 300_000


def browser() -> str:
    """The path of a browser.

    Raises:
        SystemExit: there is none.
    """
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        found = shutil.which(name)
        if found:
            return found
    raise SystemExit("draw_picture: expected chromium or google-chrome on the path, found neither.")


def photograph(page: Path, picture: Path) -> None:
    """Photograph the upper part of a page, without the section that tells what was examined."""
    with tempfile.TemporaryDirectory() as profile:
        shot, short = Path(profile) / "shot.png", Path(profile) / "report.html"
        examined = re.compile(r'<section aria-labelledby="examined">.*?</section>', re.DOTALL)
        short.write_text(examined.sub("", page.read_text(encoding="utf-8")), encoding="utf-8")
        command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={profile}/profile", f"--window-size={WIDTH},{HEIGHT}"]
        command += [f"--screenshot={shot}", short.as_uri()]
        subprocess.run(command, check=True, timeout=60, capture_output=True)
        with Image.open(shot) as image:
            small = image.convert("RGB").quantize(128)
    picture.parent.mkdir(parents=True, exist_ok=True)
    small.save(picture, optimize=True)
    if picture.stat().st_size > MOST_BYTES:
        raise SystemExit(
            f"draw_picture: {picture} has {picture.stat().st_size} bytes, more than {MOST_BYTES}"
        )


def main() -> None:
    """Run the demo and photograph its report of the digits, or the page named on the command line."""
    if len(sys.argv) > 1:
        photograph(Path(sys.argv[1]), PICTURE)
    else:
        with tempfile.TemporaryDirectory() as folder:
            demo = [sys.executable, str(ROOT / "examples" / "demo.py"), "--out", f"{folder}/demo-out"]
            subprocess.run(demo, check=True, timeout=600)
            photograph(Path(folder) / "demo-out" / "report-digits" / "report.html", PICTURE)
    print(f"written: {PICTURE}")


if __name__ == "__main__":
    main()
