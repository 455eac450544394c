# tables.tf.json and the other generated files refer to these names.
locals {
  prefix         = var.env == "prod" ? "haystack" : "haystack-${var.env}"
  title          = var.env == "prod" ? "" : " ${var.env}"
  database       = var.env == "prod" ? "(default)" : local.prefix
  source_bucket  = "run-sources-${replace(var.project, "google", "elgoog")}-${var.region}"
  invoker        = google_service_account.account["invoker"].email
  job_network    = strcontains(var.network, "/") ? var.network : "projects/${var.project}/global/networks/${var.network}"
  job_subnetwork = strcontains(var.subnet, "/") ? var.subnet : "projects/${var.project}/regions/${var.region}/subnetworks/${var.subnet}"

  # Which options add to the environment of functions.
  enabled = {
    origins         = length(var.origins) > 0
    retention       = var.retention_days > 0
    llm             = length(var.llm_providers) > 0
    network         = var.subnet != ""
    no_external_ip  = var.no_external_ip
    webhooks        = length(var.webhook_hosts) > 0
    smtp            = var.smtp_host != ""
    smtp_user       = var.smtp_user != ""
    no_email_owners = var.no_email_owners
  }
}
