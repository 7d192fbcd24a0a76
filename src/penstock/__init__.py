"""penstock: write one async generator, stream it anywhere."""
