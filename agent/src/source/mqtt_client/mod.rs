//! Brokers that already stand, to which the agent subscribes.
