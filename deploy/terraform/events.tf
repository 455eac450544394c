resource "google_pubsub_topic" "jobs" {
  name = "${local.prefix}-jobs"

  depends_on = [google_project_service.api]
}

resource "google_pubsub_subscription" "jobs_to_reconcile" {
  name                       = "${local.prefix}-jobs-to-reconcile"
  topic                      = google_pubsub_topic.jobs.name
  ack_deadline_seconds       = 310      # longer than the timeout of reconcile
  message_retention_duration = "86400s" # a notification is a hint; the sweep covers lost ones

  expiration_policy {
    ttl = "" # never
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  push_config {
    push_endpoint = "${local.reconcile_url}${local.reconcile_path}"

    oidc_token {
      service_account_email = local.invoker
      audience              = local.reconcile_url
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.binding]
}

resource "google_cloud_scheduler_job" "sweep" {
  name             = "${local.prefix}-sweep"
  region           = var.region
  schedule         = local.sweep_schedule
  time_zone        = "Etc/UTC"
  attempt_deadline = "310s"

  retry_config {
    retry_count = 0 # the next sweep is a minute away
  }

  http_target {
    uri         = "${local.reconcile_url}${local.reconcile_path}"
    http_method = "POST"
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode("{}")

    oidc_token {
      service_account_email = local.invoker
      audience              = local.reconcile_url
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.binding]
}

# alerts.tf.json has the policies of deploy/alerts.
resource "google_monitoring_notification_channel" "operator" {
  for_each = var.notify

  display_name = "HAYSTACK: ${each.key}"
  type         = "email"
  labels       = { email_address = each.key }

  depends_on = [google_project_service.api]
}
