enum PlaceholderGraph {}
