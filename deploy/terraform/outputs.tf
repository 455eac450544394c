output "address" {
  description = "IP address for the A record of the domain."
  value       = google_compute_global_address.front.address
}

output "url" {
  description = "Address of the service."
  value       = "https://${var.domain}"
}

output "ingest_settings" {
  description = "Environment in which operators ingest atlases on Batch."
  value = merge(
    local.ingest.environment,
    [for option, values in local.ingest.options : values if local.enabled[option]]...
  )
}
