public enum PlaceholderRuntime {}
