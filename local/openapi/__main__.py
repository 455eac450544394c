"""`python -m local.openapi` writes `docs/openapi.yaml` anew."""

from local.openapi.document import FILE, as_yaml

if __name__ == "__main__":
    FILE.write_text(as_yaml(), encoding="utf-8")
    print(f"wrote {FILE}")
