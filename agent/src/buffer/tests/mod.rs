//! Behaviour of the buffer as a whole.

mod conservation;
mod damage;
mod model;
mod world;
