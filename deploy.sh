#!/usr/bin/env bash
# Sets the whole service up on Google Cloud; run again, it changes only what changed. ./deploy.sh --help
#
#   ./deploy.sh --project P --region R --domain D [--env dev|prod] [--production] [--only create,status]
#               [--member group:G] [--notify ops@example.org] [--origins https://app.example.org,...]
#               [--retention-days N] [--llm-secrets anthropic,openai] [--skip-image] [--dry-run]
#   ./deploy.sh destroy --project P --region R [--env dev|prod] [--dry-run] [--yes] [--data --yes-delete-data]
#
# What it does is in deploy/, in Python 3.11 without libraries; this script sees to the tools and starts it.
set -Eeuo pipefail

failed() {
  local code=$?
  echo "deploy.sh: line $1 failed with exit code ${code}: $2" >&2
  exit "${code}"
}
trap 'failed "${LINENO}" "${BASH_COMMAND}"' ERR

root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly root

die() {
  echo "deploy.sh: $1" >&2
  exit 2
}

find_python() {
  local candidate
  for candidate in "${PYTHON:-python3.11}" python3; do
    if "${candidate}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "${candidate}"
      return
    fi
  done
}

wants() {
  local wanted="$1" argument
  shift
  for argument in "$@"; do
    if [[ "${argument}" == "${wanted}" ]]; then return 0; fi
  done
  return 1
}

python="$(find_python)"
readonly python
[[ -n "${python}" ]] || die "Python 3.11 is needed; set PYTHON to where it is"

case "${1:-}" in
  "" | -h | --help | help) arguments=(--help) ;;
  deploy | destroy) arguments=("$@") ;;
  *) arguments=(deploy "$@") ;;
esac

if ! command -v gcloud >/dev/null && ! wants --dry-run "$@" && ! wants --help "${arguments[@]}"; then
  die "gcloud is needed: https://cloud.google.com/sdk/docs/install"
fi

# No bytecode: the repository is to be left as it was found.
PYTHONPATH="${root}" PYTHONDONTWRITEBYTECODE=1 "${python}" -m deploy "${arguments[@]}"
