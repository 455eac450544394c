"""HTTP: how a request is taken and an answer given. Nothing below it knows of HTTP."""
