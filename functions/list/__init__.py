"""List: the caller's runs."""
