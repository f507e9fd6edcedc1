"""The coordinator: Flower's SuperLink behind doors of our own. It is trusted for delivery only."""
