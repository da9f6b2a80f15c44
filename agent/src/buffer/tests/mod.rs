//! Behaviour of the buffer as a whole.

mod conservation;
mod damage;
mod fixture;
mod frozen;
mod lanes;
mod model;
mod quota;
mod replay;
mod rescue;
mod world;
