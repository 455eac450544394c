"""The command line for people, `haystack`. It speaks the HTTP API and knows nothing else of the service."""
