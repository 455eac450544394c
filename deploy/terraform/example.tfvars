# terraform plan -var-file=example.tfvars; the images come from images.auto.tfvars.json.
project        = "haystack-lab"
region         = "us-central1"
domain         = "haystack.example.org"
production     = true
members        = ["group:lab@example.org"]
notify         = ["ops@example.org"]
retention_days = 90
