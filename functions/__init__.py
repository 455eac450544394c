"""The HTTP functions, one folder each, deployed apart. They import `shared` and never each other."""
