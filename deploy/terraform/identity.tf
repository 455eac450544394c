resource "google_project_service" "api" {
  for_each = toset(local.apis)

  service            = each.key
  disable_on_destroy = false # others may use it
}

resource "google_service_account" "account" {
  for_each = local.accounts

  account_id   = "${local.prefix}-${each.key}"
  display_name = "HAYSTACK ${var.env}: ${each.value}"

  depends_on = [google_project_service.api]
}

# Google creates the account of Identity-Aware Proxy on request only.
resource "google_project_service_identity" "iap" {
  provider = google-beta

  project = var.project
  service = "iap.googleapis.com"

  depends_on = [google_project_service.api]
}

locals {
  # The bindings of deploy/iam.py, those that options add, and for each language model the job's access to its key.
  bindings_of = {
    for kind in ["project", "account", "bucket", "topic", "secret", "repository", "function"] : kind => {
      for name, each in merge(concat(
        [local.bindings],
        [for option, rows in local.option_bindings : rows if local.enabled[option]],
        [for name in var.llm_providers : local.llm[name].bindings],
      )...) :
      name => each if each.kind == kind
    }
  }
}

resource "google_project_iam_member" "binding" {
  for_each = local.bindings_of["project"]

  project = each.value.resource
  member  = each.value.member
  role    = each.value.role

  dynamic "condition" { # a database of the project
    for_each = each.value.condition == "" ? [] : [each.value.condition]
    content {
      title      = "${local.prefix} only"
      expression = condition.value
    }
  }

  depends_on = [google_service_account.account]
}

resource "google_service_account_iam_member" "binding" {
  for_each = local.bindings_of["account"]

  service_account_id = "projects/${var.project}/serviceAccounts/${each.value.resource}"
  member             = each.value.member
  role               = each.value.role

  depends_on = [google_service_account.account]
}

resource "google_storage_bucket_iam_member" "binding" {
  for_each = local.bindings_of["bucket"]

  bucket = each.value.resource
  member = each.value.member
  role   = each.value.role

  dynamic "condition" { # a folder of the bucket
    for_each = each.value.condition == "" ? [] : [each.value.condition]
    content {
      title      = "${local.prefix} only"
      expression = condition.value
    }
  }

  depends_on = [google_service_account.account, google_storage_bucket.bucket]
}

resource "google_pubsub_topic_iam_member" "binding" {
  for_each = local.bindings_of["topic"]

  topic  = each.value.resource
  member = each.value.member
  role   = each.value.role

  depends_on = [google_service_account.account, google_pubsub_topic.jobs]
}

resource "google_secret_manager_secret_iam_member" "binding" {
  for_each = local.bindings_of["secret"]

  secret_id = each.value.resource
  member    = each.value.member
  role      = each.value.role

  depends_on = [google_service_account.account, google_secret_manager_secret.page_token_key, google_secret_manager_secret.webhook_secret]
}

resource "google_artifact_registry_repository_iam_member" "binding" {
  for_each = local.bindings_of["repository"]

  location   = var.region
  repository = each.value.resource
  member     = each.value.member
  role       = each.value.role

  depends_on = [google_service_account.account, google_artifact_registry_repository.images]
}

resource "google_cloud_run_v2_service_iam_member" "binding" {
  for_each = local.bindings_of["function"]

  location = var.region
  name     = each.value.resource
  member   = each.value.member
  role     = each.value.role

  depends_on = [google_cloud_run_v2_service.function, google_project_service_identity.iap]
}

# A binding on the project would let the members of one environment into the other.
resource "google_iap_web_backend_service_iam_member" "member" {
  for_each = { for pair in setproduct(local.balanced, var.members) : "${pair[0]} ${pair[1]}" => pair }

  web_backend_service = google_compute_backend_service.function[each.value[0]].name
  member              = each.value[1]
  role                = local.member_role
}
