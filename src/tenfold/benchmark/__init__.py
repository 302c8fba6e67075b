"""How fast this machine trains, with tenfold and with others."""
