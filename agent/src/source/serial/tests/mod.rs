//! Instruments on pseudo terminals, with the test in the committer's place.

mod noise;
mod polling;
mod replugging;
mod waiting;
mod world;
