#!/usr/bin/env bash
# Prints a token that Identity-Aware Proxy takes from a program, good for an hour: deploy/token.sh SERVICE_ACCOUNT DOMAIN
# The account signs it through IAM, so there is no key; whoever calls this needs roles/iam.serviceAccountTokenCreator on it.
set -euo pipefail

account="${1:?which service account?}"
domain="${2:?which domain?}"
now="$(date +%s)"
folder="$(mktemp -d)"
trap 'rm -rf "${folder}"' EXIT

printf '{"iss":"%s","sub":"%s","aud":"https://%s/*","iat":%d,"exp":%d}' \
  "${account}" "${account}" "${domain}" "${now}" "$((now + 3600))" >"${folder}/claims"
gcloud iam service-accounts sign-jwt "${folder}/claims" "${folder}/token" --iam-account="${account}" >&2
cat "${folder}/token"
