"""docs/operators.md is generated; the page in the repository must be the one that this build
generates."""

import subprocess

import locate


def test_page_is_not_stale():
    generated = subprocess.run(
        [str(locate.model_convert()), "operators", "--markdown"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    page = (locate.REPOSITORY / "docs" / "operators.md").read_text()
    assert page == generated, "docs/operators.md is stale: run `make docs` and commit the page"
