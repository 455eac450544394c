resource "google_artifact_registry_repository" "images" {
  location               = var.region
  repository_id          = local.prefix
  format                 = "DOCKER"
  cleanup_policy_dry_run = false

  dynamic "cleanup_policies" {
    for_each = local.cleanup_policies
    content {
      id     = cleanup_policies.key
      action = cleanup_policies.value.action.type

      dynamic "condition" {
        for_each = try([cleanup_policies.value.condition], [])
        content {
          tag_state    = condition.value.tag_state
          older_than   = try(condition.value.older_than, null)
          tag_prefixes = try(condition.value.tag_prefixes, null)
        }
      }

      dynamic "most_recent_versions" {
        for_each = try([cleanup_policies.value.most_recent_versions], [])
        content {
          keep_count = most_recent_versions.value.keep_count
        }
      }
    }
  }

  depends_on = [google_project_service.api]
}

# The first apply has this target: what builds of images need.
resource "terraform_data" "before_images" {
  depends_on = [
    google_artifact_registry_repository_iam_member.binding,
    google_project_iam_member.binding,
    google_secret_manager_secret.page_token_key,
    google_secret_manager_secret.webhook_secret,
    google_storage_bucket_iam_member.binding,
  ]
}

locals {
  environment = {
    for name, function in local.functions :
    name => merge(function.environment, [for option, values in function.options : values if local.enabled[option]]...)
  }
  secrets = {
    for name, function in local.functions :
    name => merge(function.secrets, [for option, values in function.option_secrets : values if local.enabled[option]]...)
  }
}

resource "google_cloud_run_v2_service" "function" {
  for_each = local.functions

  name                = "${local.prefix}-${each.key}"
  location            = var.region
  ingress             = each.value.ingress
  deletion_protection = false # functions have no data

  scaling {
    min_instance_count = var.production ? each.value.warm_instances : 0
  }

  template {
    service_account                  = google_service_account.account[each.value.account].email
    timeout                          = "${each.value.timeout_seconds}s"
    max_instance_request_concurrency = each.value.concurrency

    scaling {
      max_instance_count = each.value.max_instances
    }

    containers {
      image = lookup(var.function_images, each.key, null)

      resources {
        limits            = { cpu = "1", memory = "${each.value.memory_mib}Mi" }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = local.environment[each.key]
        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = local.secrets[each.key]
        content {
          name = env.key
          value_source {
            secret_key_ref {
              secret  = env.value
              version = "latest"
            }
          }
        }
      }
    }
  }

  lifecycle {
    precondition {
      condition     = contains(keys(var.function_images), each.key) && strcontains(var.job_image, "@sha256:")
      error_message = "Build the images first, with `python -m deploy.terraform images`, or set job_image (NAME@sha256:DIGEST) and function_images (one for each function)."
    }
  }

  # A function starts only if its account may read its secrets.
  depends_on = [
    google_artifact_registry_repository_iam_member.binding,
    google_firestore_database.database,
    google_project_iam_member.binding,
    google_secret_manager_secret_iam_member.binding,
  ]
}
