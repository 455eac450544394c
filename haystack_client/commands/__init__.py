"""The commands of `haystack`, by what they are about; `haystack_client.__main__` registers them."""
