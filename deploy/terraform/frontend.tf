# A group names its function without a reference, because the function needs the audience of its backend first.
resource "google_compute_region_network_endpoint_group" "function" {
  for_each = toset(local.balanced)

  name                  = "${local.prefix}-${each.key}"
  region                = var.region
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = "${local.prefix}-${each.key}"
  }

  depends_on = [google_project_service.api]
}

resource "google_compute_backend_service" "function" {
  for_each = toset(local.balanced)

  name                  = "${local.prefix}-${each.key}"
  load_balancing_scheme = "EXTERNAL_MANAGED"

  backend {
    group = google_compute_region_network_endpoint_group.function[each.key].id
  }

  iap {
    enabled = true
  }

  log_config {
    enable      = true
    sample_rate = local.log_sample_rate
  }

  lifecycle {
    # A custom OAuth client is set outside, so that the state never has its secret.
    ignore_changes = [iap[0].oauth2_client_id, iap[0].oauth2_client_secret]
  }
}

# Preflights carry no identity. Without other origins, the settings of IAP stay as they are.
resource "google_iap_settings" "preflights" {
  for_each = toset(local.enabled["origins"] ? local.balanced : [])

  name = "projects/${data.google_project.this.number}/iap_web/compute/services/${google_compute_backend_service.function[each.key].name}"

  access_settings {
    cors_settings {
      allow_http_options = true
    }
  }
}

resource "google_compute_global_address" "front" {
  name       = "${local.prefix}-front"
  ip_version = "IPV4"

  depends_on = [google_project_service.api]
}

resource "google_compute_managed_ssl_certificate" "front" {
  # A managed certificate cannot change its domain.
  name = "${local.prefix}-front-${substr(sha256(var.domain), 0, 8)}"

  managed {
    domains = [var.domain]
  }

  depends_on = [google_project_service.api]

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_compute_target_https_proxy" "front" {
  name             = "${local.prefix}-front"
  url_map          = google_compute_url_map.front.id
  ssl_certificates = [google_compute_managed_ssl_certificate.front.id]
}

resource "google_compute_target_http_proxy" "redirect" {
  name    = "${local.prefix}-redirect"
  url_map = google_compute_url_map.redirect.id
}

resource "google_compute_global_forwarding_rule" "front" {
  name                  = "${local.prefix}-front"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.front.id
  target                = google_compute_target_https_proxy.front.id
  port_range            = "443"
}

resource "google_compute_global_forwarding_rule" "redirect" {
  name                  = "${local.prefix}-redirect"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.front.id
  target                = google_compute_target_http_proxy.redirect.id
  port_range            = "80"

  # Port 80 must not redirect to a port that does not answer.
  depends_on = [google_compute_global_forwarding_rule.front]
}
