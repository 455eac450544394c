#!/usr/bin/env bash
# Print a token with which a program passes Identity-Aware Proxy for one hour: deploy/token.sh SERVICE_ACCOUNT DOMAIN
# The account signs it through IAM, without a key. The caller needs roles/iam.serviceAccountTokenCreator on the account.
set -euo pipefail

account="${1:?missing argument: SERVICE_ACCOUNT}"
domain="${2:?missing argument: DOMAIN}"
now="$(date +%s)"
folder="$(mktemp -d)"
trap 'rm -rf "${folder}"' EXIT

printf '{"iss":"%s","sub":"%s","aud":"https://%s/*","iat":%d,"exp":%d}' \
  "${account}" "${account}" "${domain}" "${now}" "$((now + 3600))" >"${folder}/claims"
gcloud iam service-accounts sign-jwt "${folder}/claims" "${folder}/token" --iam-account="${account}" >&2
cat "${folder}/token"
