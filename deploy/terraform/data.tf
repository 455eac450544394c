resource "google_firestore_database" "database" {
  name                    = local.database
  location_id             = var.region
  type                    = "FIRESTORE_NATIVE"
  delete_protection_state = "DELETE_PROTECTION_ENABLED"

  point_in_time_recovery_enablement = (
    var.production ? "POINT_IN_TIME_RECOVERY_ENABLED" : "POINT_IN_TIME_RECOVERY_DISABLED"
  )

  depends_on = [google_project_service.api]

  lifecycle {
    prevent_destroy = true
  }
}

locals {
  firestore = jsondecode(file("${path.module}/../../firestore.indexes.json"))
}

resource "google_firestore_index" "index" {
  for_each = {
    for index in local.firestore.indexes :
    join(" ", concat([index.collectionGroup], index.fields[*].fieldPath)) => index
  }

  database    = google_firestore_database.database.name
  collection  = each.value.collectionGroup
  query_scope = each.value.queryScope

  dynamic "fields" {
    for_each = each.value.fields
    content {
      field_path   = fields.value.fieldPath
      order        = try(fields.value.order, null)
      array_config = try(fields.value.arrayConfig, null)
    }
  }
}

resource "google_firestore_field" "field" {
  for_each = { for field in local.firestore.fieldOverrides : "${field.collectionGroup} ${field.fieldPath}" => field }

  database   = google_firestore_database.database.name
  collection = each.value.collectionGroup
  field      = each.value.fieldPath

  index_config {} # without an index

  dynamic "ttl_config" {
    for_each = try(each.value.ttl, false) && var.retention_days > 0 ? [true] : []
    content {}
  }
}

locals {
  # The cheaper class bills a minimum of days.
  cheaper = var.retention_days == 0 || var.retention_days >= local.lifecycle.cheaper_after + local.lifecycle.cheaper_at_least
  results_lifecycle = concat(
    [local.lifecycle.broken_uploads],
    [for age in [local.lifecycle.cheaper_after] :
    { action = { type = "SetStorageClass", storage_class = "NEARLINE" }, condition = { age = age } } if local.cheaper],
    [for age in [var.retention_days] :
    { action = { type = "Delete" }, condition = { age = age, matches_prefix = ["runs/"] } } if age > 0],
  )
  buckets = {
    results = { name = local.results_bucket, lifecycle = local.results_lifecycle, cors = [local.results_cors] }
    atlases = { name = local.atlas_bucket, lifecycle = [local.lifecycle.broken_uploads], cors = [] }
    sources = { name = local.source_bucket, lifecycle = [local.lifecycle.old_sources], cors = [] }
  }
}

resource "google_storage_bucket" "bucket" {
  for_each = local.buckets

  name                        = each.value.name
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  dynamic "cors" {
    for_each = each.value.cors
    content {
      origin          = concat(["https://${var.domain}"], var.origins)
      method          = cors.value.method
      response_header = cors.value.response_header
      max_age_seconds = cors.value.max_age_seconds
    }
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.lifecycle
    content {
      action {
        type          = lifecycle_rule.value.action.type
        storage_class = try(lifecycle_rule.value.action.storage_class, null)
      }
      condition {
        age            = lifecycle_rule.value.condition.age
        matches_prefix = try(lifecycle_rule.value.condition.matches_prefix, null)
      }
    }
  }

  depends_on = [google_project_service.api]

  lifecycle {
    prevent_destroy = true
  }
}

# The values of secrets are added outside, so that the state never has them.
resource "google_secret_manager_secret" "webhook_secret" {
  count = local.enabled.webhooks ? 1 : 0

  secret_id = local.webhook_secret

  replication {
    auto {}
  }

  depends_on = [google_project_service.api]
}

resource "google_secret_manager_secret" "page_token_key" {
  secret_id = local.page_token_key

  replication {
    auto {}
  }

  depends_on = [google_project_service.api]
}
