"""Models: any SDK's stream in, any chat front end's protocol out."""
