//! A simulated plant.
