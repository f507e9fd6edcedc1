"""The processes of a consortium: hospitals' nodes, a coordinator, and all of them on one machine."""
