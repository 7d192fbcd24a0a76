"""The demo: a scripted model, one endpoint in three formats, and a page to watch both ends."""
