"""The same service as `deploy.sh` creates, as a Terraform module for institutions that manage their projects with Terraform."""
