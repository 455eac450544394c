#!/usr/bin/env bash
# Deploy the whole service to Google Cloud. A repeated run applies only the changes. See ./deploy.sh --help
#
#   ./deploy.sh --project P --region R --domain D [--env dev|prod] [--production] [--only create,status]
#               [--member group:G] [--notify ops@example.org] [--origins https://app.example.org,...]
#               [--retention-days N] [--queue-limit MINUTES] [--llm-secrets anthropic,openai] [--skip-image] [--dry-run]
#               [--build-region us-central1] [--network N --subnet S [--no-external-ip]] [--iap-client-id ID]
#               [--frontend FOLDER]
#   ./deploy.sh destroy --project P --region R [--env dev|prod] [--dry-run] [--yes] [--data --yes-delete-data]
#   ./deploy.sh doctor --project P --region R [--domain D] [--env dev|prod] [--service-account A]
#   ./deploy.sh verify --project P --region R --domain D [--env dev|prod] [--service-account A] | --url http://127.0.0.1:8080
#
# This script finds the tools and starts the program in deploy/, which needs Python 3.11 or newer without libraries.
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
  for candidate in ${PYTHON:+"${PYTHON}"} python3.13 python3.12 python3.11 python3; do
    if "${candidate}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "${candidate}"
      return
    fi
  done
}

has_option() {
  local option="$1" argument
  shift
  for argument in "$@"; do
    if [[ "${argument}" == "${option}" ]]; then return 0; fi
  done
  return 1
}

python="$(find_python)"
readonly python
[[ -n "${python}" ]] || die "Python 3.11, 3.12 or 3.13 is required. Set PYTHON to its path."

case "${1:-}" in
  "" | -h | --help | help) arguments=(deploy --help) ;;
  deploy | destroy | doctor | verify) arguments=("$@") ;;
  *) arguments=(deploy "$@") ;;
esac

# verify needs gcloud only to sign in as a service account.
if [[ "${arguments[0]}" != verify ]] && ! command -v gcloud >/dev/null && ! has_option --dry-run "$@" && ! has_option --help "${arguments[@]}"; then
  die "gcloud is required: https://cloud.google.com/sdk/docs/install"
fi

# Write no bytecode into the repository.
export PYTHONPATH="${root}" PYTHONDONTWRITEBYTECODE=1
exec "${python}" -m deploy "${arguments[@]}" # its messages say all
