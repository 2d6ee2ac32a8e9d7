enum PlaceholderZoo {}
