terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.30"
    }
    google-beta = { # for the service identity of IAP only
      source  = "hashicorp/google-beta"
      version = "~> 6.30"
    }
  }

  # The bucket of the state: terraform init -backend-config=bucket=STATE_BUCKET
  backend "gcs" {}
}

provider "google" {
  project               = var.project
  region                = var.region
  billing_project       = var.project
  user_project_override = true
}

provider "google-beta" {
  billing_project       = var.project
  user_project_override = true
}

data "google_project" "this" {
  project_id = var.project
}
