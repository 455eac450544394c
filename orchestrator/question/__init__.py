"""From the text of a question to what it asks of which atlas."""
