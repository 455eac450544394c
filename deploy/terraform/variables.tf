# The same as the options of deploy.sh; see "Options" in docs/deploy.md.

variable "project" {
  description = "Project id."
  type        = string
}

variable "region" {
  description = "Region of functions, jobs and buckets, such as us-central1."
  type        = string
}

variable "domain" {
  description = "Host name of the service."
  type        = string
}

variable "env" {
  description = "Environment: prod, or dev, whose resources have their own names."
  type        = string
  default     = "prod"

  validation {
    condition     = contains(["prod", "dev"], var.env)
    error_message = "env must be prod or dev."
  }
}

variable "job_image" {
  description = "Image of the job, by digest. `python -m deploy.terraform images` builds it."
  type        = string
  default     = ""
}

variable "function_images" {
  description = "Image of each function. `python -m deploy.terraform images` builds them."
  type        = map(string)
  default     = {}
}

variable "production" {
  description = "Keep an instance of create, list and status warm, and a week of Firestore history."
  type        = bool
  default     = false
}

variable "members" {
  description = "IAM members who may use the service, such as group:lab@example.org."
  type        = set(string)
  default     = []
}

variable "origins" {
  description = "Other web origins that may call the API, such as https://app.example.org."
  type        = list(string)
  default     = []
}

variable "notify" {
  description = "E-mail addresses that receive alerts."
  type        = set(string)
  default     = []
}

variable "retention_days" {
  description = "Delete runs and results after this number of days; 0 keeps them."
  type        = number
  default     = 0

  validation {
    condition     = var.retention_days == 0 || var.retention_days >= local.shortest_retention
    error_message = "retention_days must be 0 or at least ${local.shortest_retention}."
  }
}

variable "queue_limit" {
  description = "Minutes that a job may wait for its machine; 0: two days, Batch's limit."
  type        = number
  default     = 1440

  validation {
    condition     = var.queue_limit >= 0 && var.queue_limit <= local.longest_queue_minutes
    error_message = "queue_limit must be from 0 to ${local.longest_queue_minutes}."
  }
}

variable "llm_providers" {
  description = "Language model providers whose keys are in Secret Manager: anthropic, openai, google_genai."
  type        = list(string)
  default     = []

  validation {
    condition     = length(setsubtract(var.llm_providers, keys(local.llm))) == 0
    error_message = "llm_providers must be some of: ${join(", ", keys(local.llm))}."
  }
}

variable "network" {
  description = "Network of jobs: a name, or projects/P/global/networks/N; empty: the default network."
  type        = string
  default     = ""

  validation {
    condition     = (var.network == "") == (var.subnet == "")
    error_message = "Set network and subnet together."
  }
}

variable "subnet" {
  description = "Subnet of jobs in the region: a name, or projects/P/regions/R/subnetworks/S."
  type        = string
  default     = ""
}

variable "no_external_ip" {
  description = "Give jobs no external address; their subnet needs Private Google Access."
  type        = bool
  default     = false

  validation {
    condition     = !var.no_external_ip || var.subnet != ""
    error_message = "no_external_ip needs network and subnet of a subnet with Private Google Access."
  }
}

variable "webhook_hosts" {
  description = "Hosts that may receive webhooks about ended runs. Store their signing key, whsec_ followed by the base64 of 32 random bytes, in the secret haystack-webhook-secret."
  type        = list(string)
  default     = []
}

variable "smtp_host" {
  description = "Mail server for e-mail about ended runs; empty: no e-mail."
  type        = string
  default     = ""

  validation {
    condition     = (var.smtp_host == "") == (var.smtp_from == "") && (var.smtp_user == "" || var.smtp_host != "")
    error_message = "Set smtp_host and smtp_from together; smtp_user needs both."
  }
}

variable "smtp_port" {
  description = "Port of the mail server."
  type        = number
  default     = 587
}

variable "smtp_user" {
  description = "User of the mail server, whose password is in the secret haystack-smtp-password; empty: no sign-in."
  type        = string
  default     = ""
}

variable "smtp_from" {
  description = "Sender address of e-mail; with smtp_host."
  type        = string
  default     = ""
}

variable "no_email_owners" {
  description = "Hide runs that are stored under an e-mail address, as in earlier releases, instead of an account id."
  type        = bool
  default     = false
}
